//! Reaching into values and changing what is there: `.a`, `.[1:3]`, `.[] |= f`.

use std::sync::Arc;

use jaq_core::path::Opt;
use jaq_core::val::Range;
use jaq_core::{Exn, ValX};

use super::arithmetic::{Error, ValR};
use super::limits;
use super::num::Num;
use super::val::{List, Map, Val};

type Pairs = Box<dyn Iterator<Item = Result<(Val, Val), Error>>>;

impl Val {
    /// The value at `index`, `None` when there is none there.
    pub(crate) fn at(self, index: &Val) -> Result<Option<Val>, Error> {
        Ok(match (&self, index) {
            (Val::Null, _) => None,
            (Val::Obj(map), Val::Str(key)) => map.get(key).cloned(),
            (Val::Arr(list), Val::Num(index)) => {
                position(*index, list.items().len()).and_then(|at| list.items().get(at).cloned())
            }
            (Val::Arr(list), Val::Arr(part)) => Some(Val::list(windows(list.items(), part.items()))),
            (Val::Arr(_) | Val::Str(_), Val::Obj(range)) => {
                let range = range.get("start").cloned()..range.get("end").cloned();
                return self.slice(range.start.as_ref()..range.end.as_ref()).map(Some);
            }
            _ => return Err(Error::index(self, index.clone())),
        })
    }

    fn slice(self, range: Range<&Val>) -> ValR {
        match &self {
            Val::Null => Ok(Val::Null),
            Val::Arr(list) => {
                let range = bounds(&range, list.items().len())?;
                Ok(Val::list(list.items().get(range).unwrap_or_default().to_vec()))
            }
            Val::Str(text) => Ok(Val::text(text.get(text_bounds(&range, text)?).unwrap_or_default())),
            _ => Err(Error::typ(self, "rangeable (array or string)")),
        }
    }
}

/// Where `part` begins in `items`, as numbers.
pub(crate) fn windows(items: &[Val], part: &[Val]) -> Vec<Val> {
    if part.is_empty() {
        return Vec::new();
    }
    items.windows(part.len()).enumerate().filter(|(_, window)| *window == part).map(|(at, _)| Val::from(at)).collect()
}

/// An index from the start, or from the end when it is negative; `None` outside.
fn position(index: Num, len: usize) -> Option<usize> {
    let index = index.as_index()?;
    let from_start = if index < 0 { index + len as i128 } else { index };
    usize::try_from(from_start).ok().filter(|&at| at < len)
}

/// The bounds of a slice, cut to the length.
fn bounds(range: &Range<&Val>, len: usize) -> Result<std::ops::Range<usize>, Error> {
    let bound = |value: Option<&Val>, default: usize, up: bool| match value {
        None | Some(Val::Null) => Ok(default),
        Some(Val::Num(number)) => {
            let whole = if up { number.as_f64().ceil() } else { number.as_f64().floor() };
            let from_start = if whole < 0.0 { whole + len as f64 } else { whole };
            // The cast saturates.
            Ok((from_start.max(0.0) as usize).min(len))
        }
        Some(other) => Err(Error::typ(other.clone(), "integer")),
    };
    let (start, end) = (bound(range.start, 0, false)?, bound(range.end, len, true)?);
    Ok(start..end.max(start))
}

/// The same in the bytes of a text whose characters are counted.
fn text_bounds(range: &Range<&Val>, text: &str) -> Result<std::ops::Range<usize>, Error> {
    limits::seen(text.len());
    let chars = bounds(range, text.chars().count())?;
    let byte = |at: usize| text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte);
    Ok(byte(chars.start)..byte(chars.end))
}

/// The first value of `values`, if there is one.
fn first<'a>(mut values: impl Iterator<Item = ValX<'a, Val>>) -> Result<Option<Val>, Exn<'a, Val>> {
    values.next().transpose()
}

impl jaq_core::ValT for Val {
    fn from_num(text: &str) -> ValR {
        Num::parse(text).map(Val::Num).ok_or_else(|| Error::str(format_args!("{text} is not a number")))
    }

    fn from_map<I: IntoIterator<Item = (Self, Self)>>(entries: I) -> ValR {
        let entry = |(key, value): (Val, Val)| match key {
            Val::Str(key) => Ok((Arc::from(key.as_str()), value)),
            key => Err(Error::typ(key, "string (the key of an object)")),
        };
        entries.into_iter().map(entry).collect::<Result<_, _>>().map(Val::map)
    }

    fn key_values(self) -> Pairs {
        match self {
            Val::Arr(list) => {
                Box::new(List::into_items(list).into_iter().enumerate().map(|(at, value)| Ok((Val::from(at), value))))
            }
            Val::Obj(map) => {
                Box::new(Map::into_entries(map).into_iter().map(|(key, value)| Ok((Val::text(key.as_ref()), value))))
            }
            other => Box::new(std::iter::once(Err(Error::typ(other, "iterable (array or object)")))),
        }
    }

    fn values(self) -> Box<dyn Iterator<Item = ValR>> {
        match self {
            Val::Arr(list) => Box::new(List::into_items(list).into_iter().map(counted)),
            Val::Obj(map) => Box::new(Map::into_entries(map).into_values().map(counted)),
            other => Box::new(std::iter::once(Err(Error::typ(other, "iterable (array or object)")))),
        }
    }

    fn index(self, index: &Self) -> ValR {
        Ok(self.at(index)?.unwrap_or_default())
    }

    fn range(self, range: Range<&Self>) -> ValR {
        self.slice(range)
    }

    fn map_values<'a, I: Iterator<Item = ValX<'a, Self>>>(self, opt: Opt, f: impl Fn(Self) -> I) -> ValX<'a, Self> {
        match self {
            Val::Arr(list) => {
                let items = List::into_items(list).into_iter().flat_map(f);
                Ok(Val::list(items.collect::<Result<_, _>>()?))
            }
            Val::Obj(map) => {
                let entries = Map::into_entries(map).into_iter();
                let entries = entries.filter_map(|(key, value)| f(value).next().map(|value| Ok((key, value?))));
                Ok(Val::map(entries.collect::<Result<_, Exn<'_, _>>>()?))
            }
            other => opt.fail(other, |other| Exn::from(Error::typ(other, "iterable (array or object)"))),
        }
    }

    fn map_index<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        index: &Self,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        match (self, index) {
            (value @ (Val::Arr(_) | Val::Str(_)), Val::Obj(range)) => {
                let (start, end) = (range.get("start").cloned(), range.get("end").cloned());
                value.map_range(start.as_ref()..end.as_ref(), opt, f)
            }
            // As in jq, what is null becomes a map when something is put into it.
            (Val::Null, Val::Str(key)) => match first(f(Val::Null))? {
                Some(value) => Ok(Val::entries([(key.as_str(), value)])),
                None => Ok(Val::Null),
            },
            (Val::Obj(map), Val::Str(key)) => Map::update(map, &Arc::from(key.as_str()), |old| first(f(old))),
            (Val::Arr(list), Val::Num(number)) => match position(*number, list.items().len()) {
                Some(at) => List::update(list, at, |old| first(f(old))),
                None => {
                    opt.fail(Val::Arr(list), |_| Exn::from(Error::str(format_args!("index {number} out of bounds"))))
                }
            },
            (value, index) => opt.fail(value, |value| Exn::from(Error::index(value, index.clone()))),
        }
    }

    fn map_range<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        range: Range<&Self>,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        match self {
            Val::Arr(list) => {
                let range = bounds(&range, list.items().len()).map_err(Exn::from)?;
                let part = Val::list(list.items().get(range.clone()).unwrap_or_default().to_vec());
                let new = match first(f(part))? {
                    None => Vec::new(),
                    Some(Val::Arr(new)) => List::into_items(new),
                    Some(other) => return Err(Exn::from(Error::typ(other, "array"))),
                };
                let mut items = List::into_items(list);
                items.splice(range, new);
                Ok(Val::list(items))
            }
            Val::Str(text) => {
                let range = text_bounds(&range, &text).map_err(Exn::from)?;
                let part = Val::text(text.get(range.clone()).unwrap_or_default());
                let new = match first(f(part))? {
                    None => Val::text(""),
                    Some(new @ Val::Str(_)) => new,
                    Some(other) => return Err(Exn::from(Error::typ(other, "string"))),
                };
                let mut out = text.as_ref().clone();
                out.replace_range(range, new.as_str().unwrap_or_default());
                Ok(Val::text(out))
            }
            other => opt.fail(other, |other| Exn::from(Error::typ(other, "rangeable (array or string)"))),
        }
    }

    fn as_bool(&self) -> bool {
        !matches!(self, Val::Null | Val::Bool(false))
    }

    fn into_string(self) -> Self {
        match self {
            Val::Str(_) => self,
            other => {
                limits::seen(other.size());
                Val::text(other.to_string())
            }
        }
    }
}

/// Walking a value is work, also where no term of the program runs (`..`).
fn counted(value: Val) -> ValR {
    limits::work(1);
    Ok(value)
}

impl jaq_std::ValT for Val {
    fn into_seq<S: FromIterator<Self>>(self) -> Result<S, Self> {
        match self {
            Val::Arr(list) => {
                limits::work(list.items().len() / 8);
                Ok(List::into_items(list).into_iter().collect())
            }
            other => Err(other),
        }
    }

    fn is_int(&self) -> bool {
        matches!(self, Val::Num(Num::Int(_)))
    }

    fn as_isize(&self) -> Option<isize> {
        match self {
            Val::Num(Num::Int(value)) => isize::try_from(*value).ok(),
            _ => None,
        }
    }

    fn as_f64(&self) -> Option<f64> {
        match self {
            Val::Num(value) => Some(value.as_f64()),
            _ => None,
        }
    }

    fn is_utf8_str(&self) -> bool {
        matches!(self, Val::Str(_))
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        let text = self.as_str()?;
        limits::seen(text.len());
        Some(text.as_bytes())
    }

    fn as_sub_str(&self, sub: &[u8]) -> Self {
        Val::text(String::from_utf8_lossy(sub))
    }

    fn from_utf8_bytes(bytes: impl AsRef<[u8]> + Send + 'static) -> Self {
        Val::text(String::from_utf8_lossy(bytes.as_ref()))
    }
}

impl From<bool> for Val {
    fn from(value: bool) -> Self {
        Val::Bool(value)
    }
}

impl From<isize> for Val {
    fn from(value: isize) -> Self {
        Val::Num(Num::Int(value as i128))
    }
}

impl From<usize> for Val {
    fn from(value: usize) -> Self {
        Val::Num(Num::Int(value as i128))
    }
}

impl From<f64> for Val {
    fn from(value: f64) -> Self {
        Val::Num(Num::Float(value))
    }
}

impl From<String> for Val {
    fn from(text: String) -> Self {
        Val::text(text)
    }
}

impl From<Range<Val>> for Val {
    fn from(range: Range<Val>) -> Self {
        let bounds = [("start", range.start), ("end", range.end)];
        Val::map(bounds.into_iter().filter_map(|(key, bound)| Some((Arc::from(key), bound?))).collect())
    }
}

impl FromIterator<Val> for Val {
    fn from_iter<T: IntoIterator<Item = Val>>(items: T) -> Self {
        let mut collected = Vec::new();
        for item in items {
            // Counted one by one: the iterator may never end.
            limits::built(size_of::<Val>());
            collected.push(item);
        }
        Val::list(collected)
    }
}
