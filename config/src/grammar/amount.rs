//! Amounts: counts `20_000`, shares `30%`, sizes `10MiB`.

use super::{GrammarError, as_text, split_number};
use std::fmt;
use std::str::FromStr;

/// A whole number, `_` allowed between digits: `20_000`.
pub fn parse_count(text: &str) -> Result<u64, GrammarError> {
    let wrong = || GrammarError::new("a whole number such as 5 or 20_000");
    let text = text.trim();
    let starts = text.starts_with(|c: char| c.is_ascii_digit());
    let ends = text.ends_with(|c: char| c.is_ascii_digit());
    if !starts || !ends || !text.chars().all(|c| c.is_ascii_digit() || c == '_') {
        return Err(wrong());
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    digits.parse().map_err(|_| wrong())
}

/// A part of a whole, 0 to 1, written `30%`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    fraction: f64,
}

as_text!(Share, "Share", "A part of a whole: 30%.", "^[0-9]+(\\.[0-9]+)?%$");

impl Share {
    /// From hundredths, at most 100.
    #[must_use]
    pub fn percent(percent: u8) -> Self {
        Self { fraction: f64::from(percent.min(100)) / 100.0 }
    }

    /// From 0.0 to 1.0.
    #[must_use]
    pub const fn fraction(self) -> f64 {
        self.fraction
    }
}

impl fmt::Display for Share {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Three decimals of a percent are kept: 12.345% prints as it was written, without the noise of binary fractions.
        let percent = (self.fraction * 100_000.0).round() / 1_000.0;
        write!(out, "{percent}%")
    }
}

impl FromStr for Share {
    type Err = GrammarError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || GrammarError::new("a share such as 30%");
        let number = text.trim().strip_suffix('%').ok_or_else(wrong)?;
        if !number.chars().all(|c| c.is_ascii_digit() || c == '.') || !number.starts_with(|c: char| c.is_ascii_digit())
        {
            return Err(wrong());
        }
        let percent: f64 = number.parse().map_err(|_| wrong())?;
        if percent > 100.0 {
            return Err(wrong());
        }
        Ok(Self { fraction: (percent * 1_000.0).round() / 100_000.0 })
    }
}

/// A number of bytes, written `512`, `64KiB`, `10MiB`, `1GiB` or `10MB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size {
    bytes: u64,
}

as_text!(
    Size,
    "Size",
    "A number of bytes: 512B, 64KiB, 10MiB, 1GiB (or 10MB in thousands).",
    "^[0-9][0-9_]*[A-Za-z]*$"
);

/// Units, those with a power of 1,024 first: these are printed.
const SIZES: [(&str, u64); 9] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("KB", 1_000),
    ("B", 1),
    ("", 1),
];

impl Size {
    /// So many bytes.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self { bytes }
    }

    /// In bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.bytes
    }
}

impl fmt::Display for Size {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |(_, size): &&(&str, u64)| self.bytes > 0 && self.bytes.is_multiple_of(*size);
        let (unit, size) = SIZES.iter().find(whole).unwrap_or(&("B", 1));
        write!(out, "{}{unit}", self.bytes / size)
    }
}

impl FromStr for Size {
    type Err = GrammarError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || GrammarError::new("a size such as 64KiB, 10MiB or 1GiB");
        let (number, unit) = split_number(text).ok_or_else(wrong)?;
        let (_, size) = SIZES.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let number = parse_count(number).map_err(|_| wrong())?;
        Ok(Self { bytes: number.checked_mul(*size).ok_or_else(wrong)? })
    }
}
