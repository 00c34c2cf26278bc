//! `/__sim`: the oracle, the fault plan, the settings, and what a page's owner does by hand. JSON in, JSON out.

use crate::api::is_page_id;
use crate::faults::{FaultPlan, FaultState};
use crate::journal::JournalError;
use crate::oracle::{self, Expectation, Report};
use crate::server::Sim;
use crate::settings::Settings;
use crate::state::{Effect, WriteOp};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// An expectation of 100,000 posts fits.
const MAX_BODY: usize = 64 << 20;

type Shared = State<Arc<Sim>>;

pub(crate) fn router() -> Router<Arc<Sim>> {
    Router::new()
        .route("/effects", get(effects))
        .route("/report", get(report).post(report_against))
        .route("/reset", post(reset))
        .route("/faults", get(faults).post(set_faults))
        .route("/settings", get(settings).post(change_settings))
        .route("/token", post(set_token))
        .route("/throttle", post(throttle))
        .route("/admin/post", post(post_by_hand))
        .route("/admin/edit/{post}", post(edit_by_hand))
        .route("/admin/delete/{post}", post(delete_by_hand))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

/// A refusal, for people.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

impl From<JournalError> for Refusal {
    fn from(error: JournalError) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

fn bad(reason: &(impl ToString + ?Sized)) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, reason.to_string())
}

/// Which effects to show.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct EffectsQuery {
    page: Option<String>,
    marker: Option<String>,
    op: Option<WriteOp>,
    /// Only those with a greater `seq`.
    after: u64,
}

async fn effects(State(sim): Shared, Query(query): Query<EffectsQuery>) -> Json<Value> {
    let world = sim.world();
    let wanted: Vec<&Effect> = world
        .effects
        .iter()
        .filter(|effect| effect.seq > query.after)
        .filter(|effect| query.page.as_ref().is_none_or(|page| *page == effect.page))
        .filter(|effect| query.marker.is_none() || query.marker == effect.marker)
        .filter(|effect| query.op.is_none_or(|op| op == effect.op))
        .collect();
    Json(json!({ "effects": wanted }))
}

async fn report(State(sim): Shared) -> Json<Report> {
    Json(oracle::report(&sim.world(), None))
}

async fn report_against(State(sim): Shared, Json(expected): Json<Expectation>) -> Json<Report> {
    Json(oracle::report(&sim.world(), Some(&expected)))
}

async fn reset(State(sim): Shared) -> Result<Json<Value>, Refusal> {
    sim.world().reset()?;
    Ok(done())
}

async fn faults(State(sim): Shared) -> Json<Value> {
    Json(json!(sim.world().faults))
}

async fn set_faults(State(sim): Shared, Json(plan): Json<FaultPlan>) -> Result<Json<Value>, Refusal> {
    plan.check().map_err(|error| bad(&error))?;
    sim.world().faults = FaultState::new(plan);
    Ok(done())
}

async fn settings(State(sim): Shared) -> Json<Value> {
    Json(json!(sim.world().settings))
}

async fn change_settings(State(sim): Shared, Json(change): Json<Value>) -> Result<Json<Value>, Refusal> {
    let mut world = sim.world();
    let mut merged = json!(world.settings);
    // Secrets are never shown, so they are not in the JSON of the settings.
    merged["app_secret"] = world.settings.app_secret.clone().into();
    merged["user_token"] = world.settings.user_token.clone().into();
    let Value::Object(change) = change else { return Err(bad("the settings are a JSON object")) };
    for (name, value) in change {
        merged[name.as_str()] = value;
    }
    world.settings = serde_json::from_value::<Settings>(merged).map_err(|error| bad(&error))?;
    Ok(Json(json!(world.settings)))
}

/// Sets a page's token, or revokes the one it has.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenChange {
    page: String,
    /// From now on the only one; revives the page.
    token: Option<String>,
    /// The subcode with which every call is refused from now on.
    revoked: Option<u32>,
    /// The app that the token belongs to.
    app: Option<String>,
}

async fn set_token(State(sim): Shared, Json(change): Json<TokenChange>) -> Result<Json<Value>, Refusal> {
    if change.token.is_none() && change.revoked.is_none() && change.app.is_none() {
        return Err(bad("give token, revoked (a subcode such as 460) or app"));
    }
    check_page(&change.page)?;
    let mut world = sim.world();
    let page = world.page_mut(&change.page);
    if let Some(token) = change.token {
        page.token = Some(token);
        page.revoked = None;
    }
    page.revoked = change.revoked.or(page.revoked);
    page.app = change.app.or_else(|| page.app.take());
    Ok(done())
}

/// Silences a page (80001) or, without one, the app (4).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Throttle {
    page: Option<String>,
    /// From now; 0 ends it.
    ms: u64,
}

async fn throttle(State(sim): Shared, Json(order): Json<Throttle>) -> Result<Json<Value>, Refusal> {
    let mut world = sim.world();
    let until = world.now_ms().saturating_add_unsigned(order.ms);
    match order.page {
        Some(page) => {
            check_page(&page)?;
            world.page_mut(&page).throttled_until = until;
        }
        None => world.app_throttled_until = until,
    }
    Ok(done())
}

/// A post that a person makes on the page itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HandPost {
    page: String,
    #[serde(default)]
    message: String,
    link: Option<String>,
}

async fn post_by_hand(State(sim): Shared, Json(hand): Json<HandPost>) -> Result<Json<Value>, Refusal> {
    check_page(&hand.page)?;
    let mut world = sim.world();
    let effect = world.post_by_hand(hand.page, hand.message, hand.link)?;
    Ok(Json(json!({ "id": effect.post })))
}

/// What a person writes over a post.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HandEdit {
    message: String,
}

async fn edit_by_hand(
    State(sim): Shared,
    Path(post): Path<String>,
    Json(edit): Json<HandEdit>,
) -> Result<Json<Value>, Refusal> {
    found(sim.world().edit_by_hand(&post, &edit.message)?, &post)
}

async fn delete_by_hand(State(sim): Shared, Path(post): Path<String>) -> Result<Json<Value>, Refusal> {
    found(sim.world().delete_by_hand(&post)?, &post)
}

fn found(found: bool, post: &str) -> Result<Json<Value>, Refusal> {
    if found { Ok(done()) } else { Err(Refusal(StatusCode::NOT_FOUND, format!("there is no post {post}"))) }
}

fn check_page(page: &str) -> Result<(), Refusal> {
    if is_page_id(page) { Ok(()) } else { Err(bad("a page's id has 1 to 64 letters, digits, `.`, `_` or `-`")) }
}

fn done() -> Json<Value> {
    Json(json!({ "ok": true }))
}
