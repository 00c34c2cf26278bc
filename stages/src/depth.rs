//! How deep records may nest.
//!
//! A record is stored, handed to a child process and put into a dead letter inside other JSON, and is read back by a
//! parser that stops at 128 levels. So a record has far fewer: what cannot be read back must never be written.

use std::fmt;

use jobpipe_core::TaskError;
use serde_json::Value as Json;

use crate::failure::{code, permanent};

/// Lists and maps inside each other in one record, the record's own map among them.
pub(crate) const DEEPEST: usize = 100;

/// Whether lists and maps nest more than `most` levels.
pub(crate) fn is_deeper(value: &Json, most: usize) -> bool {
    match value {
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => false,
        Json::Array(_) | Json::Object(_) if most == 0 => true,
        Json::Array(items) => items.iter().any(|item| is_deeper(item, most - 1)),
        Json::Object(fields) => fields.values().any(|value| is_deeper(value, most - 1)),
    }
}

/// Refuses what nests too deep to be kept. `what` = whose it is, for people.
pub(crate) fn check(value: &Json, what: fmt::Arguments<'_>) -> Result<(), TaskError> {
    if !is_deeper(value, DEEPEST) {
        return Ok(());
    }
    let message = format!(
        "{what} nests lists and maps more than {DEEPEST} levels deep, which cannot be kept: take only what is needed of it, or its text with `tojson`"
    );
    Err(permanent(code::TOO_DEEP, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_record_itself_counts() {
        let nested = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!([inner]));
        assert!(check(&nested(DEEPEST), format_args!("a record")).is_ok());
        let error = check(&nested(DEEPEST + 1), format_args!("a record")).unwrap_err();
        assert_eq!(error.code, "JP148");
        assert!(check(&json!(1), format_args!("a record")).is_ok());
    }
}
