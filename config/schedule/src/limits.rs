//! What bounds a rule: days that are left out, a start and an end.

use crate::zone::{Zone, read_date};
use jiff::civil::{Date, Time};
use jobpipe_core::Millis;
use std::collections::BTreeSet;

/// The bounds of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Limits {
    /// Dates, in the rule's zone, that have no slots. A slot that a change of the clock moves belongs to the date that
    /// it was wanted on.
    pub(crate) except: BTreeSet<Date>,
    /// The first instant that may be a slot, and the last one.
    pub(crate) start: Option<Millis>,
    pub(crate) end: Option<Millis>,
    /// As they are written.
    pub(crate) start_text: Option<String>,
    pub(crate) end_text: Option<String>,
}

impl Limits {
    pub(crate) fn excludes(&self, date: Date) -> bool {
        // most rules have none
        !self.except.is_empty() && self.except.contains(&date)
    }
}

impl Zone {
    /// Reads a time as [`Zone::read`] does, as the end of a range: a date is all of its day.
    #[must_use]
    pub fn read_end(&self, text: &str) -> Option<Millis> {
        read_end(text, self)
    }
}

/// Reads a start: a date is its beginning.
pub(crate) fn read_start(text: &str, zone: &Zone) -> Option<Millis> {
    zone.read(text)
}

/// Reads an end: a date is all of it.
pub(crate) fn read_end(text: &str, zone: &Zone) -> Option<Millis> {
    match read_date(text) {
        Some(date) => zone.instant(date.tomorrow().ok()?.to_datetime(Time::midnight())).map(|next| next - 1),
        None => zone.read(text),
    }
}
