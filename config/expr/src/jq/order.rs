//! Comparing values: jq's order, over all kinds. Each comparison counts as work.

use std::cmp::Ordering;

use super::limits;
use super::val::{Map, Val};

impl Val {
    /// null < false < true < numbers < strings < lists < maps.
    fn rank(&self) -> u8 {
        match self {
            Val::Null => 0,
            Val::Bool(_) => 1,
            Val::Num(_) => 2,
            Val::Str(_) => 3,
            Val::Arr(_) => 4,
            Val::Obj(_) => 5,
        }
    }
}

impl Ord for Val {
    fn cmp(&self, other: &Self) -> Ordering {
        limits::work(1);
        match (self, other) {
            (Val::Bool(x), Val::Bool(y)) => x.cmp(y),
            (Val::Num(x), Val::Num(y)) => x.cmp(y),
            (Val::Str(x), Val::Str(y)) => {
                limits::seen(x.len().min(y.len()));
                x.cmp(y)
            }
            (Val::Arr(x), Val::Arr(y)) => x.items().cmp(y.items()),
            (Val::Obj(x), Val::Obj(y)) => compare_maps(x, y),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

/// First the sorted keys, then the values in the order of the keys.
fn compare_maps(x: &Map, y: &Map) -> Ordering {
    let sorted = |map: &Map| {
        let mut entries: Vec<_> = map.entries().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        limits::work(entries.len());
        entries.sort_by(|(x, _), (y, _)| x.cmp(y));
        entries
    };
    let (x, y) = (sorted(x), sorted(y));
    let keys = x.iter().map(|(key, _)| key).cmp(y.iter().map(|(key, _)| key));
    keys.then_with(|| x.iter().map(|(_, value)| value).cmp(y.iter().map(|(_, value)| value)))
}

impl PartialOrd for Val {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Val {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Val {}
