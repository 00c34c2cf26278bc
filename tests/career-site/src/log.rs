//! What was asked for, how often and how fast.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Requests that are kept one by one; all are counted.
const KEPT: usize = 50_000;
/// Paths that are counted apart; what comes later is counted in the sums only.
const PATHS: usize = 50_000;

/// One answered request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When it came, in milliseconds since 1970.
    pub time_ms: i64,
    /// Path and query.
    pub path: String,
    /// The status that was answered.
    pub status: u16,
    /// The `User-Agent`.
    pub agent: String,
}

/// All requests since the start or the last clearing, but those to `/__site`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Answered requests.
    pub requests: u64,
    /// Of these, answered 304.
    pub not_modified: u64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// The greatest number of requests that were being answered at the same time.
    pub most_in_flight: u64,
    /// From the first request to the last one, in milliseconds.
    pub span_ms: i64,
    /// Each path with its query.
    pub paths: BTreeMap<String, PathReport>,
}

/// The requests to one path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathReport {
    /// Answered requests.
    pub requests: u64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// When the first one came, in milliseconds since 1970.
    pub first_ms: i64,
    /// When the last one came.
    pub last_ms: i64,
}

/// Counts and the newest entries.
#[derive(Default)]
pub(crate) struct Log {
    entries: VecDeque<Entry>,
    report: Report,
    first_ms: Option<i64>,
    in_flight: u64,
}

impl Log {
    /// A request comes in.
    pub(crate) fn begin(&mut self) {
        self.in_flight += 1;
        self.report.most_in_flight = self.report.most_in_flight.max(self.in_flight);
    }

    /// A request was answered, or its client went away (`None`).
    pub(crate) fn end(&mut self, entry: Option<Entry>) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let Some(entry) = entry else { return };
        let report = &mut self.report;
        report.requests += 1;
        report.not_modified += u64::from(entry.status == 304);
        *report.statuses.entry(entry.status).or_default() += 1;
        let first = *self.first_ms.get_or_insert(entry.time_ms);
        report.span_ms = report.span_ms.max(entry.time_ms - first);
        if report.paths.len() < PATHS || report.paths.contains_key(&entry.path) {
            let path = report.paths.entry(entry.path.clone()).or_default();
            if path.requests == 0 {
                path.first_ms = entry.time_ms;
            }
            path.requests += 1;
            path.last_ms = path.last_ms.max(entry.time_ms);
            *path.statuses.entry(entry.status).or_default() += 1;
        }
        if self.entries.len() == KEPT {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    pub(crate) fn report(&self) -> Report {
        self.report.clone()
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.entries.iter().cloned().collect()
    }

    /// Forgets all but the requests that are being answered.
    pub(crate) fn clear(&mut self) {
        *self = Self { in_flight: self.in_flight, ..Self::default() };
    }
}
