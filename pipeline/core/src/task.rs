//! Tasks: a stage (with the chain behind it) applied to one input.

use crate::{Millis, json};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// A task's id: blake3 (hex) of (run, stage, input key), so making it twice makes one task.
pub type TaskId = String;

/// A request that a crawl stage wants made: its unit of "seen", of retry and of failure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The fingerprint: equal requests of one run and stage have equal ids.
    pub id: String,
    /// What may share a task and a limit: the host, for a URL.
    pub group: String,
    /// The URL without secrets, for people and for holding the heads that came from it.
    pub url: String,
    /// A listing leads to more; losing one means that the source was not wholly listed.
    pub listing: bool,
    /// How often this request failed so far.
    #[serde(default)]
    pub attempts: u32,
    /// The stage's own words for the request; the engine never reads them.
    pub body: Json,
}

/// What a task works on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskInput {
    /// Requests of one group.
    Requests(Vec<Request>),
    /// A batch that another task committed.
    Batch(String),
    /// Everything its inputs gave: the one task of a stage that runs at the closing.
    Closing,
}

impl TaskInput {
    /// The text that, with run and stage, makes the task's id.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Requests(requests) => {
                let mut parts = vec!["requests".to_owned()];
                parts.extend(requests.iter().map(|request| format!("{}#{}", request.id, request.attempts)));
                parts.join(" ")
            }
            Self::Batch(id) => format!("batch {id}"),
            Self::Closing => "closing".to_owned(),
        }
    }
}

/// The state of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// May be claimed once `not_before` is past.
    Ready,
    /// Claimed by an owner under a fence.
    Running,
    /// Committed.
    Done,
    /// Given up, with a dead letter.
    Dead,
    /// Its run was cancelled before it was claimed.
    Cancelled,
}

impl TaskState {
    /// True when nobody will run the task again.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Done | Self::Dead | Self::Cancelled)
    }
}

/// A task to insert if absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewTask {
    /// See [`TaskId`].
    pub id: TaskId,
    /// The run it belongs to.
    pub run: String,
    /// The first stage of its chain.
    pub stage: String,
    /// The queue it waits in.
    pub queue: String,
    /// The limit key (host) it needs permits of; empty for none.
    pub group: String,
    /// What it works on.
    pub input: TaskInput,
    /// Not to be claimed before.
    pub not_before: Millis,
    /// Crashes it inherits: the halves of a suspect stay suspects.
    #[serde(default)]
    pub crashes: u32,
}

impl NewTask {
    /// A task of `run` and `stage` on `input`, ready at once, its id made from the three.
    #[must_use]
    pub fn new(run: &str, stage: &str, queue: &str, group: &str, input: TaskInput) -> Self {
        Self {
            id: json::hash_parts(&[run, stage, &input.key()]),
            run: run.to_owned(),
            stage: stage.to_owned(),
            queue: queue.to_owned(),
            group: group.to_owned(),
            input,
            not_before: 0,
            crashes: 0,
        }
    }
}

/// A task as the store has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// What it was made with; `task.not_before` and `task.crashes` are the present ones.
    pub task: NewTask,
    /// Where it stands.
    pub state: TaskState,
    /// True from insertion until the task is terminal and its relay is done.
    pub open: bool,
    /// The number of its last claim; 0 before the first.
    pub fence: u64,
    /// Who claimed it last; empty before the first claim.
    pub owner: String,
    /// Moved by the owner while it runs.
    pub renewal: u64,
    /// What its last commit left: the outbox of its relay.
    pub result: Option<TaskResult>,
    /// The nonce of its last commit, to recognise an own commit whose answer was lost; 0 for none.
    pub nonce: u64,
}

/// What a commit leaves in the task: what its relay has still to do, and what happened.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TaskResult {
    /// Stored outputs by the stage that gave them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<Output>,
    /// Tasks to insert as they are: what failed inside a bundle, halves of a suspect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<NewTask>,
    /// Requests to claim in `seen` and to bundle, by stage.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub follow: Vec<Follow>,
    /// Dead letters to write.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dead: Vec<DeadLetter>,
    /// URLs whose heads are held in this run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<String>,
    /// Why the run is not clean or not exhaustive any more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// The highest `since` value seen, by stage.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub cursors: BTreeMap<String, Json>,
    /// What each stage of the chain did.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<String, Counts>,
    /// The last error, for a task that is to be tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<TaskError>,
}

/// One stored batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// The stage whose output it is.
    pub stage: String,
    /// The batch: `run/task/fence/ordinal`.
    pub batch: String,
    /// Live records in it.
    pub records: u64,
}

/// Requests of one stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Follow {
    /// The crawl stage that makes them.
    pub stage: String,
    /// The requests, in the order found.
    pub requests: Vec<Request>,
}

/// What one stage of a chain did inside one task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Counts {
    /// Requests answered or records taken.
    #[serde(rename = "in")]
    pub taken: u64,
    /// Live records given.
    #[serde(rename = "out")]
    pub given: u64,
    /// Records withdrawn by `where`.
    pub withdrawn: u64,
    /// Inputs or records that became dead letters.
    pub dead: u64,
    /// Inputs put back to be tried again.
    pub retried: u64,
    /// Microseconds spent in the stage's own code.
    pub micros: u64,
}

impl Counts {
    /// Adds another stage's or task's counts.
    pub fn add(&mut self, other: &Self) {
        self.taken += other.taken;
        self.given += other.given;
        self.withdrawn += other.withdrawn;
        self.dead += other.dead;
        self.retried += other.retried;
        self.micros += other.micros;
    }
}

/// Why a run is not clean, or not exhaustive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// The stage it happened in.
    pub stage: String,
    /// What happened, in words for the summary.
    pub what: String,
    /// The source was not wholly listed, so what is missing must not be counted as missing.
    pub not_exhaustive: bool,
    /// Something failed that must be asked again, so the cursor must not move.
    pub not_clean: bool,
}

/// A failure as a reader meets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskError {
    /// What kind of failure, and so what is done about it.
    pub class: ErrorClass,
    /// The stable code, `JP1xx`.
    pub code: String,
    /// What happened, where, and what to do.
    pub message: String,
    /// For throttling and `Retry-After`: milliseconds until it is worth asking again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// What is done about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// May work later: tried again with growing delays, then dead.
    Transient,
    /// Not asked at all because a limit has no permits: put back without charging an attempt.
    Throttled,
    /// Will never work: dead at once.
    Permanent,
    /// The source says that the thing is not there (404, 410): dead, and the run stays clean and exhaustive.
    Missing,
    /// Killed its process three times.
    Poison,
    /// A credential was refused.
    Auth,
}

impl ErrorClass {
    /// The class in a word, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Throttled => "throttled",
            Self::Permanent => "permanent",
            Self::Missing => "missing",
            Self::Poison => "poison",
            Self::Auth => "auth",
        }
    }
}

/// One commit: a compare-and-set on (id, fence, running).
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// The task.
    pub id: TaskId,
    /// The fence it was claimed under.
    pub fence: u64,
    /// When set, the commit also needs this renewal: taking a lease from an owner that was observed to stand still.
    pub renewal: Option<u64>,
    /// `Done`, `Dead`, or `Ready` to be tried again.
    pub state: TaskState,
    /// For `Ready`: not to be claimed before.
    pub not_before: Millis,
    /// The crash counter afterwards: 0 after a clean end of a claim.
    pub crashes: u32,
    /// For `Ready`: the input as it is to be tried (attempt counters moved); `None` leaves it.
    pub input: Option<TaskInput>,
    /// The outbox, and what happened.
    pub result: TaskResult,
    /// To recognise it when the answer is lost.
    pub nonce: u64,
}

/// What could not be done, with a copy of what it was to be done with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadLetter {
    /// Made from run, stage and input (or from the row), so writing it twice leaves one.
    pub id: String,
    /// The import.
    pub import: String,
    /// The run; for a row, the run whose content it was.
    pub run: String,
    /// The stage or export.
    pub stage: String,
    /// The task, where one died whole; empty for a record.
    #[serde(default)]
    pub task: String,
    /// The URL or target it is about, without secrets.
    pub url: String,
    /// The record's key, where known.
    #[serde(default)]
    pub key: String,
    /// Why.
    pub error: TaskError,
    /// When.
    pub at: Millis,
    /// The record or request, whole.
    pub input: Json,
}
