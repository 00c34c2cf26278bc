//! The one-line form: `every 15m`, `daily 06:00 Europe/Paris`, `weekdays 9:00-18:00 every 30m`, `0 6 * * 1-5`.

use crate::calendar::{ByClock, Days, Times, day_bit};
use crate::cron;
use crate::duration::parse_duration;
use crate::rule::When;
use crate::zone::Zone;
use jiff::civil::Weekday;
use jobpipe_core::Millis;

/// What a schedule may look like, for messages.
pub(crate) const EXPECTED: &str = "a schedule such as `every 15m`, `hourly`, `daily 06:00 Europe/Paris`, `weekdays 9:00-18:00 every 30m` or a cron line `0 6 * * 1-5`";

/// The shortest and the longest time between two slots of `every`.
const SHORTEST: u64 = 1_000;
const LONGEST: u64 = 3_660 * 86_400_000;

/// The longest line, in bytes.
const LONGEST_LINE: usize = 500;

const WEEKDAYS: u8 = 0b011_1110;
const WEEKENDS: u8 = 0b100_0001;

/// A line that was read.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) when: When,
    /// The zone that it names.
    pub(crate) zone: Option<Zone>,
    /// The line without the zone, its spaces in order.
    pub(crate) text: String,
}

/// Reads a line; an error says what was expected.
pub(crate) fn parse(line: &str) -> Result<Line, String> {
    parse_as(line, when)
}

/// Reads a cron line, and nothing else.
pub(crate) fn parse_cron(line: &str) -> Result<Line, String> {
    parse_as(line, |words| match words {
        [word] if word.starts_with('@') => when(words),
        _ => cron_line(&words.join(" ")),
    })
}

fn parse_as(line: &str, when: impl FnOnce(&[&str]) -> Result<When, String>) -> Result<Line, String> {
    if line.len() > LONGEST_LINE {
        return Err(format!("a schedule of at most {LONGEST_LINE} characters"));
    }
    let mut words: Vec<&str> = line.split_whitespace().collect();
    let zone = match words.split_last() {
        Some((last, first)) if !first.is_empty() => take_zone(last)?,
        _ => None,
    };
    if zone.is_some() {
        words.pop();
    }
    Ok(Line { when: when(&words)?, zone, text: words.join(" ") })
}

/// The zone that a word names, if it is meant to.
fn take_zone(word: &str) -> Result<Option<Zone>, String> {
    let begins = word.starts_with(|c: char| c.is_ascii_alphabetic());
    // a field of a cron line may look like a zone to a hasty reader: `MON/2`, `FRI#L`
    let found = if begins && !is_days(word) { Zone::find(word) } else { None };
    let is_meant = begins && word.contains('/') && word.split('/').all(|part| part.starts_with(char::is_alphabetic));
    if found.is_none() && is_meant {
        return Err(format!("a time zone such as Europe/Paris or UTC, and `{word}` is not one"));
    }
    Ok(found)
}

fn when(words: &[&str]) -> Result<When, String> {
    let by_clock = |days: Days, times: Times, fixed: bool| Ok(When::ByClock(ByClock { days, times, fixed }));
    let at = |days: Days, minute: u16| by_clock(days, Times::one(minute), true);
    let wrong = || EXPECTED.to_owned();
    let word = words.first().map(|word| word.to_ascii_lowercase());
    match (word.as_deref().unwrap_or_default(), words.get(1..).unwrap_or_default()) {
        ("every", [period]) => every(period).map(When::Every),
        ("hourly" | "@hourly", []) => by_clock(Days::ALL, Times::Grid { hours: 0xff_ffff, minutes: 1 }, false),
        ("daily" | "@daily" | "@midnight", []) => at(Days::ALL, 0),
        ("weekly" | "@weekly", []) => at(Days::OfWeek(day_bit(Weekday::Sunday)), 0),
        ("monthly" | "@monthly", []) => at(Days::OfMonth(1), 0),
        ("@yearly" | "@annually", []) => cron::parse("0 0 1 1 *").map(When::ByClock),
        (word @ ("daily" | "weekdays" | "weekends"), [time]) => at(days_of(word), minute(time).ok_or_else(wrong)?),
        (word @ ("daily" | "weekdays" | "weekends"), [window, "every", step]) => {
            by_clock(days_of(word), steps(window, step)?, false)
        }
        ("weekly", [days, time]) => {
            at(Days::OfWeek(days_of_week(days).ok_or_else(wrong)?), minute(time).ok_or_else(wrong)?)
        }
        ("monthly", [day, time]) => at(day_of_month(day).ok_or_else(wrong)?, minute(time).ok_or_else(wrong)?),
        _ if is_cron(words) => cron_line(&words.join(" ")),
        _ => Err(wrong()),
    }
}

/// Whether words were meant as a cron line, right or wrong.
fn is_cron(words: &[&str]) -> bool {
    let first = words.first().is_some_and(|word| word.starts_with(|c: char| c.is_ascii_digit() || c == '*'));
    words.len() == 5 || (first && (4..=7).contains(&words.len()))
}

/// Reads the five fields of a cron line.
fn cron_line(line: &str) -> Result<When, String> {
    let found = cron::parse(line).map(When::ByClock);
    found.map_err(|reason| format!("a cron line of five fields such as `0 6 * * 1-5` ({reason})"))
}

fn every(text: &str) -> Result<Millis, String> {
    let period = parse_duration(text).ok_or(EXPECTED)?;
    if !(SHORTEST..=LONGEST).contains(&period) {
        return Err("a time between 1s and ten years, such as `every 15m`".to_owned());
    }
    Millis::try_from(period).map_err(|_| EXPECTED.to_owned())
}

/// `9:00-18:00` and `30m`: from 9:00 on, the last one at 18:00 or before. A window may pass midnight.
fn steps(window: &str, step: &str) -> Result<Times, String> {
    let (from, to) = window.split_once('-').ok_or(EXPECTED)?;
    let (Some(from), Some(to)) = (minute(from), minute(to)) else { return Err(EXPECTED.to_owned()) };
    if from == to {
        return Err("a window whose end is not its beginning, such as `9:00-18:00`".to_owned());
    }
    let step = parse_duration(step).ok_or(EXPECTED)?;
    let minutes = (step % 60_000 == 0).then_some(step / 60_000).and_then(|step| u16::try_from(step).ok());
    let Some(step) = minutes.filter(|step| (1..=1_440).contains(step)) else {
        return Err("whole minutes up to a day, such as `every 30m`, in a window".to_owned());
    };
    let to = if to < from { to + 1_440 } else { to };
    Ok(Times::Steps { from, to, step })
}

/// `6:00` or `06:00` in minutes.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let is_number = |text: &str| !text.is_empty() && text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(hours) || !is_number(minutes) || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

fn days_of(word: &str) -> Days {
    match word {
        "weekdays" => Days::OfWeek(WEEKDAYS),
        "weekends" => Days::OfWeek(WEEKENDS),
        _ => Days::ALL,
    }
}

/// `mon` or `mon,thu`.
fn days_of_week(text: &str) -> Option<u8> {
    text.split(',').try_fold(0, |days, name| Some(days | day_bit(day_of_week(name)?)))
}

fn day_of_week(name: &str) -> Option<Weekday> {
    Some(match name.to_ascii_lowercase().as_str() {
        "mon" | "monday" => Weekday::Monday,
        "tue" | "tuesday" => Weekday::Tuesday,
        "wed" | "wednesday" => Weekday::Wednesday,
        "thu" | "thursday" => Weekday::Thursday,
        "fri" | "friday" => Weekday::Friday,
        "sat" | "saturday" => Weekday::Saturday,
        "sun" | "sunday" => Weekday::Sunday,
        _ => return None,
    })
}

fn day_of_month(text: &str) -> Option<Days> {
    if text.eq_ignore_ascii_case("last") {
        return Some(Days::LastOfMonth);
    }
    let is_number = text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let day: i8 = if is_number { text.parse().ok()? } else { return None };
    (1..=31).contains(&day).then_some(Days::OfMonth(day))
}

/// Whether a word is days of the week, as in the last field of a cron line.
fn is_days(word: &str) -> bool {
    word.split(['-', ',']).all(|part| day_of_week(part).is_some())
}
