//! Text that is meant as jq but lacks its `=`.

use crate::{ExprError, error::code};

/// Refuses a literal that is jq: `if ..`, `[.a, .b]`, `del(.x)`, and `.x` inside text.
pub(crate) fn looks_like_jq(text: &str) -> Result<(), ExprError> {
    path_in_text(text)
}

/// Refuses ` .name` inside text: `Hello .name`.
pub(crate) fn path_in_text(text: &str) -> Result<(), ExprError> {
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        if c == '.' && at > 0 && before.is_whitespace() {
            let rest = text.get(at + 1..).unwrap_or_default();
            let name = crate::form::identifier(rest);
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
