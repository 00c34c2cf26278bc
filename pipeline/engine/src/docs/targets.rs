//! What a target knows of itself, and of the imports that are exported to it.

use jobpipe_core::Millis;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

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
    /// It has ended the import: all posts are deleted.
    #[serde(default)]
    pub retired: bool,
}

impl Told {
    /// What a target records before it arms anything: another mark means "start again at 0".
    #[must_use]
    pub fn mark(&self) -> String {
        let why = match (&self.guard, self.retired) {
            (Some(_), _) => "+guard",
            (None, true) => "+retired",
            (None, false) => "",
        };
        format!("{}{why}", self.definition)
    }

    /// The definition of a mark.
    #[must_use]
    pub fn definition_of(mark: &str) -> &str {
        mark.split_once('+').map_or(mark, |(definition, _)| definition)
    }

    /// True when `other` is told later. One who wakes the target late tells of an older run, of one that was not
    /// approved yet, or of one of a store that is lost.
    #[must_use]
    pub fn yields_to(&self, other: &Self) -> bool {
        (self.epoch, self.seq, self.approved) <= (other.epoch, other.seq, other.approved)
    }
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
