//! Statements that change heads.

use crate::codec::{pack, signed, wanted_number};
use crate::fault::Fault;
use jobpipe_core::{HeadSeen, HeadWrite, Millis, StoreResult};
use rusqlite::{CachedStatement, Connection, OptionalExtension, ToSql, params};

/// The usual write: the version of the record is the one there was, so no column of an index is named and none touched.
const SAME: &str = "UPDATE head SET version = ?3, hash = ?4, seen_gen = ?6, \
    before_hash = ?8, before_wanted = ?9, before_gen = ?10, \
    source_rank = ?11, first_gen = ?12, missed = ?13, missed_gen = ?14, \
    held_gen = ?15 \
    WHERE ledger = ?1 AND key = ?2 AND version = ?16 AND wanted = ?5 AND changed_gen = ?7 \
    RETURNING n";
const CHANGED: &str = "UPDATE head SET version = ?3, hash = ?4, seen_gen = ?6, \
    before_hash = ?8, before_wanted = ?9, before_gen = ?10, \
    source_rank = ?11, first_gen = ?12, missed = ?13, missed_gen = ?14, \
    held_gen = ?15, wanted = ?5, changed_gen = ?7 \
    WHERE ledger = ?1 AND key = ?2 AND version = ?16 \
    RETURNING n";
const INSERT: &str = "INSERT INTO head (ledger, key, version, hash, wanted, seen_gen, changed_gen, before_hash, \
    before_wanted, before_gen, source_rank, first_gen, missed, missed_gen, held_gen) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, \
    ?10, ?11, ?12, ?13, ?14, ?15) \
    ON CONFLICT DO NOTHING RETURNING n";
const BODY: &str = "INSERT INTO head_body (head, url, fetched_at, body) VALUES (?1, ?2, ?3, ?4) \
    ON CONFLICT (head) DO UPDATE SET url = excluded.url, fetched_at = excluded.fetched_at, body = excluded.body";
const URL: &str = "INSERT INTO head_url (url, head) VALUES (?1, ?2) ON CONFLICT DO NOTHING";

/// [`HeadSeen::confirm`] as one statement; no column of an index is touched.
const CONFIRM: &str = "UPDATE head SET version = ?4, seen_gen = ?3, before_hash = hash, before_wanted = wanted, \
    before_gen = changed_gen, source_rank = ?6, missed = 0 \
    WHERE ledger = ?1 AND key = ?2 AND hash = ?5 AND wanted = 0 AND seen_gen < ?3 AND missed_gen <= ?3 AND held_gen <= ?3 \
    RETURNING n";

/// Looked at by the test of plans.
#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 6] = [SAME, CHANGED, INSERT, BODY, URL, CONFIRM];

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

/// The statements of a bulk of writes, compiled once for all of them.
pub(crate) struct Put<'c> {
    insert: CachedStatement<'c>,
    same: CachedStatement<'c>,
    changed: CachedStatement<'c>,
    body: CachedStatement<'c>,
    url: CachedStatement<'c>,
}

impl<'c> Put<'c> {
    pub(crate) fn prepare(conn: &'c Connection) -> Result<Self, Fault> {
        Ok(Self {
            insert: conn.prepare_cached(INSERT)?,
            same: conn.prepare_cached(SAME)?,
            changed: conn.prepare_cached(CHANGED)?,
            body: conn.prepare_cached(BODY)?,
            url: conn.prepare_cached(URL)?,
        })
    }

    /// One compare-and-set.
    pub(crate) fn one(&mut self, ledger: &str, head: &PackedHead) -> Result<bool, Fault> {
        let written = match head.write.expect {
            None => stamp(&mut self.insert, ledger, &head.write)?,
            Some(_) => match stamp(&mut self.same, ledger, &head.write)? {
                None => stamp(&mut self.changed, ledger, &head.write)?,
                written => written,
            },
        };
        let Some(n) = written else { return Ok(false) };
        if let Some((url, fetched_at, body)) = &head.body {
            self.body.execute(params![n, url, fetched_at, body])?;
        }
        for url in &head.write.add_urls {
            self.url.execute(params![url, n])?;
        }
        Ok(true)
    }
}

/// Confirms heads that are as they were; which of them were.
pub(crate) fn confirm(
    conn: &Connection,
    ledger: &str,
    seq: u64,
    version: u64,
    seen: &[HeadSeen],
) -> Result<Vec<bool>, Fault> {
    let mut confirm = conn.prepare_cached(CONFIRM)?;
    let mut url = conn.prepare_cached(URL)?;
    let mut confirmed = Vec::with_capacity(seen.len());
    for seen in seen {
        let head = params![ledger, seen.key, signed(seq), signed(version), seen.hash, seen.rank];
        let n: Option<i64> = confirm.query_row(head, |row| row.get(0)).optional()?;
        if let Some(n) = n {
            url.execute(params![seen.url, n])?;
        }
        confirmed.push(n.is_some());
    }
    Ok(confirmed)
}

/// Writes the stamps by one of the three statements; the head's number, if it was written.
fn stamp(statement: &mut CachedStatement<'_>, ledger: &str, write: &HeadWrite) -> Result<Option<i64>, Fault> {
    let stamps = &write.stamps;
    let before = stamps.before.as_ref();
    let columns: [&dyn ToSql; 15] = [
        &ledger,
        &write.key,
        &signed(stamps.version),
        &stamps.hash,
        &wanted_number(stamps.wanted),
        &signed(stamps.seen_gen),
        &signed(stamps.changed_gen),
        &before.map(|before| &before.hash),
        &before.map(|before| wanted_number(before.wanted)),
        &before.map(|before| signed(before.changed_gen)),
        &stamps.rank,
        &signed(stamps.first_gen),
        &stamps.missed,
        &signed(stamps.missed_gen),
        &signed(stamps.held_gen),
    ];
    for (at, column) in columns.iter().enumerate() {
        statement.raw_bind_parameter(at + 1, column)?;
    }
    if let Some(expect) = write.expect {
        statement.raw_bind_parameter(columns.len() + 1, signed(expect))?;
    }
    let mut rows = statement.raw_query();
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
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
