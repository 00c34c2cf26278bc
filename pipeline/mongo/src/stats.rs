//! What a store did, in numbers.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Counters of a store since it was connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MongoStats {
    /// Requests that wrote, each a round trip. One request may hold hundreds of writes.
    pub writes: u64,
    /// Requests that read, each a round trip; a page larger than an answer takes several and counts once.
    pub reads: u64,
    /// Requests that were repeated because their connection broke or the server was no longer the primary.
    pub repeated: u64,
    /// Calls that ended without knowing what became of them.
    pub failed: u64,
}

impl MongoStats {
    /// All round trips.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.writes + self.reads
    }
}

impl fmt::Display for MongoStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { writes, reads, repeated, failed } = self;
        write!(f, "writes={writes} reads={reads} repeated={repeated} failed={failed}")
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) writes: AtomicU64,
    pub(crate) reads: AtomicU64,
    pub(crate) repeated: AtomicU64,
    pub(crate) failed: AtomicU64,
}

impl Counters {
    pub(crate) fn now(&self) -> MongoStats {
        MongoStats {
            writes: self.writes.load(Relaxed),
            reads: self.reads.load(Relaxed),
            repeated: self.repeated.load(Relaxed),
            failed: self.failed.load(Relaxed),
        }
    }
}
