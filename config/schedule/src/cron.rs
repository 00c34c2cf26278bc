//! Cron lines of five fields: croner reads them, and says which days they mean.

use crate::calendar::{ByClock, Days, Times};
use croner::parser::{CronParser, Seconds, Year};
use croner::{Cron, CronComponent, CronPattern, Weekday};
use jiff::civil::Date;

/// The days of a cron line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CronDays {
    /// Plain numbers, a bit each. What croner keeps of a line takes 6 KiB, and a scheduler holds 100,000 of them.
    Plain { days: u32, months: u16, weekdays: u8, needs: Needs },
    /// With `L`, `W` or `#`, which depend on the month: croner knows.
    Special(Box<CronPattern>),
}

/// Which of the fields for the day of the month and of the week a date must be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    Both,
    /// Neither field is `*`: one of them is enough, as in Vixie's cron.
    Either,
}

/// Reads a line such as `0 6 * * 1-5`; an error is croner's own reason.
pub(crate) fn parse(line: &str) -> Result<ByClock, String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [minutes, hours, ..] = fields.as_slice() else { return Err("it is empty".to_owned()) };
    if fields.len() != 5 {
        return Err(format!("this one has {}; there are no seconds and no years", fields.len()));
    }
    if fields.iter().any(|field| field.split(',').any(str::is_empty)) {
        return Err("a list has an empty place".to_owned());
    }
    let Cron { pattern } = parser().parse(line).map_err(|error| reason(&error.to_string()))?;
    let times = Times::Grid { hours: narrow(bits(&pattern.hours)), minutes: bits(&pattern.minutes) };
    // Vixie's rule: with a `*` in the minutes or hours it goes by steps
    let fixed = !minutes.contains('*') && !hours.contains('*');
    Ok(ByClock { days: Days::Cron(CronDays::new(pattern)), times, fixed })
}

/// A line in words, as croner tells it: `at 06:00, on Monday`.
pub(crate) fn describe(line: &str) -> Option<String> {
    let told = parser().parse(line).ok()?.describe();
    let told =
        told.trim_end_matches('.').replace("Monday, Tuesday, Wednesday, Thursday, and Friday", "Monday to Friday");
    Some(match told.strip_prefix("At ") {
        Some(rest) if rest.starts_with("every ") => rest.to_owned(),
        Some(rest) => format!("at {rest}"),
        None => told,
    })
}

fn parser() -> CronParser {
    CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build()
}

impl CronDays {
    fn new(mut pattern: CronPattern) -> Self {
        if pattern.days.has_modifiers() || pattern.days_of_week.has_modifiers() {
            // a day is asked for only: the tables of the rest (5,000 years) can go
            for part in [&mut pattern.years, &mut pattern.hours, &mut pattern.minutes, &mut pattern.seconds] {
                *part = CronComponent::default();
            }
            return Self::Special(Box::new(pattern));
        }
        let either = !(pattern.is_dom_wildcard() || pattern.is_dow_wildcard() || pattern.matches_dom_and_dow());
        Self::Plain {
            days: narrow(bits(&pattern.days)),
            months: narrow(bits(&pattern.months)),
            weekdays: narrow(bits(&pattern.days_of_week)),
            needs: if either { Needs::Either } else { Needs::Both },
        }
    }

    /// Whether a date is one of them.
    pub(crate) fn has(&self, date: Date) -> bool {
        let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
        let weekday = date.weekday().to_sunday_zero_offset().unsigned_abs();
        match self {
            Self::Plain { days, months, weekdays, needs } => {
                let in_month = days & (1 << day) != 0;
                let in_week = weekdays & (1 << weekday) != 0;
                let is_day = match needs {
                    Needs::Both => in_month && in_week,
                    Needs::Either => in_month || in_week,
                };
                is_day && months & (1 << month) != 0
            }
            Self::Special(pattern) => {
                let weekday = Weekday::from_days_from_sunday(u32::from(weekday));
                let is_day = pattern.day_match(i32::from(date.year()), month.into(), day.into(), weekday);
                is_day.unwrap_or(false) && pattern.month_match(month.into()).unwrap_or(false)
            }
        }
    }
}

/// The values of a field, a bit each.
fn bits(field: &CronComponent) -> u64 {
    field.values().into_iter().filter(|value| *value < 64).fold(0, |bits, value| bits | 1 << value)
}

/// The same in fewer bits; a field has no value past them.
fn narrow<T: TryFrom<u64> + Default>(bits: u64) -> T {
    T::try_from(bits).unwrap_or_default()
}

/// croner's words without those for its own programmer.
fn reason(text: &str) -> String {
    let text = ["Component error: ", "Invalid pattern: ", "Pattern contains illegal characters: "]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .unwrap_or(text);
    text.trim_end_matches('.').to_owned()
}
