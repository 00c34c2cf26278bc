//! What a crawl finds in a JSON answer.

use jobpipe_connectors::formats::parse_json;
use jobpipe_core::TaskError;
use jobpipe_expr::{EvalError, Subject, Vars};
use serde_json::{Map, Value as Json};

use super::definition::{JsonField, JsonFinding};
use super::harvest::{Come, Found, Ground};
use super::location::Location;
use crate::failure::{code, eval_failed, permanent};

/// Reads one answer.
pub(super) fn read(ground: &Ground<'_>, finding: &JsonFinding, come: &Come<'_>) -> Result<Found, TaskError> {
    let url = &come.request.url;
    let answer = parse_json(come.body, come.content_type).map_err(|error| error.at(url))?;
    let mut found = Found::default();
    let next = next_page(ground, finding, come, &answer, &mut found)?;
    let items = match &finding.items {
        Some(items) => {
            items.items(answer, ground.vars).map_err(|error| eval_failed(&format!("{url}: `items`"), &error))?
        }
        None => Some(match answer {
            Json::Array(items) => items,
            other => vec![other],
        }),
    };
    if items.is_none() {
        let what = "`items` finds no list in the answer, so nothing is taken for gone";
        found.reasons.push(ground.page_not_listed(come, what, "; has the answer changed?", false));
    }
    let items = items.unwrap_or_default();
    let alone = items.len() == 1 && finding.next.is_none();
    let take = ground.list_on(come, items.len(), next, &mut found);
    for item in items.into_iter().take(take) {
        take_item(ground, finding, come, item, alone, &mut found)?;
    }
    Ok(found)
}

fn take_item(
    ground: &Ground<'_>,
    finding: &JsonFinding,
    come: &Come<'_>,
    item: Json,
    alone: bool,
    found: &mut Found,
) -> Result<(), TaskError> {
    ground.note_since(come, &item, found);
    let mut body = come.ask.record.clone();
    if finding.extract.is_empty() {
        match item {
            Json::Object(fields) if body.is_empty() => body = fields,
            Json::Object(fields) => body.extend(fields),
            other => {
                let message = format!(
                    "{}: an item is {}, not an object with fields: name it with `extract: {{ value: . }}`, or point `items` at the objects",
                    come.request.url,
                    kind(&other)
                );
                ground.bury(come, permanent(code::ITEM, message), other, found);
                return Ok(());
            }
        }
    } else if let Err(error) = extract(&finding.extract, &Subject::new(&item), ground.vars, &mut body) {
        let error = eval_failed(&format!("{}: `extract`", come.request.url), &error);
        ground.bury(come, error, item, found);
        return Ok(());
    }
    ground.give(come, ground.record(come, body, alone), found)
}

/// Takes the fields from an item. One that gives nothing is left as it is in `record`.
fn extract(
    fields: &[(String, JsonField)],
    item: &Subject<'_>,
    vars: &Vars,
    record: &mut Map<String, Json>,
) -> Result<(), EvalError> {
    for (name, field) in fields {
        let value = match field {
            JsonField::Value(expr) => expr.eval(item, vars)?,
            JsonField::Nested(fields) => {
                let mut nested = Map::new();
                extract(fields, item, vars, &mut nested)?;
                Some(Json::Object(nested))
            }
        };
        if let Some(value) = value {
            record.insert(name.clone(), value);
        }
    }
    Ok(())
}

/// The next page's URL; null, false or empty text end the list.
fn next_page(
    ground: &Ground<'_>,
    finding: &JsonFinding,
    come: &Come<'_>,
    answer: &Json,
    found: &mut Found,
) -> Result<Option<Location>, TaskError> {
    let Some(path) = &finding.next else { return Ok(None) };
    let url = &come.request.url;
    let value = path.one(answer, ground.vars).map_err(|error| eval_failed(&format!("{url}: `pages`"), &error))?;
    let text = match &value {
        Json::Null | Json::Bool(false) => return Ok(None),
        Json::String(text) if text.trim().is_empty() => return Ok(None),
        Json::String(text) => text,
        other => {
            let what = format!("`pages` gives {}, not the URL of the next page", kind(other));
            found.reasons.push(ground.page_not_listed(come, &what, "", true));
            return Ok(None);
        }
    };
    let next = come.ask.to.follow(come.url.as_ref(), text);
    if next.is_none() {
        let what = "`pages` gives text that is no URL of a next page";
        found.reasons.push(ground.page_not_listed(come, what, "", true));
    }
    Ok(next)
}

fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "true or false",
        Json::Number(_) => "a number",
        Json::String(_) => "text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}
