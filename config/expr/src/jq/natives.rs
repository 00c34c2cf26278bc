//! The functions of the language that are written in Rust. Everything here is pure: no clock, no input, no output.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use jaq_core::box_iter::box_once;
use jaq_core::native::{Fun, bome, run, v};
use jaq_core::{Bind, Cv, RunPtr, ValXs};

use super::arithmetic::{Error, ValR};
use super::data::Closed;
use super::num::Num;
use super::val::Val;
use super::{access, dates, html, limits, numbers, regexes, wording};

/// Functions of jaq's own that imports may not use.
const NOT_TAKEN: [&str; 3] = ["halt", "escape_sh", "implode"];

type Named = (&'static str, Box<[Bind]>, RunPtr<Closed>);

/// Every native function, jaq's and ours.
pub(crate) fn all() -> impl Iterator<Item = Fun<Closed>> {
    let jaq = jaq_core::funs::<Closed>().chain(jaq_std::base_funs::<Closed>());
    let kept = jaq.filter(|(name, ..)| !NOT_TAKEN.contains(name));
    let replace = ("sub", [Bind::Var(()), Bind::Fun(()), Bind::Var(())].into(), replace as RunPtr<Closed>);
    kept.chain(
        std::iter::once(replace).chain(on_values().into_iter().chain(on_numbers()).chain(on_text())).map(run::<Closed>),
    )
}

/// `sub(regex; f; flags)`
fn replace(mut cv: Cv<'_, Closed>) -> ValXs<'_, Val> {
    let flags = cv.0.pop_var();
    let (f, context) = cv.0.pop_fun();
    let regex = cv.0.pop_var();
    box_once(regexes::replace(&cv.1, &regex, &flags, |groups| f.run((context.clone(), groups))))
}

/// A function without arguments.
macro_rules! plain {
    ($name:literal, $function:expr) => {
        ($name, v(0), |cv: Cv<'_, Closed>| bome($function(&cv.1)))
    };
}

/// A function of one value.
macro_rules! unary {
    ($name:literal, $function:expr) => {
        ($name, v(1), |mut cv: Cv<'_, Closed>| {
            let argument = cv.0.pop_var();
            bome($function(&cv.1, &argument))
        })
    };
}

/// A function of two values.
macro_rules! binary {
    ($name:literal, $function:expr) => {
        ($name, v(2), |mut cv: Cv<'_, Closed>| {
            let second = cv.0.pop_var();
            let first = cv.0.pop_var();
            bome($function(&cv.1, &first, &second))
        })
    };
}

fn on_values() -> Vec<Named> {
    vec![
        plain!("length", length),
        plain!("tojson", |value: &Val| Ok(Val::text(value.to_string()))),
        plain!("fromjson", fromjson),
        unary!("has", |value: &Val, key: &Val| value.clone().at(key).map(|found| found.is_some().into())),
        unary!("contains", |value: &Val, part: &Val| Ok(contains(value, part).into())),
        unary!("indices", indices),
        unary!("join", join),
    ]
}

fn on_numbers() -> Vec<Named> {
    vec![
        plain!("number", numbers::number),
        plain!("tonumber", tonumber),
        plain!("toboolean", toboolean),
        plain!("nan", |_: &Val| Ok(Val::from(f64::NAN))),
        plain!("infinite", |_: &Val| Ok(Val::from(f64::INFINITY))),
        plain!("isnan", |value: &Val| float(value).map(|x| x.is_nan().into())),
        plain!("isinfinite", |value: &Val| float(value).map(|x| x.is_infinite().into())),
        plain!("sqrt", |value: &Val| float(value).map(|x| computed(x.sqrt()))),
        plain!("exp", |value: &Val| float(value).map(|x| computed(x.exp()))),
        plain!("log", |value: &Val| float(value).map(|x| computed(x.ln()))),
        plain!("log2", |value: &Val| float(value).map(|x| computed(x.log2()))),
        plain!("log10", |value: &Val| float(value).map(|x| computed(x.log10()))),
        binary!("pow", |_: &Val, x: &Val, y: &Val| Ok(computed(float(x)?.powf(float(y)?)))),
    ]
}

fn on_text() -> Vec<Named> {
    vec![
        plain!("lower", |value: &Val| on_str(value, str::to_lowercase)),
        plain!("upper", |value: &Val| on_str(value, str::to_uppercase)),
        plain!("slug", |value: &Val| on_str(value, wording::slug)),
        unary!("truncate", wording::truncate),
        plain!("strip_html", |value: &Val| html::convert(value, html::strip)),
        plain!("html_to_text", |value: &Val| html::convert(value, html::to_text)),
        plain!("escape_html", |value: &Val| on_str(value, html::escape)),
        plain!("encode_uri", |value: &Val| on_str(value, |text| crate::encode::percent(text).into_owned())),
        plain!("encode_base64", |value: &Val| on_str(value, |text| BASE64.encode(text))),
        plain!("decode_base64", decode_base64),
        plain!("implode", implode),
        plain!("to_date", |value: &Val| dates::to_date(value, None)),
        unary!("to_date", |value: &Val, format: &Val| dates::to_date(value, Some(format))),
        unary!("strftime", dates::strftime),
        plain!("fromdate", dates::fromdate),
        plain!("todate", |value: &Val| dates::to_date(value, None)),
        binary!("matches", |text: &Val, regex: &Val, flags: &Val| regexes::run(text, regex, flags, regexes::MATCHES)),
        binary!("split_matches", |text: &Val, regex: &Val, flags: &Val| regexes::run(
            text,
            regex,
            flags,
            regexes::BOTH
        )),
        binary!("split_", |text: &Val, regex: &Val, flags: &Val| regexes::run(text, regex, flags, regexes::BETWEEN)),
    ]
}

/// The text of a string, counted as read.
pub(crate) fn str_of(value: &Val) -> Result<&str, Error> {
    let text = value.as_str().ok_or_else(|| Error::typ(value.clone(), "string"))?;
    limits::seen(text.len());
    Ok(text)
}

fn on_str(value: &Val, function: impl FnOnce(&str) -> String) -> ValR {
    // Counted before it is built: a character grows to at most three bytes a byte, percent-encoding included.
    str_of(value).map(|text| {
        limits::built(text.len());
        Val::text(function(text))
    })
}

fn float(value: &Val) -> Result<f64, Error> {
    match value {
        Val::Num(number) => Ok(number.as_f64()),
        other => Err(Error::typ(other.clone(), "number")),
    }
}

/// Whole when it has no fraction.
fn computed(value: f64) -> Val {
    Val::Num(Num::Float(value).add(Num::Int(0)))
}

fn length(value: &Val) -> ValR {
    Ok(match value {
        Val::Null => Val::from(0_usize),
        Val::Num(number) => Val::Num(number.abs()),
        Val::Str(text) => {
            limits::seen(text.len());
            Val::from(text.chars().count())
        }
        Val::Arr(list) => Val::from(list.items().len()),
        Val::Obj(map) => Val::from(map.entries().len()),
        Val::Bool(_) => return Err(Error::str(format_args!("{value} has no length"))),
    })
}

fn fromjson(value: &Val) -> ValR {
    let text = str_of(value)?;
    limits::built(text.len().saturating_mul(4));
    let json =
        crate::parse_json_exactly(text.as_bytes()).map_err(|error| Error::str(format_args!("not JSON: {error}")))?;
    Ok(Val::from_json(&json))
}

pub(crate) fn tonumber(value: &Val) -> ValR {
    match value {
        Val::Num(_) => Ok(value.clone()),
        Val::Str(text) => Num::parse(text.trim()).map(Val::Num).ok_or_else(|| {
            Error::str(format_args!("{value} is not a number (`number` reads those written for people)"))
        }),
        _ => Err(Error::typ(value.clone(), "number")),
    }
}

fn toboolean(value: &Val) -> ValR {
    match (value, value.as_str()) {
        (Val::Bool(_), _) => Ok(value.clone()),
        (_, Some("true")) => Ok(Val::Bool(true)),
        (_, Some("false")) => Ok(Val::Bool(false)),
        _ => Err(Error::typ(value.clone(), "boolean")),
    }
}

/// Whether each part of `part` is in `value`: texts by substring, lists by any item, maps by key.
fn contains(value: &Val, part: &Val) -> bool {
    limits::work(1);
    match (value, part) {
        (Val::Str(text), Val::Str(part)) => {
            limits::seen(text.len() + part.len());
            text.contains(part.as_str())
        }
        (Val::Arr(list), Val::Arr(parts)) => {
            parts.items().iter().all(|part| list.items().iter().any(|item| contains(item, part)))
        }
        (Val::Obj(map), Val::Obj(parts)) => {
            parts.entries().iter().all(|(key, part)| map.get(key).is_some_and(|value| contains(value, part)))
        }
        _ => value == part,
    }
}

fn indices(value: &Val, part: &Val) -> ValR {
    match (value, part) {
        (Val::Null, _) => Ok(Val::Null),
        (Val::Str(text), Val::Str(part)) => Ok(Val::list(places(text, part))),
        (Val::Arr(list), Val::Arr(part)) => Ok(Val::list(access::windows(list.items(), part.items()))),
        (Val::Arr(list), part) => {
            let found = list.items().iter().enumerate().filter(|(_, item)| *item == part);
            Ok(Val::list(found.map(|(at, _)| Val::from(at)).collect()))
        }
        _ => Err(Error::index(value.clone(), part.clone())),
    }
}

/// Where `part` begins in `text`, in characters; places may overlap.
fn places(text: &str, part: &str) -> Vec<Val> {
    if part.is_empty() {
        return Vec::new();
    }
    limits::work(text.len() * part.len().min(64) / 64);
    let begins = text.char_indices().enumerate();
    begins
        .filter(|(_, (byte, _))| text.get(*byte..).is_some_and(|rest| rest.starts_with(part)))
        .map(|(at, _)| Val::from(at))
        .collect()
}

/// Joins texts, numbers and booleans; null counts as nothing.
fn join(value: &Val, separator: &Val) -> ValR {
    let Val::Arr(list) = value else { return Err(Error::typ(value.clone(), "array")) };
    let separator = str_of(separator)?;
    let mut out = String::new();
    for (at, item) in list.items().iter().enumerate() {
        if at > 0 {
            limits::built(separator.len());
            out.push_str(separator);
        }
        match item {
            Val::Null => {}
            Val::Str(text) => {
                limits::built(text.len());
                out.push_str(text);
            }
            Val::Num(_) | Val::Bool(_) => out.push_str(&item.to_string()),
            other => return Err(Error::typ(other.clone(), "text to join")),
        }
    }
    Ok(Val::Str(Arc::new(out)))
}

/// The text of a list of code points; jaq's own takes -1 for U+0001.
fn implode(value: &Val) -> ValR {
    let Val::Arr(list) = value else { return Err(Error::typ(value.clone(), "array")) };
    limits::work(list.items().len() / 8);
    let character = |point: &Val| match point {
        Val::Num(Num::Int(point)) => u32::try_from(*point).ok().and_then(char::from_u32),
        _ => None,
    };
    let read = |point: &Val| {
        character(point).ok_or_else(|| Error::str(format_args!("{point} is not the number of a character")))
    };
    Ok(Val::text(list.items().iter().map(read).collect::<Result<String, Error>>()?))
}

fn decode_base64(value: &Val) -> ValR {
    let bytes = BASE64.decode(str_of(value)?).map_err(Error::str)?;
    Ok(Val::text(String::from_utf8_lossy(&bytes)))
}
