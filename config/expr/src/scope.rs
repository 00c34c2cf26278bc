//! Which variables a value may name.

use std::collections::{BTreeMap, BTreeSet};

/// The variables of a run and the members that a dot may go on into, in text: `$run.date`, `$page.lang`.
/// A variable without members takes no dot: `$since.` is the value and a full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    variables: BTreeMap<String, BTreeSet<String>>,
}

const STANDARD: [(&str, &[&str]); 9] = [
    ("since", &[]),
    ("until", &[]),
    ("now", &[]),
    ("key", &[]),
    ("run", &["id", "import", "date", "time", "started", "env", "attempt"]),
    ("page", &["id", "name", "lang", "tz", "state", "country", "region", "city", "url"]),
    ("paging", &["page", "offset", "start", "limit", "size", "cursor"]),
    ("response", &["status", "headers", "body", "url", "etag", "total"]),
    ("prev", &[]),
];

impl Default for Scope {
    /// `$since $until $now $key $run $page $paging $response $prev`.
    fn default() -> Self {
        let members = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Scope { variables: STANDARD.iter().map(|(name, known)| ((*name).to_string(), members(known))).collect() }
    }
}

impl Scope {
    /// The same scope with one more variable (no `$`).
    #[must_use]
    pub fn with_variable(mut self, name: impl Into<String>) -> Self {
        self.variables.entry(name.into()).or_default();
        self
    }

    /// The same scope with one more member of a variable: `with_member("page", "segment")`.
    #[must_use]
    pub fn with_member(mut self, variable: impl Into<String>, member: impl Into<String>) -> Self {
        self.variables.entry(variable.into()).or_default().insert(member.into());
        self
    }

    /// Whether `name` (no `$`) is a variable.
    pub fn has(&self, name: &str) -> bool {
        self.variables.contains_key(name)
    }

    /// The known members of a variable; empty for one that takes no dot.
    pub fn members(&self, name: &str) -> impl Iterator<Item = &str> {
        self.variables.get(name).into_iter().flatten().map(String::as_str)
    }

    /// The names of the variables, without `$`, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }
}
