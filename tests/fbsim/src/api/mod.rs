//! The Graph API itself: every path outside `/__sim`.

mod access;
mod answer;
mod call;
mod debug_token;
mod error;
mod feed;
mod fields;
mod listing;
mod pages;
mod params;
mod post_view;
mod posts;
mod throttle;

pub(crate) use call::is_page_id;

use crate::connection::Connection;
use crate::faults::{Fault, FaultKind, OpKind, When};
use crate::server::Sim;
use crate::state::World;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use call::{Call, Route};
use error::ApiError;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Answers one Graph call, or spoils it as the fault plan wants.
pub(crate) async fn serve(
    State(sim): State<Arc<Sim>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let call = match Call::read(&parts, body).await {
        Ok(call) => call,
        Err(error) => return answer::refused(&sim, &error),
    };
    let (fault, half_latency) = {
        let mut world = sim.world();
        world.calls += 1;
        let half = Duration::from_millis(world.settings.latency_ms / 2);
        let fault = world.faults.strike(call.route.op(), call.route.page().unwrap_or_default());
        let is_write = u64::from(call.route.op() != OpKind::Read);
        world.writes += is_write;
        world.struck += is_write * u64::from(fault.is_some());
        (fault, half)
    };
    wait(half_latency).await;
    let response = match fault {
        Some(fault) if fault.kind == FaultKind::DelayedExec => delay(&sim, call, &connection, fault.ms),
        Some(fault) if fault.at == When::BeforeExec && !shapes_the_read(fault) => {
            spoil(&sim, &connection, &call, fault.kind, None).await
        }
        fault => {
            let result = execute(&mut sim.world(), &call, fault);
            match (fault.filter(|fault| fault.at == When::AfterExec && !shapes_the_read(*fault)), result) {
                (Some(fault), Ok(value)) => spoil(&sim, &connection, &call, fault.kind, Some(&value)).await,
                (_, result) => answer::graph(&sim, &call, result),
            }
        }
    };
    wait(half_latency).await;
    response
}

async fn wait(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

fn shapes_the_read(fault: Fault) -> bool {
    use FaultKind as Kind;
    matches!(fault.kind, Kind::ReadLag | Kind::ReadOmits | Kind::ShortPage | Kind::EmptyPage | Kind::DupPage)
}

/// Cuts the connection now and executes the call later, as a slow server does after its client has given up.
fn delay(sim: &Arc<Sim>, call: Call, connection: &Connection, ms: u64) -> Response {
    connection.reset();
    let later = Arc::clone(sim);
    let generation = sim.world().generation;
    tokio::spawn(async move {
        tokio::select! {
            () = later.stopped() => return,
            () = tokio::time::sleep(Duration::from_millis(ms)) => {}
        }
        let mut world = later.world();
        if world.generation == generation {
            // Nobody is left to be told, of an error either.
            drop(execute(&mut world, &call, None));
        }
    });
    ().into_response()
}

/// The answer that a fault gives in place of the real one (`executed`, if there was an execution).
async fn spoil(sim: &Sim, connection: &Connection, call: &Call, kind: FaultKind, executed: Option<&Value>) -> Response {
    match kind {
        FaultKind::Reset => {
            connection.reset();
            ().into_response()
        }
        FaultKind::Timeout => {
            sim.stopped().await;
            connection.reset();
            ().into_response()
        }
        FaultKind::Error { status, code, subcode } => {
            answer::graph(sim, call, Err(ApiError::from_fault(status, code, subcode)))
        }
        FaultKind::Html502 => answer::html_502(),
        FaultKind::Truncated => answer::truncated(executed),
        FaultKind::SuccessFalse => answer::graph(sim, call, Ok(serde_json::json!({ "success": false }))),
        FaultKind::Empty
        | FaultKind::DelayedExec
        | FaultKind::ReadLag
        | FaultKind::ReadOmits
        | FaultKind::ShortPage
        | FaultKind::EmptyPage
        | FaultKind::DupPage => ().into_response(),
    }
}

/// Does what the call asks for, under the world's lock. `fault` matters to reads only.
fn execute(world: &mut World, call: &Call, fault: Option<Fault>) -> Result<Value, ApiError> {
    throttle::admit(world, call)?;
    let caller = access::admit(world, call)?;
    match &call.route {
        Route::CreatePost { page } => feed::create(world, call, &caller, page),
        Route::UpdatePost { post, .. } => posts::update(world, call, &caller, post),
        Route::DeletePost { post, .. } => posts::delete(world, &caller, post),
        Route::ReadPost { post, .. } => posts::read(world, call, post, fault),
        Route::ReadPage { page } => pages::read(world, call, page),
        Route::List { page, edge } => listing::list(world, call, page, *edge, fault),
        Route::Me => pages::me(world, call, &caller),
        Route::Accounts => pages::accounts(world, call, &caller),
        Route::DebugToken => debug_token::read(world, call),
        Route::Unknown { what, .. } => Err(ApiError::unsupported(what)),
    }
}
