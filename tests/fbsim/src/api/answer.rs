//! Responses: the Graph API's headers around a body, and the broken ones of the fault plan.

use super::call::Call;
use super::error::ApiError;
use super::throttle;
use crate::server::Sim;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response as HttpResponse, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::hash::{DefaultHasher, Hash, Hasher};

const API_VERSION: HeaderName = HeaderName::from_static("facebook-api-version");
const TRACE: HeaderName = HeaderName::from_static("x-fb-trace-id");
const APP_USAGE: HeaderName = HeaderName::from_static("x-app-usage");
const BUSINESS_USAGE: HeaderName = HeaderName::from_static("x-business-use-case-usage");
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=UTF-8");

/// The answer to a call: its result with version, trace and usage; 304 if the client has it already.
pub(crate) fn graph(sim: &Sim, call: &Call, result: Result<Value, ApiError>) -> Response {
    let (trace, usage) = {
        let world = sim.world();
        (trace_id(world.calls), throttle::usage(&world, call.route.page()))
    };
    let mut response = match result {
        Ok(value) => fresh(call, &value),
        Err(error) => failure(&error, &trace),
    };
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(API_VERSION, &call.version);
    set(TRACE, &trace);
    if let Some(usage) = usage.app {
        set(APP_USAGE, &usage.to_string());
    }
    if let Some(usage) = usage.business {
        set(BUSINESS_USAGE, &usage.to_string());
    }
    response
}

/// The answer to what is no Graph call.
pub(crate) fn refused(sim: &Sim, error: &ApiError) -> Response {
    let calls = sim.world().calls;
    failure(error, &trace_id(calls))
}

/// A gateway's page in place of an answer.
pub(crate) fn html_502() -> Response {
    let page = "<!DOCTYPE html><html lang=\"en\"><title>Facebook | Error</title><h1>Sorry, something went wrong.</h1>";
    (StatusCode::BAD_GATEWAY, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}

/// The first half of the JSON that belonged here.
pub(crate) fn truncated(executed: Option<&Value>) -> Response {
    let mut text = executed.map_or_else(|| "{\"data\":[".to_owned(), Value::to_string);
    let half = (0..=text.len() / 2).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.truncate(half);
    (StatusCode::OK, [(header::CONTENT_TYPE, JSON)], text).into_response()
}

fn fresh(call: &Call, value: &Value) -> Response {
    let body = value.to_string();
    let is_read = call.route.op() == crate::faults::OpKind::Read;
    if !is_read {
        return (StatusCode::OK, [(header::CONTENT_TYPE, JSON)], body).into_response();
    }
    let mut hash = DefaultHasher::new();
    (&body, &call.token).hash(&mut hash);
    let etag = format!("\"{:016x}\"", hash.finish());
    if call.if_none_match.as_deref() == Some(etag.as_str()) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response();
    }
    (StatusCode::OK, [(header::CONTENT_TYPE, JSON)], [(header::ETAG, etag)], body).into_response()
}

fn failure(error: &ApiError, trace: &str) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::new(Body::from(error.body(trace).to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

/// Looks like the real ones, and tells which call it was.
fn trace_id(call: u64) -> String {
    format!("Asim{call:011}")
}
