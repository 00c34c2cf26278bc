//! Dates as people and machines write them, to one form: `2026-11-22T06:00:00Z`.

use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::{rfc2822, strtime};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};

use super::arithmetic::{Error, ValR};
use super::natives::str_of;
use super::num::Num;
use super::val::Val;

/// The one form in which dates are compared and stored: UTC, whole seconds.
const FORM: &str = "%Y-%m-%dT%H:%M:%SZ";
/// Longest text that may be a date, in bytes.
const MAX_LEN: usize = 100;
/// A number above this counts milliseconds since 1970, not seconds.
const MILLISECONDS_FROM: f64 = 1e11;

/// The beginnings of the names of the months in English, French, German, Spanish and Italian, without accents.
const MONTHS: [&[&str]; 12] = [
    &["jan", "ene", "gen"],
    &["feb", "fev"],
    &["mar", "mrz"],
    &["apr", "avr", "abr"],
    &["may", "mai", "mag"],
    &["jun", "juin", "giu"],
    &["jul", "juil", "lug"],
    &["aug", "aou", "ago"],
    &["sep", "set"],
    &["oct", "okt", "ott"],
    &["nov"],
    &["dec", "dez", "dic"],
];

/// A date in UTC as text. Null stays null; what is no date is an error.
///
/// Reads RFC 3339 and ISO 8601 (without a zone: UTC), RFC 2822, seconds or milliseconds since 1970, `22/11/2026`,
/// `22.11.2026`, `22-11-2026` (the day first), `2026/11/22`, and days with the name of the month in English, French,
/// German, Spanish or Italian (`22 novembre 2026`, `Nov 22, 2026 6:00 PM`). With `format`, reads that instead
/// (`%m/%d/%Y`, as strptime). Fractions of a second are cut off.
pub(crate) fn to_date(value: &Val, format: Option<&Val>) -> ValR {
    if matches!(value, Val::Null) {
        return Ok(Val::Null);
    }
    let found = match format {
        None => read(value)?,
        Some(format) => read_as(str_of(value)?, str_of(format)?),
    };
    match found {
        Some(date) => Ok(Val::text(date.strftime(FORM).to_string())),
        None => Err(unknown(value)),
    }
}

/// Writes a date (in any form that `to_date` reads) by a format of strftime, in UTC.
pub(crate) fn strftime(value: &Val, format: &Val) -> ValR {
    let date = read(value)?.ok_or_else(|| unknown(value))?;
    let text = strtime::format(str_of(format)?, &date.to_zoned(TimeZone::UTC)).map_err(Error::str)?;
    Ok(Val::text(text))
}

/// Seconds since 1970 of a date in any form that `to_date` reads.
pub(crate) fn fromdate(value: &Val) -> ValR {
    let date = read(value)?.ok_or_else(|| unknown(value))?;
    Ok(Val::Num(Num::Int(date.as_second().into())))
}

fn unknown(value: &Val) -> Error {
    Error::str(format_args!("{value} is not a date that to_date knows: give its form, as in to_date(\"%m/%d/%Y\")"))
}

fn read(value: &Val) -> Result<Option<Timestamp>, Error> {
    let date = match value {
        Val::Num(number) => from_epoch(number.as_f64()),
        Val::Str(_) => from_text(str_of(value)?.trim()),
        other => return Err(Error::typ(other.clone(), "date (text or number)")),
    };
    // A year before 0 has no four digits, and would not compare.
    Ok(date.filter(|date| date.to_zoned(TimeZone::UTC).year() >= 0))
}

fn from_epoch(number: f64) -> Option<Timestamp> {
    let seconds = if number.abs() >= MILLISECONDS_FROM { number / 1000.0 } else { number };
    // The cast saturates, and what is outside of the calendar is refused.
    seconds.is_finite().then(|| Timestamp::from_second(seconds.floor() as i64).ok())?
}

fn from_text(text: &str) -> Option<Timestamp> {
    if text.len() > MAX_LEN {
        return None;
    }
    if matches!(text.len(), 9..=13) && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return from_epoch(text.parse().ok()?);
    }
    let at_utc = |date: DateTime| date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    text.parse()
        .ok()
        .or_else(|| text.parse::<Zoned>().ok().map(|zoned| zoned.timestamp()))
        .or_else(|| text.parse::<DateTime>().ok().and_then(at_utc))
        .or_else(|| rfc2822::parse(text).ok().map(|zoned| zoned.timestamp()))
        .or_else(|| from_words(text))
}

fn read_as(text: &str, format: &str) -> Option<Timestamp> {
    let parts = strtime::BrokenDownTime::parse(format, text.trim()).ok()?;
    if let Ok(date) = parts.to_timestamp() {
        return Some(date);
    }
    let date = parts.to_datetime().or_else(|_| parts.to_date().map(|date| date.at(0, 0, 0, 0))).ok()?;
    date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// The parts of a date that are found word by word.
#[derive(Default)]
struct Found {
    day: Option<i8>,
    month: Option<i8>,
    year: Option<i16>,
    time: Option<Time>,
    afternoon: Option<bool>,
    offset: Option<Offset>,
}

fn from_words(text: &str) -> Option<Timestamp> {
    let text = deunicode::deunicode(text).to_ascii_lowercase();
    let mut found = Found::default();
    for word in text.split([' ', ',', '\t']).map(|word| word.trim_end_matches('.')).filter(|word| !word.is_empty()) {
        found.take(word)?;
    }
    let date = Date::new(found.year?, found.month?, found.day?).ok()?;
    let time = match (found.time, found.afternoon) {
        (time, None) => time.unwrap_or_default(),
        (Some(time), Some(afternoon)) if (1..=12).contains(&time.hour()) => {
            time.with().hour(time.hour() % 12 + if afternoon { 12 } else { 0 }).build().ok()?
        }
        _ => return None,
    };
    found.offset.unwrap_or(Offset::UTC).to_timestamp(date.to_datetime(time)).ok()
}

impl Found {
    /// Takes one word in; `None` when it has no place in a date.
    fn take(&mut self, word: &str) -> Option<()> {
        match word {
            "am" | "a.m" => self.afternoon = Some(false),
            "pm" | "p.m" => self.afternoon = Some(true),
            "z" | "utc" | "gmt" => self.offset = Some(Offset::UTC),
            "at" | "a" | "le" | "de" | "del" | "the" | "of" | "um" | "uhr" | "il" | "el" => {}
            _ if word.contains(':') => return self.take_time(word),
            _ if word.contains(['/', '.', '-']) => return self.take_date(word),
            _ if word.starts_with(|c: char| c.is_ascii_digit()) => return self.take_number(word),
            _ => return self.take_name(word),
        }
        Some(())
    }

    fn take_time(&mut self, word: &str) -> Option<()> {
        let (clock, after) =
            word.split_at_checked(word.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(word.len()))?;
        let mut parts = clock.split(':').map(str::parse::<i8>);
        let (hour, minute) = (parts.next()?.ok()?, parts.next()?.ok()?);
        let second = parts.next().transpose().ok()?.unwrap_or(0);
        self.time = Some(Time::new(hour, minute, second, 0).ok()?);
        if after.is_empty() { Some(()) } else { self.take(after) }
    }

    /// `22/11/2026`, `2026/11/22`, `22-nov-2026`
    fn take_date(&mut self, word: &str) -> Option<()> {
        let parts: Vec<&str> = word.split(['/', '.', '-']).collect();
        let [first, second, third] = parts.as_slice() else { return None };
        let (day, year) = if first.len() == 4 { (third, first) } else { (first, third) };
        self.day = Some(day.parse().ok()?);
        self.month = second.parse().ok().or_else(|| month(second));
        self.year = (year.len() == 4).then(|| year.parse().ok())?;
        self.month.map(|_| ())
    }

    /// `22`, `22nd`, `1er`, `2026`
    fn take_number(&mut self, word: &str) -> Option<()> {
        let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        if digits.len() == 4 && word.len() == 4 && self.year.is_none() {
            self.year = Some(digits.parse().ok()?);
        } else if digits.len() <= 2 && self.day.is_none() {
            self.day = Some(digits.parse().ok()?);
        } else {
            return None;
        }
        Some(())
    }

    /// The name of a month, or of a day of the week before the date.
    fn take_name(&mut self, word: &str) -> Option<()> {
        match month(word) {
            // `mar` begins both March and the French, Spanish and Italian Tuesday: a second month is the month.
            Some(month) if self.month.is_none() || self.day.is_some() => self.month = Some(month),
            Some(_) => {}
            None if self.day.is_none() && self.month.is_none() && word.bytes().all(|b| b.is_ascii_alphabetic()) => {}
            None => return None,
        }
        Some(())
    }
}

fn month(word: &str) -> Option<i8> {
    let at = MONTHS.iter().position(|names| names.iter().any(|name| word.starts_with(name)))?;
    i8::try_from(at + 1).ok()
}
