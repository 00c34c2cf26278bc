//! Secrets that are written out in a file: nothing that is told about the file shows them.

use super::{Diagnostic, codes};
use std::borrow::Cow;
use std::ops::Range;

/// What stands for a secret in a message.
const STARS: &str = "***";
/// A shorter text is found by chance in any message.
const SHORTEST: usize = 4;

/// Takes the texts at `hidden`, bytes of `source`, out of the words of a diagnostic, and notes where they are.
pub(super) fn conceal(diagnostic: &mut Diagnostic, source: &str, hidden: &[Range<usize>]) {
    if hidden.is_empty() {
        return;
    }
    let shown = lines_shown(diagnostic, source);
    let near: Vec<Range<usize>> =
        hidden.iter().filter(|range| range.start < shown.end && shown.start < range.end).cloned().collect();
    let inside = |range: &Range<usize>| range.start <= diagnostic.span.start && diagnostic.span.end <= range.end;
    if diagnostic.code != codes::PLAIN_SECRET && near.iter().any(inside) {
        // Its words are made of the secret: they make place for those of its code.
        if let Some(row) = codes::describe(diagnostic.code) {
            diagnostic.message = row.title.to_owned();
            diagnostic.help = Some(row.text.to_owned());
        }
    }
    for range in &near {
        let text = source.get(range.clone()).unwrap_or_default().trim_matches(['"', '\'', ' ']);
        if text.len() < SHORTEST {
            continue;
        }
        for words in [Some(&mut diagnostic.message), diagnostic.help.as_mut()].into_iter().flatten() {
            if words.contains(text) {
                *words = words.replace(text, STARS);
            }
        }
    }
    diagnostic.hidden = near;
}

/// The bytes of the lines that may be shown with it.
fn lines_shown(diagnostic: &Diagnostic, source: &str) -> Range<usize> {
    let other = diagnostic.related.as_ref().map_or(&diagnostic.span, |(range, _)| range);
    let first = diagnostic.span.start.min(other.start);
    let last = diagnostic.span.end.max(other.end);
    let start = source.get(..first).and_then(|before| before.rfind('\n')).map_or(0, |found| found + 1);
    let end = source.get(last..).and_then(|after| after.find('\n')).map_or(source.len(), |found| last + found);
    start..end
}

/// `source` with an asterisk for each byte at `hidden`: places stay where they are.
pub(super) fn masked<'s>(source: &'s str, hidden: &[Range<usize>]) -> Cow<'s, str> {
    if hidden.is_empty() {
        return Cow::Borrowed(source);
    }
    let mut out = source.to_owned();
    for range in hidden {
        let Some(text) = source.get(range.clone()) else { continue };
        let stars: String = text.bytes().map(|byte| if byte == b'\n' { '\n' } else { '*' }).collect();
        out.replace_range(range.clone(), &stars);
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn what_is_masked_keeps_its_bytes_and_lines() {
        assert_eq!(masked("a: é\nbc d", &[3..6, 9..10]), "a: **\nbc *");
        assert_eq!(masked("a: b", &[]), "a: b");
    }
}
