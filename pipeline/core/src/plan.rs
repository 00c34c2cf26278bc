//! What an import compiles to: the typed, immutable definition that a run pins by its hash.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// One import, normalised: what the engine executes and the store keeps under [`Plan::hash`].
///
/// The engine reads only the fields of this module. What a stage means is in [`StagePlan::body`], which only the
/// stage's own code and the configuration read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The import's name: the identity of its heads, cursor and ledger.
    pub name: String,
    /// Stages in topological order: a stage stands after every stage it is `from`.
    pub stages: Vec<StagePlan>,
    /// The schedule as written, kept for the scheduler; a run by hand ignores it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Json>,
}

/// One node of the DAG.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StagePlan {
    /// The stage's name, unique in the import. An export's name is its `as:`, else its kind.
    pub name: String,
    /// Names of the stages whose records this one takes; empty for a crawl that starts the DAG.
    pub from: Vec<String>,
    /// What kind of node this is.
    pub kind: StageKind,
    /// The adapter inside the kind: `html`, `json`, `map`, `jsonl`, `facebook`.
    pub connector: String,
    /// What the stage is fed with, and so when it runs.
    pub feed: Feed,
    /// The queue its tasks wait in. Consecutive stages on one queue share a task.
    pub queue: String,
    /// How often and how fast failed inputs are tried again.
    pub retry: RetryPolicy,
    /// Tasks of this stage that may run at once in one process; `None` = as many as the worker has slots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// How long one of its tasks may ask the outside; `None` = as long as the settings say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskLimit>,
    /// How many requests of one group (a host) a task carries at most.
    pub bundle: u32,
    /// For a transform: what happens to records that the source no longer lists. `None` = never inferred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<GonePolicy>,
    /// For an export to targets: how fast each of them takes effects. `None` = no limit of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<Pace>,
    /// Budgets that end a crawl early (and make it neither clean nor exhaustive).
    #[serde(default)]
    pub max: Budget,
    /// The stage's own settings in the long form, read by the stage alone.
    pub body: Json,
}

/// The three kinds of stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageKind {
    /// Asks the outside and gives records.
    Crawl,
    /// Turns records into records; pure.
    Transform,
    /// Brings records to a place outside.
    Export,
}

/// What a stage is fed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feed {
    /// Batches, as they come: crawls and transforms.
    Batches,
    /// One task at the closing: the records of this run by key, one a key; those without a key by their text.
    Run,
    /// One task at the closing: all live heads, ordered by key.
    Snapshot,
    /// One task at the closing: the heads that this run made new, changed or gone, ordered by key.
    Changes,
    /// No task: the engine drains heads to each target by the effect protocol.
    Heads,
}

/// Retry of failed inputs: full jitter over `base * 2^attempt`, never above `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryPolicy {
    /// Attempts after the first; a transient failure past them is a dead letter.
    pub times: u32,
    /// The first delay, in milliseconds.
    pub base_ms: u64,
    /// The longest delay, in milliseconds.
    pub max_ms: u64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { times: 5, base_ms: 1_000, max_ms: 600_000 }
    }
}

/// How long one task may ask the outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskLimit {
    /// After so many milliseconds it is told to end, and puts back what it has not asked yet.
    pub soft_ms: u64,
    /// After so many, counted from its beginning as well, it is broken off and tried again. Not below `soft_ms`.
    pub hard_ms: u64,
}

impl TaskLimit {
    /// What a task that was told to end gets for it, in milliseconds, where nothing else is said.
    pub const GRACE_MS: u64 = 30_000;

    /// A limit of so many milliseconds until a task is told to end.
    #[must_use]
    pub const fn of(soft_ms: u64) -> Self {
        Self { soft_ms, hard_ms: soft_ms.saturating_add(Self::GRACE_MS) }
    }
}

/// When a record that an exhaustive run did not list counts as gone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GonePolicy {
    /// Exhaustive runs in a row that must have missed it (at least 1).
    pub after: u32,
    /// The largest share of live heads, 0.0 to 1.0, that one run may declare gone or withdrawn; above it nothing is.
    pub limit: f64,
}

/// How fast one target takes effects: a bucket of one, refilled every `every_ms`, and a cap a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// Effects that one interval lets through.
    pub count: u32,
    /// The interval in milliseconds.
    pub every_ms: u64,
    /// Creates a day and target at most; `None` = no cap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_day: Option<u32>,
}

/// What a crawl may use up before it stops listing more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Listing pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<u64>,
    /// Records (or detail pages).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<u64>,
    /// Time since the run began, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_ms: Option<u64>,
}

impl Plan {
    /// The plan's identity: blake3 (hex) over its canonical JSON. Equal plans have equal hashes on every machine.
    #[must_use]
    pub fn hash(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or(Json::Null);
        crate::json::hash_hex(&value)
    }

    /// The stage of that name.
    #[must_use]
    pub fn stage(&self, name: &str) -> Option<&StagePlan> {
        self.stages.iter().find(|stage| stage.name == name)
    }

    /// The stages that are `from` the one named, in plan order.
    pub fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a StagePlan> + 'a {
        self.stages.iter().filter(move |stage| stage.from.iter().any(|from| from == name))
    }
}
