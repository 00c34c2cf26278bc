//! The schedule: read by its own crate, and kept as written for the scheduler.

use crate::diagnostic::{Problem, codes};
use crate::reader::{At, Cx, Fields};
use crate::tree::Kind;
use jobpipe_schedule::{KEYS, Schedule, ScheduleError};
use serde_json::{Map, Value as Json};

/// Reads `every 1h`, a list of such, or the long form. `import` is the name of the import that it is in.
pub(crate) fn read(cx: &mut Cx<'_>, at: &At<'_>, import: Option<&str>) -> Option<Json> {
    let mut places = Vec::new();
    spread(at, &mut places);
    for map in places.iter().filter(|at| matches!(at.node.kind, Kind::Map(_))) {
        let mut keys = Fields::open(cx, map.clone(), "a schedule")?;
        keys.know(KEYS);
        keys.finish(cx);
    }
    let json = as_written(at);
    match Schedule::read(&json) {
        Ok(schedule) => follows_others(cx, &places, &schedule, import)?,
        Err(errors) => {
            for error in errors.iter().filter(|error| !error.unknown_key) {
                tell(cx, at, &places, error);
            }
            return None;
        }
    }
    Some(json)
}

/// A place and everything inside it.
fn spread<'t>(at: &At<'t>, places: &mut Vec<At<'t>>) {
    places.push(at.clone());
    match &at.node.kind {
        Kind::Map(entries) => entries.iter().for_each(|entry| spread(&at.entry(entry), places)),
        Kind::List(_) => at.items().unwrap_or_default().iter().for_each(|item| spread(item, places)),
        Kind::Scalar(_) | Kind::Broken => {}
    }
}

/// Tells an error where the file has what it is about.
fn tell(cx: &mut Cx<'_>, whole: &At<'_>, places: &[At<'_>], error: &ScheduleError) {
    let path = format!("{}{}", whole.path, error.path);
    let at = places.iter().find(|at| at.path == path).unwrap_or(whole);
    if at.is_broken() {
        return;
    }
    // a map as a whole is shown by its key
    let span = if matches!(at.node.kind, Kind::Map(_)) { &at.key_span } else { &at.node.span };
    let problem = Problem::new(codes::SCHEDULE, span.clone(), &at.path, error.problem.as_str());
    cx.add(if error.expected.is_empty() { problem } else { problem.expected(error.expected.as_str()) });
}

/// An import that waited for its own runs would never begin one.
fn follows_others(cx: &mut Cx<'_>, places: &[At<'_>], schedule: &Schedule, import: Option<&str>) -> Option<()> {
    let Some(own) = import.filter(|own| schedule.after.iter().any(|name| name == own)) else {
        return Some(());
    };
    let names = |at: &&At<'_>| match &at.node.kind {
        Kind::Scalar(scalar) => scalar.text.split_whitespace().last() == Some(own),
        Kind::Map(_) | Kind::List(_) | Kind::Broken => false,
    };
    if let Some(at) = places.iter().find(names) {
        let problem = Problem::new(codes::SCHEDULE, at.node.span.clone(), &at.path, "an import cannot follow itself");
        cx.add(problem.expected("the name of another import"));
    }
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
