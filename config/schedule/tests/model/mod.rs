//! A cron of its own: it knows the fields of a line from their meaning, and walks time minute by minute as Vixie's cron
//! does. It shares no code with what it judges; of the time zones it takes only the offset at an instant.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![allow(unreachable_pub, reason = "a module of one test program")]

use std::fmt;

/// Minutes since 1970-01-01T00:00, in UTC or on a wall.
pub type Minute = i64;

/// A part of a field: `*/step`, `from-to/step`, or a number.
#[derive(Debug, Clone)]
pub enum Part {
    Star { step: u32 },
    Range { from: u32, to: u32, step: u32 },
    One(u32),
}

/// The day of the month.
#[derive(Debug, Clone)]
pub enum MonthDay {
    Plain(Vec<Part>),
    /// `L`
    Last,
    /// `LW`
    LastWeekday,
    /// `15W`
    Near(u32),
}

/// The day of the week; 0 and 7 are Sunday.
#[derive(Debug, Clone)]
pub enum WeekDay {
    Plain(Vec<Part>),
    /// `5L`
    Last(u32),
    /// `5#2`
    Nth(u32, u32),
}

/// A cron line.
#[derive(Debug, Clone)]
pub struct Line {
    pub minutes: Vec<Part>,
    pub hours: Vec<Part>,
    pub days: MonthDay,
    pub months: Vec<Part>,
    pub weekdays: WeekDay,
    /// Write months and days of the week as names.
    pub names: bool,
}

const DAYS: [&str; 8] = ["sun", "MON", "Tue", "wed", "thu", "FRI", "sat", "sun"];
const MONTHS: [&str; 13] = ["", "jan", "FEB", "Mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

impl Part {
    fn has(&self, value: u32, least: u32) -> bool {
        match self {
            Self::Star { step } => (value - least).is_multiple_of(*step),
            Self::Range { from, to, step } => (*from..=*to).contains(&value) && (value - from).is_multiple_of(*step),
            Self::One(one) => *one == value,
        }
    }

    fn write(&self, names: &[&str]) -> String {
        let word = |value: u32| names.get(value as usize).map_or_else(|| value.to_string(), |name| (*name).to_owned());
        match self {
            Self::Star { step: 1 } => "*".to_owned(),
            Self::Range { from, to, .. } if from == to => word(*from),
            Self::Star { step } => format!("*/{step}"),
            Self::Range { from, to, step: 1 } => format!("{}-{}", word(*from), word(*to)),
            Self::Range { from, to, step } => format!("{}-{}/{step}", word(*from), word(*to)),
            Self::One(one) => word(*one),
        }
    }
}

fn write(parts: &[Part], names: &[&str]) -> String {
    parts.iter().map(|part| part.write(names)).collect::<Vec<_>>().join(",")
}

fn any(parts: &[Part], value: u32, least: u32) -> bool {
    parts.iter().any(|part| part.has(value, least))
}

fn is_star(parts: &[Part]) -> bool {
    matches!(parts, [Part::Star { step: 1 }])
}

impl fmt::Display for Line {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = match &self.days {
            MonthDay::Plain(parts) => write(parts, &[]),
            MonthDay::Last => "L".to_owned(),
            MonthDay::LastWeekday => "LW".to_owned(),
            MonthDay::Near(day) => format!("{day}W"),
        };
        let names: (&[&str], &[&str]) = if self.names { (&MONTHS, &DAYS) } else { (&[], &[]) };
        let weekdays = match &self.weekdays {
            WeekDay::Plain(parts) => write(parts, names.1),
            WeekDay::Last(day) => format!("{day}L"),
            WeekDay::Nth(day, nth) => format!("{day}#{nth}"),
        };
        let (minutes, hours) = (write(&self.minutes, &[]), write(&self.hours, &[]));
        write!(out, "{minutes} {hours} {days} {} {weekdays}", write(&self.months, names.0))
    }
}

/// A date: month, day; day of the week from Sunday = 0; days of the month.
#[derive(Debug, Clone, Copy)]
pub struct Date {
    pub month: u32,
    pub day: u32,
    pub weekday: u32,
    pub length: u32,
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn month_length(year: i64, month: u32) -> u32 {
    match month {
        2 => 28 + u32::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The date so many days after 1970-01-01 (a Thursday), counted up year by year and month by month.
pub fn date(days: i64) -> Date {
    let (mut year, mut left) = (1970, days);
    while left >= 365 + i64::from(is_leap(year)) {
        left -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    while left >= i64::from(month_length(year, month)) {
        left -= i64::from(month_length(year, month));
        month += 1;
    }
    let weekday = (days + 4).rem_euclid(7) as u32;
    Date { month, day: left as u32 + 1, weekday, length: month_length(year, month) }
}

impl Line {
    fn in_month(&self, date: &Date) -> bool {
        let weekday_of = |day: u32| (date.weekday + 35 + day - date.day) % 7;
        let works = |day: u32| (1..=5).contains(&weekday_of(day));
        match &self.days {
            MonthDay::Plain(parts) => any(parts, date.day, 1),
            MonthDay::Last => date.day == date.length,
            MonthDay::LastWeekday => (1..=date.length).filter(|day| works(*day)).max() == Some(date.day),
            MonthDay::Near(day) if *day > date.length => false,
            // the nearest working day of the month; the earlier of two that are as near
            MonthDay::Near(day) => {
                let distance = |other: &u32| (other.abs_diff(*day), *other);
                (1..=date.length).filter(|day| works(*day)).min_by_key(distance) == Some(date.day)
            }
        }
    }

    fn in_week(&self, date: &Date) -> bool {
        let same = |day: u32| day % 7 == date.weekday;
        match &self.weekdays {
            WeekDay::Plain(parts) => any(parts, date.weekday, 0) || (date.weekday == 0 && any(parts, 7, 0)),
            WeekDay::Last(day) => same(*day) && date.day + 7 > date.length,
            WeekDay::Nth(day, nth) => same(*day) && date.day.div_ceil(7) == *nth,
        }
    }

    pub fn has_date(&self, date: &Date) -> bool {
        let star_month = matches!(&self.days, MonthDay::Plain(parts) if is_star(parts));
        let star_week = matches!(&self.weekdays, WeekDay::Plain(parts) if is_star(parts));
        let is_day = match (star_month, star_week) {
            (true, true) => true,
            (true, false) => self.in_week(date),
            (false, true) => self.in_month(date),
            (false, false) => self.in_month(date) || self.in_week(date),
        };
        is_day && any(&self.months, date.month, 1)
    }

    /// Whether a minute on the wall is one of the line's.
    fn has(&self, wall: Minute) -> bool {
        let minute = wall.rem_euclid(1_440) as u32;
        any(&self.minutes, minute % 60, 0)
            && any(&self.hours, minute / 60, 0)
            && self.has_date(&date(wall.div_euclid(1_440)))
    }

    /// Whether it goes by steps: a `*` in the minutes or hours.
    fn is_wild(&self) -> bool {
        let star = |parts: &[Part]| parts.iter().any(|part| matches!(part, Part::Star { .. }));
        star(&self.minutes) || star(&self.hours)
    }
}

/// The minutes (UTC) after `after`, up to and with `until`, at which Vixie's cron would run a line where the clock is
/// `offset` minutes ahead of UTC.
pub fn runs(line: &Line, after: Minute, until: Minute, offset: impl Fn(Minute) -> Minute) -> Vec<Minute> {
    let mut found = Vec::new();
    // cron was started six hours before, so that it knows what the clock has shown
    let begin = after - 360;
    let mut shown = begin + offset(begin) - 1;
    for now in begin..=until {
        let wall = now + offset(now);
        let is_due = if line.is_wild() {
            line.has(wall)
        } else {
            // each minute of the wall once: what was passed over at once is due now, what was shown already never
            (shown + 1..=wall).any(|minute| line.has(minute))
        };
        shown = shown.max(wall);
        if is_due && now > after {
            found.push(now);
        }
    }
    found
}
