//! Statements on ledger rows. A row is one document; its columns beside it are what the port asks by.

use crate::codec::{limit, signed, unpack, unsigned};
use crate::fault::Fault;
use jobpipe_core::{Row, RowId, RowWrite};
use rusqlite::{Connection, OptionalExtension, params};

const INSERT: &str = "INSERT INTO ledger_row (target, import, export, key, version, attention, posted, body) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING";
const REPLACE: &str = "UPDATE ledger_row SET version = ?5, attention = ?6, posted = ?7, body = ?8 \
    WHERE target = ?1 AND import = ?2 AND export = ?3 AND key = ?4 AND version = ?9";
const ONE: &str = "SELECT body FROM ledger_row WHERE target = ?1 AND import = ?2 AND export = ?3 AND key = ?4";
const POSTED: &str = "SELECT count(*) FROM ledger_row INDEXED BY ledger_row_posted \
    WHERE target = ?1 AND import = ?2 AND export = ?3 AND posted = 1";

/// A page of the rows of a target.
pub(crate) const ALL: &str = "SELECT key, body FROM ledger_row WHERE target = ?1 \
    AND (import, export, key) > (?2, ?3, ?4) ORDER BY import, export, key LIMIT ?5";
/// A page of those that need attention.
pub(crate) const ATTENTION: &str = "SELECT key, body FROM ledger_row INDEXED BY ledger_row_attention \
    WHERE target = ?1 AND (import, export, key) > (?2, ?3, ?4) AND attention = 1 \
    ORDER BY import, export, key LIMIT ?5";

/// Looked at by the test of plans.
#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 6] = [INSERT, REPLACE, ONE, POSTED, ALL, ATTENTION];

fn row(key: &str, body: &[u8]) -> Result<Row, Fault> {
    Ok(unpack(&format!("row {key}"), body)?)
}

pub(crate) fn by_id(conn: &Connection, ids: &[RowId]) -> Result<Vec<Row>, Fault> {
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let columns = params![id.target, id.import, id.export, id.key];
        let body: Option<Vec<u8>> = conn.prepare_cached(ONE)?.query_row(columns, |row| row.get(0)).optional()?;
        if let Some(body) = body {
            found.push(row(&id.key, &body)?);
        }
    }
    Ok(found)
}

pub(crate) fn put(conn: &Connection, write: &RowWrite, body: &[u8]) -> Result<bool, Fault> {
    let RowWrite { expect, row } = write;
    let (id, version) = (&row.id, signed(row.version));
    let (attention, posted) = (row.needs_attention(), row.post.is_some());
    let changed = match expect.map(signed) {
        None => conn
            .prepare_cached(INSERT)?
            .execute(params![id.target, id.import, id.export, id.key, version, attention, posted, body])?,
        Some(expect) => conn
            .prepare_cached(REPLACE)?
            .execute(params![id.target, id.import, id.export, id.key, version, attention, posted, body, expect])?,
    };
    Ok(changed == 1)
}

pub(crate) fn page(
    conn: &Connection,
    sql: &str,
    target: &str,
    after: Option<&RowId>,
    most: usize,
) -> Result<Vec<Row>, Fault> {
    let (import, export, key) = match after {
        Some(id) if id.target.as_str() > target => return Ok(Vec::new()),
        Some(id) if id.target == target => (id.import.as_str(), id.export.as_str(), id.key.as_str()),
        _ => ("", "", ""),
    };
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params![target, import, export, key, limit(most)])?;
    let mut found = Vec::new();
    while let Some(each) = rows.next()? {
        let (key, body): (String, Vec<u8>) = (each.get(0)?, each.get(1)?);
        found.push(row(&key, &body)?);
    }
    Ok(found)
}

pub(crate) fn posted(conn: &Connection, target: &str, import: &str, export: &str) -> Result<u64, Fault> {
    let count = conn.prepare_cached(POSTED)?.query_row([target, import, export], |row| row.get(0))?;
    Ok(unsigned("count", count)?)
}
