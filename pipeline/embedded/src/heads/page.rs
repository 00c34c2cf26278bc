//! Statements that read heads. Each names the index it needs, so that it cannot quietly become a scan.

use crate::codec::{limit, short, unpack, unsigned, wanted};
use crate::fault::Fault;
use jobpipe_core::{Head, HeadCounts, Stamps, StoreResult, Version};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// The columns of the stamps, then the key.
macro_rules! stamps {
    ($rest:literal) => {
        concat!(
            "SELECT version, hash, wanted, seen_gen, changed_gen, before_hash, before_wanted, before_gen, source_rank, \
             first_gen, missed, missed_gen, held_gen, key ",
            $rest
        )
    };
}

const ONE: &str = stamps!("FROM head WHERE ledger = ?1 AND key = ?2");
const UNSEEN: &str = stamps!("FROM head WHERE ledger = ?1 AND key > ?3 AND seen_gen < ?2 ORDER BY key LIMIT ?4");
const WHOLE: &str =
    stamps!(", body, url, fetched_at FROM head LEFT JOIN head_body ON head = n WHERE ledger = ?1 AND key = ?2");
const WALK: &str = stamps!(
    ", body, url, fetched_at FROM head INDEXED BY head_changed LEFT JOIN head_body ON head = n \
     WHERE ledger = ?1 AND (changed_gen, key) > (?2, ?3) AND changed_gen <= ?4 ORDER BY changed_gen, key LIMIT ?5"
);
const LIVE: &str = stamps!(
    ", body, url, fetched_at FROM head INDEXED BY head_live LEFT JOIN head_body ON head = n \
     WHERE ledger = ?1 AND wanted = 0 AND key > ?2 ORDER BY key LIMIT ?3"
);
const BY_URL: &str = "SELECT key FROM head_url JOIN head ON n = head WHERE url = ?2 AND ledger = ?1";
const COUNT: &str = "SELECT (SELECT count(*) FROM head INDEXED BY head_live WHERE ledger = ?1 AND wanted = 0), \
    (SELECT count(*) FROM head WHERE ledger = ?1)";

/// Looked at by the test of plans.
#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 7] = [ONE, UNSEEN, WHOLE, WALK, LIVE, BY_URL, COUNT];

fn stamps_of(row: &Row<'_>) -> Result<(String, Stamps), Fault> {
    let key: String = row.get(13)?;
    let what = format!("head {key}");
    let before: Option<String> = row.get(5)?;
    let before = before.map(|hash| -> Result<Version, Fault> {
        Ok(Version { hash, wanted: wanted(row.get(6)?)?, changed_gen: unsigned(&what, row.get(7)?)? })
    });
    let number = |at: usize| -> Result<u64, Fault> { Ok(unsigned(&what, row.get(at)?)?) };
    let stamps = Stamps {
        version: number(0)?,
        hash: row.get(1)?,
        wanted: wanted(row.get(2)?)?,
        seen_gen: number(3)?,
        changed_gen: number(4)?,
        before: before.transpose()?,
        rank: short(&what, row.get(8)?)?,
        first_gen: number(9)?,
        missed: short(&what, row.get(10)?)?,
        missed_gen: number(11)?,
        held_gen: number(12)?,
    };
    Ok((key, stamps))
}

fn head_of(row: &Row<'_>) -> Result<Head, Fault> {
    let (key, stamps) = stamps_of(row)?;
    let body: Option<Vec<u8>> = row.get(14)?;
    let unpacked = |bytes: Vec<u8>| -> StoreResult<Json> { unpack(&format!("head {key}"), &bytes) };
    let body = body.map(unpacked).transpose()?.unwrap_or(Json::Null);
    let url = row.get::<_, Option<String>>(15)?.unwrap_or_default();
    let fetched_at = row.get::<_, Option<i64>>(16)?.unwrap_or_default();
    Ok(Head { key, stamps, body, url, fetched_at })
}

/// Every row of a statement, decoded.
fn all<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    decode: fn(&Row<'_>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(decode(row)?);
    }
    Ok(found)
}

pub(crate) fn stamps(conn: &Connection, ledger: &str, keys: &[String]) -> Result<Vec<Option<Stamps>>, Fault> {
    let mut statement = conn.prepare_cached(ONE)?;
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        let one = statement.query_row([ledger, key], |row| Ok(stamps_of(row))).optional()?;
        found.push(one.transpose()?.map(|(_, stamps)| stamps));
    }
    Ok(found)
}

pub(crate) fn by_key(conn: &Connection, ledger: &str, keys: &[String]) -> Result<Vec<Head>, Fault> {
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        found.extend(all(conn, WHOLE, [ledger, key], head_of)?);
    }
    Ok(found)
}

pub(crate) fn unseen(
    conn: &Connection,
    ledger: &str,
    seq: i64,
    after: &str,
    most: usize,
) -> Result<Vec<(String, Stamps)>, Fault> {
    all(conn, UNSEEN, params![ledger, seq, after, limit(most)], stamps_of)
}

pub(crate) fn walk(
    conn: &Connection,
    ledger: &str,
    above: (i64, &str),
    upto: i64,
    most: usize,
) -> Result<Vec<Head>, Fault> {
    all(conn, WALK, params![ledger, above.0, above.1, upto, limit(most)], head_of)
}

pub(crate) fn live(conn: &Connection, ledger: &str, after: &str, most: usize) -> Result<Vec<Head>, Fault> {
    all(conn, LIVE, params![ledger, after, limit(most)], head_of)
}

pub(crate) fn by_url(conn: &Connection, ledger: &str, urls: &[String]) -> Result<Vec<String>, Fault> {
    let mut keys = BTreeSet::new();
    for url in urls {
        keys.extend(all(conn, BY_URL, [ledger, url], |row| Ok(row.get::<_, String>(0)?))?);
    }
    Ok(keys.into_iter().collect())
}

pub(crate) fn count(conn: &Connection, ledger: &str) -> Result<HeadCounts, Fault> {
    let (live, every): (i64, i64) =
        conn.prepare_cached(COUNT)?.query_row([ledger], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(HeadCounts { live: unsigned("count", live)?, all: unsigned("count", every)? })
}
