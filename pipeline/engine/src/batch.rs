//! How a list of records becomes a stored batch, and back: one JSON array, compressed.

use crate::error::Result;
use jobpipe_core::{Record, StoreError};

/// More than any batch that was written; a larger one is damaged.
const DECODED_LIMIT: usize = 64 << 20;

/// The batches of one output: each at most so many records and about so many bytes of JSON.
pub(crate) fn encode(records: &[Record], most: usize, bytes: usize) -> Result<Vec<(Vec<u8>, u64)>> {
    let mut batches = Vec::new();
    let mut lines: Vec<u8> = Vec::new();
    let mut count = 0;
    let mut live = 0;
    for record in records {
        serde_json::to_writer(&mut lines, record).map_err(|error| corrupt("a record", &error))?;
        lines.push(b'\n');
        count += 1;
        live += u64::from(record.fate == jobpipe_core::Fate::Live);
        if count == most || lines.len() >= bytes {
            batches.push((compress(&lines)?, live));
            lines.clear();
            (count, live) = (0, 0);
        }
    }
    if count > 0 {
        batches.push((compress(&lines)?, live));
    }
    Ok(batches)
}

/// The records of one batch.
pub(crate) fn decode(id: &str, bytes: &[u8]) -> Result<Vec<Record>> {
    let what = format!("batch {id}");
    let lines = zstd::bulk::decompress(bytes, DECODED_LIMIT).map_err(|error| corrupt(&what, &error))?;
    serde_json::Deserializer::from_slice(&lines)
        .into_iter::<Record>()
        .map(|record| record.map_err(|error| corrupt(&what, &error)))
        .collect()
}

fn compress(lines: &[u8]) -> Result<Vec<u8>> {
    zstd::bulk::compress(lines, 1).map_err(|error| corrupt("a batch", &error))
}

fn corrupt(what: &str, error: &dyn std::fmt::Display) -> crate::error::EngineError {
    StoreError::Corrupt { what: what.to_owned(), message: error.to_string() }.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobpipe_core::{Fate, Origin};
    use serde_json::json;

    #[test]
    fn records_come_back_in_order_and_batches_are_cut() {
        let records: Vec<Record> = (0..25)
            .map(|n| Record { key: format!("k{n}"), ..Record::new(json!({ "n": n }), Origin::default()) })
            .chain([
                Record { key: "w".into(), ..Record::new(json!(null), Origin::default()) }.with_fate(Fate::Withdrawn)
            ])
            .collect();
        let batches = encode(&records, 10, 1 << 20).unwrap();
        assert_eq!(batches.iter().map(|(_, live)| *live).collect::<Vec<_>>(), [10, 10, 5]);
        let back: Vec<Record> = batches.iter().flat_map(|(bytes, _)| decode("b", bytes).unwrap()).collect();
        assert_eq!(back, records);
        assert!(decode("b", b"nonsense").is_err());
    }
}
