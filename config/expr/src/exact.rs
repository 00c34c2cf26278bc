//! JSON with numbers that no number of ours can hold: they stay as they are written, as text.
//!
//! An id such as `123456789012345678901234567890` would become the float `1.2345678901234568e29`, which is another id.

use std::borrow::Cow;

use serde_json::Value as Json;

/// The shortest run of digits that may be more than 64 bits: `-9223372036854775808` has 19.
const SUSPECT: usize = 19;

/// Parses JSON text. A whole number beyond 64 bits, or one beyond the floats, becomes the text of it.
pub fn parse_json_exactly(text: &[u8]) -> serde_json::Result<Json> {
    match serde_json::from_slice(&exact(text)) {
        Err(error) if error.is_syntax() && error.to_string().starts_with("number out of range") => {
            serde_json::from_slice(&with_quotes(text))
        }
        done => done,
    }
}

/// The text with quotes around whole numbers that are too large; untouched, and hardly looked at, when there are none.
fn exact(text: &[u8]) -> Cow<'_, [u8]> {
    if has_long_digits(text) { Cow::Owned(with_quotes(text)) } else { Cow::Borrowed(text) }
}

/// Whether there is a run of [`SUSPECT`] digits: any such run covers a multiple of that length.
fn has_long_digits(text: &[u8]) -> bool {
    let is_digit = |at: usize| text.get(at).is_some_and(u8::is_ascii_digit);
    (SUSPECT - 1..text.len()).step_by(SUSPECT).filter(|at| is_digit(*at)).any(|at| {
        let before = (0..at).rev().take_while(|before| is_digit(*before)).take(SUSPECT).count();
        let after = (at + 1..text.len()).take_while(|after| is_digit(*after)).take(SUSPECT).count();
        before + 1 + after >= SUSPECT
    })
}

/// Puts each number that is too large into quotes.
fn with_quotes(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 64);
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let rest = text.get(at..).unwrap_or_default();
        let token = match byte {
            b'"' => string(rest),
            b'-' | b'0'..=b'9' => rest.iter().take_while(|byte| in_number(**byte)).count(),
            _ => 1,
        };
        let token = rest.get(..token).unwrap_or(rest);
        let quote = matches!(byte, b'-' | b'0'..=b'9') && is_too_large(token);
        let mark: &[u8] = if quote { b"\"" } else { b"" };
        for part in [mark, token, mark] {
            out.extend_from_slice(part);
        }
        at += token.len();
    }
    out
}

/// Bytes of the string that begins `text`, quotes included; all of them when it does not end.
fn string(text: &[u8]) -> usize {
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn in_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E')
}

/// Whether a number of JSON is whole and beyond 64 bits, or beyond the floats. What is no number of JSON is left to the
/// parser to refuse.
fn is_too_large(token: &[u8]) -> bool {
    let Ok(token) = std::str::from_utf8(token) else { return false };
    let digits = token.strip_prefix('-').unwrap_or(token);
    if digits.len() > 1 && digits.starts_with('0') && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit) {
        return false;
    }
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return token.parse::<u64>().is_err() && token.parse::<i64>().is_err();
    }
    let well_formed = digits.bytes().last().is_some_and(|last| last.is_ascii_digit())
        && digits.bytes().next().is_some_and(|first| first.is_ascii_digit());
    well_formed && token.parse::<f64>().is_ok_and(f64::is_infinite)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parsed(text: &str) -> Json {
        parse_json_exactly(text.as_bytes()).unwrap()
    }

    #[test]
    fn numbers_stay_what_they_are_as_far_as_they_are_exact() {
        for text in ["18446744073709551615", "-9223372036854775808", "9007199254740993", "0", "-0.5", "1e300", "1.50"] {
            assert!(parsed(text).is_number(), "{text}");
        }
        assert_eq!(parsed("18446744073709551615"), json!(u64::MAX));
        // A fraction says that it is no id: the nearest float, as everywhere.
        assert!(parsed("0.12345678901234567890123").is_number());
        assert!(parsed("12345678901234567890123.5").is_number());
    }

    #[test]
    fn what_is_too_large_stays_as_written() {
        for text in [
            "18446744073709551616",
            "-9223372036854775809",
            "123456789012345678901234567890",
            "-123456789012345678901234567890",
            "1e400",
            "-1.5E+999",
            &"9".repeat(400),
        ] {
            assert_eq!(parsed(text), json!(text));
            let inside = format!("{{\"a\": [1, {text},2], \"b\":{text}}}");
            assert_eq!(parsed(&inside), json!({"a": [1, text, 2], "b": text}));
        }
        // Wherever it lies, and whatever strings lie around it.
        for shift in 0..40 {
            let text = format!("[\"{}\\\"12345678901234567890\\\\\",18446744073709551616]", "x".repeat(shift));
            assert_eq!(parsed(&text)[1], json!("18446744073709551616"));
            assert!(parsed(&text)[0].as_str().unwrap().ends_with("\"12345678901234567890\\"));
        }
    }

    #[test]
    fn what_is_no_json_is_not_made_json() {
        for text in [
            "0123456789012345678901234567890",
            "-",
            "1e400e1",
            "--99999999999999999999999",
            "99999999999999999999 1",
            "[99999999999999999999",
            "\"99999999999999999999",
            "99999999999999999999.",
            "1e",
            "01e999",
        ] {
            assert!(parse_json_exactly(text.as_bytes()).is_err(), "{text}");
        }
    }
}
