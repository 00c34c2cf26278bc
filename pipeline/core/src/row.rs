//! Ledger rows: what one target really has of one record, and the attempt in flight.

use crate::Millis;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// Which row: (target, import, export, key).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowId {
    /// `facebook:1001`.
    pub target: String,
    /// The import.
    pub import: String,
    /// The export's name.
    pub export: String,
    /// The record's key.
    pub key: String,
}

/// Content as a target has it, or is to have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// Fingerprint of everything compared; `None` = unknown, which always differs.
    pub hash: Option<String>,
    /// What cannot be updated in place (a post's link): another one means delete, then create.
    pub identity: String,
}

/// What is asked of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Make it.
    Create,
    /// Change it in place.
    Update,
    /// Remove it.
    Delete,
}

/// Where a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowState {
    /// Nothing in flight.
    Idle,
    /// An attempt was written down and may have been sent by the owner of its nonce.
    Armed,
    /// An attempt may or may not have been executed.
    Unknown,
}

/// How the last settled attempt of a row ended, and for which run: what summaries count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastEffect {
    /// The run (its `seq`) that was the last closed one when the attempt was armed.
    pub seq: u64,
    /// What was done; `None` = the target refused the content.
    pub op: Option<Op>,
}

/// What an audit found where a row has other content confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sighting {
    /// Fingerprint of what the post shows; `None` = it is not among the target's posts.
    pub hash: Option<String>,
    /// When it was written down.
    pub at: Millis,
    /// Seen again later, told, and what is wanted was sent anew: the same found once more is the target's own way to
    /// show it, and is left.
    pub told: bool,
}

/// One ledger row. Made at the first ARM, never before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Which row.
    pub id: RowId,
    /// Random; every write needs the one that was read.
    pub version: u64,
    /// Where it stands.
    pub state: RowState,
    /// The post that the target has; `None` = none.
    pub post: Option<String>,
    /// The content of that post.
    pub content: Option<Content>,
    /// When the post was confirmed.
    pub posted_at: Millis,
    /// The attempt in flight.
    pub attempt: Option<Attempt>,
    /// "Is it due?" must be asked again before the page may rest.
    pub recheck: bool,
    /// Not to be tried before.
    pub not_before: Millis,
    /// Content that the target refused: not due again until it changes.
    pub rejected: Option<Content>,
    /// An admin removed the post: not made again until the record was withdrawn once.
    pub vanished: bool,
    /// How its last attempt ended.
    pub last: Option<LastEffect>,
    /// Posts of this row that were deleted; found again by a lagging read, they are ignored.
    pub past: BTreeSet<String>,
    /// Posts with our marker that are not the row's: to be deleted.
    pub extra: BTreeSet<String>,
    /// For the row of an orphan (a post whose marker no known key makes): the key that turned out to be its own.
    /// The post is handed to that row before anything else happens here.
    pub handed_to: Option<String>,
    /// What an audit found in the place of `content`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Sighting>,
    /// The epoch under which the row was last armed or adopted.
    pub epoch: u64,
}

/// One attempt: everything that was decided before a byte was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// What was asked.
    pub op: Op,
    /// The content that was armed; `None` for a delete.
    pub content: Option<Content>,
    /// The rendered payload, as sent.
    pub payload: Json,
    /// Names the attempt; the answer must carry it.
    pub nonce: u64,
    /// Who armed it.
    pub owner: String,
    /// When it was armed.
    pub armed_at: Millis,
    /// UNKNOWN since: `settle` counts from here.
    pub unknown_from: Millis,
    /// Complete reads, late enough, that did not find it.
    pub misses: u32,
    /// When the last of them was made.
    pub missed_at: Millis,
    /// An earlier delete of this row has an unknown end, so "surely not sent" leads back to UNKNOWN.
    pub after_unknown_delete: bool,
    /// The `seq` of the closed run whose wish it is.
    pub seq: u64,
}

impl Row {
    /// A row about which nothing is known.
    #[must_use]
    pub fn blank(id: RowId, version: u64, epoch: u64) -> Self {
        Self {
            id,
            version,
            state: RowState::Idle,
            post: None,
            content: None,
            posted_at: 0,
            attempt: None,
            recheck: false,
            not_before: 0,
            rejected: None,
            vanished: false,
            last: None,
            past: BTreeSet::new(),
            extra: BTreeSet::new(),
            handed_to: None,
            seen: None,
            epoch,
        }
    }

    /// True when a drain must look at the row although its head did not change.
    #[must_use]
    pub fn needs_attention(&self) -> bool {
        self.state != RowState::Idle || self.recheck || !self.extra.is_empty() || self.handed_to.is_some()
    }
}

/// One compare-and-set on a row.
#[derive(Debug, Clone, PartialEq)]
pub struct RowWrite {
    /// The version that was read; `None` inserts if absent.
    pub expect: Option<u64>,
    /// The row from now on, with a new version.
    pub row: Row,
}
