//! Heads in SQLite: the port, call by call. The statements are in the modules below.

pub(crate) mod page;
pub(crate) mod write;

use crate::SqliteStore;
use crate::codec::signed;
use async_trait::async_trait;
use jobpipe_core::{Head, HeadCounts, HeadSeen, HeadStore, HeadWrite, Stamps, StoreResult};

#[async_trait]
impl HeadStore for SqliteStore {
    async fn heads_stamps(&self, ledger: &str, keys: &[String]) -> StoreResult<Vec<Option<Stamps>>> {
        let (ledger, keys) = (ledger.to_owned(), keys.to_vec());
        self.read(move |conn| page::stamps(conn, &ledger, &keys)).await
    }

    async fn heads_put(&self, ledger: &str, writes: Vec<HeadWrite>) -> StoreResult<Vec<bool>> {
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        let packed = writes.into_iter().map(write::PackedHead::new).collect::<StoreResult<Vec<_>>>()?;
        let ledger = ledger.to_owned();
        self.write(move |conn| {
            let mut put = write::Put::prepare(conn)?;
            packed.iter().map(|head| put.one(&ledger, head)).collect()
        })
        .await
    }

    async fn heads_confirm(&self, ledger: &str, seq: u64, version: u64, seen: Vec<HeadSeen>) -> StoreResult<Vec<bool>> {
        if seen.is_empty() {
            return Ok(Vec::new());
        }
        let ledger = ledger.to_owned();
        self.write(move |conn| write::confirm(conn, &ledger, seq, version, &seen)).await
    }

    async fn heads(&self, ledger: &str, keys: &[String]) -> StoreResult<Vec<Head>> {
        let (ledger, keys) = (ledger.to_owned(), keys.to_vec());
        self.read(move |conn| page::by_key(conn, &ledger, &keys)).await
    }

    async fn heads_unseen(
        &self,
        ledger: &str,
        seq: u64,
        after: &str,
        limit: usize,
    ) -> StoreResult<Vec<(String, Stamps)>> {
        let (ledger, after) = (ledger.to_owned(), after.to_owned());
        self.read(move |conn| page::unseen(conn, &ledger, signed(seq), &after, limit)).await
    }

    async fn heads_walk(&self, ledger: &str, above: (u64, String), upto: u64, limit: usize) -> StoreResult<Vec<Head>> {
        let ledger = ledger.to_owned();
        self.read(move |conn| page::walk(conn, &ledger, (signed(above.0), &above.1), signed(upto), limit)).await
    }

    async fn heads_live(&self, ledger: &str, after: &str, limit: usize) -> StoreResult<Vec<Head>> {
        let (ledger, after) = (ledger.to_owned(), after.to_owned());
        self.read(move |conn| page::live(conn, &ledger, &after, limit)).await
    }

    async fn heads_by_url(&self, ledger: &str, urls: &[String]) -> StoreResult<Vec<String>> {
        let (ledger, urls) = (ledger.to_owned(), urls.to_vec());
        self.read(move |conn| page::by_url(conn, &ledger, &urls)).await
    }

    async fn heads_count(&self, ledger: &str) -> StoreResult<HeadCounts> {
        let ledger = ledger.to_owned();
        self.read(move |conn| page::count(conn, &ledger)).await
    }

    async fn heads_drop(&self, ledger: &str) -> StoreResult<()> {
        let ledger = ledger.to_owned();
        self.write(move |conn| write::drop_ledger(conn, &ledger)).await
    }
}
