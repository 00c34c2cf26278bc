//! Values of jq, shared and measured.
//!
//! jaq's own values know neither their size nor their depth, and a program can make either huge in a few steps
//! (`reduce range(40) as $i (1; [., .])`). Here lists and maps carry both, so that a limit is checked where a value is
//! built, and whatever walks a value (comparing, printing, dropping it) is bounded.

use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::limits::{self, MAX_DEPTH, MAX_SIZE};
use super::num::Num;
use crate::LimitKind;

/// A value. Cloning copies no content.
#[derive(Clone, Debug, Default)]
pub(crate) enum Val {
    #[default]
    Null,
    Bool(bool),
    Num(Num),
    Str(Arc<String>),
    Arr(Arc<List>),
    Obj(Arc<Map>),
}

/// How large a value is: `bytes` as JSON (about), and how deep lists and maps nest (0 for the others).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    bytes: u64,
    depth: u32,
}

/// A list and its extent.
#[derive(Clone, Debug)]
pub(crate) struct List {
    items: Vec<Val>,
    extent: Extent,
}

/// A map and its extent; keys keep their order.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    entries: IndexMap<Arc<str>, Val>,
    extent: Extent,
}

impl Extent {
    /// Stops the evaluation when the value is too large.
    fn checked(self) -> Self {
        if self.bytes > MAX_SIZE {
            limits::over(LimitKind::Memory);
        }
        if self.depth > MAX_DEPTH {
            limits::over(LimitKind::Depth);
        }
        self
    }

    /// The extent of a list or map of extent `self` once it also holds `inner` (and a key of `key` bytes).
    fn with(self, inner: Extent, key: usize) -> Self {
        let bytes = self.bytes.saturating_add(inner.bytes).saturating_add(key as u64 + 1);
        Extent { bytes, depth: self.depth.max(inner.depth + 1) }
    }

    /// The same with `new` in the place of `old`; `None` when the depth has to be looked for again.
    fn replacing(self, old: Extent, new: Extent) -> Option<Self> {
        let bytes = self.bytes.saturating_sub(old.bytes).saturating_add(new.bytes);
        let deepest = old.depth + 1 == self.depth && new.depth < old.depth;
        (!deepest).then(|| Extent { bytes, depth: self.depth.max(new.depth + 1) })
    }
}

const EMPTY: Extent = Extent { bytes: 2, depth: 1 };

impl Val {
    pub(crate) fn extent(&self) -> Extent {
        match self {
            Val::Null | Val::Bool(_) | Val::Num(_) => Extent { bytes: 8, depth: 0 },
            Val::Str(text) => Extent { bytes: text.len() as u64 + 2, depth: 0 },
            Val::Arr(list) => list.extent,
            Val::Obj(map) => map.extent,
        }
    }

    /// Bytes as JSON, about.
    pub(crate) fn size(&self) -> usize {
        usize::try_from(self.extent().bytes).unwrap_or(usize::MAX)
    }

    /// A string that was built: counted.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        limits::built(text.len());
        Val::Str(Arc::new(text))
    }

    pub(crate) fn list(items: Vec<Val>) -> Self {
        limits::built(items.len() * size_of::<Val>());
        let list = List { items, extent: EMPTY };
        Val::Arr(Arc::new(List { extent: list.measured().checked(), ..list }))
    }

    pub(crate) fn map(entries: IndexMap<Arc<str>, Val>) -> Self {
        limits::built(entries.iter().map(|(key, _)| key.len() + 2 * size_of::<Val>()).sum());
        let map = Map { entries, extent: EMPTY };
        Val::Obj(Arc::new(Map { extent: map.measured().checked(), ..map }))
    }

    /// `{(key): value, ...}`, for what native functions return.
    pub(crate) fn entries<const N: usize>(entries: [(&str, Val); N]) -> Self {
        Val::map(entries.into_iter().map(|(key, value)| (Arc::from(key), value)).collect())
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Val::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Stops the evaluation when `json` nests too deep.
    pub(crate) fn from_json(json: &Json) -> Self {
        from_json(json, 0)
    }

    pub(crate) fn to_json(&self) -> Json {
        match self {
            Val::Null => Json::Null,
            Val::Bool(value) => Json::Bool(*value),
            Val::Num(value) => value.to_json(),
            Val::Str(text) => Json::String(text.as_ref().clone()),
            Val::Arr(list) => Json::Array(list.items.iter().map(Val::to_json).collect()),
            Val::Obj(map) => {
                Json::Object(map.entries.iter().map(|(key, value)| (key.to_string(), value.to_json())).collect())
            }
        }
    }
}

fn from_json(json: &Json, depth: u32) -> Val {
    if depth > MAX_DEPTH {
        limits::over(LimitKind::Depth);
        return Val::Null;
    }
    match json {
        Json::Null => Val::Null,
        Json::Bool(value) => Val::Bool(*value),
        Json::Number(value) => Val::Num(Num::from_json(value)),
        Json::String(text) => Val::Str(Arc::new(text.clone())),
        Json::Array(items) => {
            let items: Vec<Val> = items.iter().map(|item| from_json(item, depth + 1)).collect();
            let list = List { items, extent: EMPTY };
            Val::Arr(Arc::new(List { extent: list.measured(), ..list }))
        }
        Json::Object(entries) => {
            let entries: IndexMap<Arc<str>, Val> =
                entries.iter().map(|(key, value)| (Arc::from(key.as_str()), from_json(value, depth + 1))).collect();
            let map = Map { entries, extent: EMPTY };
            Val::Obj(Arc::new(Map { extent: map.measured(), ..map }))
        }
    }
}

impl List {
    pub(crate) fn items(&self) -> &[Val] {
        &self.items
    }

    /// Takes the items out, copying them when others hold the list too.
    pub(crate) fn into_items(this: Arc<Self>) -> Vec<Val> {
        match Arc::try_unwrap(this) {
            Ok(list) => list.items,
            Err(shared) => {
                limits::built(size_of_val(shared.items.as_slice()));
                shared.items.clone()
            }
        }
    }

    /// Appends `more`, in place when nobody else holds the list.
    pub(crate) fn append(mut this: Arc<Self>, more: &[Val]) -> Val {
        let copied = if Arc::get_mut(&mut this).is_some() { 0 } else { this.items.len() };
        limits::built((copied + more.len()) * size_of::<Val>());
        let extent = more.iter().fold(this.extent, |extent, item| extent.with(item.extent(), 0)).checked();
        let list = Arc::make_mut(&mut this);
        list.items.extend_from_slice(more);
        list.extent = extent;
        Val::Arr(this)
    }

    /// Replaces the item at `index` by what `change` makes of it; `None` removes it.
    pub(crate) fn update<E>(
        mut this: Arc<Self>,
        index: usize,
        change: impl FnOnce(Val) -> Result<Option<Val>, E>,
    ) -> Result<Val, E> {
        if Arc::get_mut(&mut this).is_none() {
            limits::built(size_of_val(this.items.as_slice()));
        }
        let list = Arc::make_mut(&mut this);
        let Some(slot) = list.items.get_mut(index) else { return Ok(Val::Arr(this)) };
        let old = std::mem::take(slot);
        let before = old.extent();
        let mut extent = None;
        match change(old)? {
            Some(new) => {
                extent = list.extent.replacing(before, new.extent());
                *slot = new;
            }
            None => {
                list.items.remove(index);
            }
        }
        list.extent = extent.unwrap_or_else(|| list.measured()).checked();
        Ok(Val::Arr(this))
    }

    fn measured(&self) -> Extent {
        limits::work(self.items.len() / 8);
        self.items.iter().fold(EMPTY, |extent, item| extent.with(item.extent(), 0))
    }
}

impl Map {
    pub(crate) fn entries(&self) -> &IndexMap<Arc<str>, Val> {
        &self.entries
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Val> {
        self.entries.get(key)
    }

    /// Takes the entries out, copying them when others hold the map too.
    pub(crate) fn into_entries(this: Arc<Self>) -> IndexMap<Arc<str>, Val> {
        match Arc::try_unwrap(this) {
            Ok(map) => map.entries,
            Err(shared) => {
                limits::built(shared.entries.len() * 2 * size_of::<Val>());
                shared.entries.clone()
            }
        }
    }

    /// Puts the entries of `more` in, over those of the same key.
    pub(crate) fn merge(mut this: Arc<Self>, more: &Map, combine: fn(Val, &Val) -> Val) -> Val {
        let copied = if Arc::get_mut(&mut this).is_some() { 0 } else { this.entries.len() };
        limits::built((copied + more.entries.len()) * 2 * size_of::<Val>());
        let map = Arc::make_mut(&mut this);
        for (key, value) in &more.entries {
            map.set(key.clone(), |old| Some(old.map_or_else(|| value.clone(), |old| combine(old, value))));
        }
        map.extent = map.extent.checked();
        Val::Obj(this)
    }

    /// Replaces the value at `key` (null when there is none) by what `change` makes of it; `None` removes it.
    pub(crate) fn update<E>(
        mut this: Arc<Self>,
        key: &Arc<str>,
        change: impl FnOnce(Val) -> Result<Option<Val>, E>,
    ) -> Result<Val, E> {
        if Arc::get_mut(&mut this).is_none() {
            limits::built(this.entries.len() * 2 * size_of::<Val>());
        }
        let map = Arc::make_mut(&mut this);
        let mut failed = None;
        map.set(key.clone(), |old| match change(old.unwrap_or_default()) {
            Ok(new) => new,
            Err(error) => {
                failed = Some(error);
                None
            }
        });
        map.extent = map.extent.checked();
        failed.map_or(Ok(Val::Obj(this)), Err)
    }

    fn set(&mut self, key: Arc<str>, change: impl FnOnce(Option<Val>) -> Option<Val>) {
        let old = self.entries.get_mut(&key).map(std::mem::take);
        let before = old.as_ref().map(Val::extent);
        let mut extent = None;
        match (before, change(old)) {
            (Some(before), Some(new)) => {
                extent = self.extent.replacing(before, new.extent());
                self.entries.insert(key, new);
            }
            (None, Some(new)) => {
                extent = Some(self.extent.with(new.extent(), key.len()));
                self.entries.insert(key, new);
            }
            (Some(_), None) => {
                self.entries.shift_remove(&key);
            }
            (None, None) => extent = Some(self.extent),
        }
        self.extent = extent.unwrap_or_else(|| self.measured());
    }

    fn measured(&self) -> Extent {
        limits::work(self.entries.len() / 8);
        self.entries.iter().fold(EMPTY, |extent, (key, item)| extent.with(item.extent(), key.len()))
    }
}

impl fmt::Display for Val {
    /// As JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        limits::work(1);
        match self {
            Val::Null => f.write_str("null"),
            Val::Bool(value) => write!(f, "{value}"),
            Val::Num(value) => write!(f, "{value}"),
            Val::Str(text) => write_text(f, text),
            Val::Arr(list) => {
                for (at, item) in list.items.iter().enumerate() {
                    f.write_str(if at == 0 { "[" } else { "," })?;
                    item.fmt(f)?;
                }
                f.write_str(if list.items.is_empty() { "[]" } else { "]" })
            }
            Val::Obj(map) => {
                for (at, (key, value)) in map.entries.iter().enumerate() {
                    f.write_str(if at == 0 { "{" } else { "," })?;
                    write_text(f, key)?;
                    f.write_str(":")?;
                    value.fmt(f)?;
                }
                f.write_str(if map.entries.is_empty() { "{}" } else { "}" })
            }
        }
    }
}

fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    limits::seen(text.len());
    f.write_str(&serde_json::to_string(text).map_err(|_| fmt::Error)?)
}
