//! Ledger rows and dead letters in memory.

use super::{Inner, MemoryStore};
use async_trait::async_trait;
use jobpipe_core::{DeadLetter, Row, RowId, RowStore, RowWrite, StoreResult};
use std::ops::Bound;

impl Inner {
    /// The rows of a target with an id greater than `after`, by id.
    fn rows_after<'a>(&'a self, target: &'a str, after: Option<&RowId>) -> impl Iterator<Item = &'a Row> + 'a {
        let from = match after {
            Some(id) if id.target.as_str() >= target => Bound::Excluded(id.clone()),
            _ => Bound::Included(RowId {
                target: target.to_owned(),
                import: String::new(),
                export: String::new(),
                key: String::new(),
            }),
        };
        let range = self.rows.range((from, Bound::Unbounded));
        range.take_while(move |(id, _)| id.target == target).map(|(_, row)| row)
    }
}

#[async_trait]
impl RowStore for MemoryStore {
    async fn rows(&self, ids: &[RowId]) -> StoreResult<Vec<Row>> {
        let inner = self.lock();
        Ok(ids.iter().filter_map(|id| inner.rows.get(id)).cloned().collect())
    }

    async fn rows_put(&self, writes: Vec<RowWrite>) -> StoreResult<Vec<bool>> {
        let mut inner = self.lock();
        let mut applied = Vec::with_capacity(writes.len());
        for write in writes {
            let found = inner.rows.get(&write.row.id).map(|row| row.version);
            let applies = found == write.expect;
            if applies {
                inner.rows.insert(write.row.id.clone(), write.row);
            }
            applied.push(applies);
        }
        Ok(applied)
    }

    async fn rows_attention(&self, target: &str, after: Option<&RowId>, limit: usize) -> StoreResult<Vec<Row>> {
        let inner = self.lock();
        let rows = inner.rows_after(target, after).filter(|row| row.needs_attention());
        Ok(rows.take(limit).cloned().collect())
    }

    async fn rows_of(&self, target: &str, after: Option<&RowId>, limit: usize) -> StoreResult<Vec<Row>> {
        let inner = self.lock();
        Ok(inner.rows_after(target, after).take(limit).cloned().collect())
    }

    async fn rows_posted(&self, target: &str, import: &str, export: &str) -> StoreResult<u64> {
        let inner = self.lock();
        let rows = inner.rows_after(target, None);
        let posted = rows.filter(|row| row.post.is_some() && row.id.import == import && row.id.export == export);
        Ok(posted.count() as u64)
    }

    async fn dead_put(&self, letters: Vec<DeadLetter>) -> StoreResult<()> {
        let mut inner = self.lock();
        for letter in letters {
            inner.dead.insert(letter.id.clone(), letter);
        }
        Ok(())
    }

    async fn dead(
        &self,
        import: Option<&str>,
        run: Option<&str>,
        after: &str,
        limit: usize,
    ) -> StoreResult<Vec<DeadLetter>> {
        let inner = self.lock();
        let range = inner.dead.range::<str, _>((Bound::Excluded(after), Bound::Unbounded));
        let letters = range
            .map(|(_, letter)| letter)
            .filter(|letter| import.is_none_or(|import| letter.import == import))
            .filter(|letter| run.is_none_or(|run| letter.run == run));
        Ok(letters.take(limit).cloned().collect())
    }

    async fn dead_one(&self, id: &str) -> StoreResult<Option<DeadLetter>> {
        Ok(self.lock().dead.get(id).cloned())
    }

    async fn dead_delete(&self, ids: &[String]) -> StoreResult<()> {
        let mut inner = self.lock();
        for id in ids {
            inner.dead.remove(id);
        }
        Ok(())
    }
}
