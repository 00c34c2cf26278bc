//! How a list of records becomes a stored batch, and back: compressed lines, one a record. A line has what is known of
//! the record, a tab, and its body, both as compact JSON (which has no tab of its own), so that who only moves bodies
//! need not read them.

use crate::error::Result;
use jobpipe_core::{Fate, Origin, Record, StateStore, StoreError};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::cell::RefCell;
use zstd::bulk::Compressor;

/// More than any batch that was written; a larger one is damaged.
const DECODED_LIMIT: usize = 64 << 20;

thread_local! {
    // making one of these costs many times what a small batch does
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = RefCell::new(Compressor::new(LEVEL).ok());
}

/// Fast, and a fifth of the size.
const LEVEL: i32 = 1;

/// What is known of a record beside its body.
#[derive(Serialize, Deserialize)]
pub(crate) struct Known<'l> {
    /// The key.
    #[serde(borrow)]
    pub key: Cow<'l, str>,
    /// Where it came from.
    pub origin: Cow<'l, Origin>,
    /// What becomes of it.
    pub fate: Fate,
}

/// One batch of an output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// What is stored.
    pub bytes: Vec<u8>,
    /// Records in it, of whatever fate.
    pub count: usize,
    /// Live ones.
    pub live: u64,
    /// The records, where they are still needed.
    pub records: Vec<Record>,
}

/// How large a batch may be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cut {
    /// Records at most.
    pub records: usize,
    /// About so many bytes of JSON.
    pub bytes: usize,
}

/// The batches of one output, without their records.
pub(crate) fn encode(records: &[Record], cut: Cut) -> Result<Vec<Batch>> {
    let mut batches = Vec::new();
    let mut lines: Vec<u8> = Vec::new();
    let mut count = 0;
    let mut live = 0;
    for record in records {
        let Record { key, body, origin, fate } = record;
        let known = Known { key: Cow::Borrowed(key), origin: Cow::Borrowed(origin), fate: *fate };
        serde_json::to_writer(&mut lines, &known).map_err(|error| corrupt("a record", &error))?;
        lines.push(b'\t');
        serde_json::to_writer(&mut lines, body).map_err(|error| corrupt("a record", &error))?;
        lines.push(b'\n');
        count += 1;
        live += u64::from(*fate == Fate::Live);
        if count == cut.records || lines.len() >= cut.bytes {
            batches.push(Batch { bytes: compress(&lines)?, count, live, records: Vec::new() });
            lines.clear();
            (count, live) = (0, 0);
        }
    }
    if count > 0 {
        batches.push(Batch { bytes: compress(&lines)?, count, live, records: Vec::new() });
    }
    Ok(batches)
}

/// Gives every batch the records that are in it.
pub(crate) fn keep(batches: &mut [Batch], mut records: Vec<Record>) {
    for batch in batches {
        let rest = records.split_off(batch.count.min(records.len()));
        batch.records = std::mem::replace(&mut records, rest);
    }
}

/// The records of a stored batch.
pub(crate) async fn read(store: &dyn StateStore, id: &str) -> Result<Vec<Record>> {
    decode(id, &lines(store, id).await?)
}

/// The text of a stored batch, for [`parts`].
pub(crate) async fn lines(store: &dyn StateStore, id: &str) -> Result<Vec<u8>> {
    let bytes = store.batch(id).await?.ok_or_else(|| StoreError::Corrupt {
        what: format!("batch {id}"),
        message: "a commit names it, but it is not stored".to_owned(),
    })?;
    unpack(id, &bytes)
}

fn unpack(id: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    let told = zstd::zstd_safe::get_frame_content_size(bytes).ok().flatten();
    // every batch tells its length; what does not is damaged, and told so below
    let length = told.and_then(|length| usize::try_from(length).ok()).unwrap_or(DECODED_LIMIT).min(DECODED_LIMIT);
    zstd::bulk::decompress(bytes, length).map_err(|error| corrupt(&format!("batch {id}"), &error))
}

/// What is known of each record in the text of a batch, and its body as JSON.
pub(crate) fn parts<'l>(id: &'l str, lines: &'l [u8]) -> impl Iterator<Item = Result<(Known<'l>, &'l [u8])>> {
    lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(move |line| {
        let tab = line.iter().position(|byte| *byte == b'\t').unwrap_or(line.len());
        let (known, body) = line.split_at(tab);
        let known = serde_json::from_slice(known).map_err(|error| corrupt(&format!("batch {id}"), &error))?;
        Ok((known, body.get(1..).unwrap_or_default()))
    })
}

fn decode(id: &str, lines: &[u8]) -> Result<Vec<Record>> {
    let record = |part: Result<(Known<'_>, &[u8])>| {
        let (known, body) = part?;
        let body = serde_json::from_slice(body).map_err(|error| corrupt(&format!("batch {id}"), &error))?;
        Ok(Record { key: known.key.into_owned(), body, origin: known.origin.into_owned(), fate: known.fate })
    };
    parts(id, lines).map(record).collect()
}

fn compress(lines: &[u8]) -> Result<Vec<u8>> {
    let packed = COMPRESSOR.with_borrow_mut(|compressor| match compressor {
        Some(compressor) => compressor.compress(lines),
        None => zstd::bulk::compress(lines, LEVEL),
    });
    packed.map_err(|error| corrupt("a batch", &error))
}

fn corrupt(what: &str, error: &dyn std::fmt::Display) -> crate::error::EngineError {
    StoreError::Corrupt { what: what.to_owned(), message: error.to_string() }.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn records_come_back_in_order_and_batches_are_cut() {
        let records: Vec<Record> = (0..25)
            .map(|n| Record {
                key: format!("k{n}"),
                ..Record::new(json!({ "n": n, "text": "a\ttab\nand a line" }), Origin::default())
            })
            .chain([
                Record { key: "w".into(), ..Record::new(json!(null), Origin::default()) }.with_fate(Fate::Withdrawn)
            ])
            .collect();
        let batches = encode(&records, Cut { records: 10, bytes: 1 << 20 }).unwrap();
        let sizes: Vec<_> = batches.iter().map(|batch| (batch.count, batch.live)).collect();
        assert_eq!(sizes, [(10, 10), (10, 10), (6, 5)]);
        let back = batches.iter().flat_map(|batch| decode("b", &unpack("b", &batch.bytes).unwrap()).unwrap());
        assert_eq!(back.collect::<Vec<Record>>(), records);
        assert!(unpack("b", b"nonsense").is_err());
        assert!(decode("b", b"nonsense").is_err());
    }
}
