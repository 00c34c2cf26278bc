//! The small documents: import, run, target, epoch. Each is read whole and written by compare-and-set.

mod imports;
mod runs;
mod schedules;
mod targets;

pub use imports::{ClosedRun, ImportDoc, OpenRun};
pub use runs::{RunDoc, RunState, Verdict};
pub use schedules::{Alerted, Backfill, Deployed, Ended, Paused, ScheduleDoc, Skipped, Waiting};
pub use targets::{Mark, Pause, TargetDoc, Told};

use crate::error::Result;
use jobpipe_core::{Doc, DocKind, DocStore, Ids, Millis, Plan, StoreError};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// A document of the store.
pub trait Kept: Serialize + Sync {
    /// From when on it wants to be looked at ([`Doc::due`]).
    fn due(&self) -> Option<Millis> {
        None
    }
}

impl Kept for Plan {}
impl Kept for RunDoc {}
impl Kept for EpochDoc {}
impl Kept for Command {}
impl Kept for Deployed {}

impl Kept for TargetDoc {
    /// When it is to be drained; while somebody does, it is not due.
    fn due(&self) -> Option<Millis> {
        self.next_at.filter(|_| self.owner.is_none())
    }
}

impl Kept for ScheduleDoc {
    fn due(&self) -> Option<Millis> {
        self.next
    }
}

/// The store's own document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochDoc {
    /// Part of every target's fence.
    pub epoch: u64,
    /// The store was restored from a backup, so even a page without a post of ours waits.
    pub restored: bool,
}

/// What another process wishes of the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Run this plan.
    Run {
        /// The plan.
        plan: Box<Plan>,
        /// How.
        wish: crate::admission::Wish,
    },
    /// Cancel a run.
    Cancel {
        /// Its id.
        run: String,
    },
    /// Let waiting changes through.
    Approve {
        /// The run's id.
        run: String,
    },
    /// Remove dead letters.
    Forget {
        /// Their ids, each with its run: see [`crate::forget_letters`].
        letters: Vec<(String, String)>,
    },
    /// Do something to a deployed import; the engine puts an [`Command::Answer`] in its place.
    Order(crate::scheduler::Order),
    /// What became of an order. It is kept for a while, for whoever asked.
    Answer {
        /// In words.
        text: String,
        /// The code, when it was refused.
        refused: Option<String>,
        /// When, by the clock of the engine.
        at: Millis,
    },
}

/// A document with the version it was read at.
#[derive(Debug, Clone)]
pub struct Read<T> {
    /// Its version.
    pub version: u64,
    /// The document.
    pub doc: T,
}

pub(crate) fn decode<T: DeserializeOwned>(kind: DocKind, id: &str, doc: &Doc) -> Result<Read<T>> {
    let body = doc
        .read()
        .map_err(|error| StoreError::Corrupt { what: format!("{} {id}", kind.as_str()), message: error.to_string() })?;
    Ok(Read { version: doc.version, doc: body })
}

fn encode<T: Kept>(kind: DocKind, id: &str, version: u64, doc: &T) -> Result<Doc> {
    let corrupt = |error: serde_json::Error| StoreError::Corrupt {
        what: format!("{} {id}", kind.as_str()),
        message: error.to_string(),
    };
    Ok(Doc { due: doc.due(), ..Doc::of(version, doc).map_err(corrupt)? })
}

/// The document, if there is one.
pub async fn read<T: DeserializeOwned, S: DocStore + ?Sized>(
    store: &S,
    kind: DocKind,
    id: &str,
) -> Result<Option<Read<T>>> {
    match store.doc(kind, id).await? {
        Some(doc) => Ok(Some(decode(kind, id, &doc)?)),
        None => Ok(None),
    }
}

/// Inserts it if absent; true when it was.
pub async fn insert<T: Kept, S: DocStore + ?Sized>(
    store: &S,
    ids: &dyn Ids,
    kind: DocKind,
    id: &str,
    doc: &T,
) -> Result<bool> {
    Ok(store.doc_insert(kind, id, encode(kind, id, ids.nonce(), doc)?).await?)
}

/// Replaces the document that was read; `None` when another was faster, else what is there now.
pub async fn replace<T: Kept, S: DocStore + ?Sized>(
    store: &S,
    ids: &dyn Ids,
    kind: DocKind,
    id: &str,
    read: &Read<T>,
    new: T,
) -> Result<Option<Read<T>>> {
    let version = ids.nonce();
    let applied = store.doc_replace(kind, id, read.version, encode(kind, id, version, &new)?).await?;
    Ok(applied.then_some(Read { version, doc: new }))
}

/// Documents read at a time by [`all`].
const PAGE: usize = 500;

/// Every document whose id starts with `prefix`, by id.
pub async fn all<T: DeserializeOwned, S: DocStore + ?Sized>(
    store: &S,
    kind: DocKind,
    prefix: &str,
) -> Result<Vec<(String, Read<T>)>> {
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let page = list(store, kind, prefix, &after, PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(all) };
        after.clone_from(last);
        all.extend(page);
    }
}

/// Up to `limit` documents with id greater than `after`.
pub async fn list<T: DeserializeOwned, S: DocStore + ?Sized>(
    store: &S,
    kind: DocKind,
    prefix: &str,
    after: &str,
    limit: usize,
) -> Result<Vec<(String, Read<T>)>> {
    let mut found = Vec::new();
    for (id, doc) in store.docs(kind, prefix, after, limit).await? {
        let read = decode(kind, &id, &doc)?;
        found.push((id, read));
    }
    Ok(found)
}
