//! How values lie in documents: JSON as text, compressed where that pays, never as a tree of BSON (which would change
//! numbers, bound the depth, and forbid some keys); numbers signed; states as small numbers.

use jobpipe_core::{StoreError, StoreResult, TaskState, Wanted};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, RawBsonRef, RawDocument};
use serde::{Serialize, de::DeserializeOwned};
use std::cell::RefCell;
use zstd::bulk::{Compressor, Decompressor};

/// Shorter JSON is stored as it is: it would save nothing, and so it can be read by people.
const COMPRESS_FROM: usize = 1024;
/// No stored value is longer than this when it is unpacked.
const LONGEST: u64 = 256 * 1024 * 1024;
/// Fast, and a third of the size.
const LEVEL: i32 = 1;

thread_local! {
    // Making one of these costs many times what a page of JSON does.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = RefCell::new(Compressor::new(LEVEL).ok());
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = RefCell::new(Decompressor::new().ok());
}

/// `value` as it is stored.
pub(crate) fn pack<T: Serialize + ?Sized>(what: &str, value: &T) -> StoreResult<Bson> {
    pack_text(what, serde_json::to_string(value).map_err(|error| corrupt(what, &error))?)
}

/// The same of JSON as it is written.
pub(crate) fn pack_text(what: &str, json: String) -> StoreResult<Bson> {
    if json.len() < COMPRESS_FROM {
        return Ok(Bson::String(json));
    }
    let packed = COMPRESSOR.with_borrow_mut(|compressor| match compressor {
        Some(compressor) => compressor.compress(json.as_bytes()),
        None => zstd::bulk::compress(json.as_bytes(), LEVEL),
    });
    let packed = packed.map_err(|error| corrupt(what, &error))?;
    Ok(if packed.len() < json.len() { bytes(packed) } else { Bson::String(json) })
}

/// Bytes as they are stored.
pub(crate) fn bytes(bytes: Vec<u8>) -> Bson {
    Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes })
}

fn unpack_bytes(what: &str, packed: &[u8]) -> StoreResult<Vec<u8>> {
    let length = zstd::zstd_safe::get_frame_content_size(packed).ok().flatten().filter(|length| *length <= LONGEST);
    let length = length.and_then(|length| usize::try_from(length).ok());
    let length = length.ok_or_else(|| corrupt(what, &"its length is not told"))?;
    let json = DECOMPRESSOR.with_borrow_mut(|decompressor| match decompressor {
        Some(decompressor) => decompressor.decompress(packed, length),
        None => zstd::bulk::decompress(packed, length),
    });
    json.map_err(|error| corrupt(what, &error))
}

/// A stored document that this version cannot read.
pub(crate) fn corrupt(what: &str, message: &impl ToString) -> StoreError {
    StoreError::Corrupt { what: what.to_owned(), message: message.to_string() }
}

/// An unsigned number as a document has it. All of them are below 2^63; a bound above that means "no bound".
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A page's length as a server takes it.
pub(crate) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A document as it came, with a word for what it is.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'d> {
    document: &'d RawDocument,
    what: &'static str,
}

impl<'d> Fields<'d> {
    pub(crate) fn new(what: &'static str, document: &'d RawDocument) -> Self {
        Self { document, what }
    }

    /// The field; `None` where it is absent or null.
    fn get(&self, field: &str) -> StoreResult<Option<RawBsonRef<'d>>> {
        let found = self.document.get(field).map_err(|error| self.corrupt(field, &error))?;
        Ok(found.filter(|value| !matches!(value, RawBsonRef::Null)))
    }

    fn need(&self, field: &str) -> StoreResult<RawBsonRef<'d>> {
        self.get(field)?.ok_or_else(|| self.corrupt(field, &"it is absent"))
    }

    /// That `field` of this document is not what it should be.
    pub(crate) fn corrupt(&self, field: &str, message: &impl ToString) -> StoreError {
        let id = self.document.get_str("_id").unwrap_or("without id");
        corrupt(&format!("{} {id}", self.what), &format!("{field}: {}", message.to_string()))
    }

    pub(crate) fn text(&self, field: &str) -> StoreResult<&'d str> {
        let value = self.need(field)?;
        value.as_str().ok_or_else(|| self.corrupt(field, &"it is no text"))
    }

    /// A whole number, whichever of its kinds the server made of it.
    pub(crate) fn number(&self, field: &str) -> StoreResult<i64> {
        self.number_if_any(field)?.ok_or_else(|| self.corrupt(field, &"it is absent"))
    }

    /// A whole number that may be absent.
    pub(crate) fn number_if_any(&self, field: &str) -> StoreResult<Option<i64>> {
        match self.get(field)? {
            None => Ok(None),
            Some(RawBsonRef::Int32(number)) => Ok(Some(i64::from(number))),
            Some(RawBsonRef::Int64(number)) => Ok(Some(number)),
            Some(_) => Err(self.corrupt(field, &"it is no whole number")),
        }
    }

    pub(crate) fn unsigned(&self, field: &str) -> StoreResult<u64> {
        u64::try_from(self.number(field)?).map_err(|error| self.corrupt(field, &error))
    }

    pub(crate) fn short(&self, field: &str) -> StoreResult<u32> {
        u32::try_from(self.number(field)?).map_err(|error| self.corrupt(field, &error))
    }

    /// True where the field is this text, and not absent or a document.
    pub(crate) fn is(&self, field: &str, text: &str) -> StoreResult<bool> {
        Ok(matches!(self.get(field)?, Some(RawBsonRef::String(found)) if found == text))
    }

    /// The document in a field.
    pub(crate) fn inner(&self, field: &str) -> StoreResult<Option<Self>> {
        let Some(value) = self.get(field)? else { return Ok(None) };
        let document = value.as_document().ok_or_else(|| self.corrupt(field, &"it is no document"))?;
        Ok(Some(Self { document, what: self.what }))
    }

    pub(crate) fn bytes(&self, field: &str) -> StoreResult<Option<&'d [u8]>> {
        match self.get(field)? {
            None => Ok(None),
            Some(RawBsonRef::Binary(binary)) => Ok(Some(binary.bytes)),
            Some(_) => Err(self.corrupt(field, &"it is no binary")),
        }
    }

    /// The value packed into `field`.
    pub(crate) fn unpack<T: DeserializeOwned>(&self, field: &str) -> StoreResult<Option<T>> {
        let read = match self.get(field)? {
            None => return Ok(None),
            Some(RawBsonRef::String(json)) => serde_json::from_str(json),
            Some(RawBsonRef::Binary(packed)) => serde_json::from_slice(&unpack_bytes(self.what, packed.bytes)?),
            Some(_) => return Err(self.corrupt(field, &"it is neither text nor binary")),
        };
        read.map(Some).map_err(|error| self.corrupt(field, &error))
    }

    /// The JSON packed into `field`.
    pub(crate) fn json(&self, field: &str) -> StoreResult<String> {
        match self.need(field)? {
            RawBsonRef::String(json) => Ok(json.to_owned()),
            RawBsonRef::Binary(packed) => {
                String::from_utf8(unpack_bytes(self.what, packed.bytes)?).map_err(|error| self.corrupt(field, &error))
            }
            _ => Err(self.corrupt(field, &"it is neither text nor binary")),
        }
    }
}

/// What closes a task adds to its state's number, so that one field says both.
const CLOSED: i32 = 10;

/// Where a task stands: its state, and whether it is open.
pub(crate) const fn stand(state: TaskState, open: bool) -> i32 {
    let number = match state {
        TaskState::Ready => 0,
        TaskState::Running => 1,
        TaskState::Done => 2,
        TaskState::Dead => 3,
        TaskState::Cancelled => 4,
    };
    if open { number } else { number + CLOSED }
}

/// [`stand`], back.
pub(crate) fn stood(fields: &Fields<'_>, field: &str) -> StoreResult<(TaskState, bool)> {
    let number = fields.number(field)?;
    let state = match number % i64::from(CLOSED) {
        0 => TaskState::Ready,
        1 => TaskState::Running,
        2 => TaskState::Done,
        3 => TaskState::Dead,
        4 => TaskState::Cancelled,
        _ => return Err(fields.corrupt(field, &format!("{number} is none"))),
    };
    Ok((state, number < i64::from(CLOSED)))
}

pub(crate) const fn wanted_number(wanted: Wanted) -> i32 {
    match wanted {
        Wanted::Live => 0,
        Wanted::Withdrawn => 1,
        Wanted::Gone => 2,
        Wanted::Stub => 3,
    }
}

pub(crate) fn wanted(fields: &Fields<'_>, field: &str) -> StoreResult<Wanted> {
    Ok(match fields.number(field)? {
        0 => Wanted::Live,
        1 => Wanted::Withdrawn,
        2 => Wanted::Gone,
        3 => Wanted::Stub,
        other => return Err(fields.corrupt(field, &format!("{other} is none"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::{RawDocumentBuf, doc, rawdoc};
    use serde_json::{Value as Json, json};

    fn stored(value: &Json) -> RawDocumentBuf {
        RawDocumentBuf::try_from(&doc! { "_id": "r", "b": pack("x", value).unwrap() }).unwrap()
    }

    #[test]
    fn short_json_stays_readable_and_long_json_shrinks() {
        let short = stored(&json!({"a.b": {"$c": 1.0}}));
        assert_eq!(short.get_str("b").unwrap(), r#"{"a.b":{"$c":1.0}}"#);
        let long = json!({ "text": "a job offer ".repeat(1_000) });
        let packed = stored(&long);
        assert!(packed.as_bytes().len() < 500, "{} bytes", packed.as_bytes().len());
        assert_eq!(Fields::new("x", &packed).unpack::<Json>("b").unwrap(), Some(long.clone()));
        assert_eq!(Fields::new("x", &packed).json("b").unwrap(), long.to_string());
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let torn = rawdoc! { "_id": "r", "b": "{\"a\":" };
        let zstd = RawDocumentBuf::try_from(&doc! { "_id": "r", "b": bytes(vec![0x28, 0xB5, 0x2F, 0xFD, 1]) }).unwrap();
        for document in [torn, zstd, rawdoc! { "_id": "r", "b": 1 }] {
            let error = Fields::new("row", &document).unpack::<Json>("b").unwrap_err();
            assert!(matches!(&error, StoreError::Corrupt { what, .. } if what.starts_with("row")), "{error}");
        }
        let odd = rawdoc! { "_id": "r", "stand": 9, "w": -1, "n": -1_i64, "t": 1 };
        let fields = Fields::new("row", &odd);
        assert!(stood(&fields, "stand").is_err() && wanted(&fields, "w").is_err() && fields.unsigned("n").is_err());
        assert!(fields.text("t").is_err() && fields.text("absent").is_err() && fields.bytes("t").is_err());
    }

    #[test]
    fn states_come_back_as_they_went() {
        for state in [TaskState::Ready, TaskState::Running, TaskState::Done, TaskState::Dead, TaskState::Cancelled] {
            for open in [true, false] {
                let document = rawdoc! { "s": stand(state, open) };
                assert_eq!(stood(&Fields::new("task", &document), "s").unwrap(), (state, open));
            }
        }
        for one in [Wanted::Live, Wanted::Withdrawn, Wanted::Gone, Wanted::Stub] {
            let document = rawdoc! { "w": wanted_number(one) };
            assert_eq!(wanted(&Fields::new("head", &document), "w").unwrap(), one);
        }
        assert_eq!(signed(u64::MAX), i64::MAX);
    }
}
