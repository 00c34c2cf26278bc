//! Statements on dead letters.

use crate::codec::{limit, unpack};
use crate::fault::Fault;
use jobpipe_core::DeadLetter;
use rusqlite::{Connection, OptionalExtension, Params, params};

const PUT: &str = "INSERT INTO dead (id, import, run, body) VALUES (?1, ?2, ?3, ?4) \
    ON CONFLICT (id) DO UPDATE SET import = excluded.import, run = excluded.run, body = excluded.body";
const ALL: &str = "SELECT id, body FROM dead WHERE id > ?1 ORDER BY id LIMIT ?2";
const OF_IMPORT: &str =
    "SELECT id, body FROM dead INDEXED BY dead_of_import WHERE import = ?3 AND id > ?1 ORDER BY id LIMIT ?2";
const OF_RUN: &str = "SELECT id, body FROM dead INDEXED BY dead_of_run WHERE run = ?3 AND id > ?1 ORDER BY id LIMIT ?2";
const OF_BOTH: &str = "SELECT id, body FROM dead INDEXED BY dead_of_run \
    WHERE run = ?3 AND id > ?1 AND import = ?4 ORDER BY id LIMIT ?2";

/// Looked at by the test of plans.
#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 5] = [PUT, ALL, OF_IMPORT, OF_RUN, OF_BOTH];

pub(crate) fn put(conn: &Connection, letter: &DeadLetter, body: &[u8]) -> Result<(), Fault> {
    conn.prepare_cached(PUT)?.execute(params![letter.id, letter.import, letter.run, body])?;
    Ok(())
}

fn letters(conn: &Connection, sql: &str, params: impl Params) -> Result<Vec<DeadLetter>, Fault> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, body): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
        found.push(unpack(&format!("dead letter {id}"), &body)?);
    }
    Ok(found)
}

pub(crate) fn page(
    conn: &Connection,
    import: Option<&str>,
    run: Option<&str>,
    after: &str,
    most: usize,
) -> Result<Vec<DeadLetter>, Fault> {
    let most = limit(most);
    match (import, run) {
        (None, None) => letters(conn, ALL, params![after, most]),
        (Some(import), None) => letters(conn, OF_IMPORT, params![after, most, import]),
        (None, Some(run)) => letters(conn, OF_RUN, params![after, most, run]),
        (Some(import), Some(run)) => letters(conn, OF_BOTH, params![after, most, run, import]),
    }
}

pub(crate) fn one(conn: &Connection, id: &str) -> Result<Option<DeadLetter>, Fault> {
    let mut statement = conn.prepare_cached("SELECT body FROM dead WHERE id = ?1")?;
    let body: Option<Vec<u8>> = statement.query_row([id], |row| row.get(0)).optional()?;
    Ok(body.map(|body| unpack(&format!("dead letter {id}"), &body)).transpose()?)
}

pub(crate) fn delete(conn: &Connection, id: &str) -> Result<(), Fault> {
    conn.prepare_cached("DELETE FROM dead WHERE id = ?1")?.execute([id])?;
    Ok(())
}
