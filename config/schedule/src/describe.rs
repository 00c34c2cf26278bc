//! A schedule in words.

use crate::calendar::{ByClock, Days, Times};
use crate::rule::{Rule, When};
use crate::schedule::Schedule;
use crate::{cron, zone::Zone};
use jobpipe_core::Millis;
use std::fmt::Write;

impl Schedule {
    /// In words: `every 15 minutes`, `weekdays 09:00-18:00 every 30 minutes, Europe/Paris; after acme-api`.
    #[must_use]
    pub fn describe(&self) -> String {
        let rules = self.rules.iter().map(Rule::describe);
        let after = self.after.iter().map(|name| format!("after {name}"));
        rules.chain(after).collect::<Vec<_>>().join("; ")
    }
}

impl Rule {
    /// In words, its zone and bounds included.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut out = match &self.when {
            When::Every(period) => format!("every {}", length(*period)),
            When::ByClock(clock) => by_clock(clock, &self.text),
        };
        // the clock of a zone does not change when `every` comes
        if !matches!(self.when, When::Every(_)) || self.zone != Zone::default() {
            let _written = write!(out, ", {}", self.zone.name());
        }
        for (word, text) in [("from", &self.limits.start_text), ("until", &self.limits.end_text)] {
            if let Some(text) = text {
                let _written = write!(out, ", {word} {text}");
            }
        }
        let dates: Vec<String> = self.limits.except.iter().map(ToString::to_string).collect();
        match dates.as_slice() {
            [] => {}
            [first, _, _, .., last] => {
                let _written = write!(out, ", except {} dates from {first} to {last}", dates.len());
            }
            few => {
                let _written = write!(out, ", except {}", few.join(", "));
            }
        }
        if let Some(words) = self.is_cron().then(|| cron::describe(&self.text)).flatten() {
            let _written = write!(out, " ({words})");
        }
        out
    }

    fn is_cron(&self) -> bool {
        matches!(&self.when, When::ByClock(ByClock { days: Days::Cron(_), .. }))
    }
}

fn by_clock(clock: &ByClock, text: &str) -> String {
    match (&clock.days, clock.times) {
        (Days::Cron(_), _) => format!("cron {text}"),
        (days, Times::Grid { hours, .. }) if hours.count_ones() == 24 && *days == Days::ALL => "hourly".to_owned(),
        (days, Times::Grid { hours, minutes }) => {
            let minute = hours.trailing_zeros() * 60 + minutes.trailing_zeros();
            format!("{} {}", days_in_words(days), time(minute))
        }
        (days, Times::Steps { from, to, step }) => {
            let (from, to) = (time(from.into()), time(u32::from(to) % 1_440));
            format!("{} {from}-{to} every {}", days_in_words(days), length(Millis::from(step) * 60_000))
        }
    }
}

fn days_in_words(days: &Days) -> String {
    const NAMES: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
    match days {
        Days::OfWeek(0b111_1111) => "daily".to_owned(),
        Days::OfWeek(0b011_1110) => "weekdays".to_owned(),
        Days::OfWeek(0b100_0001) => "weekends".to_owned(),
        Days::OfWeek(days) => {
            // a week begins on Monday
            let names = (1..=7).map(|day| day % 7).filter(|day| days & (1 << day) != 0);
            let names: Vec<&str> = names.filter_map(|day| NAMES.get(day).copied()).collect();
            format!("weekly on {}", names.join(", "))
        }
        Days::OfMonth(day) => format!("monthly on day {day}"),
        Days::LastOfMonth => "monthly on the last day".to_owned(),
        Days::Cron(_) => String::new(),
    }
}

fn time(minute: u32) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// `15 minutes`, `hour`, `90 seconds`: in the longest unit that gives a whole number.
fn length(ms: Millis) -> String {
    let units = [("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1_000), ("millisecond", 1)];
    let unit = units.iter().find(|(_, size)| ms % size == 0);
    match unit.map(|(name, size)| (name, ms / size)) {
        Some((name, 1)) => (*name).to_owned(),
        Some((name, count)) => format!("{count} {name}s"),
        None => format!("{ms} milliseconds"),
    }
}
