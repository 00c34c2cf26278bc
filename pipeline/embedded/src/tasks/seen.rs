//! Statements on seen fingerprints and batches.

use crate::codec::unsigned;
use crate::fault::Fault;
use rusqlite::{Connection, OptionalExtension, params};

const CLAIM: &str = "INSERT INTO seen (run, stage, fingerprint, task) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
const OWNER: &str = "SELECT task = ?4 FROM seen WHERE run = ?1 AND stage = ?2 AND fingerprint = ?3";

/// Looked at by the test of plans.
#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 2] = [CLAIM, OWNER];

pub(crate) fn claim(
    conn: &Connection,
    run: &str,
    stage: &str,
    fingerprints: &[String],
    task: &str,
) -> Result<Vec<bool>, Fault> {
    let mut ours = Vec::with_capacity(fingerprints.len());
    for fingerprint in fingerprints {
        let claim = params![run, stage, fingerprint, task];
        let fresh = conn.prepare_cached(CLAIM)?.execute(claim)? == 1;
        ours.push(fresh || conn.prepare_cached(OWNER)?.query_row(claim, |row| row.get(0))?);
    }
    Ok(ours)
}

pub(crate) fn count(conn: &Connection, run: &str, stage: &str) -> Result<u64, Fault> {
    let mut statement = conn.prepare_cached("SELECT count(*) FROM seen WHERE run = ?1 AND stage = ?2")?;
    Ok(unsigned("count", statement.query_row([run, stage], |row| row.get(0))?)?)
}

pub(crate) fn put_batch(conn: &Connection, id: &str, bytes: &[u8]) -> Result<(), Fault> {
    conn.prepare_cached("INSERT INTO batch (id, bytes) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute(params![id, bytes])?;
    Ok(())
}

pub(crate) fn batch(conn: &Connection, id: &str) -> Result<Option<Vec<u8>>, Fault> {
    let mut statement = conn.prepare_cached("SELECT bytes FROM batch WHERE id = ?1")?;
    Ok(statement.query_row([id], |row| row.get(0)).optional()?)
}
