//! What operators do to values. `Err` and `None` mean: not here.

use std::borrow::Cow;
use std::cmp::Ordering;

use jaq_core::ops::Math;
use serde_json::Value as Json;

use super::{LeftToJq, Step};
use crate::jq::num::Num;
use crate::jq::{Val, limits};

/// True of all but null and false.
pub(super) fn truth(value: &Json) -> bool {
    !matches!(value, Json::Null | Json::Bool(false))
}

/// The value at the end of a path; `None` where the path cuts a slice.
pub(super) fn walk<'v>(from: &'v Json, steps: &[Step]) -> Option<Result<&'v Json, LeftToJq>> {
    let mut found = from;
    for step in steps {
        found = match step {
            Step::Slice(..) => return None,
            _ => match one(found, step) {
                Ok(found) => found,
                Err(left) => return Some(Err(left)),
            },
        };
    }
    Some(Ok(found))
}

fn one<'v>(value: &'v Json, step: &Step) -> Result<&'v Json, LeftToJq> {
    const NULL: &Json = &Json::Null;
    match (value, step) {
        (Json::Null, _) => Ok(NULL),
        (Json::Object(map), Step::Key(key)) => Ok(map.get(key).unwrap_or(NULL)),
        (Json::Array(items), Step::Index(index)) => {
            let at = if *index < 0 { index.saturating_add_unsigned(items.len() as u64) } else { *index };
            Ok(usize::try_from(at).ok().and_then(|at| items.get(at)).unwrap_or(NULL))
        }
        _ => Err(LeftToJq),
    }
}

/// The same for a path with slices.
pub(super) fn cut(from: &Json, steps: &[Step]) -> Result<Json, LeftToJq> {
    let mut found = Cow::Borrowed(from);
    for step in steps {
        found = match step {
            Step::Slice(start, end) => Cow::Owned(slice(&found, *start, *end)?),
            step => match found {
                Cow::Borrowed(found) => Cow::Borrowed(one(found, step)?),
                Cow::Owned(found) => Cow::Owned(one(&found, step)?.clone()),
            },
        };
    }
    Ok(found.into_owned())
}

fn slice(value: &Json, start: Option<i64>, end: Option<i64>) -> Result<Json, LeftToJq> {
    let bounds = |len: usize| {
        let bound = |bound: i64| {
            let from_start = if bound < 0 { bound.saturating_add_unsigned(len as u64) } else { bound };
            usize::try_from(from_start).unwrap_or(0).min(len)
        };
        let (start, end) = (start.map_or(0, bound), end.map_or(len, bound));
        start..end.max(start)
    };
    match value {
        Json::Null => Ok(Json::Null),
        Json::Array(items) => {
            let part = items.get(bounds(items.len())).unwrap_or_default();
            limits::built(part.iter().map(size).sum());
            Ok(Json::Array(part.to_vec()))
        }
        Json::String(text) => {
            limits::built(text.len());
            // only a bound from the end needs the number of characters
            let range = if start.is_some_and(|at| at < 0) || end.is_some_and(|at| at < 0) {
                bounds(text.chars().count())
            } else {
                bounds(usize::MAX >> 1)
            };
            Ok(Json::String(text.chars().skip(range.start).take(range.len()).collect()))
        }
        _ => Err(LeftToJq),
    }
}

/// jq's order of values; lists and maps are left to jq.
pub(super) fn compare(left: &Json, right: &Json) -> Result<Ordering, LeftToJq> {
    let rank = |value: &Json| match value {
        Json::Null => 0,
        Json::Bool(_) => 1,
        Json::Number(_) => 2,
        Json::String(_) => 3,
        Json::Array(_) => 4,
        Json::Object(_) => 5,
    };
    Ok(match (left, right) {
        (Json::Bool(left), Json::Bool(right)) => left.cmp(right),
        (Json::Number(left), Json::Number(right)) => Num::from_json(left).cmp(&Num::from_json(right)),
        (Json::String(left), Json::String(right)) => left.cmp(right),
        (Json::Array(_), Json::Array(_)) | (Json::Object(_), Json::Object(_)) => return Err(LeftToJq),
        _ => rank(left).cmp(&rank(right)),
    })
}

/// `left + right` and the like.
pub(super) fn calculate<'v>(left: Cow<'v, Json>, math: Math, right: Cow<'v, Json>) -> Result<Cow<'v, Json>, LeftToJq> {
    // what is ours already grows in place
    let copied = if matches!(left, Cow::Borrowed(_)) { size(&left) } else { 0 };
    match (left.as_ref(), math, right.as_ref()) {
        (Json::Null, Math::Add, _) => Ok(right),
        (_, Math::Add, Json::Null) => Ok(left),
        (Json::Number(x), ..) => {
            let Json::Number(y) = right.as_ref() else { return Err(LeftToJq) };
            numbers(Num::from_json(x), math, Num::from_json(y)).map(|number| Cow::Owned(number.to_json()))
        }
        (Json::String(_), Math::Add, Json::String(more)) => {
            let Json::String(mut text) = left.into_owned() else { return Err(LeftToJq) };
            limits::built(copied + more.len());
            text.push_str(more);
            Ok(Cow::Owned(Json::String(text)))
        }
        (Json::Array(_), Math::Add, Json::Array(more)) => {
            limits::built(copied + size(&right));
            let Json::Array(mut items) = left.into_owned() else { return Err(LeftToJq) };
            items.extend(more.iter().cloned());
            Ok(Cow::Owned(Json::Array(items)))
        }
        (Json::Object(_), Math::Add, Json::Object(more)) => {
            limits::built(copied + size(&right));
            let Json::Object(mut map) = left.into_owned() else { return Err(LeftToJq) };
            map.extend(more.iter().map(|(key, value)| (key.clone(), value.clone())));
            Ok(Cow::Owned(Json::Object(map)))
        }
        _ => Err(LeftToJq),
    }
}

fn numbers(x: Num, math: Math, y: Num) -> Result<Num, LeftToJq> {
    Ok(match math {
        Math::Add => x.add(y),
        Math::Sub => x.sub(y),
        Math::Mul => x.mul(y),
        // divided by zero: an error
        Math::Div | Math::Rem if y.is_zero() => return Err(LeftToJq),
        Math::Div => x.div(y),
        Math::Rem => x.rem(y),
    })
}

/// Appends a value to text as jq's `tostring` has it.
pub(super) fn put_in(out: &mut String, value: &Json) {
    match value {
        Json::String(text) => out.push_str(text),
        Json::Null => out.push_str("null"),
        Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Json::Number(number) => {
            use std::fmt::Write as _;
            // writing to a string does not fail
            let _written = write!(out, "{number}");
        }
        Json::Array(_) | Json::Object(_) => out.push_str(&Val::from_json(value).to_string()),
    }
}

/// Bytes of a value, about.
pub(super) fn size(value: &Json) -> usize {
    match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => 8,
        Json::String(text) => text.len() + 8,
        Json::Array(items) => items.iter().map(size).sum::<usize>() + 8,
        Json::Object(map) => map.iter().map(|(key, value)| key.len() + size(value) + 8).sum::<usize>() + 8,
    }
}
