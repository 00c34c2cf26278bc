//! `/__site`: changes, orders and the report. JSON in, JSON out.

use crate::answers::{Answer, Rule};
use crate::log::{Entry, Report};
use crate::offers::Offer;
use crate::server::Shared;
use crate::site::{ChangeError, Site};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

type Refusal = (StatusCode, Json<Value>);
type Changed = Result<Json<Value>, Refusal>;

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/report", get(report))
        .route("/log", get(log).delete(clear_log))
        .route("/offers", get(offers))
        .route("/edit", post(async |state: State<Arc<Shared>>, body: Json<Which>| change(&state, body.0, Site::edit)))
        .route(
            "/withdraw",
            post(async |state: State<Arc<Shared>>, body: Json<Which>| change(&state, body.0, Site::withdraw)),
        )
        .route(
            "/remove",
            post(async |state: State<Arc<Shared>>, body: Json<Which>| change(&state, body.0, Site::remove)),
        )
        .route("/add", post(add))
        .route("/answers", get(answers).post(answer).delete(clear_answers))
        .route("/reset", post(reset))
}

/// Offers by number or by reference.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Which {
    /// So many that no such change has taken yet.
    Count(usize),
    /// These.
    Refs(Vec<String>),
}

fn change(shared: &Shared, which: Which, apply: fn(&mut Site, &[String]) -> Result<(), ChangeError>) -> Changed {
    let mut site = shared.site();
    let picked = match which {
        Which::Count(count) => site.pick(count),
        Which::Refs(references) => Ok(references),
    };
    let references = picked.and_then(|references| apply(&mut site, &references).map(|()| references));
    references.map(|references| Json(json!({ "refs": references }))).map_err(|error| bad(&error.to_string()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Count {
    count: u32,
}

/// More than that at once would fill the memory of a slip of the finger.
const MAX_ADDED: u32 = 100_000;

async fn add(State(shared): State<Arc<Shared>>, Json(Count { count }): Json<Count>) -> Changed {
    if count > MAX_ADDED {
        return Err(bad("at most 100000 offers at once"));
    }
    Ok(Json(json!({ "refs": shared.site().add(count) })))
}

async fn offers(State(shared): State<Arc<Shared>>) -> Json<Vec<Offer>> {
    Json(shared.site().newest_first().cloned().collect())
}

async fn report(State(shared): State<Arc<Shared>>) -> Json<Report> {
    Json(shared.site().log.report())
}

async fn log(State(shared): State<Arc<Shared>>) -> Json<Vec<Entry>> {
    Json(shared.site().log.entries())
}

async fn clear_log(State(shared): State<Arc<Shared>>) -> Json<Value> {
    shared.site().log.clear();
    done()
}

async fn answers(State(shared): State<Arc<Shared>>) -> Json<Vec<Rule>> {
    Json(shared.site().rules.clone())
}

async fn answer(State(shared): State<Arc<Shared>>, Json(rule): Json<Rule>) -> Changed {
    if matches!(rule.answer, Answer::Status(status) if !(400..=599).contains(&status)) {
        return Err(bad("a status lies between 400 and 599"));
    }
    shared.site().rules.push(rule);
    Ok(done())
}

async fn clear_answers(State(shared): State<Arc<Shared>>) -> Json<Value> {
    shared.site().rules.clear();
    done()
}

async fn reset(State(shared): State<Arc<Shared>>) -> Json<Value> {
    shared.site().restore();
    done()
}

fn bad(reason: &str) -> Refusal {
    (StatusCode::BAD_REQUEST, Json(json!({ "error": reason })))
}

fn done() -> Json<Value> {
    Json(json!({ "ok": true }))
}
