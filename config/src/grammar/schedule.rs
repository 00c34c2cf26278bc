//! The grammar of schedules, checked and kept as written for the scheduler.

use super::{GrammarError, Period};
use croner::parser::CronParser;

/// What a schedule may look like, for messages.
const EXPECTED: &str = "a schedule such as `every 15m`, `hourly`, `daily 06:00 Europe/Paris`, `weekdays 9:00-18:00 every 30m` or a cron line `0 6 * * 1-5`";

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Checks one schedule in its one-line form; a time zone may end it.
pub fn parse_schedule(text: &str) -> Result<(), GrammarError> {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    if let Some(zone) = words.last().copied().filter(|word| looks_like_zone(word)) {
        parse_zone(zone)?;
        words.pop();
    }
    let good = match words.as_slice() {
        ["every", period] => is_positive(period),
        ["hourly" | "daily" | "weekly" | "monthly"] => true,
        ["daily", time] => is_time(time),
        ["weekdays" | "weekends", time] => is_time(time),
        ["weekdays" | "weekends" | "daily", window, "every", period] => is_window(window) && is_positive(period),
        ["weekly", day, time] => is_day(day) && is_time(time),
        ["monthly", day, time] => day.parse::<u8>().is_ok_and(|day| (1..=31).contains(&day)) && is_time(time),
        [at] if at.starts_with('@') => CronParser::new().parse(at).is_ok(),
        [_, _, _, _, _] => return parse_cron(&words.join(" ")),
        _ => false,
    };
    if good { Ok(()) } else { Err(GrammarError::new(EXPECTED)) }
}

/// Checks the name of a time zone.
pub fn parse_zone(zone: &str) -> Result<(), GrammarError> {
    match jiff::tz::TimeZone::get(zone) {
        Ok(_) => Ok(()),
        Err(_) => Err(GrammarError::new(format!("a time zone such as Europe/Paris or UTC, and `{zone}` is not one"))),
    }
}

fn parse_cron(line: &str) -> Result<(), GrammarError> {
    match CronParser::new().parse(line) {
        Ok(_) => Ok(()),
        Err(error) => Err(GrammarError::new(format!("a cron line of five fields such as `0 6 * * 1-5` ({error})"))),
    }
}

fn looks_like_zone(word: &str) -> bool {
    word == "UTC" || (word.contains('/') && word.starts_with(|c: char| c.is_ascii_uppercase()))
}

fn is_time(text: &str) -> bool {
    let Some((hours, minutes)) = text.split_once(':') else {
        return false;
    };
    let two = |text: &str, most: u8| text.len() <= 2 && text.parse::<u8>().is_ok_and(|n| n <= most);
    two(hours, 23) && minutes.len() == 2 && two(minutes, 59)
}

fn is_window(text: &str) -> bool {
    text.split_once('-').is_some_and(|(from, to)| is_time(from) && is_time(to))
}

fn is_positive(period: &str) -> bool {
    period.parse::<Period>().is_ok_and(|period| period.ms() > 0)
}

fn is_day(text: &str) -> bool {
    DAYS.iter().any(|day| text.to_lowercase().starts_with(day))
}
