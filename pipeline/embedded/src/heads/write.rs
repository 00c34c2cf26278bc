//! Statements that change heads.

use crate::codec::{pack, signed, wanted_number};
use crate::fault::Fault;
use jobpipe_core::{HeadWrite, Millis, StoreResult};
use rusqlite::{Connection, OptionalExtension, ToSql, named_params, params};

/// The usual write: the version of the record is the one there was, so no column of an index is named and none touched.
const SAME: &str = "UPDATE head SET version = :version, hash = :hash, seen_gen = :seen_gen, \
    before_hash = :before_hash, before_wanted = :before_wanted, before_gen = :before_gen, \
    source_rank = :source_rank, first_gen = :first_gen, missed = :missed, missed_gen = :missed_gen, \
    held_gen = :held_gen \
    WHERE ledger = :ledger AND key = :key AND version = :expect AND wanted = :wanted AND changed_gen = :changed_gen \
    RETURNING n";
const CHANGED: &str = "UPDATE head SET version = :version, hash = :hash, seen_gen = :seen_gen, \
    before_hash = :before_hash, before_wanted = :before_wanted, before_gen = :before_gen, \
    source_rank = :source_rank, first_gen = :first_gen, missed = :missed, missed_gen = :missed_gen, \
    held_gen = :held_gen, wanted = :wanted, changed_gen = :changed_gen \
    WHERE ledger = :ledger AND key = :key AND version = :expect \
    RETURNING n";
const INSERT: &str = "INSERT INTO head (ledger, key, version, hash, wanted, seen_gen, changed_gen, before_hash, \
    before_wanted, before_gen, source_rank, first_gen, missed, missed_gen, held_gen) \
    VALUES (:ledger, :key, :version, :hash, :wanted, :seen_gen, :changed_gen, :before_hash, :before_wanted, \
    :before_gen, :source_rank, :first_gen, :missed, :missed_gen, :held_gen) \
    ON CONFLICT DO NOTHING RETURNING n";
const BODY: &str = "INSERT INTO head_body (head, url, fetched_at, body) VALUES (?1, ?2, ?3, ?4) \
    ON CONFLICT (head) DO UPDATE SET url = excluded.url, fetched_at = excluded.fetched_at, body = excluded.body";

/// Looked at by the test of plans.
#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 4] = [SAME, CHANGED, INSERT, BODY];

/// A write with its body as it is stored.
pub(crate) struct PackedHead {
    write: HeadWrite,
    body: Option<(String, Millis, Vec<u8>)>,
}

impl PackedHead {
    pub(crate) fn new(mut write: HeadWrite) -> StoreResult<Self> {
        let body = write.body.take();
        let body = body.map(|body| Ok((body.url, body.fetched_at, pack("body of a head", &body.body)?))).transpose()?;
        Ok(Self { write, body })
    }
}

/// One compare-and-set.
pub(crate) fn put(conn: &Connection, ledger: &str, head: &PackedHead) -> Result<bool, Fault> {
    let written = match head.write.expect {
        None => stamp(conn, INSERT, ledger, &head.write, None)?,
        Some(expect) => {
            let expect = signed(expect);
            match stamp(conn, SAME, ledger, &head.write, Some(&expect))? {
                None => stamp(conn, CHANGED, ledger, &head.write, Some(&expect))?,
                written => written,
            }
        }
    };
    let Some(n) = written else { return Ok(false) };
    if let Some((url, fetched_at, body)) = &head.body {
        conn.prepare_cached(BODY)?.execute(params![n, url, fetched_at, body])?;
    }
    for url in &head.write.add_urls {
        conn.prepare_cached("INSERT INTO head_url (url, head) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
            .execute(params![url, n])?;
    }
    Ok(true)
}

/// Writes the stamps by one of the three statements; the head's number, if it was written.
fn stamp(
    conn: &Connection,
    sql: &str,
    ledger: &str,
    write: &HeadWrite,
    expect: Option<&i64>,
) -> Result<Option<i64>, Fault> {
    let stamps = &write.stamps;
    let before = stamps.before.as_ref();
    let expect: Option<(&str, &dyn ToSql)> = expect.map(|expect| (":expect", expect as &dyn ToSql));
    let columns = named_params! {
        ":ledger": ledger,
        ":key": write.key,
        ":version": signed(stamps.version),
        ":hash": stamps.hash,
        ":wanted": wanted_number(stamps.wanted),
        ":seen_gen": signed(stamps.seen_gen),
        ":changed_gen": signed(stamps.changed_gen),
        ":before_hash": before.map(|before| &before.hash),
        ":before_wanted": before.map(|before| wanted_number(before.wanted)),
        ":before_gen": before.map(|before| signed(before.changed_gen)),
        ":source_rank": stamps.rank,
        ":first_gen": signed(stamps.first_gen),
        ":missed": stamps.missed,
        ":missed_gen": signed(stamps.missed_gen),
        ":held_gen": signed(stamps.held_gen),
    };
    let all: Vec<(&str, &dyn ToSql)> = columns.iter().copied().chain(expect).collect();
    Ok(conn.prepare_cached(sql)?.query_row(all.as_slice(), |row| row.get(0)).optional()?)
}

pub(crate) fn drop_ledger(conn: &Connection, ledger: &str) -> Result<(), Fault> {
    for sql in [
        "DELETE FROM head_body WHERE head IN (SELECT n FROM head WHERE ledger = ?1)",
        "DELETE FROM head_url WHERE head IN (SELECT n FROM head WHERE ledger = ?1)",
        "DELETE FROM head WHERE ledger = ?1",
    ] {
        conn.prepare_cached(sql)?.execute([ledger])?;
    }
    Ok(())
}
