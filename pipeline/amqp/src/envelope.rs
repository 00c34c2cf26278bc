//! A message: one hint as JSON, with the version of its form. No secret and no record is in it.

use jobpipe_core::Hint;
use serde::{Deserialize, Serialize};

/// The form that this release writes, and the only one that it reads.
const VERSION: u64 = 1;

/// What a message of ours has at most, in bytes.
pub(crate) const LARGEST: usize = 1_024;

#[derive(Serialize)]
struct Written<'a> {
    v: u64,
    task: &'a str,
    run: &'a str,
    queue: &'a str,
}

/// Version 1. A field that a later release adds is passed over.
#[derive(Deserialize)]
struct First {
    task: String,
    run: String,
    queue: String,
}

#[derive(Deserialize)]
struct Versioned {
    v: u64,
}

/// What a message says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// A hint.
    Hint(Hint),
    /// A form that this release does not know; a newer one does.
    Unknown(String),
    /// Nothing that any release wrote.
    Unreadable(String),
}

/// The message of a hint; the error says why it cannot be sent.
pub(crate) fn close(hint: &Hint) -> Result<Vec<u8>, String> {
    let written = Written { v: VERSION, task: &hint.task, run: &hint.run, queue: &hint.queue };
    let body = serde_json::to_vec(&written).map_err(|error| format!("a hint cannot be written: {error}"))?;
    if body.len() > LARGEST {
        return Err(format!(
            "a hint of {} bytes is over the limit of {LARGEST}: shorten the import's name",
            body.len()
        ));
    }
    Ok(body)
}

/// Reads a message, whoever sent it.
pub(crate) fn open(body: &[u8]) -> Opened {
    if body.len() > LARGEST * 64 {
        return Opened::Unreadable(format!("a message of {} bytes is no hint", body.len()));
    }
    let version = match serde_json::from_slice::<Versioned>(body) {
        Ok(versioned) => versioned.v,
        Err(error) => return Opened::Unreadable(format!("the message is no hint: {error}")),
    };
    if version != VERSION {
        return Opened::Unknown(format!("the message has version {version}, this release reads {VERSION}"));
    }
    match serde_json::from_slice::<First>(body) {
        Ok(First { task, run, queue }) => Opened::Hint(Hint { task, run, queue }),
        Err(error) => Opened::Unreadable(format!("the message is no hint of version {VERSION}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(task: &str) -> Hint {
        Hint { task: task.to_owned(), run: "jobs@1".to_owned(), queue: "crawl".to_owned() }
    }

    #[test]
    fn comes_back_as_it_was() {
        let body = close(&hint("t")).unwrap();
        assert_eq!(body, br#"{"v":1,"task":"t","run":"jobs@1","queue":"crawl"}"#, "the form of version 1 is for good");
        assert_eq!(open(&body), Opened::Hint(hint("t")));
    }

    #[test]
    fn passes_over_fields_of_a_later_release() {
        let body = br#"{"v":1,"task":"t","run":"jobs@1","queue":"crawl","trace":"x"}"#;
        assert_eq!(open(body), Opened::Hint(hint("t")));
    }

    #[test]
    fn tells_unknown_from_unreadable() {
        assert!(matches!(open(br#"{"v":2,"anything":[]}"#), Opened::Unknown(_)));
        assert!(matches!(open(br#"{"v":0}"#), Opened::Unknown(_)));
        for body in [&b""[..], b"{", b"\xff\xfe", b"{}", br#"{"v":"1"}"#, br#"{"v":1,"task":"t"}"#, b"[]", b"1"] {
            assert!(matches!(open(body), Opened::Unreadable(_)), "{body:?}");
        }
        assert!(matches!(open(&vec![b' '; 100_000]), Opened::Unreadable(_)));
    }

    #[test]
    fn refuses_what_is_too_large() {
        assert!(close(&hint(&"t".repeat(1_100))).is_err());
    }
}
