//! Durations: `500ms 90s 15m 6h 2d`, and sums such as `1h30m`.

use super::{GrammarError, as_text};
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

/// Units from long to short, each with its milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

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
        if self.ms == 0 {
            return out.write_str("0s");
        }
        let (unit, size) = UNITS.iter().find(|(_, size)| self.ms.is_multiple_of(*size)).unwrap_or(&("ms", 1));
        write!(out, "{}{unit}", self.ms / size)
    }
}

impl FromStr for Period {
    type Err = GrammarError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || GrammarError::new("a duration such as 500ms, 90s, 15m, 6h or 2d");
        let mut rest = text.trim();
        let mut sum: u64 = 0;
        let mut last = u64::MAX;
        if rest.is_empty() {
            return Err(wrong());
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '_' || c == '.')).ok_or_else(wrong)?;
            let (number, after) = rest.split_at_checked(digits).ok_or_else(wrong)?;
            let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
            let (unit, next) = after.split_at_checked(letters).ok_or_else(wrong)?;
            let size = unit_ms(unit).ok_or_else(wrong)?;
            if size >= last {
                return Err(wrong());
            }
            last = size;
            let part = scaled(number, size).ok_or_else(wrong)?;
            sum = sum.checked_add(part).ok_or_else(wrong)?;
            rest = next;
        }
        Ok(Self { ms: sum })
    }
}

/// Milliseconds of one unit; `w` is seven days.
pub(super) fn unit_ms(unit: &str) -> Option<u64> {
    if unit == "w" {
        return Some(7 * 86_400_000);
    }
    UNITS.iter().find(|(name, _)| *name == unit).map(|(_, ms)| *ms)
}

/// `1.5` times `size`, when the product is a whole number.
fn scaled(number: &str, size: u64) -> Option<u64> {
    let clean: String = number.chars().filter(|c| *c != '_').collect();
    let (whole, fraction) = clean.split_once('.').unwrap_or((&clean, ""));
    let whole: u64 = whole.parse().ok()?;
    let mut ms = whole.checked_mul(size)?;
    if clean.contains('.') {
        let digits = u32::try_from(fraction.len()).ok().filter(|n| (1..=6).contains(n))?;
        let part: u64 = fraction.parse().ok()?;
        let product = part.checked_mul(size)?;
        let divisor = 10_u64.pow(digits);
        if !product.is_multiple_of(divisor) {
            return None;
        }
        ms = ms.checked_add(product / divisor)?;
    }
    Some(ms)
}
