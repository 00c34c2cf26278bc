//! Small documents in SQLite.

use crate::codec::{corrupt, limit, pack_bytes, signed, unpack_bytes, unsigned};
use crate::fault::Fault;
use crate::{SqliteStore, open};
use async_trait::async_trait;
use jobpipe_core::{Clock, Doc, DocKind, DocStore, Millis, StoreResult, SystemClock};
use rusqlite::{Connection, OptionalExtension, Row, params};

const INSERT: &str =
    "INSERT INTO doc (kind, id, version, due, body) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
/// Two spellings of the same page, because a plan takes one lower bound only.
const PAGE_AFTER: &str = "SELECT id, version, due, body FROM doc WHERE kind = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
const PAGE_FROM: &str = "SELECT id, version, due, body FROM doc WHERE kind = ?1 AND id >= ?2 ORDER BY id LIMIT ?3";
const PAGE_DUE: &str = "SELECT id, version, due, body FROM doc \
    WHERE kind = ?1 AND due <= ?2 AND (due, id) > (?3, ?4) ORDER BY due, id LIMIT ?5";

/// Looked at by the test of plans.
#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 4] = [INSERT, PAGE_AFTER, PAGE_FROM, PAGE_DUE];

fn doc(kind: DocKind, id: &str, version: i64, due: Option<Millis>, body: &[u8]) -> StoreResult<Doc> {
    let what = format!("{} {id}", kind.as_str());
    let body = String::from_utf8(unpack_bytes(&what, body)?.into_owned()).map_err(|error| corrupt(&what, &error))?;
    Ok(Doc { version: unsigned(&what, version)?, due, body })
}

/// Inserts a document that is packed already; true when it was absent.
pub(crate) fn insert(
    conn: &Connection,
    kind: DocKind,
    id: &str,
    version: u64,
    due: Option<Millis>,
    body: &[u8],
) -> Result<bool, Fault> {
    let inserted = conn.prepare_cached(INSERT)?.execute(params![kind.as_str(), id, signed(version), due, body])?;
    Ok(inserted == 1)
}

fn page(conn: &Connection, kind: DocKind, prefix: &str, after: &str, most: usize) -> Result<Vec<(String, Doc)>, Fault> {
    let (sql, from) = if after >= prefix { (PAGE_AFTER, after) } else { (PAGE_FROM, prefix) };
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params![kind.as_str(), from, limit(most)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        if !id.starts_with(prefix) {
            break;
        }
        let stored = stored(kind, &id, row)?;
        found.push((id, stored));
    }
    Ok(found)
}

/// The document of a row of (id, version, due, body).
fn stored(kind: DocKind, id: &str, row: &Row<'_>) -> Result<Doc, Fault> {
    let body = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
    Ok(doc(kind, id, row.get(1)?, row.get(2)?, body)?)
}

fn due(
    conn: &Connection,
    kind: DocKind,
    until: Millis,
    after: (Millis, &str),
    most: usize,
) -> Result<Vec<(String, Doc)>, Fault> {
    let mut statement = conn.prepare_cached(PAGE_DUE)?;
    let mut rows = statement.query(params![kind.as_str(), until, after.0, after.1, limit(most)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        let stored = stored(kind, &id, row)?;
        found.push((id, stored));
    }
    Ok(found)
}

#[async_trait]
impl DocStore for SqliteStore {
    async fn doc(&self, kind: DocKind, id: &str) -> StoreResult<Option<Doc>> {
        let id = id.to_owned();
        self.read(move |conn| {
            let mut statement =
                conn.prepare_cached("SELECT version, due, body FROM doc WHERE kind = ?1 AND id = ?2")?;
            let found: Option<(i64, Option<Millis>, Vec<u8>)> = statement
                .query_row(params![kind.as_str(), id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .optional()?;
            Ok(found.map(|(version, due, body)| doc(kind, &id, version, due, &body)).transpose()?)
        })
        .await
    }

    async fn doc_insert(&self, kind: DocKind, id: &str, doc: Doc) -> StoreResult<bool> {
        let (id, body) = (id.to_owned(), pack_bytes(kind.as_str(), doc.body.into_bytes())?);
        if self.is_reader() && kind == DocKind::Command {
            let path = self.path().to_path_buf();
            return self.read(move |_| insert(&open::guest(&path)?, kind, &id, doc.version, doc.due, &body)).await;
        }
        self.write(move |conn| insert(conn, kind, &id, doc.version, doc.due, &body)).await
    }

    async fn doc_replace(&self, kind: DocKind, id: &str, expect: u64, doc: Doc) -> StoreResult<bool> {
        let (id, body) = (id.to_owned(), pack_bytes(kind.as_str(), doc.body.into_bytes())?);
        self.write(move |conn| {
            let replaced = conn
                .prepare_cached(
                    "UPDATE doc SET version = ?4, due = ?5, body = ?6 WHERE kind = ?1 AND id = ?2 AND version = ?3",
                )?
                .execute(params![kind.as_str(), id, signed(expect), signed(doc.version), doc.due, body])?;
            Ok(replaced == 1)
        })
        .await
    }

    async fn doc_delete(&self, kind: DocKind, id: &str) -> StoreResult<()> {
        let id = id.to_owned();
        self.write(move |conn| {
            let mut statement = conn.prepare_cached("DELETE FROM doc WHERE kind = ?1 AND id = ?2")?;
            statement.execute(params![kind.as_str(), id])?;
            Ok(())
        })
        .await
    }

    async fn docs(&self, kind: DocKind, prefix: &str, after: &str, limit: usize) -> StoreResult<Vec<(String, Doc)>> {
        let (prefix, after) = (prefix.to_owned(), after.to_owned());
        self.read(move |conn| page(conn, kind, &prefix, &after, limit)).await
    }

    async fn docs_due(
        &self,
        kind: DocKind,
        until: Millis,
        after: (Millis, &str),
        limit: usize,
    ) -> StoreResult<Vec<(String, Doc)>> {
        let (at, id) = (after.0, after.1.to_owned());
        self.read(move |conn| due(conn, kind, until, (at, &id), limit)).await
    }

    /// The machine's: whoever opens the file is on it.
    async fn time(&self) -> StoreResult<Millis> {
        Ok(SystemClock::default().now())
    }
}
