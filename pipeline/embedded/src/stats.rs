//! What a store did since it was opened.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Numbers of one open store, for benchmarks and logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreStats {
    /// Requests written.
    pub writes: u64,
    /// Transactions (each is one fsync) that they took.
    pub commits: u64,
    /// The most requests that shared one.
    pub largest_group: u64,
    /// Requests that failed and were undone alone.
    pub refused: u64,
    /// Requests read.
    pub reads: u64,
    /// Frames at the end of the write-ahead log that an unclean end had left unfinished.
    pub torn_frames: u64,
}

impl std::fmt::Display for StoreStats {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { writes, commits, largest_group, refused, reads, torn_frames } = self;
        write!(
            out,
            "writes={writes} commits={commits} largest_group={largest_group} refused={refused} reads={reads} \
             torn_frames={torn_frames}"
        )
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) writes: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) largest_group: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) reads: AtomicU64,
    pub(crate) torn_frames: AtomicU64,
}

impl Counters {
    pub(crate) fn now(&self) -> StoreStats {
        StoreStats {
            writes: self.writes.load(Relaxed),
            commits: self.commits.load(Relaxed),
            largest_group: self.largest_group.load(Relaxed),
            refused: self.refused.load(Relaxed),
            reads: self.reads.load(Relaxed),
            torn_frames: self.torn_frames.load(Relaxed),
        }
    }
}
