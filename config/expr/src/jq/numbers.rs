//! Numbers as people write them.

use super::arithmetic::{Error, ValR};
use super::natives::str_of;
use super::num::Num;
use super::val::Val;

/// The first number in a text: `3 500,00 EUR` is 3500, `from $1,234.56` is 1234.56, `45k` is 45000.
///
/// Null when there is none (`on request`) and for null; a number stays itself. The last of `,` and `.` is the decimal
/// sign when both occur. One alone is a decimal sign, unless it stands more than once or before exactly three digits
/// (`1,234`, `45.000`; but `0.125` and `1234.567` have too few or too many digits before it to be groups). Spaces and
/// apostrophes group digits by three. `k` and `M` right after it count thousands and millions.
pub(crate) fn number(value: &Val) -> ValR {
    match value {
        Val::Null | Val::Num(_) => Ok(value.clone()),
        Val::Str(_) => Ok(find(str_of(value)?).map_or(Val::Null, Val::Num)),
        _ => Err(Error::typ(value.clone(), "number or text")),
    }
}

fn find(text: &str) -> Option<Num> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let (before, from) = text.split_at_checked(start)?;
    let (spelled, after) = from.split_at_checked(extent(from))?;
    let before = before.trim_end_matches([' ', '$', '€', '£', '\u{a0}']);
    let negative =
        before.ends_with(['-', '−']) && !before.trim_end_matches(['-', '−']).ends_with(char::is_alphanumeric);
    let mut plain = decimal(spelled);
    if negative {
        plain.insert(0, '-');
    }
    Some(Num::parse(&plain)?.mul(Num::Int(factor(after))))
}

fn is_group_space(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}' | '\'' | '’')
}

/// How many bytes at the start of `text` are one number: digits, `,` and `.` before a digit, group spaces before
/// exactly three digits.
fn extent(text: &str) -> usize {
    let mut end = 0;
    let mut rest = text;
    loop {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        end += digits;
        rest = text.get(end..).unwrap_or_default();
        let Some(sign) = rest.chars().next() else { return end };
        let next = rest.get(sign.len_utf8()..).unwrap_or_default();
        let digits = next.len() - next.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let continues = match sign {
            ',' | '.' => digits > 0,
            c if is_group_space(c) => digits == 3,
            _ => false,
        };
        if !continues {
            return end;
        }
        end += sign.len_utf8();
        rest = next;
    }
}

/// `3 500,00` -> `3500.00`
fn decimal(spelled: &str) -> String {
    let ungrouped: String = spelled.chars().filter(|&c| !is_group_space(c)).collect();
    let grouped = ungrouped.len() != spelled.len();
    let sign = match (ungrouped.rfind(','), ungrouped.rfind('.')) {
        (Some(comma), Some(dot)) => Some(comma.max(dot)),
        (Some(at), None) | (None, Some(at)) => (grouped || !groups_digits(&ungrouped, at)).then_some(at),
        (None, None) => None,
    };
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    match sign {
        Some(at) => format!(
            "{}.{}",
            digits(ungrouped.get(..at).unwrap_or_default()),
            digits(ungrouped.get(at..).unwrap_or_default())
        ),
        None => digits(&ungrouped),
    }
}

/// Whether the only kind of sign in `text`, last at `at`, groups digits by three.
fn groups_digits(text: &str, at: usize) -> bool {
    let first = text.find([',', '.']).unwrap_or(at);
    let before = text.get(..first).unwrap_or_default();
    first != at || (text.len() - at == 4 && (1..=3).contains(&before.len()) && before != "0")
}

/// What a letter right after the number multiplies it by.
fn factor(after: &str) -> i128 {
    let mut chars = after.chars();
    let factor = match chars.next() {
        Some('k' | 'K') => 1_000,
        Some('M') => 1_000_000,
        _ => return 1,
    };
    // A letter that goes on is a word or a unit: `5 km`, `3Mo`.
    if chars.next().is_some_and(char::is_alphanumeric) { 1 } else { factor }
}
