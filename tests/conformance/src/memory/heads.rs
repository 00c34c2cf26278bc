//! Heads in memory.

use super::{Inner, MemoryStore, StoredHead};
use async_trait::async_trait;
use jobpipe_core::{Head, HeadCounts, HeadStore, HeadWrite, Stamps, StoreResult, Wanted};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

impl Inner {
    fn ledger<'a>(&'a self, ledger: &str) -> impl Iterator<Item = &'a StoredHead> + 'a {
        self.heads.get(ledger).into_iter().flat_map(BTreeMap::values)
    }

    /// The heads of a ledger with a key greater than `after`, by key.
    fn heads_after<'a>(&'a self, ledger: &str, after: &str) -> impl Iterator<Item = &'a Head> + 'a {
        let from = (Bound::Excluded(after.to_owned()), Bound::Unbounded);
        let heads = self.heads.get(ledger).into_iter();
        heads.flat_map(move |heads| heads.range::<String, _>(from.clone())).map(|(_, stored)| &stored.head)
    }
}

fn put(heads: &mut BTreeMap<String, StoredHead>, write: HeadWrite) -> bool {
    let found = heads.get(&write.key).map(|stored| stored.head.stamps.version);
    if found != write.expect {
        return false;
    }
    let stored = heads.entry(write.key.clone()).or_insert_with(|| StoredHead {
        head: Head {
            key: write.key,
            stamps: write.stamps.clone(),
            body: Json::Null,
            url: String::new(),
            fetched_at: 0,
        },
        urls: BTreeSet::new(),
    });
    stored.head.stamps = write.stamps;
    if let Some(body) = write.body {
        stored.head.body = body.body;
        stored.head.url = body.url;
        stored.head.fetched_at = body.fetched_at;
    }
    stored.urls.extend(write.add_urls);
    true
}

#[async_trait]
impl HeadStore for MemoryStore {
    async fn heads_stamps(&self, ledger: &str, keys: &[String]) -> StoreResult<Vec<Option<Stamps>>> {
        let inner = self.lock();
        let heads = inner.heads.get(ledger);
        Ok(keys.iter().map(|key| heads?.get(key).map(|stored| stored.head.stamps.clone())).collect())
    }

    async fn heads_put(&self, ledger: &str, writes: Vec<HeadWrite>) -> StoreResult<Vec<bool>> {
        let mut inner = self.lock();
        let heads = inner.heads.entry(ledger.to_owned()).or_default();
        Ok(writes.into_iter().map(|write| put(heads, write)).collect())
    }

    async fn heads(&self, ledger: &str, keys: &[String]) -> StoreResult<Vec<Head>> {
        let inner = self.lock();
        let Some(heads) = inner.heads.get(ledger) else { return Ok(Vec::new()) };
        Ok(keys.iter().filter_map(|key| heads.get(key)).map(|stored| stored.head.clone()).collect())
    }

    async fn heads_unseen(
        &self,
        ledger: &str,
        seq: u64,
        after: &str,
        limit: usize,
    ) -> StoreResult<Vec<(String, Stamps)>> {
        let inner = self.lock();
        let unseen = inner.heads_after(ledger, after).filter(|head| head.stamps.seen_gen < seq);
        Ok(unseen.take(limit).map(|head| (head.key.clone(), head.stamps.clone())).collect())
    }

    async fn heads_walk(&self, ledger: &str, above: (u64, String), upto: u64, limit: usize) -> StoreResult<Vec<Head>> {
        let inner = self.lock();
        let mut walk: Vec<&Head> = inner
            .ledger(ledger)
            .map(|stored| &stored.head)
            .filter(|head| head.stamps.changed_gen <= upto)
            .filter(|head| (head.stamps.changed_gen, head.key.as_str()) > (above.0, above.1.as_str()))
            .collect();
        walk.sort_by(|a, b| (a.stamps.changed_gen, &a.key).cmp(&(b.stamps.changed_gen, &b.key)));
        Ok(walk.into_iter().take(limit).cloned().collect())
    }

    async fn heads_live(&self, ledger: &str, after: &str, limit: usize) -> StoreResult<Vec<Head>> {
        let inner = self.lock();
        let live = inner.heads_after(ledger, after).filter(|head| head.stamps.wanted == Wanted::Live);
        Ok(live.take(limit).cloned().collect())
    }

    async fn heads_by_url(&self, ledger: &str, urls: &[String]) -> StoreResult<Vec<String>> {
        let inner = self.lock();
        let of = inner.ledger(ledger).filter(|stored| urls.iter().any(|url| stored.urls.contains(url)));
        Ok(of.map(|stored| stored.head.key.clone()).collect())
    }

    async fn heads_count(&self, ledger: &str) -> StoreResult<HeadCounts> {
        let inner = self.lock();
        let mut counts = HeadCounts::default();
        for stored in inner.ledger(ledger) {
            counts.all += 1;
            counts.live += u64::from(stored.head.stamps.wanted == Wanted::Live);
        }
        Ok(counts)
    }

    async fn heads_drop(&self, ledger: &str) -> StoreResult<()> {
        self.lock().heads.remove(ledger);
        Ok(())
    }
}
