//! The schedule: checked, and kept as written for the scheduler.

use crate::diagnostic::{Problem, codes};
use crate::grammar::{GrammarError, Period, parse_schedule, parse_zone};
use crate::reader::{At, Cx, Fields};
use crate::tree::Kind;
use serde_json::{Map, Value as Json};

/// Reads `every 1h`, a list of such, or the long form.
pub(super) fn read(cx: &mut Cx<'_>, at: &At<'_>) -> Option<Json> {
    match &at.node.kind {
        Kind::Broken => None,
        Kind::Scalar(scalar) => {
            if let Err(GrammarError { expected }) = parse_schedule(&scalar.text) {
                return wrong(cx, at, &scalar.text, &expected);
            }
            Some(Json::String(scalar.text.clone()))
        }
        Kind::List(_) => {
            let items = at.items().unwrap_or_default();
            let read: Vec<_> = items.iter().map(|item| read(cx, item)).collect();
            read.into_iter().collect::<Option<Vec<_>>>().map(Json::Array)
        }
        Kind::Map(_) => long(cx, at),
    }
}

fn long(cx: &mut Cx<'_>, at: &At<'_>) -> Option<Json> {
    let mut keys = Fields::open(cx, at.clone(), "a schedule")?;
    for word in ["every", "daily", "weekly", "monthly", "weekdays", "weekends", "cron"] {
        if let Some(at) = keys.take(word)
            && let Some(text) = cx.text(&at, "a schedule")
        {
            let line = if word == "cron" { text.to_owned() } else { format!("{word} {text}") };
            if let Err(GrammarError { expected }) = parse_schedule(&line) {
                wrong::<()>(cx, &at, text, &expected);
            }
        }
    }
    if let Some(at) = keys.take("zone")
        && let Some(text) = cx.text(&at, "a time zone")
        && let Err(GrammarError { expected }) = parse_zone(text)
    {
        wrong::<()>(cx, &at, text, &expected);
    }
    for period in ["jitter", "window", "deadline"] {
        if let Some(at) = keys.take(period) {
            cx.parsed::<Period>(&at, "a duration");
        }
    }
    if let Some(at) = keys.take("overlap") {
        cx.word(&at, &[("skip", ()), ("queue_one", ()), ("cancel_other", ())]);
    }
    if let Some(at) = keys.take("catch_up") {
        cx.word(&at, &[("none", ()), ("last", ()), ("all", ())]);
    }
    if let Some(at) = keys.take("pause_on_failure") {
        cx.count(&at, 1);
    }
    keys.know(&["after", "except", "start", "end", "retry"]);
    keys.finish(cx);
    Some(as_written(at))
}

fn wrong<T>(cx: &mut Cx<'_>, at: &At<'_>, text: &str, expected: &str) -> Option<T> {
    let problem = Problem::new(codes::SCHEDULE, at.node.span.clone(), &at.path, format!("`{text}` is not a schedule"));
    cx.add(problem.expected(expected));
    None
}

/// A value as JSON: what has no quotes and looks like a number or truth value is one.
fn as_written(at: &At<'_>) -> Json {
    match &at.node.kind {
        Kind::Broken => Json::Null,
        Kind::Scalar(scalar) => {
            let number = scalar.number().map(Json::Number);
            number.or(scalar.truth().map(Json::Bool)).unwrap_or_else(|| Json::String(scalar.text.clone()))
        }
        Kind::List(_) => Json::Array(at.items().unwrap_or_default().iter().map(as_written).collect()),
        Kind::Map(entries) => {
            let read = |entry: &crate::tree::Entry| (entry.key.clone(), as_written(&at.entry(entry)));
            Json::Object(entries.iter().map(read).collect::<Map<_, _>>())
        }
    }
}
