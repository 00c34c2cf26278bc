//! Heads: the port, call by call. The requests are in the modules below.
//!
//! A head is `{_id: ledger key, ledger, k: its key, v: version, hash, wanted, seen, changed, before, rank, first, missed,
//! missed_gen, held_gen, urls, body, url, at}`.

pub(crate) mod page;
mod write;

use crate::schema::HEADS;
use crate::{MongoStore, read};
use async_trait::async_trait;
use jobpipe_core::{Head, HeadCounts, HeadSeen, HeadStore, HeadWrite, Stamps, StoreResult};
use mongodb::bson::{Bson, doc};
use std::collections::BTreeSet;

/// URLs in one question.
const URLS: usize = 1_000;
/// Heads that one request removes.
const AT_ONCE: usize = 1_000;

#[async_trait]
impl HeadStore for MongoStore {
    async fn heads_stamps(&self, ledger: &str, keys: &[String]) -> StoreResult<Vec<Option<Stamps>>> {
        let keys = page::keys(ledger, keys);
        let found = self.lanes.stamps.ask(keys).await?;
        found.iter().map(|found| found.as_ref().map(|document| page::stamps(document)).transpose()).collect()
    }

    async fn heads_put(&self, ledger: &str, writes: Vec<HeadWrite>) -> StoreResult<Vec<bool>> {
        let writes = writes.into_iter().map(|write| write::put(ledger, write)).collect::<StoreResult<Vec<_>>>()?;
        self.lanes.heads.ask(writes).await
    }

    async fn heads_confirm(&self, ledger: &str, seq: u64, version: u64, seen: Vec<HeadSeen>) -> StoreResult<Vec<bool>> {
        let writes = seen.iter().map(|seen| write::confirm(ledger, seq, version, seen));
        let writes = writes.collect::<StoreResult<Vec<_>>>()?;
        self.lanes.heads.ask(writes).await
    }

    async fn heads(&self, ledger: &str, keys: &[String]) -> StoreResult<Vec<Head>> {
        let keys = page::keys(ledger, keys);
        let found = read::by_ids(&self.link, HEADS, keys.clone(), page::WHOLE).await?;
        keys.iter().filter_map(|key| found.get(key)).map(|document| page::head(document)).collect()
    }

    async fn heads_unseen(
        &self,
        ledger: &str,
        seq: u64,
        after: &str,
        limit: usize,
    ) -> StoreResult<Vec<(String, Stamps)>> {
        let found = read::find(&self.link, page::unseen(ledger, seq, after, limit)).await?;
        found.iter().map(|document| Ok((page::key_of(document)?, page::stamps(document)?))).collect()
    }

    /// In two steps, because an order by two fields above a point is no range of one query.
    async fn heads_walk(&self, ledger: &str, above: (u64, String), upto: u64, limit: usize) -> StoreResult<Vec<Head>> {
        let mut found = Vec::new();
        if above.0 <= upto {
            found = read::find(&self.link, page::walk_on(ledger, above.0, &above.1, limit)).await?;
        }
        if found.len() < limit && above.0 < upto {
            found.extend(read::find(&self.link, page::walk(ledger, above.0, upto, limit - found.len())).await?);
        }
        found.iter().map(|document| page::head(document)).collect()
    }

    async fn heads_live(&self, ledger: &str, after: &str, limit: usize) -> StoreResult<Vec<Head>> {
        let found = read::find(&self.link, page::live(ledger, after, limit)).await?;
        found.iter().map(|document| page::head(document)).collect()
    }

    async fn heads_by_url(&self, ledger: &str, urls: &[String]) -> StoreResult<Vec<String>> {
        let mut keys = BTreeSet::new();
        for few in urls.chunks(URLS) {
            for document in read::find(&self.link, page::by_url(ledger, few)).await? {
                keys.insert(page::key_of(&document)?);
            }
        }
        Ok(keys.into_iter().collect())
    }

    async fn heads_count(&self, ledger: &str) -> StoreResult<HeadCounts> {
        let mut counts = HeadCounts::default();
        let live = Bson::Int32(page::LIVE);
        for (wanted, heads) in read::count_by(&self.link, HEADS, doc! { "ledger": ledger }, "wanted").await? {
            counts.all += heads;
            if wanted == live || wanted == Bson::Int64(i64::from(page::LIVE)) {
                counts.live += heads;
            }
        }
        Ok(counts)
    }

    async fn heads_drop(&self, ledger: &str) -> StoreResult<()> {
        read::clear(&self.link, || page::all(ledger, AT_ONCE)).await
    }
}
