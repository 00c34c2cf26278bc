//! `+ - * / %` on values.

use std::ops::{Add, Div, Mul, Neg, Rem, Sub};
use std::sync::Arc;

use jaq_core::ops::Math;

use super::limits;
use super::num::Num;
use super::val::{List, Map, Val};

pub(crate) type Error = jaq_core::Error<Val>;
pub(crate) type ValR = Result<Val, Error>;

impl Add for Val {
    type Output = ValR;

    fn add(self, other: Self) -> ValR {
        Ok(match (self, other) {
            (Val::Null, value) | (value, Val::Null) => value,
            (Val::Num(x), Val::Num(y)) => Val::Num(x.add(y)),
            (Val::Str(mut x), Val::Str(y)) => {
                let copied = if Arc::get_mut(&mut x).is_some() { 0 } else { x.len() };
                limits::built(copied + y.len());
                Arc::make_mut(&mut x).push_str(&y);
                Val::Str(x)
            }
            (Val::Arr(x), Val::Arr(y)) => List::append(x, y.items()),
            (Val::Obj(x), Val::Obj(y)) => Map::merge(x, &y, |_, new| new.clone()),
            (x, y) => return Err(Error::math(x, Math::Add, y)),
        })
    }
}

impl Sub for Val {
    type Output = ValR;

    fn sub(self, other: Self) -> ValR {
        Ok(match (self, other) {
            (Val::Num(x), Val::Num(y)) => Val::Num(x.sub(y)),
            (Val::Arr(x), Val::Arr(y)) => {
                let mut removed = y.items().to_vec();
                removed.sort();
                let kept = List::into_items(x).into_iter().filter(|item| removed.binary_search(item).is_err());
                Val::list(kept.collect())
            }
            (x, y) => return Err(Error::math(x, Math::Sub, y)),
        })
    }
}

impl Mul for Val {
    type Output = ValR;

    /// Text times a number repeats it (null for none); maps merge deeply.
    fn mul(self, other: Self) -> ValR {
        Ok(match (self, other) {
            (Val::Num(x), Val::Num(y)) => Val::Num(x.mul(y)),
            (Val::Str(text), Val::Num(times)) | (Val::Num(times), Val::Str(text)) => {
                let times = times.as_f64();
                if times > 0.0 { repeat(&text, times) } else { Val::Null }
            }
            (Val::Obj(x), Val::Obj(y)) => Map::merge(x, &y, merge_deeply),
            (x, y) => return Err(Error::math(x, Math::Mul, y)),
        })
    }
}

fn repeat(text: &str, times: f64) -> Val {
    // The cast saturates; counting first means that nothing too large is built.
    let times = (times.ceil() as usize).max(1);
    let bytes = text.len().saturating_mul(times);
    limits::built(bytes);
    let affordable = usize::try_from(limits::MAX_BUILT).unwrap_or(usize::MAX);
    Val::Str(Arc::new(if bytes > affordable { String::new() } else { text.repeat(times) }))
}

fn merge_deeply(old: Val, new: &Val) -> Val {
    match (old, new) {
        (Val::Obj(x), Val::Obj(y)) => Map::merge(x, y, merge_deeply),
        (_, new) => new.clone(),
    }
}

impl Div for Val {
    type Output = ValR;

    /// Text divided by text splits it.
    fn div(self, other: Self) -> ValR {
        match (self, other) {
            (Val::Num(x), Val::Num(y)) if y.is_zero() => Err(divided_by_zero(x)),
            (Val::Num(x), Val::Num(y)) => Ok(Val::Num(x.div(y))),
            (Val::Str(text), Val::Str(separator)) => Ok(split(&text, &separator)),
            (x, y) => Err(Error::math(x, Math::Div, y)),
        }
    }
}

/// The parts of `text` between separators; its characters when the separator is empty.
pub(crate) fn split(text: &str, separator: &str) -> Val {
    limits::seen(text.len());
    if text.is_empty() {
        return Val::list(Vec::new());
    }
    if separator.is_empty() {
        return Val::list(text.chars().map(|c| Val::text(c.to_string())).collect());
    }
    Val::list(text.split(separator).map(Val::text).collect())
}

impl Rem for Val {
    type Output = ValR;

    fn rem(self, other: Self) -> ValR {
        match (self, other) {
            (Val::Num(x), Val::Num(y)) if y.is_zero() => Err(divided_by_zero(x)),
            (Val::Num(x), Val::Num(y)) => Ok(Val::Num(x.rem(y))),
            (x, y) => Err(Error::math(x, Math::Rem, y)),
        }
    }
}

fn divided_by_zero(value: Num) -> Error {
    Error::str(format_args!("{value} cannot be divided by zero"))
}

impl Neg for Val {
    type Output = ValR;

    fn neg(self) -> ValR {
        match self {
            Val::Num(x) => Ok(Val::Num(x.neg())),
            x => Err(Error::typ(x, "number")),
        }
    }
}
