//! What a value must lose before it is put into a URL or a path, and what the whole may not hold.

use std::borrow::Cow;
use std::fmt::Write;

use crate::{EvalError, ExprError, error::code};

/// Longest part of a path between two separators, in bytes: what file systems take.
const MAX_PATH_PART: usize = 255;

/// Percent-encodes all but the unreserved characters of RFC 3986.
pub(crate) fn percent(value: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    if value.bytes().all(plain) {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len() * 2);
    for byte in value.bytes() {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").unwrap_or_default();
        }
    }
    Cow::Owned(out)
}

/// Replaces separators of any system, and control characters, by `-`.
pub(crate) fn path_part(value: &str) -> Cow<'_, str> {
    let bad = |c: char| matches!(c, '/' | '\\' | ':') || c.is_control();
    if value.contains(bad) { Cow::Owned(value.replace(bad, "-")) } else { Cow::Borrowed(value) }
}

/// Refuses another host and dot segments: a value may not climb out of the path that the file wrote.
///
/// `written` is the URL with a letter for each value: what the file itself says (`./x`) may stay.
pub(crate) fn check_url(url: &str, written: &str) -> Result<(), EvalError> {
    // An empty value after the first `/` of a relative URL would make a host of what follows.
    if url.starts_with("//") {
        return Err(EvalError::Unsafe { place: "a URL", reason: "it begins with `//`, and so with another host" });
    }
    let climbs = |part: &str| {
        let part = part.to_ascii_lowercase().replace("%2e", ".");
        part == "." || part == ".."
    };
    let climbing = |url: &str| {
        let path = url.split(['?', '#']).next().unwrap_or_default();
        path.split('/').filter(|part| climbs(part)).count()
    };
    match climbing(url) > climbing(written) {
        true => Err(EvalError::Unsafe { place: "a URL", reason: "a part of its path is `.` or `..`" }),
        false => Ok(()),
    }
}

/// Refuses `..`, parts that are too long, and NUL.
pub(crate) fn check_path(path: &str) -> Result<(), EvalError> {
    let refuse = |reason| Err(EvalError::Unsafe { place: "a path", reason });
    for part in path.split(['/', '\\']) {
        if part == ".." {
            return refuse("a part of it is `..`");
        }
        if part.len() > MAX_PATH_PART {
            return refuse("a part of it is longer than 255 bytes");
        }
    }
    if path.contains('\0') { refuse("it holds a NUL") } else { Ok(()) }
}

/// Refuses what would end a header.
pub(crate) fn check_header(header: &str) -> Result<(), EvalError> {
    match header.contains(['\r', '\n', '\0']) {
        true => Err(EvalError::Unsafe { place: "a header", reason: "it holds a line break" }),
        false => Ok(()),
    }
}

/// Refuses a URL in which the first value would stand before the path: `prefix` is what precedes it, `at` its byte.
pub(crate) fn check_url_prefix(prefix: &str, at: usize) -> Result<(), ExprError> {
    let path_begins = match prefix.split_once("://") {
        Some((scheme, rest)) => !scheme.is_empty() && rest.find(['/', '?', '#']).is_some_and(|at| at > 0),
        // A relative one: nothing before its path may be read as a scheme or a host.
        None => {
            let first = prefix.find(['/', '?', '#', ':']).and_then(|at| prefix.get(at..));
            first.is_some_and(|rest| !rest.starts_with(':')) && !prefix.starts_with("//")
        }
    };
    if path_begins {
        return Ok(());
    }
    Err(ExprError::new(code::HOST, at, 1, "a value may not supply the scheme or the host of a URL")
        .help("write the host out, or make the whole URL one expression: `=\"https://\" + .host + \"/jobs\"`"))
}
