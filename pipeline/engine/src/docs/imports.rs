//! What an import remembers from run to run.

use super::{Backfill, Ended, Kept, Paused, Skipped, Told, Waiting};
use jobpipe_core::{Millis, RunFacts, TargetRef};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

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
    /// A run was closed, and what is done after one is not done yet.
    pub untidy: bool,
    /// Launches that wait for the open run, the next one first.
    pub queue: VecDeque<Waiting>,
    /// Up to which run of each import that it follows it has been launched, or passed over.
    pub after_seq: BTreeMap<String, u64>,
    /// Its own runs that an import which follows it has still to take.
    pub after_due: Vec<Ended>,
    /// Past slots that are being run.
    pub backfill: Option<Backfill>,
    /// Nothing is launched.
    pub paused: Option<Paused>,
    /// Runs that failed in a row.
    pub failures: u32,
    /// The last of them.
    pub failed: Option<String>,
    /// The last slot without a run.
    pub skipped: Option<Skipped>,
}

impl Kept for ImportDoc {
    /// At once while there is something to do for the sweep.
    fn due(&self) -> Option<Millis> {
        let busy = self.open.is_some() || !self.to_wake.is_empty() || self.untidy || !self.after_due.is_empty();
        busy.then_some(0)
    }
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
    /// The launch that it comes of; `None`: it was started by hand.
    #[serde(default)]
    pub launch: Option<Waiting>,
    /// It works on what failed in an earlier run, and on nothing else.
    #[serde(default, skip_serializing_if = "is_false")]
    pub repair: bool,
    /// It is the last one of an import that ends with its posts: it asks no source, and every record is gone.
    #[serde(default, skip_serializing_if = "is_false")]
    pub retires: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_false(value: &bool) -> bool {
    !value
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
    /// It has ended the import: all posts are deleted, whatever the exports say of records that are gone.
    #[serde(default, skip_serializing_if = "is_false")]
    pub retired: bool,
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
            retired: self.retired,
        }
    }
}
