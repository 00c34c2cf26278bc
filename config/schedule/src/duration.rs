//! Lengths of time as text: `500ms 90s 15m 6h 2d`, and sums such as `1h30m`.

/// Units from long to short, each with its milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Milliseconds of `90s`, `15m`, `6h`, `2d`, `500ms`, `1.5h` or `1h30m`; units in a sum go from long to short.
#[must_use]
pub fn parse_duration(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut sum: u64 = 0;
    let mut last = u64::MAX;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '_' || c == '.'))?;
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at_checked(letters)?;
        let size = unit_millis(unit).filter(|size| *size < last)?;
        last = size;
        sum = sum.checked_add(scaled(number, size)?)?;
        rest = next;
    }
    Some(sum)
}

/// Milliseconds of one unit: `ms s m h d w`; a week is seven days of 24 hours.
fn unit_millis(unit: &str) -> Option<u64> {
    if unit == "w" {
        return Some(7 * 86_400_000);
    }
    UNITS.iter().find(|(name, _)| *name == unit).map(|(_, ms)| *ms)
}

/// In the longest unit that gives a whole number: `90s`, `36h`, `2d`.
#[must_use]
pub fn write_duration(ms: u64) -> String {
    if ms == 0 {
        return "0s".to_owned();
    }
    let (unit, size) = UNITS.iter().find(|(_, size)| ms.is_multiple_of(*size)).unwrap_or(&("ms", 1));
    format!("{}{unit}", ms / size)
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
