//! A store that does not answer for a while.

use async_trait::async_trait;
use jobpipe_conformance::MemoryStore;
use jobpipe_core::{
    Commit, DeadLetter, Doc, DocKind, DocStore, Head, HeadCounts, HeadStore, HeadWrite, Millis, NewTask, ReadyTask,
    Row, RowId, RowStore, RowWrite, Stamps, StoreError, StoreResult, Task, TaskCount, TaskGroup, TaskId, TaskState,
    TaskStore,
};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The store in memory, behind a line that can be cut.
pub struct Outage {
    store: Arc<MemoryStore>,
    /// Nothing is answered.
    pub down: AtomicBool,
    /// Calls that were not answered.
    pub refused: AtomicU64,
    /// Of a hundred calls so many are applied and not answered, here and there.
    pub lossy: u64,
    /// A task in a form that its reader does not know.
    pub unreadable: Mutex<Option<TaskId>>,
    /// What each call takes.
    pub late: Mutex<Duration>,
    calls: AtomicU64,
}

impl Outage {
    pub fn new(store: &Arc<MemoryStore>, lossy: u64) -> Arc<Self> {
        Arc::new(Self {
            store: Arc::clone(store),
            down: AtomicBool::new(false),
            refused: AtomicU64::new(0),
            lossy,
            unreadable: Mutex::default(),
            late: Mutex::default(),
            calls: AtomicU64::new(0),
        })
    }

    fn refuse(&self) -> StoreError {
        self.refused.fetch_add(1, Ordering::SeqCst);
        StoreError::Unavailable { message: "the line is cut".to_owned() }
    }

    fn read(&self, ids: &[TaskId], tasks: Vec<Task>) -> StoreResult<Vec<Task>> {
        match &*self.unreadable.lock().unwrap() {
            Some(id) if ids.contains(id) && tasks.iter().any(|task| task.task.id == *id) => {
                Err(StoreError::Corrupt { what: format!("task {id}"), message: "of a newer release".to_owned() })
            }
            _ => Ok(tasks),
        }
    }

    async fn ask<T>(&self, call: impl Future<Output = StoreResult<T>> + Send) -> StoreResult<T> {
        if self.down.load(Ordering::SeqCst) {
            return Err(self.refuse());
        }
        let late = *self.late.lock().unwrap();
        if !late.is_zero() {
            tokio::time::sleep(late).await;
        }
        let answer = call.await;
        let calls = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let drawn = blake3::hash(format!("{} {calls}", self.lossy).as_bytes()).as_bytes()[0];
        if u64::from(drawn) * 100 < self.lossy * 256 { Err(self.refuse()) } else { answer }
    }
}

#[async_trait]
impl DocStore for Outage {
    async fn docs(&self, kind: DocKind, prefix: &str, after: &str, limit: usize) -> StoreResult<Vec<(String, Doc)>> {
        self.ask(self.store.docs(kind, prefix, after, limit)).await
    }
    async fn docs_due(
        &self,
        kind: DocKind,
        until: Millis,
        after: (Millis, &str),
        limit: usize,
    ) -> StoreResult<Vec<(String, Doc)>> {
        self.ask(self.store.docs_due(kind, until, after, limit)).await
    }
    async fn time(&self) -> StoreResult<Millis> {
        self.ask(self.store.time()).await
    }
    async fn doc(&self, kind: DocKind, id: &str) -> StoreResult<Option<Doc>> {
        self.ask(self.store.doc(kind, id)).await
    }
    async fn doc_insert(&self, kind: DocKind, id: &str, doc: Doc) -> StoreResult<bool> {
        self.ask(self.store.doc_insert(kind, id, doc)).await
    }
    async fn doc_replace(&self, kind: DocKind, id: &str, expect: u64, doc: Doc) -> StoreResult<bool> {
        self.ask(self.store.doc_replace(kind, id, expect, doc)).await
    }
    async fn doc_delete(&self, kind: DocKind, id: &str) -> StoreResult<()> {
        self.ask(self.store.doc_delete(kind, id)).await
    }
}

#[async_trait]
impl TaskStore for Outage {
    async fn run_purge(&self, run: &str) -> StoreResult<()> {
        self.ask(self.store.run_purge(run)).await
    }
    async fn tasks_insert(&self, tasks: Vec<NewTask>) -> StoreResult<()> {
        self.ask(self.store.tasks_insert(tasks)).await
    }
    async fn tasks(&self, ids: &[TaskId]) -> StoreResult<Vec<Task>> {
        self.read(ids, self.ask(self.store.tasks(ids)).await?)
    }
    async fn tasks_claim(&self, ids: &[TaskId], owner: &str, now: Millis) -> StoreResult<Vec<Task>> {
        self.read(ids, self.ask(self.store.tasks_claim(ids, owner, now)).await?)
    }
    async fn tasks_renew(&self, claims: &[(TaskId, u64)]) -> StoreResult<()> {
        self.ask(self.store.tasks_renew(claims)).await
    }
    async fn tasks_commit(&self, commits: Vec<Commit>) -> StoreResult<Vec<bool>> {
        self.ask(self.store.tasks_commit(commits)).await
    }
    async fn tasks_finish(&self, commits: Vec<Commit>) -> StoreResult<Vec<bool>> {
        self.ask(self.store.tasks_finish(commits)).await
    }
    async fn tasks_close(&self, ids: &[TaskId]) -> StoreResult<()> {
        self.ask(self.store.tasks_close(ids)).await
    }
    async fn tasks_any_open(&self, run: &str, stage: &str) -> StoreResult<bool> {
        self.ask(self.store.tasks_any_open(run, stage)).await
    }
    async fn tasks_groups(
        &self,
        run: &str,
        queue: &str,
        after: Option<&str>,
        limit: usize,
    ) -> StoreResult<Vec<String>> {
        self.ask(self.store.tasks_groups(run, queue, after, limit)).await
    }
    async fn tasks_ready(
        &self,
        group: &TaskGroup,
        now: Millis,
        after: &str,
        limit: usize,
    ) -> StoreResult<Vec<ReadyTask>> {
        self.ask(self.store.tasks_ready(group, now, after, limit)).await
    }
    async fn tasks_open(&self, run: &str, state: TaskState, after: &str, limit: usize) -> StoreResult<Vec<Task>> {
        self.ask(self.store.tasks_open(run, state, after, limit)).await
    }
    async fn tasks_of(&self, run: &str, stage: Option<&str>, after: &str, limit: usize) -> StoreResult<Vec<Task>> {
        self.ask(self.store.tasks_of(run, stage, after, limit)).await
    }
    async fn tasks_cancel(&self, run: &str) -> StoreResult<u64> {
        self.ask(self.store.tasks_cancel(run)).await
    }
    async fn tasks_count(&self, run: &str) -> StoreResult<Vec<TaskCount>> {
        self.ask(self.store.tasks_count(run)).await
    }
    async fn seen_claim(&self, run: &str, stage: &str, fingerprints: &[String], task: &str) -> StoreResult<Vec<bool>> {
        self.ask(self.store.seen_claim(run, stage, fingerprints, task)).await
    }
    async fn seen_count(&self, run: &str, stage: &str) -> StoreResult<u64> {
        self.ask(self.store.seen_count(run, stage)).await
    }
    async fn batches_put(&self, batches: Vec<(String, Vec<u8>)>) -> StoreResult<()> {
        self.ask(self.store.batches_put(batches)).await
    }
    async fn batch(&self, id: &str) -> StoreResult<Option<Vec<u8>>> {
        self.ask(self.store.batch(id)).await
    }
}

#[async_trait]
impl HeadStore for Outage {
    async fn heads_drop(&self, ledger: &str) -> StoreResult<()> {
        self.ask(self.store.heads_drop(ledger)).await
    }
    async fn heads_stamps(&self, ledger: &str, keys: &[String]) -> StoreResult<Vec<Option<Stamps>>> {
        self.ask(self.store.heads_stamps(ledger, keys)).await
    }
    async fn heads_put(&self, ledger: &str, writes: Vec<HeadWrite>) -> StoreResult<Vec<bool>> {
        self.ask(self.store.heads_put(ledger, writes)).await
    }
    async fn heads(&self, ledger: &str, keys: &[String]) -> StoreResult<Vec<Head>> {
        self.ask(self.store.heads(ledger, keys)).await
    }
    async fn heads_unseen(
        &self,
        ledger: &str,
        seq: u64,
        after: &str,
        limit: usize,
    ) -> StoreResult<Vec<(String, Stamps)>> {
        self.ask(self.store.heads_unseen(ledger, seq, after, limit)).await
    }
    async fn heads_walk(&self, ledger: &str, above: (u64, String), upto: u64, limit: usize) -> StoreResult<Vec<Head>> {
        self.ask(self.store.heads_walk(ledger, above, upto, limit)).await
    }
    async fn heads_live(&self, ledger: &str, after: &str, limit: usize) -> StoreResult<Vec<Head>> {
        self.ask(self.store.heads_live(ledger, after, limit)).await
    }
    async fn heads_by_url(&self, ledger: &str, urls: &[String]) -> StoreResult<Vec<String>> {
        self.ask(self.store.heads_by_url(ledger, urls)).await
    }
    async fn heads_count(&self, ledger: &str) -> StoreResult<HeadCounts> {
        self.ask(self.store.heads_count(ledger)).await
    }
}

#[async_trait]
impl RowStore for Outage {
    async fn dead_delete(&self, ids: &[String]) -> StoreResult<()> {
        self.ask(self.store.dead_delete(ids)).await
    }
    async fn rows(&self, ids: &[RowId]) -> StoreResult<Vec<Row>> {
        self.ask(self.store.rows(ids)).await
    }
    async fn rows_put(&self, writes: Vec<RowWrite>) -> StoreResult<Vec<bool>> {
        self.ask(self.store.rows_put(writes)).await
    }
    async fn rows_attention(&self, target: &str, after: Option<&RowId>, limit: usize) -> StoreResult<Vec<Row>> {
        self.ask(self.store.rows_attention(target, after, limit)).await
    }
    async fn rows_of(&self, target: &str, after: Option<&RowId>, limit: usize) -> StoreResult<Vec<Row>> {
        self.ask(self.store.rows_of(target, after, limit)).await
    }
    async fn rows_posted(&self, target: &str, import: &str, export: &str) -> StoreResult<u64> {
        self.ask(self.store.rows_posted(target, import, export)).await
    }
    async fn dead_put(&self, letters: Vec<DeadLetter>) -> StoreResult<()> {
        self.ask(self.store.dead_put(letters)).await
    }
    async fn dead(
        &self,
        import: Option<&str>,
        run: Option<&str>,
        after: &str,
        limit: usize,
    ) -> StoreResult<Vec<DeadLetter>> {
        self.ask(self.store.dead(import, run, after, limit)).await
    }
    async fn dead_one(&self, id: &str) -> StoreResult<Option<DeadLetter>> {
        self.ask(self.store.dead_one(id)).await
    }
}
