//! Ledger rows and dead letters in SQLite.

pub(crate) mod dead;
pub(crate) mod ledger;

use crate::SqliteStore;
use crate::codec::pack;
use async_trait::async_trait;
use jobpipe_core::{DeadLetter, Row, RowId, RowStore, RowWrite, StoreResult};

#[async_trait]
impl RowStore for SqliteStore {
    async fn rows(&self, ids: &[RowId]) -> StoreResult<Vec<Row>> {
        let ids = ids.to_vec();
        self.read(move |conn| ledger::by_id(conn, &ids)).await
    }

    async fn rows_put(&self, writes: Vec<RowWrite>) -> StoreResult<Vec<bool>> {
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        let mut packed = Vec::with_capacity(writes.len());
        for write in writes {
            let body = pack("row", &write.row)?;
            packed.push((write, body));
        }
        self.write(move |conn| packed.iter().map(|(write, body)| ledger::put(conn, write, body)).collect()).await
    }

    async fn rows_attention(&self, target: &str, after: Option<&RowId>, limit: usize) -> StoreResult<Vec<Row>> {
        let (target, after) = (target.to_owned(), after.cloned());
        self.read(move |conn| ledger::page(conn, ledger::ATTENTION, &target, after.as_ref(), limit)).await
    }

    async fn rows_of(&self, target: &str, after: Option<&RowId>, limit: usize) -> StoreResult<Vec<Row>> {
        let (target, after) = (target.to_owned(), after.cloned());
        self.read(move |conn| ledger::page(conn, ledger::ALL, &target, after.as_ref(), limit)).await
    }

    async fn rows_posted(&self, target: &str, import: &str, export: &str) -> StoreResult<u64> {
        let (target, import, export) = (target.to_owned(), import.to_owned(), export.to_owned());
        self.read(move |conn| ledger::posted(conn, &target, &import, &export)).await
    }

    async fn dead_put(&self, letters: Vec<DeadLetter>) -> StoreResult<()> {
        if letters.is_empty() {
            return Ok(());
        }
        let mut packed = Vec::with_capacity(letters.len());
        for letter in letters {
            let body = pack("dead letter", &letter)?;
            packed.push((letter, body));
        }
        self.write(move |conn| packed.iter().try_for_each(|(letter, body)| dead::put(conn, letter, body))).await
    }

    async fn dead(
        &self,
        import: Option<&str>,
        run: Option<&str>,
        after: &str,
        limit: usize,
    ) -> StoreResult<Vec<DeadLetter>> {
        let (import, run, after) = (import.map(str::to_owned), run.map(str::to_owned), after.to_owned());
        self.read(move |conn| dead::page(conn, import.as_deref(), run.as_deref(), &after, limit)).await
    }

    async fn dead_one(&self, id: &str) -> StoreResult<Option<DeadLetter>> {
        let id = id.to_owned();
        self.read(move |conn| dead::one(conn, &id)).await
    }

    async fn dead_delete(&self, ids: &[String]) -> StoreResult<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let ids = ids.to_vec();
        self.write(move |conn| ids.iter().try_for_each(|id| dead::delete(conn, id))).await
    }
}
