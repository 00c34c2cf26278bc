//! Failures of a stage's own making, and what becomes of a record that fails.

use jobpipe_core::{DeadLetter, ErrorClass, Millis, Record, TaskError};
use jobpipe_expr::EvalError;
use serde_json::Value as Json;

use crate::depth::{DEEPEST, is_deeper};

/// Codes of crawls and transforms.
pub(crate) mod code {
    /// The reading of a file did not come to its end.
    pub(crate) const READ: &str = "JP135";
    /// The definition cannot be compiled: it was made by another version.
    pub(crate) const DEFINITION: &str = "JP140";
    /// A value gives no URL or path.
    pub(crate) const ADDRESS: &str = "JP141";
    /// A secret or setting is missing.
    pub(crate) const SETTING: &str = "JP142";
    /// An item is not an object.
    pub(crate) const ITEM: &str = "JP143";
    /// The process stops.
    pub(crate) const STOPPING: &str = "JP144";
    /// `max: time` is used up.
    pub(crate) const TIME: &str = "JP145";
    /// What the store kept of a request cannot be read.
    pub(crate) const REQUEST: &str = "JP146";
    /// An answer gives more than fits into memory.
    pub(crate) const TOO_MUCH: &str = "JP147";
    /// A record nests too deep to be kept.
    pub(crate) const TOO_DEEP: &str = "JP148";
    /// A record has no key.
    pub(crate) const KEY: &str = "JP150";
    /// A required field is empty.
    pub(crate) const REQUIRED: &str = "JP151";
}

pub(crate) fn permanent(code: &str, message: impl Into<String>) -> TaskError {
    TaskError { class: ErrorClass::Permanent, code: code.to_owned(), message: message.into(), retry_after_ms: None }
}

/// A definition that `check` would not have passed.
pub(crate) fn definition(stage: &str, error: &dyn std::fmt::Display) -> TaskError {
    permanent(code::DEFINITION, format!("stage `{stage}`: {error}; check the import with this version of jobpipe"))
}

/// What an expression said on a record.
pub(crate) fn eval_failed(what: &str, error: &EvalError) -> TaskError {
    permanent(error.code(), format!("{what}: {error}"))
}

/// Characters that are kept of an input which nests too deep to be kept as it is.
const SHOWN: usize = 4_096;

/// The dead letter of a record; ids, run and stage are the engine's.
pub(crate) fn dead_letter(url: &str, key: &str, error: TaskError, at: Millis, input: Json) -> DeadLetter {
    DeadLetter {
        id: String::new(),
        import: String::new(),
        run: String::new(),
        stage: String::new(),
        task: String::new(),
        url: url.to_owned(),
        key: key.to_owned(),
        error,
        at,
        // One level more for the record around its body.
        input: if is_deeper(&input, DEEPEST + 1) { shown(&input) } else { input },
    }
}

/// The beginning of a value, as text.
fn shown(value: &Json) -> Json {
    Json::String(value.to_string().chars().take(SHOWN).collect())
}

/// The dead letter of a record that came in.
pub(crate) fn dead_record(record: &Record, key: &str, error: TaskError) -> DeadLetter {
    let input = serde_json::to_value(record).unwrap_or_default();
    dead_letter(&record.origin.url, key, error, record.origin.fetched_at, input)
}
