//! Small documents in memory.

use super::MemoryStore;
use async_trait::async_trait;
use jobpipe_core::{Doc, DocKind, DocStore, Millis, StoreResult};
use std::collections::btree_map::Entry;
use std::ops::Bound;

#[async_trait]
impl DocStore for MemoryStore {
    async fn doc(&self, kind: DocKind, id: &str) -> StoreResult<Option<Doc>> {
        Ok(self.lock().docs.get(&(kind, id.to_owned())).cloned())
    }

    async fn doc_insert(&self, kind: DocKind, id: &str, doc: Doc) -> StoreResult<bool> {
        match self.lock().docs.entry((kind, id.to_owned())) {
            Entry::Occupied(_) => Ok(false),
            Entry::Vacant(slot) => {
                slot.insert(doc);
                Ok(true)
            }
        }
    }

    async fn doc_replace(&self, kind: DocKind, id: &str, expect: u64, doc: Doc) -> StoreResult<bool> {
        match self.lock().docs.get_mut(&(kind, id.to_owned())) {
            Some(stored) if stored.version == expect => {
                *stored = doc;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn doc_delete(&self, kind: DocKind, id: &str) -> StoreResult<()> {
        self.lock().docs.remove(&(kind, id.to_owned()));
        Ok(())
    }

    async fn docs(&self, kind: DocKind, prefix: &str, after: &str, limit: usize) -> StoreResult<Vec<(String, Doc)>> {
        let from = if after >= prefix {
            Bound::Excluded((kind, after.to_owned()))
        } else {
            Bound::Included((kind, prefix.to_owned()))
        };
        let inner = self.lock();
        let range = inner.docs.range((from, Bound::Unbounded));
        Ok(range
            .take_while(|((other, id), _)| *other == kind && id.starts_with(prefix))
            .take(limit)
            .map(|((_, id), doc)| (id.clone(), doc.clone()))
            .collect())
    }

    async fn docs_due(
        &self,
        kind: DocKind,
        until: Millis,
        after: (Millis, &str),
        limit: usize,
    ) -> StoreResult<Vec<(String, Doc)>> {
        let inner = self.lock();
        let of_kind = inner.docs.range((kind, String::new())..).take_while(|((other, _), _)| *other == kind);
        let mut due: Vec<_> = of_kind
            .filter_map(|((_, id), doc)| Some((doc.due?, id, doc)))
            .filter(|(due, id, _)| *due <= until && (*due, id.as_str()) > after)
            .collect();
        due.sort_by_key(|(due, id, _)| (*due, *id));
        Ok(due.into_iter().take(limit).map(|(_, id, doc)| (id.clone(), doc.clone())).collect())
    }

    async fn time(&self) -> StoreResult<Millis> {
        Ok(self.clock.now())
    }
}
