//! The port of a stage: a function from input to outcome. It never sees the store or the broker.

use crate::{Clock, DeadLetter, Millis, Reason, Record, Request, TaskError};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a stage may know of the run it works for. The same in every process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunFacts {
    /// The import.
    pub import: String,
    /// The run's id.
    pub run: String,
    /// Its number in the import.
    pub seq: u64,
    /// When it was admitted: the `$now` of its expressions.
    pub started_at: Millis,
    /// The cursor of each stage when the run began.
    pub since: BTreeMap<String, Json>,
    /// At most so many records from each crawl (`--limit`).
    pub limit: Option<u64>,
}

/// What a stage is given beside its input.
#[derive(Clone)]
pub struct StageCx {
    /// The run.
    pub facts: Arc<RunFacts>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Told when the process wants to stop: end soon; what is not done is done again later.
    pub stop: Arc<dyn Stop>,
}

/// Whether the process wants to stop.
pub trait Stop: Send + Sync {
    /// True once it does.
    fn is_stopping(&self) -> bool;
}

/// What a stage works on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageInput {
    /// Requests to make.
    Requests(Vec<Request>),
    /// Records to turn into records, or (for a crawl) into requests.
    Records(Vec<Record>),
}

/// The answer to one request, fetched and not yet looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Which request.
    pub request: Request,
    /// What came, in the stage's own words (status, headers, ...), or why nothing did.
    pub result: Result<Json, TaskError>,
    /// The body's bytes; empty where nothing came.
    pub body: Vec<u8>,
    /// When it came.
    pub at: Millis,
}

/// What [`Stage::gather`] brought: everything that [`Stage::compute`] needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gathered {
    /// Answers to requests.
    Answers(Vec<Answer>),
    /// Records, as they were given.
    Records(Vec<Record>),
}

/// What a stage wants written. It writes nothing itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcome {
    /// Records that go on (and keys of those withdrawn or held).
    pub records: Vec<Record>,
    /// Requests found, for this same stage.
    pub follow: Vec<Request>,
    /// Requests that failed; the engine decides by class and attempts what becomes of each.
    pub failed: Vec<(Request, TaskError)>,
    /// Records that failed their contract, whole, with the reason. The engine fills in ids and run.
    pub dead: Vec<DeadLetter>,
    /// Why the source was not wholly listed, or something must be asked again.
    pub reasons: Vec<Reason>,
    /// The highest `since` value seen.
    pub cursor: Option<Json>,
    /// Requests answered or records taken.
    pub taken: u64,
}

/// A crawl or transform, compiled once for a definition.
#[async_trait]
pub trait Stage: Send + Sync {
    /// The requests that start the stage; empty for one that is `from` others.
    fn roots(&self, facts: &RunFacts) -> Result<Vec<Request>, TaskError>;

    /// The I/O half: asks the outside. What fails inside a bundle is an answer with an error, never an error of the whole.
    async fn gather(&self, input: StageInput, cx: &StageCx) -> Result<Gathered, TaskError>;

    /// The CPU half: pure, so that it may run on a blocking thread or in a child process and be repeated.
    fn compute(&self, gathered: Gathered, facts: &RunFacts) -> Result<Outcome, TaskError>;
}

/// One record of a file to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRecord {
    /// `new`, `changed` or `gone` for `write: changes`; `None` else.
    pub change: Option<&'static str>,
    /// The record's key; empty where the import gives none.
    pub key: String,
    /// The record as compact JSON: most files hold it as it is.
    pub json: Vec<u8>,
}

impl FileRecord {
    /// A record whose body is at hand as a value.
    #[must_use]
    pub fn new(change: Option<&'static str>, key: String, body: &Json) -> Self {
        Self { change, key, json: body.to_string().into_bytes() }
    }

    /// The record as a value.
    pub fn body(&self) -> serde_json::Result<Json> {
        serde_json::from_slice(&self.json)
    }
}

/// Records in the order in which a file has them.
#[async_trait]
pub trait RecordReader: Send {
    /// The next ones; empty at the end.
    async fn next(&mut self) -> Result<Vec<FileRecord>, crate::StoreError>;
}

/// What a file export did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// Where it lies.
    pub path: String,
    /// Records in it.
    pub records: u64,
    /// Bytes.
    pub bytes: u64,
    /// sha256 or blake3 of the content, hex.
    pub digest: String,
}

/// An export that writes one file at the closing: temporary file, fsync, rename, manifest.
#[async_trait]
pub trait FileExport: Send + Sync {
    /// Where the file will lie, for people.
    fn path(&self, facts: &RunFacts) -> Result<String, TaskError>;
    /// Writes it whole or not at all; writing it again gives the same bytes.
    async fn write(&self, records: &mut dyn RecordReader, cx: &StageCx) -> Result<Written, TaskError>;
}
