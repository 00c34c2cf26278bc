//! The CPU half of a chain: pure, so it may run on a blocking thread, in a child process, or twice.

mod pool;

pub use pool::{Pool, TIME};

use crate::batch::{self, Batch, Cut};
use crate::error::{EngineError, Result};
use crate::layout::Layout;
use async_trait::async_trait;
use jobpipe_core::{Counts, ErrorClass, Fate, Gathered, Outcome, Record, RunFacts, Stage, Stages, TaskError};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One stage of a chain.
#[derive(Clone)]
pub struct Link {
    /// The stage's name.
    pub name: String,
    /// The stage, compiled.
    pub code: Arc<dyn Stage>,
    /// Its records are stored, not only handed on.
    pub stored: bool,
    /// Its records are needed after that: heads are made of them.
    pub kept: bool,
}

/// One chain to compute.
pub struct Job {
    /// The definition.
    pub layout: Arc<Layout>,
    /// The stages, in order, compiled.
    pub chain: Arc<[Link]>,
    /// What the first of them gathered.
    pub gathered: Gathered,
    /// The run.
    pub facts: Arc<RunFacts>,
    /// How what is stored is cut.
    pub cut: Cut,
    /// The input crashed before: compute it where it can do no harm.
    pub suspect: bool,
}

/// What the stages of a chain gave, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChainOutcome {
    /// One a stage.
    pub stages: Vec<StageDone>,
}

/// What one stage of a chain gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageDone {
    /// The stage.
    pub stage: String,
    /// Its outcome, without the records.
    pub outcome: Outcome,
    /// Its records as they are stored, if they are.
    pub batches: Vec<Batch>,
    /// What it did, retries aside.
    pub counts: Counts,
}

/// How a computation ended.
pub enum Computed {
    /// With outcomes.
    Done(Box<ChainOutcome>),
    /// With an error of the whole input.
    Failed(TaskError),
    /// It killed the process it ran in.
    Crashed(String),
}

/// Where CPU work runs.
#[async_trait]
pub trait Compute: Send + Sync {
    /// Computes a chain.
    async fn run(&self, job: Job) -> Result<Computed>;
}

/// Runs suspects in a process of their own.
#[async_trait]
pub trait Isolate: Send + Sync {
    /// Gives the child its input; `Err` says how it died.
    async fn run(&self, input: Vec<u8>) -> std::result::Result<Vec<u8>, String>;
}

/// What a child is given.
#[derive(Debug, Serialize, Deserialize)]
pub struct ChildInput {
    plan: jobpipe_core::Plan,
    chain: Vec<(String, bool, bool)>,
    cut: Cut,
    gathered: Gathered,
    facts: RunFacts,
}

/// Computes at once on the caller's thread: what a simulation uses.
#[derive(Debug, Default)]
pub struct Inline;

#[async_trait]
impl Compute for Inline {
    async fn run(&self, job: Job) -> Result<Computed> {
        Ok(flatten(compute(&job.chain, job.cut, job.gathered, &job.facts)))
    }
}

fn flatten(done: std::result::Result<ChainOutcome, TaskError>) -> Computed {
    done.map_or_else(Computed::Failed, |outcome| Computed::Done(Box::new(outcome)))
}

fn panicked(how: &str) -> TaskError {
    TaskError {
        class: ErrorClass::Poison,
        code: "JP199".to_owned(),
        message: format!(
            "the stage's own code panicked on this input ({how}); this is a bug of jobpipe: please report it with the dead letter"
        ),
        retry_after_ms: None,
    }
}

/// What a panic said.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a word".to_owned())
}

async fn run_in_child(isolate: &dyn Isolate, job: Job) -> Result<Computed> {
    let input = ChildInput {
        plan: job.layout.plan.clone(),
        chain: job.chain.iter().map(|link| (link.name.clone(), link.stored, link.kept)).collect(),
        cut: job.cut,
        gathered: job.gathered,
        facts: (*job.facts).clone(),
    };
    let bytes = serde_json::to_vec(&input).map_err(|error| stage_error(&error))?;
    match isolate.run(bytes).await {
        Err(how) => Ok(Computed::Crashed(how)),
        Ok(output) => {
            let done: std::result::Result<ChainOutcome, TaskError> =
                serde_json::from_slice(&output).map_err(|error| stage_error(&error))?;
            Ok(flatten(done))
        }
    }
}

/// What the child process does: computes one input and gives the answer to write to its output.
pub fn compute_in_child(input: &[u8], stages: &dyn Stages) -> Result<Vec<u8>> {
    let input: ChildInput = serde_json::from_slice(input).map_err(|error| stage_error(&error))?;
    let mut chain = Vec::new();
    for (name, stored, kept) in input.chain {
        let code = stages.stage(&input.plan, &name).map_err(EngineError::Stage)?;
        chain.push(Link { name, code, stored, kept });
    }
    let work = std::panic::AssertUnwindSafe(|| compute(&chain, input.cut, input.gathered, &input.facts));
    let done = std::panic::catch_unwind(work).unwrap_or_else(|panic| Err(panicked(&said(&*panic))));
    serde_json::to_vec(&done).map_err(|error| stage_error(&error))
}

fn unstorable(error: &dyn std::fmt::Display) -> TaskError {
    TaskError {
        class: ErrorClass::Permanent,
        code: "JP198".to_owned(),
        message: format!("what a stage gave cannot be stored: {error}"),
        retry_after_ms: None,
    }
}

fn stage_error(error: &dyn std::fmt::Display) -> EngineError {
    EngineError::Stage(TaskError {
        class: ErrorClass::Permanent,
        code: "JP198".to_owned(),
        message: format!("a child process was not understood: {error}"),
        retry_after_ms: None,
    })
}

/// Runs the chain: the records that one stage gives are what the next one takes.
fn compute(
    stages: &[Link],
    cut: Cut,
    gathered: Gathered,
    facts: &RunFacts,
) -> std::result::Result<ChainOutcome, TaskError> {
    let mut done = ChainOutcome { stages: Vec::new() };
    let mut next = gathered;
    let mut links = stages.iter().peekable();
    while let Some(link) = links.next() {
        let withdrawn_before = match &next {
            Gathered::Records(records) => count(records, Fate::Withdrawn),
            Gathered::Answers(_) => 0,
        };
        let started = stopwatch();
        let mut outcome = link.code.compute(next, facts)?;
        let counts = Counts {
            taken: outcome.taken,
            given: count(&outcome.records, Fate::Live),
            withdrawn: count(&outcome.records, Fate::Withdrawn).saturating_sub(withdrawn_before),
            dead: u64::try_from(outcome.dead.len()).unwrap_or(u64::MAX),
            retried: 0,
            micros: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        };
        let mut records = std::mem::take(&mut outcome.records);
        let mut batches = Vec::new();
        // stored as bytes from here on, so that nearly all that was allocated for records is freed where it was
        if link.stored {
            batches = batch::encode(&records, cut).map_err(|error| unstorable(&error))?;
            if link.kept {
                let kept = if links.peek().is_some() { records.clone() } else { std::mem::take(&mut records) };
                batch::keep(&mut batches, kept);
            }
        }
        next = Gathered::Records(records);
        done.stages.push(StageDone { stage: link.name.clone(), outcome, batches, counts });
    }
    Ok(done)
}

fn count(records: &[Record], fate: Fate) -> u64 {
    u64::try_from(records.iter().filter(|record| record.fate == fate).count()).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "measures the CPU half; nothing is decided by it")]
fn stopwatch() -> std::time::Instant {
    std::time::Instant::now()
}
