//! JSON answers: bounded by the body's limit and by 128 levels (serde_json's own). Numbers beyond 64 bits are text.

use serde_json::Value as Json;
use serde_json::error::Category;

use super::{FormatError, decode};

/// Parses a JSON answer. UTF-8 with or without a byte order mark, or what `content_type` names.
pub fn parse_json(bytes: &[u8], content_type: &str) -> Result<Json, FormatError> {
    let plain = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if std::str::from_utf8(plain).is_ok() {
        return parse(plain);
    }
    parse(decode(bytes, content_type).text.as_bytes())
}

fn parse(text: &[u8]) -> Result<Json, FormatError> {
    jobpipe_expr::parse_json_exactly(text).map_err(|error| {
        let start = text.iter().find(|byte| !byte.is_ascii_whitespace());
        match error.classify() {
            Category::Eof if start.is_none() => FormatError::JsonEmpty,
            Category::Eof => FormatError::JsonCut { bytes: text.len(), line: error.line() },
            _ if start == Some(&b'<') => FormatError::JsonIsHtml,
            Category::Syntax | Category::Data | Category::Io => FormatError::NotJson { why: error.to_string() },
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobpipe_core::ErrorClass;
    use serde_json::json;

    #[test]
    fn json_in_the_encodings_that_occur() {
        assert_eq!(parse_json(b"\xef\xbb\xbf{\"a\": 1}", ""), Ok(json!({"a": 1})));
        assert_eq!(
            parse_json(b"{\"a\": \"\xe9t\xe9\"}", "application/json; charset=iso-8859-1"),
            Ok(json!({"a": "été"}))
        );
    }

    #[test]
    fn every_way_to_be_cut_is_told_as_such() {
        let whole = br#"{"data": [{"id": 1, "t": "a\u00e9b", "ok": true, "n": null}], "next": 2.5}"#;
        for end in 0..whole.len() {
            let error = parse_json(&whole[..end], "application/json").unwrap_err();
            assert_eq!((error.code(), error.class()), ("JP122", ErrorClass::Transient), "cut at {end}: {error}");
        }
    }

    #[test]
    fn nothing_is_not_told_as_cut() {
        for nothing in ["", " \n", "\u{feff}"] {
            let error = parse_json(nothing.as_bytes(), "application/json").unwrap_err();
            assert_eq!((&error, error.code()), (&FormatError::JsonEmpty, "JP122"));
            assert_eq!(error.class(), ErrorClass::Transient, "it may come the next time");
        }
    }

    #[test]
    fn pages_and_nonsense() {
        assert_eq!(parse_json(b" <html><body>Login", "application/json"), Err(FormatError::JsonIsHtml));
        assert_eq!(parse_json(b"OK", "").unwrap_err().code(), "JP124");
        let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
        assert_eq!(parse_json(&deep, "").unwrap_err().code(), "JP124");
        let deep_and_cut = vec![b'['; 100_000];
        assert_eq!(parse_json(&deep_and_cut, "").unwrap_err().code(), "JP124");
    }
}
