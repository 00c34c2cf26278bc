//! A record: one JSON object on its way from a source to its targets.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// Milliseconds since the Unix epoch, UTC. What stores keep; [`crate::Clock`] gives it.
pub type Millis = i64;

/// One record on an edge of the DAG.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The record's identity inside its import; empty until a transform has computed it.
    pub key: String,
    /// The record itself: a JSON object. Null for a record that is not [`Fate::Live`].
    pub body: Json,
    /// Where it came from.
    pub origin: Origin,
    /// Whether it goes on, or only its key is told.
    #[serde(default)]
    pub fate: Fate,
}

/// Where a record came from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Origin {
    /// The URL (or path) it was read from, without secrets.
    pub url: String,
    /// When it was fetched.
    pub fetched_at: Millis,
    /// Which of several sources it came from; among equals of one run the lowest (rank, hash) wins.
    #[serde(default)]
    pub rank: u32,
}

/// What becomes of a record. Only live records carry a body and are seen by later stages; the others pass them by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Goes on to the targets.
    #[default]
    Live,
    /// Was listed but is no longer wanted (it fails `where`): gone at once where the ledger has it.
    Withdrawn,
    /// Is wanted but could not be read or fails its contract: targets stay as they are, and it is not missing.
    Held,
}

impl Record {
    /// A live record without a key yet.
    #[must_use]
    pub fn new(body: Json, origin: Origin) -> Self {
        Self { key: String::new(), body, origin, fate: Fate::Live }
    }

    /// The same record reduced to its key and a fate other than live.
    #[must_use]
    pub fn with_fate(self, fate: Fate) -> Self {
        Self { body: Json::Null, fate, ..self }
    }

    /// The fingerprint of the content: blake3 (hex) of the canonical body. Provenance is not part of it.
    #[must_use]
    pub fn hash(&self) -> String {
        crate::json::hash_hex(&self.body)
    }
}
