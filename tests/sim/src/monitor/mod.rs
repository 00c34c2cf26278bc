//! The invariants, looked at with every write that is applied and every call that a page hears: those of tasks and runs,
//! and those of pages.
//!
//! The monitor keeps its own account of who holds what and knows the outside; it takes no word of the engine for granted.

mod pages;
mod tasks;

pub(crate) use pages::{head_written, page_called, post_deleted, row_written};
pub(crate) use tasks::{batches_put, committed, dead_written, file_written, name, put_back, tasks_inserted};

use crate::world::World;
use jobpipe_core::{DocKind, DocStore, Millis, Op, RowId};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The only import there is.
pub(crate) const IMPORT: &str = "sim";

/// One attempt as it was armed, to be sent at most once.
#[derive(Debug)]
struct Armed {
    op: Op,
    payload: Json,
    at: Duration,
    /// Who alone may send it.
    owner: String,
}

/// A record in a file: key, change, title.
pub(crate) type Line = (String, String, String);

/// What the monitor remembers.
#[derive(Debug, Default)]
pub(crate) struct Monitor {
    /// Attempts that were armed and not yet sent, by row.
    armed: BTreeMap<RowId, Vec<Armed>>,
    /// Posts that rows hold to be superfluous.
    extra: BTreeSet<String>,
    /// Times in a row that a task's owner was taken for dead.
    crashes: BTreeMap<String, u32>,
    /// When runs were admitted, in true time.
    pub admitted: BTreeMap<String, Millis>,
    /// Runs in which a listing was given up, or a whole batch.
    unlisted: BTreeSet<String>,
    /// Items of which this many hold: never deleted.
    pub steady: BTreeSet<String>,
    /// Slots for which a run was started, the newest last.
    pub launched: Vec<Millis>,
    /// A guard's removals were approved: no file of changes tells of them.
    pub approved: bool,
    /// Files by (export, number and id of the run): (key, change, title).
    pub files: BTreeMap<(String, u64, String), Vec<Line>>,
    /// The number of the store: one that was lost or restored has another.
    pub stores: u64,
    /// When that was, in true time.
    pub restored_at: Millis,
    /// Claims, as (task, fence), that came with a store that was put back: their owners may have let go of them since.
    inherited: BTreeSet<(String, u64)>,
    /// Processes that know nothing of it: what they still relay turns up under runs that are closed here, and is dropped
    /// when it is claimed.
    sleepers: BTreeSet<String>,
    /// Which crawls a ledger's records come from: `a`, `b`.
    pub ledgers: BTreeMap<String, [bool; 2]>,
    /// Crashes after which an input may be set aside.
    pub crash_limit: u32,
    /// The import lists only what changed.
    pub incremental: bool,
}

impl Monitor {
    /// True when attempts on this target were armed and never sent.
    pub(crate) fn has_armed(&self, target: &str) -> bool {
        self.armed.iter().any(|(row, armed)| row.target == target && !armed.is_empty())
    }
}

/// The store's calls never wait.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

fn doc(world: &World, kind: DocKind, id: &str) -> Option<Json> {
    now(world.store().doc(kind, id))?.ok()??.read().ok()
}

/// What a run, its import and a target may do.
pub(crate) fn doc_written(world: &World, who: &str, kind: DocKind, id: &str, before: Option<&Json>, after: &Json) {
    match kind {
        DocKind::Run => tasks::run_written(world, who, id, before, after),
        DocKind::Import => tasks::import_written(world, who, id, before, after),
        DocKind::Target => pages::target_written(world, who, id, before, after),
        _ => {}
    }
}
