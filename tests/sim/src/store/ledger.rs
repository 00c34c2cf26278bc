//! Heads, rows and dead letters.

use super::SimStore;
use crate::monitor;
use async_trait::async_trait;
use jobpipe_core::{
    DeadLetter, Head, HeadCounts, HeadStore, HeadWrite, Row, RowId, RowState, RowStore, RowWrite, Stamps, StoreResult,
};
use std::sync::Arc;

#[async_trait]
impl HeadStore for SimStore {
    async fn heads_stamps(&self, ledger: &str, keys: &[String]) -> StoreResult<Vec<Option<Stamps>>> {
        let store = self.world.store();
        self.read(async move { store.heads_stamps(ledger, keys).await }).await
    }

    async fn heads_put(&self, ledger: &str, writes: Vec<HeadWrite>) -> StoreResult<Vec<bool>> {
        let (world, ledger, who) = (Arc::clone(&self.world), ledger.to_owned(), self.gate.name.clone());
        self.bulk(writes, move |writes| async move {
            let store = world.store();
            let keys: Vec<String> = writes.iter().map(|write| write.key.clone()).collect();
            let before = store.heads_stamps(&ledger, &keys).await?;
            let applied = store.heads_put(&ledger, writes.clone()).await?;
            for ((write, before), applied) in writes.iter().zip(before).zip(&applied) {
                if *applied {
                    monitor::head_written(&world, &who, before.as_ref(), write);
                }
            }
            Ok(applied)
        })
        .await
    }

    async fn heads(&self, ledger: &str, keys: &[String]) -> StoreResult<Vec<Head>> {
        let store = self.world.store();
        self.read(async move { store.heads(ledger, keys).await }).await
    }

    async fn heads_unseen(
        &self,
        ledger: &str,
        seq: u64,
        after: &str,
        limit: usize,
    ) -> StoreResult<Vec<(String, Stamps)>> {
        let store = self.world.store();
        self.read(async move { store.heads_unseen(ledger, seq, after, limit).await }).await
    }

    async fn heads_walk(&self, ledger: &str, above: (u64, String), upto: u64, limit: usize) -> StoreResult<Vec<Head>> {
        let store = self.world.store();
        self.read(async move { store.heads_walk(ledger, above, upto, limit).await }).await
    }

    async fn heads_live(&self, ledger: &str, after: &str, limit: usize) -> StoreResult<Vec<Head>> {
        let store = self.world.store();
        self.read(async move { store.heads_live(ledger, after, limit).await }).await
    }

    async fn heads_by_url(&self, ledger: &str, urls: &[String]) -> StoreResult<Vec<String>> {
        let store = self.world.store();
        self.read(async move { store.heads_by_url(ledger, urls).await }).await
    }

    async fn heads_count(&self, ledger: &str) -> StoreResult<HeadCounts> {
        let store = self.world.store();
        self.read(async move { store.heads_count(ledger).await }).await
    }

    async fn heads_drop(&self, ledger: &str) -> StoreResult<()> {
        let (world, ledger) = (Arc::clone(&self.world), ledger.to_owned());
        self.write(async move { world.store().heads_drop(&ledger).await }).await
    }
}

#[async_trait]
impl RowStore for SimStore {
    async fn rows(&self, ids: &[RowId]) -> StoreResult<Vec<Row>> {
        self.work_on(ids.first().map_or("", |id| &id.target), 0.5).await;
        let store = self.world.store();
        self.read(async move { store.rows(ids).await }).await
    }

    async fn rows_put(&self, writes: Vec<RowWrite>) -> StoreResult<Vec<bool>> {
        // most is to be lost by one who found that nothing is due
        let clears = writes.iter().any(|write| write.row.state == RowState::Idle && !write.row.recheck);
        let often = if clears { 4.0 } else { 1.0 };
        self.work_on(writes.first().map_or("", |write| &write.row.id.target), often).await;
        let (world, who) = (Arc::clone(&self.world), self.gate.name.clone());
        self.bulk(writes, move |writes| async move {
            let applied = world.store().rows_put(writes.clone()).await?;
            for (write, applied) in writes.iter().zip(&applied) {
                if *applied {
                    monitor::row_written(&world, &who, &write.row);
                }
            }
            Ok(applied)
        })
        .await
    }

    async fn rows_attention(&self, target: &str, after: Option<&RowId>, limit: usize) -> StoreResult<Vec<Row>> {
        self.work_on(target, 0.5).await;
        let store = self.world.store();
        self.read(async move { store.rows_attention(target, after, limit).await }).await
    }

    async fn rows_of(&self, target: &str, after: Option<&RowId>, limit: usize) -> StoreResult<Vec<Row>> {
        self.work_on(target, 0.5).await;
        let store = self.world.store();
        self.read(async move { store.rows_of(target, after, limit).await }).await
    }

    async fn rows_posted(&self, target: &str, import: &str, export: &str) -> StoreResult<u64> {
        let store = self.world.store();
        self.read(async move { store.rows_posted(target, import, export).await }).await
    }

    async fn dead_put(&self, letters: Vec<DeadLetter>) -> StoreResult<()> {
        let (world, who) = (Arc::clone(&self.world), self.gate.name.clone());
        self.bulk(letters, move |letters| async move {
            for letter in &letters {
                monitor::dead_written(&world, &who, letter);
            }
            world.store().dead_put(letters).await
        })
        .await
    }

    async fn dead(
        &self,
        import: Option<&str>,
        run: Option<&str>,
        after: &str,
        limit: usize,
    ) -> StoreResult<Vec<DeadLetter>> {
        let store = self.world.store();
        self.read(async move { store.dead(import, run, after, limit).await }).await
    }

    async fn dead_one(&self, id: &str) -> StoreResult<Option<DeadLetter>> {
        let store = self.world.store();
        self.read(async move { store.dead_one(id).await }).await
    }

    async fn dead_delete(&self, ids: &[String]) -> StoreResult<()> {
        let (world, ids) = (Arc::clone(&self.world), ids.to_vec());
        self.write(async move { world.store().dead_delete(&ids).await }).await
    }
}
