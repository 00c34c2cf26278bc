//! The functions of one value (and up to two more) that run straight.

use serde_json::Value as Json;

use super::LeftToJq;
use super::values::{calculate, put_in, truth};
use crate::jq::arithmetic::{self, ValR};
use crate::jq::num::Num;
use crate::jq::{Val, dates, html, limits, natives, numbers, regexes, wording};
use jaq_core::ops::Math;
use std::borrow::Cow;

/// A function; `None` in a result means that it gives its input as it is.
#[derive(Clone, Copy)]
pub(super) enum Function {
    /// Text to text.
    Text(fn(&str) -> String),
    /// Text to a part of it.
    Part(fn(&str) -> &str),
    /// Any value.
    Value(fn(&Json) -> Option<Json>),
    /// A text and a text.
    Two(fn(&str, &str) -> Option<Json>),
    /// The native function of jq, of no, one or two arguments.
    Native0(fn(&Val) -> ValR),
    Native1(fn(&Val, &Val) -> ValR),
    /// `test(regex)`, `test(regex; flags)`
    Test,
    /// `contains`, `has` and `join` of the kinds of values that they are mostly used on.
    Contains,
    Has,
    Join,
    /// `tostring`; `values`, `strings` and the like are none: they may give nothing.
    ToString,
    Add,
}

/// The function of that name with so many arguments.
pub(super) fn function(name: &str, arguments: usize) -> Option<Function> {
    Some(match (name, arguments) {
        ("trim", 0) => Function::Part(str::trim),
        ("ltrim", 0) => Function::Part(str::trim_start),
        ("rtrim", 0) => Function::Part(str::trim_end),
        ("ascii_downcase", 0) => Function::Text(str::to_ascii_lowercase),
        ("ascii_upcase", 0) => Function::Text(str::to_ascii_uppercase),
        ("lower", 0) => Function::Text(str::to_lowercase),
        ("upper", 0) => Function::Text(str::to_uppercase),
        ("slug", 0) => Function::Text(wording::slug),
        ("escape_html", 0) => Function::Text(html::escape),
        ("encode_uri", 0) => Function::Text(|text| crate::encode::percent(text).into_owned()),
        ("length", 0) => Function::Value(length),
        ("not", 0) => Function::Value(|value| Some(Json::Bool(!truth(value)))),
        ("type", 0) => Function::Value(|value| Some(kind(value).into())),
        ("keys", 0) => Function::Value(keys),
        ("floor", 0) => Function::Value(|value| rounded(value, f64::floor)),
        ("ceil", 0) => Function::Value(|value| rounded(value, f64::ceil)),
        ("round", 0) => Function::Value(|value| rounded(value, f64::round)),
        ("abs", 0) => Function::Value(absolute),
        ("tojson", 0) => Function::Native0(|value| Ok(Val::text(value.to_string()))),
        ("tostring", 0) => Function::ToString,
        ("add", 0) => Function::Add,
        ("tonumber", 0) => Function::Native0(natives::tonumber),
        ("number", 0) => Function::Native0(numbers::number),
        ("to_date", 0) => Function::Native0(|value| dates::to_date(value, None)),
        ("to_date", 1) => Function::Native1(|value, format| dates::to_date(value, Some(format))),
        ("strftime", 1) => Function::Native1(dates::strftime),
        ("strip_html", 0) => Function::Native0(|value| html::convert(value, html::strip)),
        ("html_to_text", 0) => Function::Native0(|value| html::convert(value, html::to_text)),
        ("truncate", 1) => Function::Native1(wording::truncate),
        ("split", 1) => Function::Two(split),
        ("startswith", 1) => Function::Two(|text, part| Some(text.starts_with(part).into())),
        ("endswith", 1) => Function::Two(|text, part| Some(text.ends_with(part).into())),
        ("ltrimstr", 1) => Function::Two(|text, part| text.strip_prefix(part).map(Json::from)),
        ("rtrimstr", 1) => Function::Two(|text, part| text.strip_suffix(part).map(Json::from)),
        ("contains", 1) => Function::Contains,
        ("has", 1) => Function::Has,
        ("join", 1) => Function::Join,
        ("test", 1 | 2) => Function::Test,
        _ => return None,
    })
}

impl Function {
    /// Its value for `input`; `None` when that is `input` itself. Arguments that it does not have are null.
    pub(super) fn of(self, input: &Json, first: &Json, second: &Json) -> Result<Option<Json>, LeftToJq> {
        let value = match (self, input, first) {
            (Function::Text(f), Json::String(text), _) => built(f(text)),
            (Function::Part(f), Json::String(text), _) => {
                let part = f(text);
                if part.len() == text.len() {
                    return Ok(None);
                }
                built(part.to_owned())
            }
            (Function::Value(f), input, _) => return f(input).map(Some).ok_or(LeftToJq),
            (Function::Two(f), Json::String(text), Json::String(other)) => return Ok(f(text, other)),
            (Function::Native0(f), input, _) => f(&Val::from_json(input)).map_err(|_| LeftToJq)?.to_json(),
            (Function::Native1(f), input, first) => {
                f(&Val::from_json(input), &Val::from_json(first)).map_err(|_| LeftToJq)?.to_json()
            }
            (Function::Test, Json::String(_), Json::String(_)) => return test(input, first, second).map(Some),
            (Function::Contains, Json::String(text), Json::String(part)) => text.contains(part.as_str()).into(),
            (Function::Has, Json::Object(map), Json::String(key)) => map.contains_key(key).into(),
            (Function::Join, Json::Array(items), Json::String(separator)) => join(items, separator)?,
            (Function::ToString, Json::String(_), _) => return Ok(None),
            (Function::ToString, input, _) => {
                let mut out = String::new();
                put_in(&mut out, input);
                built(out)
            }
            (Function::Add, Json::Array(items), _) => return add(items).map(Some),
            _ => return Err(LeftToJq),
        };
        Ok(Some(value))
    }
}

fn built(text: String) -> Json {
    limits::built(text.len());
    Json::String(text)
}

fn length(value: &Json) -> Option<Json> {
    Some(match value {
        Json::Null => 0.into(),
        Json::Bool(_) => return None,
        Json::Number(number) => Num::from_json(number).abs().to_json(),
        Json::String(text) => text.chars().count().into(),
        Json::Array(items) => items.len().into(),
        Json::Object(map) => map.len().into(),
    })
}

fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

fn keys(value: &Json) -> Option<Json> {
    let mut keys: Vec<&String> = value.as_object()?.keys().collect();
    keys.sort_unstable();
    limits::built(keys.iter().map(|key| key.len() + 8).sum());
    Some(Json::Array(keys.into_iter().map(|key| Json::String(key.clone())).collect()))
}

fn rounded(value: &Json, round: fn(f64) -> f64) -> Option<Json> {
    /// Up to here every whole number is a float of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let Json::Number(number) = value else { return None };
    match Num::from_json(number) {
        Num::Int(_) => Some(value.clone()),
        Num::Float(float) => {
            let whole = round(float);
            (whole.abs() <= EXACT).then(|| Num::Int(whole as i128).to_json())
        }
    }
}

fn absolute(value: &Json) -> Option<Json> {
    let Json::Number(number) = value else { return None };
    let number = Num::from_json(number);
    Some(if number < Num::Int(0) { number.neg() } else { number }.to_json())
}

fn split(text: &str, separator: &str) -> Option<Json> {
    Some(arithmetic::split(text, separator).to_json())
}

fn test(text: &Json, regex: &Json, flags: &Json) -> Result<Json, LeftToJq> {
    let flags = match flags {
        Json::Null => "",
        Json::String(flags) => flags,
        _ => return Err(LeftToJq),
    };
    let (text, regex, flags) = (Val::from_json(text), Val::from_json(regex), Val::text(flags));
    match regexes::run(&text, &regex, &flags, regexes::MATCHES) {
        Ok(Val::Arr(list)) => Ok(Json::Bool(!list.items().is_empty())),
        _ => Err(LeftToJq),
    }
}

/// Joins texts, numbers and booleans; null counts as nothing.
fn join(items: &[Json], separator: &str) -> Result<Json, LeftToJq> {
    let mut out = String::new();
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push_str(separator);
        }
        match item {
            Json::Null => {}
            Json::Array(_) | Json::Object(_) => return Err(LeftToJq),
            other => put_in(&mut out, other),
        }
    }
    Ok(built(out))
}

fn add(items: &[Json]) -> Result<Json, LeftToJq> {
    let mut sum = Cow::Owned(Json::Null);
    for item in items {
        limits::work(1);
        sum = calculate(sum, Math::Add, Cow::Borrowed(item))?;
    }
    Ok(sum.into_owned())
}
