//! What is wrong with a schedule.

use std::fmt;

/// Why a schedule cannot be read. It knows the key, not the line: whoever has the file adds that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleError {
    /// Where in the schedule: empty for the whole of it, else as in `[1].except[0]` or `.every`.
    pub path: String,
    /// What is wrong: `` `sometimes` is not a schedule ``.
    pub problem: String,
    /// What would have been right; may be empty.
    pub expected: String,
    /// Whether the key itself, not its value, is what nobody knows.
    pub unknown_key: bool,
}

impl ScheduleError {
    pub(crate) fn new(path: &str, problem: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { path: path.to_owned(), problem: problem.into(), expected: expected.into(), unknown_key: false }
    }
}

impl fmt::Display for ScheduleError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(out, "schedule{}: ", self.path)?;
        }
        out.write_str(&self.problem)?;
        if self.expected.is_empty() { Ok(()) } else { write!(out, ": expected {}", self.expected) }
    }
}

impl std::error::Error for ScheduleError {}
