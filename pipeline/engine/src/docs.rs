//! The small documents: import, run, target, epoch. Each is read whole and written by compare-and-set.

use crate::error::Result;
use jobpipe_core::{Doc, DocKind, DocStore, Ids, Millis, Plan, Reason, RunFacts, StoreError, TargetRef, Written};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// The serial point of an import.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImportDoc {
    /// Number of its last run.
    pub seq: u64,
    /// The last slot that was taken.
    pub last_slot: Millis,
    /// The open run.
    pub open: Option<OpenRun>,
    /// The last closed, uncancelled run: what targets are planned from.
    pub closed: Option<ClosedRun>,
    /// Numbers of cancelled runs: heads that they changed last are not planned.
    pub cancelled: BTreeSet<u64>,
    /// The cursor of each stage.
    pub since: BTreeMap<String, Json>,
    /// The run that moved it last.
    pub since_seq: u64,
    /// Removals up to this run were accepted; later ones count against the limit.
    pub accepted_gen: u64,
    /// Targets to be woken after a closing.
    pub to_wake: BTreeSet<String>,
}

/// What admission decided, so that anyone can insert the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenRun {
    /// Hash of the definition.
    pub definition: String,
    /// The run's facts.
    pub facts: RunFacts,
    /// Targets by export, resolved once.
    pub targets: BTreeMap<String, Vec<TargetRef>>,
    /// Guards are approved beforehand (`--yes`).
    pub approved: bool,
}

/// The last closed run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClosedRun {
    /// Its id.
    pub run: String,
    /// Its number.
    pub seq: u64,
    /// Hash of its definition.
    pub definition: String,
    /// Its targets by export.
    pub targets: BTreeMap<String, Vec<TargetRef>>,
    /// Why removals wait, if they do.
    pub guard: Option<String>,
    /// Changes of a definition are approved beforehand (`--yes`, `runs approve`).
    pub approved: bool,
    /// Ledgers of which removals were approved after the run's files were written: those of the next run tell of them.
    #[serde(default)]
    pub untold: BTreeSet<String>,
}

impl ClosedRun {
    /// True when `target` belongs to `export`.
    #[must_use]
    pub fn has_target(&self, export: &str, target: &str) -> bool {
        self.targets.get(export).is_some_and(|targets| targets.iter().any(|one| one.id == target))
    }

    /// What `target` is told of this run for `export`, when it is woken under this epoch of the store.
    #[must_use]
    pub fn told(&self, export: &str, target: &str, cancelled: &BTreeSet<u64>, epoch: u64) -> Told {
        Told {
            epoch,
            run: self.run.clone(),
            seq: self.seq,
            definition: self.definition.clone(),
            present: self.has_target(export, target),
            guard: self.guard.clone(),
            approved: self.approved,
            cancelled: cancelled.clone(),
        }
    }
}

/// What a target knows of an import's last closed run: all that a drain needs, so that it reads no document as long as
/// the list of all targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// The epoch of the store that the run is in: another one counts its runs anew.
    #[serde(default)]
    pub epoch: u64,
    /// The run's id.
    pub run: String,
    /// Its number.
    pub seq: u64,
    /// Hash of its definition.
    pub definition: String,
    /// The target belongs to the export.
    pub present: bool,
    /// Why removals wait, if they do.
    pub guard: Option<String>,
    /// Changes of a definition are approved.
    pub approved: bool,
    /// Numbers of cancelled runs: heads that they changed last are not planned.
    pub cancelled: BTreeSet<u64>,
}

impl Told {
    /// What a target records before it arms anything: another mark means "start again at 0".
    #[must_use]
    pub fn mark(&self) -> String {
        if self.guard.is_some() { format!("{}+guard", self.definition) } else { self.definition.clone() }
    }

    /// True when `other` is told later. One who wakes the target late tells of an older run, of one that was not
    /// approved yet, or of one of a store that is lost.
    #[must_use]
    pub fn yields_to(&self, other: &Self) -> bool {
        (self.epoch, self.seq, self.approved) <= (other.epoch, other.seq, other.approved)
    }
}

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Tasks run.
    Open,
    /// All stages are closed and the verdict is frozen: gone pass, then files.
    Settled,
    /// Nothing of it will be written any more.
    Closed,
}

/// What a run may conclude.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// Nothing failed: the cursor may move.
    pub clean: bool,
    /// The whole source was listed: what is missing may be counted.
    pub exhaustive: bool,
}

/// One execution of an import.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunDoc {
    /// What admission decided.
    pub open: OpenRun,
    /// Where it stands.
    pub state: RunState,
    /// Stages that are closed.
    pub closed_stages: BTreeSet<String>,
    /// A cancel was asked for.
    pub cancel: bool,
    /// Why it is not clean or not exhaustive.
    pub reasons: BTreeSet<Reason>,
    /// Frozen when the last stage closed.
    pub verdict: Option<Verdict>,
    /// The gone pass is done.
    pub gone_done: bool,
    /// Records that it declared gone.
    pub gone: u64,
    /// Why removals wait, if they do.
    pub guard: Option<String>,
    /// The file tasks are inserted.
    pub files_made: bool,
    /// Files that it wrote, by export.
    pub files: BTreeMap<String, Written>,
    /// When it was closed.
    pub ended_at: Option<Millis>,
    /// What its stages did, counted when it was closed.
    pub counts: BTreeMap<String, jobpipe_core::Counts>,
    /// How many tasks each stage had.
    pub tasks: BTreeMap<String, u64>,
    /// What it did to its targets, by name: noted when the next run was closed, since rows tell only of the last one.
    #[serde(default)]
    pub targets: BTreeMap<String, crate::admin::TargetSummary>,
    /// Its tasks and batches are cleared; this document is what is left.
    pub cleared: bool,
}

impl RunDoc {
    /// A run as it starts.
    #[must_use]
    pub fn new(open: OpenRun) -> Self {
        Self {
            open,
            state: RunState::Open,
            closed_stages: BTreeSet::new(),
            cancel: false,
            reasons: BTreeSet::new(),
            verdict: None,
            gone_done: false,
            gone: 0,
            guard: None,
            files_made: false,
            files: BTreeMap::new(),
            ended_at: None,
            counts: BTreeMap::new(),
            tasks: BTreeMap::new(),
            targets: BTreeMap::new(),
            cleared: false,
        }
    }
}

/// One target over all imports: its lease, its pace, and how far it has planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetDoc {
    /// The name that people gave it.
    pub name: String,
    /// Claims so far; with the epoch, the fence.
    pub fence: u64,
    /// The epoch of the last claim.
    pub fence_epoch: u64,
    /// Who holds the lease.
    pub owner: Option<String>,
    /// Moved by the owner.
    pub renewal: u64,
    /// Bumped by everyone who has work for it.
    pub wake: u64,
    /// Due from then on; `None` = when woken.
    pub next_at: Option<Millis>,
    /// Paused: why, and the credential that was refused.
    pub paused: Option<Pause>,
    /// The epoch under which it was read.
    pub epoch: Option<u64>,
    /// (epoch, when) the attaching began.
    pub attach: Option<(u64, Millis)>,
    /// By `import/export`: how far it has planned, and under which definition.
    pub marks: BTreeMap<String, Mark>,
    /// By `import/export`: what it was told of the last closed run.
    pub told: BTreeMap<String, Told>,
    /// When the next permit is free (GCRA's theoretical arrival time), in microseconds.
    pub permit_at_us: i64,
    /// The day (since 1970, UTC) of `created_today`.
    pub day: i64,
    /// Creates on that day.
    pub created_today: u32,
    /// Not to be called before (its own word).
    pub quiet_until: Millis,
    /// When read-backs for audit are due.
    pub audits: BTreeSet<Millis>,
    /// When the first of the two reads of the audits that are due was over.
    #[serde(default)]
    pub audited: Option<Millis>,
    /// Work for closed runs is left: rows in flight, heads above a watermark. Audits do not count.
    pub busy: bool,
    /// Drains in a row that ended in a crash without one confirmed row.
    pub crashes: u32,
}

/// Why a target is paused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// What happened, and what to do.
    pub why: String,
    /// The credential that was used; another one ends the pause. 0 = a person must resume it.
    pub credential: u64,
    /// Since when.
    pub since: Millis,
}

/// How far a target has planned one export.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// The epoch under which the target was read for posts of this export.
    #[serde(default)]
    pub epoch: u64,
    /// The definition recorded, see [`Told::mark`].
    pub definition: String,
    /// Watermark: `changed_gen`.
    pub changed_gen: u64,
    /// Watermark: key.
    pub key: String,
    /// How far it had planned under the definitions before: what lies below is touched by a change of definition, what
    /// lies above was due anyway.
    pub reached: (u64, String),
    /// Why the export waits here for approval, if it does.
    pub waits: Option<String>,
    /// The definition whose changes were approved or found small enough.
    pub allowed: Option<String>,
}

impl TargetDoc {
    /// A target nobody has planned for.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            fence: 0,
            fence_epoch: 0,
            owner: None,
            renewal: 0,
            wake: 0,
            next_at: None,
            paused: None,
            epoch: None,
            attach: None,
            marks: BTreeMap::new(),
            told: BTreeMap::new(),
            permit_at_us: 0,
            day: 0,
            created_today: 0,
            quiet_until: 0,
            audits: BTreeSet::new(),
            audited: None,
            busy: false,
            crashes: 0,
        }
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

fn encode<T: Serialize>(kind: DocKind, id: &str, version: u64, doc: &T) -> Result<Doc> {
    let corrupt = |error: serde_json::Error| StoreError::Corrupt {
        what: format!("{} {id}", kind.as_str()),
        message: error.to_string(),
    };
    Ok(Doc::of(version, doc).map_err(corrupt)?)
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
pub async fn insert<T: Serialize + Sync, S: DocStore + ?Sized>(
    store: &S,
    ids: &dyn Ids,
    kind: DocKind,
    id: &str,
    doc: &T,
) -> Result<bool> {
    Ok(store.doc_insert(kind, id, encode(kind, id, ids.nonce(), doc)?).await?)
}

/// Replaces the document that was read; `None` when another was faster, else what is there now.
pub async fn replace<T: Serialize + Sync, S: DocStore + ?Sized>(
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
