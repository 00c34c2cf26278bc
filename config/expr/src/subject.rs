//! A record on which many expressions are evaluated.

use std::sync::OnceLock;

use serde_json::Value as Json;

use crate::jq::Val;

/// A record, converted for jq at most once, and only when an expression needs it.
pub struct Subject<'a> {
    record: &'a Json,
    converted: OnceLock<Val>,
}

impl<'a> Subject<'a> {
    /// Borrows the record; converts nothing yet.
    pub fn new(record: &'a Json) -> Self {
        Subject { record, converted: OnceLock::new() }
    }

    /// The record itself.
    pub fn record(&self) -> &'a Json {
        self.record
    }

    /// The record as a value of jq. Stops the evaluation when it nests too deep.
    pub(crate) fn val(&self) -> Val {
        self.converted.get_or_init(|| Val::from_json(self.record)).clone()
    }
}

impl<'a> From<&'a Json> for Subject<'a> {
    fn from(record: &'a Json) -> Self {
        Subject::new(record)
    }
}
