//! The state store in memory: ordered maps behind one lock, no thread, no time, no chance.

mod docs;
mod heads;
mod rows;
mod tasks;

use jobpipe_core::{Clock, DeadLetter, Doc, DocKind, Head, Row, RowId, SystemClock, Task, TaskGroup, TaskId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A [`jobpipe_core::StateStore`] that lives as long as the value. Calls never wait and never fail.
pub struct MemoryStore {
    inner: Mutex<Inner>,
    /// What it goes by when it is asked for the time.
    clock: Arc<dyn Clock>,
}

/// One head with what only the store reads.
#[derive(Debug, Clone)]
struct StoredHead {
    head: Head,
    urls: BTreeSet<String>,
}

#[derive(Debug, Default, Clone)]
struct Inner {
    docs: BTreeMap<(DocKind, String), Doc>,
    tasks: BTreeMap<TaskId, Task>,
    /// Ids of the tasks of each run.
    runs: BTreeMap<String, BTreeSet<TaskId>>,
    /// The ready ones.
    ready: BTreeSet<(TaskGroup, TaskId)>,
    /// By run, then stage and fingerprint: the task that claimed it.
    seen: BTreeMap<String, BTreeMap<(String, String), TaskId>>,
    batches: BTreeMap<String, Vec<u8>>,
    /// By ledger, then key.
    heads: BTreeMap<String, BTreeMap<String, StoredHead>>,
    rows: BTreeMap<RowId, Row>,
    dead: BTreeMap<String, DeadLetter>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock::default()))
    }

    /// An empty store with a time of its own.
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { inner: Mutex::default(), clock }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
