//! From a place in a scalar's text to the place in the file: past quotes, escapes, folds and indentation.

use super::{Notation, Scalar};
use std::ops::Range;

/// The byte of `source` at which byte `offset` of `scalar.text` stands; never past the scalar's end.
pub(super) fn locate(source: &str, span: &Range<usize>, scalar: &Scalar, offset: usize) -> usize {
    let raw = source.get(span.clone()).unwrap_or_default();
    let indent = indentation(source, span.start);
    let mut at = usize::from(matches!(scalar.notation, Notation::Single | Notation::Double));
    let mut done = 0;
    while done < offset {
        let Some(rest) = raw.get(at..).filter(|rest| !rest.is_empty()) else { break };
        let Some(text) = scalar.text.get(done..).filter(|text| !text.is_empty()) else { break };
        let (raw_len, text_len) = step(rest, text, scalar.notation, indent);
        if raw_len + text_len == 0 {
            break;
        }
        at += raw_len;
        done += text_len;
    }
    (span.start + at).min(span.end)
}

/// How many bytes of the file make how many bytes of the text, for the next character.
fn step(raw: &str, text: &str, notation: Notation, indent: usize) -> (usize, usize) {
    let first = raw.chars().next().map_or(0, char::len_utf8);
    let made = text.chars().next().map_or(0, char::len_utf8);
    let breaks = |c: char| c == '\n' || c == '\r';
    match notation {
        Notation::Block if raw.starts_with(breaks) => {
            let after = if raw.starts_with("\r\n") { 2 } else { 1 };
            let spaces = raw.bytes().skip(after).take(indent).take_while(|byte| *byte == b' ').count();
            (after + spaces, 1)
        }
        Notation::Block => (first, made),
        Notation::Double if raw.starts_with('\\') => escape(raw, made),
        Notation::Single if raw.starts_with("''") => (2, 1),
        Notation::Plain | Notation::Single | Notation::Double => {
            let blank = raw.len() - raw.trim_start().len();
            if raw.get(..blank).is_some_and(|blank| blank.contains(breaks)) {
                let folded = text.len() - text.trim_start_matches([' ', '\n']).len();
                return (blank, folded);
            }
            (first, made)
        }
    }
}

/// An escape of double quotes: `\n`, `\x41`, `\u0041`, `\U00000041`, or a line continued.
fn escape(raw: &str, made: usize) -> (usize, usize) {
    match raw.as_bytes().get(1) {
        Some(b'x') => (4, made),
        Some(b'u') => (6, made),
        Some(b'U') => (10, made),
        Some(b'\n' | b'\r') => {
            let rest = raw.get(1..).unwrap_or_default();
            (1 + rest.len() - rest.trim_start().len(), 0)
        }
        _ => (2, made),
    }
}

/// Spaces between the start of the line and `at`.
fn indentation(source: &str, at: usize) -> usize {
    let before = source.get(..at).unwrap_or_default();
    let line = before.rfind('\n').map_or(0, |found| found + 1);
    at - line
}
