//! One execution of an import.

use super::OpenRun;
use jobpipe_core::{Millis, Reason, Written};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

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
    /// Whether it was closed, and could read nothing.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.state == RunState::Closed && self.gave_nothing() && self.has_dead()
    }

    /// Whether it was closed and is not all that it should be: with dead letters, removals that wait for a person, or a
    /// listing that held nothing.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        let troubled = self.guard.is_some() || (self.gave_nothing() && !self.reasons.is_empty());
        self.state == RunState::Closed && !self.has_failed() && (troubled || self.has_dead())
    }

    fn gave_nothing(&self) -> bool {
        let mut given = self.counts.iter().filter(|(stage, _)| self.closed_stages.contains(*stage));
        given.all(|(_, counts)| counts.given == 0)
    }

    fn has_dead(&self) -> bool {
        self.counts.values().any(|counts| counts.dead > 0)
    }

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
