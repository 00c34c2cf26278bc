//! Text that is meant as jq but lacks its `=`.

use crate::form::{Marks, identifier};
use crate::{ExprError, error::code};

/// Refuses a literal that is jq: `if ..`, `[.a, .b]`, `del(.x)`, and `.x` inside text.
///
/// Prose is not refused for its words: `9-17`, `IT and Ops`, `[urgent]` would be jq only if such functions were known.
pub(crate) fn looks_like_jq(text: &str) -> Result<(), ExprError> {
    if crate::jq::would_run(text) {
        // The text is not repeated: it may be a secret that was written out.
        let found = "this is text here, but reads as an expression";
        return Err(ExprError::new(code::LOOKS_LIKE_JQ, 0, text.len(), found)
            .help("put `=` before it for the expression, or make it text: `=\"...\"`"));
    }
    path_in_text(text)
}

/// Refuses ` .name` inside text, outside of its `$`: `Hello .name`.
pub(crate) fn path_in_text(text: &str) -> Result<(), ExprError> {
    let mut done = 0;
    for mark in Marks::new(text) {
        path_in_part(text, done..mark.start)?;
        done = mark.end;
    }
    path_in_part(text, done..text.len())
}

fn path_in_part(text: &str, part: std::ops::Range<usize>) -> Result<(), ExprError> {
    let mut before = if part.start == 0 { '^' } else { '$' };
    for (at, c) in text.get(part.clone()).unwrap_or_default().char_indices() {
        if c == '.' && before.is_whitespace() {
            let at = part.start + at;
            let name = identifier(text.get(at + 1..).unwrap_or_default());
            if name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_') {
                let found = format!("`.{name}` in text is not replaced");
                return Err(ExprError::new(code::LOOKS_LIKE_JQ, at, name.len() + 1, found)
                    .help(format!("write `${{.{name}}}` for the field, or `${{\".{name}\"}}` for the text")));
            }
        }
        before = c;
    }
    Ok(())
}
