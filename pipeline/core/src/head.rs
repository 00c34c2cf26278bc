//! Heads: the newest wanted version of each record of a ledger.

use crate::Millis;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// Whether a head is wanted at its targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// It is.
    Live,
    /// The source listed it, but it fails `where`.
    Withdrawn,
    /// The source no longer lists it.
    Gone,
    /// Nobody knows yet: made for a post of ours whose record no run has seen since the store is new.
    Stub,
}

/// A version of a record: equal versions need no work at any target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The content's fingerprint; for a record that is not live, that of its last content.
    pub hash: String,
    /// Whether it was wanted.
    pub wanted: Wanted,
    /// Its `changed_gen`.
    pub changed_gen: u64,
}

/// Everything of a head but its body. `gen` numbers are the `seq` of runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamps {
    /// Random; every write needs the one that was read.
    pub version: u64,
    /// Fingerprint of the body.
    pub hash: String,
    /// Wanted or not.
    pub wanted: Wanted,
    /// The run that last saw it.
    pub seen_gen: u64,
    /// The run that last changed its version.
    pub changed_gen: u64,
    /// Its version before the run `seen_gen`; `None` when that run made it.
    pub before: Option<Version>,
    /// (rank, hash) order decides among equals of one run.
    pub rank: u32,
    /// The run that first saw it.
    pub first_gen: u64,
    /// Exhaustive runs in a row that did not list it.
    pub missed: u32,
    /// The run that last counted it missed.
    pub missed_gen: u64,
    /// The run that last held it.
    pub held_gen: u64,
}

/// A head, whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// The record's key.
    pub key: String,
    /// Its numbers.
    pub stamps: Stamps,
    /// The last body seen; null for a stub.
    pub body: Json,
    /// The URL it was last read from.
    pub url: String,
    /// When it was fetched.
    pub fetched_at: Millis,
}

/// A record as a run sees it, whose head is expected to be as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadSeen {
    /// The record's key.
    pub key: String,
    /// The body's fingerprint.
    pub hash: String,
    /// Its source's rank.
    pub rank: u32,
    /// Fingerprint of its URL, to add to the head's sources.
    pub url: String,
}

impl HeadSeen {
    /// What the sighting by run `seq` makes of a head that is live, has this hash, and was seen by an earlier run and
    /// missed or held by no later one: the usual fate of a head. `None` of any other, which is not decided here.
    #[must_use]
    pub fn confirm(&self, head: &Stamps, seq: u64, version: u64) -> Option<Stamps> {
        let same = head.wanted == Wanted::Live && head.hash == self.hash;
        let earlier = head.seen_gen < seq && head.missed_gen <= seq && head.held_gen <= seq;
        (same && earlier).then(|| Stamps {
            version,
            seen_gen: seq,
            before: Some(Version { hash: head.hash.clone(), wanted: head.wanted, changed_gen: head.changed_gen }),
            rank: self.rank,
            missed: 0,
            ..head.clone()
        })
    }
}

/// One compare-and-set on a head.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadWrite {
    /// The record's key.
    pub key: String,
    /// The version that was read; `None` inserts if absent.
    pub expect: Option<u64>,
    /// The stamps from now on, with a new version.
    pub stamps: Stamps,
    /// The new body; `None` keeps the one there is. An insert without one has a null body.
    pub body: Option<HeadBody>,
    /// Fingerprints of URLs to add to the head's sources.
    pub add_urls: Vec<String>,
}

/// The part of a head that is written only when it changes.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadBody {
    /// The record.
    pub body: Json,
    /// Where from.
    pub url: String,
    /// When.
    pub fetched_at: Millis,
}

/// How many heads a ledger has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeadCounts {
    /// Live ones.
    pub live: u64,
    /// All of them.
    pub all: u64,
}
