//! The port of the state store: the truth. Adapters hold no policy: they compare, set, and list.
//!
//! Every write is durable when its future ends, touches one document at a time, and may be repeated: it is an insert
//! if absent, a compare-and-set, or sets the same value again. In a bulk each element stands for itself and the
//! answer says which of them applied.

use crate::{
    Commit, DeadLetter, Head, HeadCounts, HeadSeen, HeadWrite, Millis, NewTask, Row, RowId, RowWrite, Stamps, Task,
    TaskId, TaskState,
};
use async_trait::async_trait;
use serde::{Serialize, de::DeserializeOwned};

/// What a store could not do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The disk is full or may not be written.
    #[error(
        "cannot write {path}: {message} (JP501); make room or allow writing there, then run again: nothing is lost"
    )]
    NoSpace {
        /// The file or folder.
        path: String,
        /// The system's word.
        message: String,
    },
    /// Another process holds the role that this one asked for.
    #[error("{path} is in use by another jobpipe process ({holder}) (JP502)")]
    Busy {
        /// The lock or store.
        path: String,
        /// Who, as far as known.
        holder: String,
    },
    /// The store was damaged, or is not one of ours, or is of a newer version.
    #[error("{path} cannot be used: {message} (JP503)")]
    Unusable {
        /// The file.
        path: String,
        /// Why, and what to do.
        message: String,
    },
    /// It is not known whether the write was applied; it may be repeated.
    #[error("the state store did not answer: {message} (JP504)")]
    Unavailable {
        /// The adapter's word.
        message: String,
    },
    /// It was closed while somebody still asked; nothing was done, and nothing will be.
    #[error("{path} was closed while it was still in use (JP506)")]
    Closed {
        /// The file.
        path: String,
    },
    /// A stored document does not have the form that this version knows.
    #[error("stored {what} cannot be read: {message} (JP505)")]
    Corrupt {
        /// Which document.
        what: String,
        /// The decoder's word.
        message: String,
    },
}

/// Result of a store call.
pub type StoreResult<T> = Result<T, StoreError>;

/// The kinds of small documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DocKind {
    /// One an import, by name.
    Import,
    /// Immutable plans, by hash.
    Definition,
    /// One a run, by id.
    Run,
    /// One a target (a Facebook page), by `kind:id`.
    Target,
    /// The store's own: its epoch.
    Store,
    /// Wishes of other processes for the engine, by id.
    Command,
    /// One a process that works, by the name it has in leases.
    Worker,
    /// Permits that a fleet has given out, by limit key.
    Limit,
    /// One a deployed import, by its name: what is launched, and when it is next.
    Schedule,
    /// The versions of deployed imports, by `name@version`; immutable.
    Version,
}

impl DocKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Import,
        Self::Definition,
        Self::Run,
        Self::Target,
        Self::Store,
        Self::Command,
        Self::Worker,
        Self::Limit,
        Self::Schedule,
        Self::Version,
    ];

    /// The name a store files it under.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Definition => "definition",
            Self::Run => "run",
            Self::Target => "target",
            Self::Store => "store",
            Self::Command => "command",
            Self::Worker => "worker",
            Self::Limit => "limit",
            Self::Schedule => "schedule",
            Self::Version => "version",
        }
    }
}

/// A small document with the version that the next write must name.
#[derive(Debug, Clone, PartialEq)]
pub struct Doc {
    /// Random, chosen by the writer.
    pub version: u64,
    /// From when on it wants to be looked at; `None`: never. What is due is found without reading the rest.
    pub due: Option<Millis>,
    /// The document, as JSON. Stores need not read it.
    pub body: String,
}

impl Doc {
    /// `document` under `version`, never due.
    ///
    /// # Errors
    /// What the encoder says of a document that is not JSON (a map without text keys).
    pub fn of<T: Serialize + ?Sized>(version: u64, document: &T) -> serde_json::Result<Self> {
        Ok(Self { version, due: None, body: serde_json::to_string(document)? })
    }

    /// The document.
    ///
    /// # Errors
    /// What the decoder says of one that has another form.
    pub fn read<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(&self.body)
    }
}

/// Small documents: read whole, written whole, by compare-and-set.
#[async_trait]
pub trait DocStore: Send + Sync {
    /// The document, if there is one.
    async fn doc(&self, kind: DocKind, id: &str) -> StoreResult<Option<Doc>>;
    /// Inserts it if absent; true when it was.
    async fn doc_insert(&self, kind: DocKind, id: &str, doc: Doc) -> StoreResult<bool>;
    /// Replaces it where its version is `expect`; true when it was.
    async fn doc_replace(&self, kind: DocKind, id: &str, expect: u64, doc: Doc) -> StoreResult<bool>;
    /// Removes it.
    async fn doc_delete(&self, kind: DocKind, id: &str) -> StoreResult<()>;
    /// Up to `limit` documents whose id starts with `prefix` and is greater than `after`, by id (bytewise).
    async fn docs(&self, kind: DocKind, prefix: &str, after: &str, limit: usize) -> StoreResult<Vec<(String, Doc)>>;
    /// Up to `limit` documents that are due at `until`, by ([`Doc::due`], id), greater than `after`.
    async fn docs_due(
        &self,
        kind: DocKind,
        until: Millis,
        after: (Millis, &str),
        limit: usize,
    ) -> StoreResult<Vec<(String, Doc)>>;
    /// The store's own wall clock: by it all who share the store agree on what is due.
    async fn time(&self) -> StoreResult<Millis>;
}

/// The tasks of a run that wait in one queue for permits of one limit key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskGroup {
    /// The run.
    pub run: String,
    /// The queue.
    pub queue: String,
    /// The limit key; empty for none.
    pub group: String,
}

/// What the dispatcher needs to know of a ready task of a [`TaskGroup`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadyTask {
    /// The task.
    pub id: TaskId,
    /// The number of its last claim.
    pub fence: u64,
}

/// How many tasks of a stage are in a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskCount {
    /// The stage.
    pub stage: String,
    /// The state.
    pub state: TaskState,
    /// How many.
    pub tasks: u64,
}

/// Tasks.
#[async_trait]
pub trait TaskStore: Send + Sync {
    /// Inserts each if absent: ready, open, fence 0.
    async fn tasks_insert(&self, tasks: Vec<NewTask>) -> StoreResult<()>;
    /// Those that exist, in the order asked.
    async fn tasks(&self, ids: &[TaskId]) -> StoreResult<Vec<Task>>;
    /// Claims each that is ready with `not_before <= now`: running, fence + 1, this owner, renewal 0. Gives those claimed.
    async fn tasks_claim(&self, ids: &[TaskId], owner: &str, now: Millis) -> StoreResult<Vec<Task>>;
    /// Moves the renewal of each (id, fence) that is still running under that fence.
    async fn tasks_renew(&self, claims: &[(TaskId, u64)]) -> StoreResult<()>;
    /// Commits each where (id, fence, running[, renewal]) holds; says which did.
    async fn tasks_commit(&self, commits: Vec<Commit>) -> StoreResult<Vec<bool>>;
    /// [`TaskStore::tasks_commit`] of commits that leave nothing to relay, and [`TaskStore::tasks_close`] of those that
    /// were applied; a store that can does both in one write.
    async fn tasks_finish(&self, commits: Vec<Commit>) -> StoreResult<Vec<bool>> {
        let ids: Vec<TaskId> = commits.iter().map(|commit| commit.id.clone()).collect();
        let applied = self.tasks_commit(commits).await?;
        let done: Vec<TaskId> = ids.into_iter().zip(&applied).filter(|(_, done)| **done).map(|(id, _)| id).collect();
        self.tasks_close(&done).await?;
        Ok(applied)
    }
    /// Lets `open` fall for each that is terminal.
    async fn tasks_close(&self, ids: &[TaskId]) -> StoreResult<()>;
    /// True when some task of (run, stage) is open; one snapshot.
    async fn tasks_any_open(&self, run: &str, stage: &str) -> StoreResult<bool>;
    /// Up to `limit` limit keys of which ready tasks of the run wait in the queue, be they due or not: each once, in an
    /// order of the store's own, and `after` the one named.
    async fn tasks_groups(&self, run: &str, queue: &str, after: Option<&str>, limit: usize)
    -> StoreResult<Vec<String>>;
    /// Up to `limit` ready tasks of the group with `not_before <= now` and id greater than `after`, by id.
    async fn tasks_ready(
        &self,
        group: &TaskGroup,
        now: Millis,
        after: &str,
        limit: usize,
    ) -> StoreResult<Vec<ReadyTask>>;
    /// Up to `limit` open tasks of the run in that state with id greater than `after`, by id.
    async fn tasks_open(&self, run: &str, state: TaskState, after: &str, limit: usize) -> StoreResult<Vec<Task>>;
    /// Up to `limit` tasks of the run (of one stage, if named) with id greater than `after`, by id.
    async fn tasks_of(&self, run: &str, stage: Option<&str>, after: &str, limit: usize) -> StoreResult<Vec<Task>>;
    /// Ready tasks of the run become cancelled and closed; how many.
    async fn tasks_cancel(&self, run: &str) -> StoreResult<u64>;
    /// How many tasks of the run are in which state, by stage and then state; none for a state without tasks.
    async fn tasks_count(&self, run: &str) -> StoreResult<Vec<TaskCount>>;
    /// Claims each fingerprint of (run, stage) for `task` if nobody has; true where the claim is this task's, now or before.
    async fn seen_claim(&self, run: &str, stage: &str, fingerprints: &[String], task: &str) -> StoreResult<Vec<bool>>;
    /// How many fingerprints of (run, stage) are claimed.
    async fn seen_count(&self, run: &str, stage: &str) -> StoreResult<u64>;
    /// Stores each batch (id `run/task/fence/ordinal`, opaque bytes) if absent.
    async fn batches_put(&self, batches: Vec<(String, Vec<u8>)>) -> StoreResult<()>;
    /// One batch.
    async fn batch(&self, id: &str) -> StoreResult<Option<Vec<u8>>>;
    /// Removes tasks, seen fingerprints and batches of a run, maybe in several steps: repeated after a crash, it goes on.
    async fn run_purge(&self, run: &str) -> StoreResult<()>;
}

/// Heads, by ledger and key.
#[async_trait]
pub trait HeadStore: Send + Sync {
    /// The stamps of each key, `None` where there is no head; in the order asked.
    async fn heads_stamps(&self, ledger: &str, keys: &[String]) -> StoreResult<Vec<Option<Stamps>>>;
    /// Writes each where its version is as expected; says which did.
    async fn heads_put(&self, ledger: &str, writes: Vec<HeadWrite>) -> StoreResult<Vec<bool>>;
    /// Writes [`HeadSeen::confirm`] of each head under `version`, and adds its URL; says which did. A store that can
    /// does it in one request: most records of most runs are as they were.
    async fn heads_confirm(&self, ledger: &str, seq: u64, version: u64, seen: Vec<HeadSeen>) -> StoreResult<Vec<bool>> {
        let keys: Vec<String> = seen.iter().map(|seen| seen.key.clone()).collect();
        let heads = self.heads_stamps(ledger, &keys).await?;
        let (mut at, mut writes) = (Vec::new(), Vec::new());
        for (n, (seen, head)) in seen.into_iter().zip(heads).enumerate() {
            let Some(head) = head else { continue };
            let Some(stamps) = seen.confirm(&head, seq, version) else { continue };
            at.push(n);
            let (expect, add_urls) = (Some(head.version), vec![seen.url]);
            writes.push(HeadWrite { key: seen.key, expect, stamps, body: None, add_urls });
        }
        let mut confirmed = vec![false; keys.len()];
        for (n, applied) in at.into_iter().zip(self.heads_put(ledger, writes).await?) {
            if let Some(confirmed) = confirmed.get_mut(n) {
                *confirmed = applied;
            }
        }
        Ok(confirmed)
    }
    /// The heads of these keys that exist, in the order asked.
    async fn heads(&self, ledger: &str, keys: &[String]) -> StoreResult<Vec<Head>>;
    /// Up to `limit` (key, stamps) with `seen_gen < seq` and key greater than `after`, by key (bytewise).
    async fn heads_unseen(
        &self,
        ledger: &str,
        seq: u64,
        after: &str,
        limit: usize,
    ) -> StoreResult<Vec<(String, Stamps)>>;
    /// Up to `limit` heads above (changed_gen, key) with `changed_gen <= upto`, in that order.
    async fn heads_walk(&self, ledger: &str, above: (u64, String), upto: u64, limit: usize) -> StoreResult<Vec<Head>>;
    /// Up to `limit` live heads with key greater than `after`, by key.
    async fn heads_live(&self, ledger: &str, after: &str, limit: usize) -> StoreResult<Vec<Head>>;
    /// Keys of the heads one of whose sources is one of these URL fingerprints; each once, by key.
    async fn heads_by_url(&self, ledger: &str, urls: &[String]) -> StoreResult<Vec<String>>;
    /// How many heads there are.
    async fn heads_count(&self, ledger: &str) -> StoreResult<HeadCounts>;
    /// Removes the whole ledger.
    async fn heads_drop(&self, ledger: &str) -> StoreResult<()>;
}

/// Ledger rows and dead letters.
#[async_trait]
pub trait RowStore: Send + Sync {
    /// The rows of these ids that exist, in the order asked.
    async fn rows(&self, ids: &[RowId]) -> StoreResult<Vec<Row>>;
    /// Writes each where its version is as expected; says which did.
    async fn rows_put(&self, writes: Vec<RowWrite>) -> StoreResult<Vec<bool>>;
    /// Up to `limit` rows of the target that need attention, with id greater than `after`, by id.
    async fn rows_attention(&self, target: &str, after: Option<&RowId>, limit: usize) -> StoreResult<Vec<Row>>;
    /// Up to `limit` rows of the target with id greater than `after`, by id.
    async fn rows_of(&self, target: &str, after: Option<&RowId>, limit: usize) -> StoreResult<Vec<Row>>;
    /// How many rows of (target, import, export) have a post.
    async fn rows_posted(&self, target: &str, import: &str, export: &str) -> StoreResult<u64>;
    /// Writes each dead letter, replacing one with the same id.
    async fn dead_put(&self, letters: Vec<DeadLetter>) -> StoreResult<()>;
    /// Up to `limit` dead letters with id greater than `after`, by id; of one import and one run, if named.
    async fn dead(
        &self,
        import: Option<&str>,
        run: Option<&str>,
        after: &str,
        limit: usize,
    ) -> StoreResult<Vec<DeadLetter>>;
    /// One dead letter.
    async fn dead_one(&self, id: &str) -> StoreResult<Option<DeadLetter>>;
    /// Removes dead letters.
    async fn dead_delete(&self, ids: &[String]) -> StoreResult<()>;
}

/// The whole store.
pub trait StateStore: DocStore + TaskStore + HeadStore + RowStore {}
impl<T: DocStore + TaskStore + HeadStore + RowStore> StateStore for T {}
