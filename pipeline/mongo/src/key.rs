//! Texts as keys of documents and indexes: printable ASCII, ordered as the bytes of the texts are.
//!
//! Servers differ in how they order what is not ASCII, and in what they make of a zero byte; so nothing of either reaches
//! them. A key of several parts is ordered by the first part, then by the second, and so on.

use crate::codec::corrupt;
use jobpipe_core::StoreResult;
use std::fmt::Write as _;

/// Between the parts: below every character that a part is made of.
const BETWEEN: char = ' ';
/// Marks a byte below the plain ones; itself below them.
const LOW: char = '!';
/// Marks a byte above the plain ones; itself above them.
const HIGH: char = '~';
/// Above every character of a key.
const END: char = '\u{7f}';

/// The key of `parts`.
pub(crate) fn of(parts: &[&str]) -> String {
    let mut key = String::with_capacity(parts.iter().map(|part| part.len() + 1).sum());
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            key.push(BETWEEN);
        }
        part.bytes().for_each(|byte| push(byte, &mut key));
    }
    key
}

fn push(byte: u8, key: &mut String) {
    let mark = match byte {
        b'"'..=b'}' => return key.push(char::from(byte)),
        0..=b'!' => LOW,
        _ => HIGH,
    };
    key.push(mark);
    // Writing to a text cannot fail.
    write!(key, "{byte:02x}").unwrap_or_default();
}

/// The keys of `parts` followed by further parts lie above this and below its [`end`].
pub(crate) fn within(parts: &[&str]) -> String {
    let mut key = of(parts);
    key.push(BETWEEN);
    key
}

/// Above every key that starts with `start`.
pub(crate) fn end(mut start: String) -> String {
    start.push(END);
    start
}

/// The last part of a key, as it was.
pub(crate) fn last(key: &str) -> StoreResult<String> {
    let part = key.rsplit(BETWEEN).next().unwrap_or_default();
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        let plain = match char::from(byte) {
            LOW | HIGH => hex(rest.next()).zip(hex(rest.next())).map(|(high, low)| high << 4 | low),
            _ => Some(byte),
        };
        bytes.push(plain.ok_or_else(|| corrupt("key", &format!("{key} is none")))?);
    }
    String::from_utf8(bytes).map_err(|error| corrupt("key", &format!("{key}: {error}")))
}

fn hex(digit: Option<u8>) -> Option<u8> {
    char::from(digit?).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    fn text(rng: &mut StdRng) -> String {
        const CHARS: [char; 12] = ['\0', '\u{1}', ' ', '!', '"', 'a', '}', '~', '\u{7f}', 'é', '\u{ffff}', '😀'];
        (0..rng.random_range(0..5)).map(|_| CHARS[rng.random_range(0..CHARS.len())]).collect()
    }

    #[test]
    fn keys_are_ordered_as_their_parts_and_come_back() {
        const SEED: u64 = 20_261_123;
        let mut rng = StdRng::seed_from_u64(SEED);
        for _ in 0..20_000 {
            let [a, b, c, d] = [(); 4].map(|()| text(&mut rng));
            let (left, right) = (of(&[&a, &b]), of(&[&c, &d]));
            assert_eq!(left.cmp(&right), (&a, &b).cmp(&(&c, &d)), "seed {SEED}: {a:?} {b:?} {c:?} {d:?}");
            assert!(left.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{left:?}");
            assert_eq!(last(&left).unwrap(), b);
            assert_eq!(last(&of(&[&a])).unwrap(), a);
            let inside = left.as_str() > within(&[&a]).as_str() && left < end(within(&[&a]));
            assert_eq!(inside, !b.is_empty(), "an empty last part is the bound itself");
            assert_eq!(of(&[&a]).starts_with(&of(&[&c])), a.starts_with(&c), "a prefix stays one");
        }
    }

    #[test]
    fn what_is_no_key_is_told() {
        for key in ["a!", "a!0", "a!zz", "~ff"] {
            assert!(last(key).is_err(), "{key}");
        }
    }

    #[test]
    fn usual_names_stay_readable() {
        assert_eq!(of(&["jobs@2026-11-23T06:00:00Z", "crawl"]), "jobs@2026-11-23T06:00:00Z crawl");
    }
}
