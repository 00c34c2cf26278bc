//! How values lie in columns: JSON as bytes (compressed where it pays), numbers signed, states as small numbers.

use jobpipe_core::{StoreError, StoreResult, TaskState, Wanted};
use serde::{Serialize, de::DeserializeOwned};
use std::borrow::Cow;
use std::cell::RefCell;
use zstd::bulk::{Compressor, Decompressor};

/// Shorter JSON is stored as it is: it would save nothing.
const COMPRESS_FROM: usize = 1024;
/// No stored document is longer than this when it is unpacked.
const LONGEST: u64 = 256 * 1024 * 1024;
/// The first bytes of a zstd frame. JSON never starts with them.
const ZSTD: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// Fast, and a third of the size.
const LEVEL: i32 = 1;

thread_local! {
    // Making one of these costs many times what a page of JSON does.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = RefCell::new(Compressor::new(LEVEL).ok());
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = RefCell::new(Decompressor::new().ok());
}

/// `value` as it is stored.
pub(crate) fn pack<T: Serialize + ?Sized>(what: &str, value: &T) -> StoreResult<Vec<u8>> {
    pack_bytes(what, serde_json::to_vec(value).map_err(|error| corrupt(what, &error))?)
}

/// The same of JSON as it is written.
pub(crate) fn pack_bytes(what: &str, json: Vec<u8>) -> StoreResult<Vec<u8>> {
    if json.len() < COMPRESS_FROM {
        return Ok(json);
    }
    let packed = COMPRESSOR.with_borrow_mut(|compressor| match compressor {
        Some(compressor) => compressor.compress(&json),
        None => zstd::bulk::compress(&json, LEVEL),
    });
    let packed = packed.map_err(|error| corrupt(what, &error))?;
    Ok(if packed.len() < json.len() { packed } else { json })
}

/// The value stored as `bytes`.
pub(crate) fn unpack<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> StoreResult<T> {
    serde_json::from_slice(&unpack_bytes(what, bytes)?).map_err(|error| corrupt(what, &error))
}

/// The JSON stored as `bytes`.
pub(crate) fn unpack_bytes<'b>(what: &str, bytes: &'b [u8]) -> StoreResult<Cow<'b, [u8]>> {
    if !bytes.starts_with(&ZSTD) {
        return Ok(Cow::Borrowed(bytes));
    }
    let length = zstd::zstd_safe::get_frame_content_size(bytes).ok().flatten().filter(|length| *length <= LONGEST);
    let length = length.and_then(|length| usize::try_from(length).ok());
    let length = length.ok_or_else(|| corrupt(what, &"its length is not told"))?;
    let json = DECOMPRESSOR.with_borrow_mut(|decompressor| match decompressor {
        Some(decompressor) => decompressor.decompress(bytes, length),
        None => zstd::bulk::decompress(bytes, length),
    });
    json.map(Cow::Owned).map_err(|error| corrupt(what, &error))
}

/// A stored document that this version cannot read.
pub(crate) fn corrupt(what: &str, message: &impl ToString) -> StoreError {
    StoreError::Corrupt { what: what.to_owned(), message: message.to_string() }
}

/// An unsigned number as a column has it. All of them are below 2^63; a bound above that means "no bound".
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// `signed`, back.
pub(crate) fn unsigned(what: &str, number: i64) -> StoreResult<u64> {
    u64::try_from(number).map_err(|error| corrupt(what, &error))
}

/// As [`unsigned`], for counters.
pub(crate) fn short(what: &str, number: i64) -> StoreResult<u32> {
    u32::try_from(number).map_err(|error| corrupt(what, &error))
}

/// How many rows a page may have, as SQLite takes it.
pub(crate) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

pub(crate) fn state_number(state: TaskState) -> i64 {
    match state {
        TaskState::Ready => 0,
        TaskState::Running => 1,
        TaskState::Done => 2,
        TaskState::Dead => 3,
        TaskState::Cancelled => 4,
    }
}

pub(crate) fn state(number: i64) -> StoreResult<TaskState> {
    Ok(match number {
        0 => TaskState::Ready,
        1 => TaskState::Running,
        2 => TaskState::Done,
        3 => TaskState::Dead,
        4 => TaskState::Cancelled,
        other => return Err(corrupt("state of a task", &format!("{other} is none"))),
    })
}

pub(crate) fn wanted_number(wanted: Wanted) -> i64 {
    match wanted {
        Wanted::Live => 0,
        Wanted::Withdrawn => 1,
        Wanted::Gone => 2,
        Wanted::Stub => 3,
    }
}

pub(crate) fn wanted(number: i64) -> StoreResult<Wanted> {
    Ok(match number {
        0 => Wanted::Live,
        1 => Wanted::Withdrawn,
        2 => Wanted::Gone,
        3 => Wanted::Stub,
        other => return Err(corrupt("wish of a head", &format!("{other} is none"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    #[test]
    fn short_json_stays_readable_and_long_json_shrinks() {
        assert_eq!(pack("x", &json!({"a": 1})).unwrap(), br#"{"a":1}"#);
        let long = json!({ "text": "a job offer ".repeat(1_000) });
        let packed = pack("x", &long).unwrap();
        assert!(packed.len() < 500, "{} bytes", packed.len());
        assert_eq!(unpack::<Json>("x", &packed).unwrap(), long);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for bytes in [&b"{\"a\":"[..], b"", &[0x28, 0xB5, 0x2F, 0xFD, 1, 2, 3]] {
            let error = unpack::<Json>("row r", bytes).unwrap_err();
            assert!(matches!(&error, StoreError::Corrupt { what, .. } if what == "row r"), "{error}");
        }
        assert!(unsigned("x", -1).is_err() && state(9).is_err() && wanted(-1).is_err());
    }

    #[test]
    fn states_come_back_as_they_went() {
        for one in [TaskState::Ready, TaskState::Running, TaskState::Done, TaskState::Dead, TaskState::Cancelled] {
            assert_eq!(state(state_number(one)).unwrap(), one);
        }
        for one in [Wanted::Live, Wanted::Withdrawn, Wanted::Gone, Wanted::Stub] {
            assert_eq!(wanted(wanted_number(one)).unwrap(), one);
        }
        assert_eq!(signed(u64::MAX), i64::MAX);
    }
}
