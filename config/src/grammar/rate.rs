//! Rates: `5/s`, `100/min`, `25/day`, `unlimited`.

use super::{GrammarError, as_text, split_number};
use jobpipe_core::Rate;
use std::fmt;
use std::str::FromStr;

/// How often something may be done: so many times an interval, or without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speed {
    /// As fast as it goes.
    Unlimited,
    /// At most this.
    Limited(Rate),
}

as_text!(
    Speed,
    "Rate",
    "How often: 5/s, 100/min, 20/h, 25/day, 1/90s, or unlimited.",
    "^(unlimited|[0-9][0-9_]*/[0-9a-z]+)$"
);

/// Interval names, the printed one first, with their milliseconds.
const INTERVALS: [(&str, u64); 9] = [
    ("s", 1_000),
    ("min", 60_000),
    ("h", 3_600_000),
    ("day", 86_400_000),
    ("sec", 1_000),
    ("m", 60_000),
    ("hour", 3_600_000),
    ("d", 86_400_000),
    ("second", 1_000),
];

impl Speed {
    /// So many in so many milliseconds.
    #[must_use]
    pub const fn per(count: u32, per_ms: u64) -> Self {
        Self::Limited(Rate { count, per_ms })
    }

    /// The limit; `None` = unlimited.
    #[must_use]
    pub const fn limit(self) -> Option<Rate> {
        match self {
            Self::Unlimited => None,
            Self::Limited(rate) => Some(rate),
        }
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Limited(rate) = self else {
            return out.write_str("unlimited");
        };
        match INTERVALS.iter().find(|(_, ms)| *ms == rate.per_ms) {
            Some((name, _)) => write!(out, "{}/{name}", rate.count),
            None => write!(out, "{}/{}", rate.count, super::Period::from_ms(rate.per_ms)),
        }
    }
}

impl FromStr for Speed {
    type Err = GrammarError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || GrammarError::new("a rate such as 5/s, 100/min, 25/day or unlimited");
        let text = text.trim();
        if text == "unlimited" {
            return Ok(Self::Unlimited);
        }
        let (count, interval) = text.split_once('/').ok_or_else(wrong)?;
        let count = super::parse_count(count).map_err(|_| wrong())?;
        let count = u32::try_from(count).ok().filter(|n| *n > 0).ok_or_else(wrong)?;
        let interval = interval.trim();
        let named = INTERVALS.iter().find(|(name, _)| *name == interval).map(|(_, ms)| *ms);
        let per_ms = match named {
            Some(ms) => ms,
            None if split_number(interval).is_some() => interval.parse::<super::Period>().map_err(|_| wrong())?.ms(),
            None => return Err(wrong()),
        };
        if per_ms == 0 {
            return Err(wrong());
        }
        Ok(Self::per(count, per_ms))
    }
}
