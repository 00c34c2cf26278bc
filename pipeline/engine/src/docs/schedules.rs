//! What is launched by itself, and when.

use jobpipe_core::Millis;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// A deployed import: what is launched, and when somebody should look at it next. What was launched stands in the
/// import's own document: it alone decides, this one only says whom to ask.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleDoc {
    /// What is launched; `None`: nothing of that name is deployed, others only follow it.
    pub current: Option<Deployed>,
    /// The schedule that holds here, as it was written; `None`: launched by hand, or by an import that it follows.
    pub schedule: Option<Json>,
    /// Slots up to here are not its own: when it was deployed with this schedule, or resumed.
    pub since: Millis,
    /// When to look at it, by the store's clock; `None`: not until something happens.
    pub next: Option<Millis>,
    /// Imports that follow this one.
    pub followers: BTreeSet<String>,
    /// It is ended with all that it has posted, by the run with this after `@`: nothing else is launched.
    pub retiring: Option<String>,
    /// Why it cannot be launched, when the last look found so.
    pub trouble: Option<String>,
    /// What people were told of it last, while that holds.
    pub told: Option<Alerted>,
}

/// Trouble that people were told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alerted {
    /// Which.
    pub kind: String,
    /// When, by the store's clock.
    pub at: Millis,
}

/// A version of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployed {
    /// 1, 2, and so on.
    pub version: u64,
    /// Hash of the definition.
    pub definition: String,
    /// When, by the store's clock.
    pub at: Millis,
    /// The file that it was read from, or the version that it takes back.
    pub source: String,
}

/// A launch that waits until the import's open run is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiting {
    /// The part of the run's id after `@`.
    pub slot: String,
    /// When it was due.
    pub at: Millis,
    /// It is not started before.
    #[serde(default)]
    pub not_before: Millis,
    /// The run that is cancelled for it.
    pub cancels: Option<String>,
    /// How often a run of this slot has failed.
    #[serde(default)]
    pub failed: u32,
}

/// A run that ended, for the imports that follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// Its id.
    pub run: String,
    /// Its number.
    pub seq: u64,
}

/// Slots of the past that are run (again), one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backfill {
    /// Part of the ids of its runs.
    pub id: String,
    /// Slots later than this are left to run.
    pub after: Millis,
    /// And not later than this.
    pub until: Millis,
    /// The least time between two starts.
    pub pace: Millis,
    /// When the last one was started.
    pub started: Millis,
    /// A slot is passed over when the import is busy, instead of waiting for it.
    pub skip: bool,
}

impl Backfill {
    /// True for the id of a run that any backfill launched. (A run that follows one is none.)
    pub(crate) fn has_run(run: &str) -> bool {
        run.split_once('@').is_some_and(|(_, slot)| slot.starts_with("backfill-"))
    }
}

/// Why an import is not launched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paused {
    /// In words.
    pub why: String,
    /// Since when.
    pub at: Millis,
}

/// A slot that no run was started for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skipped {
    /// When it was due: the last one.
    pub at: Millis,
    /// Why, in words.
    pub why: String,
    /// How many in all.
    pub count: u64,
}
