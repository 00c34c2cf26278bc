//! Durations: `500ms 90s 15m 6h 2d`, and sums such as `1h30m`.

use super::{GrammarError, as_text};
use jobpipe_schedule::{parse_duration, write_duration};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A length of time in whole milliseconds, written `90s`, `15m`, `6h`, `2d`, `500ms` or `1h30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    ms: u64,
}

as_text!(
    Period,
    "Duration",
    "A length of time: 500ms, 90s, 15m, 6h, 2d, or a sum such as 1h30m.",
    "^([0-9][0-9_]*(\\.[0-9]+)?(ms|s|m|h|d|w))+$"
);

impl Period {
    /// So many milliseconds.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self { ms }
    }

    /// In milliseconds.
    #[must_use]
    pub const fn ms(self) -> u64 {
        self.ms
    }

    /// As the standard library's type.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.ms)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&write_duration(self.ms))
    }
}

impl FromStr for Period {
    type Err = GrammarError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || GrammarError::new("a duration such as 500ms, 90s, 15m, 6h or 2d");
        parse_duration(text).map(Self::from_ms).ok_or_else(wrong)
    }
}
