//! Shortening text and making slugs.

use super::arithmetic::{Error, ValR};
use super::natives::str_of;
use super::num::Num;
use super::val::Val;

/// What stands for the text that was cut off.
const ELLIPSIS: char = '…';

/// Cuts a text to at most `most` characters, the ellipsis among them; shorter text and null stay as they are.
/// The cut is made at the last space when that keeps half of it, so that words stay whole.
pub(crate) fn truncate(value: &Val, most: &Val) -> ValR {
    if matches!(value, Val::Null) {
        return Ok(Val::Null);
    }
    let most = match most {
        Val::Num(Num::Int(most)) if *most >= 1 => usize::try_from(*most).unwrap_or(usize::MAX),
        _ => return Err(Error::str(format_args!("truncate needs a whole number from 1, not {most}"))),
    };
    let text = str_of(value)?;
    let Some((end, _)) = text.char_indices().nth(most) else { return Ok(value.clone()) };
    // One character less, for the ellipsis.
    let kept = text.get(..end).unwrap_or_default();
    let kept = kept.char_indices().next_back().and_then(|(last, _)| kept.get(..last)).unwrap_or_default();
    let words = match kept.rfind(char::is_whitespace) {
        Some(space) if space >= kept.len() / 2 => kept.get(..space).unwrap_or(kept),
        _ => kept,
    };
    let mut out = words.trim_end().to_string();
    out.push(ELLIPSIS);
    Ok(Val::text(out))
}

/// Small letters and digits of ASCII, with `-` between words: `Développeur à Lyon` becomes `developpeur-a-lyon`.
pub(crate) fn slug(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in deunicode::deunicode(text).chars() {
        match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9') => out.push(c),
            // An apostrophe joins what it stands between.
            '\'' => {}
            _ if out.ends_with('-') || out.is_empty() => {}
            _ => out.push('-'),
        }
    }
    out.truncate(out.trim_end_matches('-').len());
    out
}
