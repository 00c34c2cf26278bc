//! `since`: the value that is asked for, and the highest that was seen.

use std::cmp::Ordering;
use std::time::Duration;

use jiff::{Timestamp, civil};
use jobpipe_config::spec::SinceSpec;
use jobpipe_core::RunFacts;
use serde_json::Value as Json;

/// `$since`: where the last clean run ended, less `lookback`; on the first run `start`, or null.
pub(super) fn since_value(spec: Option<&SinceSpec>, stage: &str, facts: &RunFacts) -> Json {
    let Some(spec) = spec else { return Json::Null };
    match (facts.since.get(stage), &spec.start) {
        (Some(last), _) => match spec.lookback {
            Some(lookback) => earlier(last, lookback.duration()),
            None => last.clone(),
        },
        (None, Some(start)) => Json::String(start.clone()),
        (None, None) => Json::Null,
    }
}

/// A time by so much earlier, in the form it has; what is no time stays. Numbers are seconds, or milliseconds from
/// 10^11 on (the year 1973 in the one, 5138 in the other).
fn earlier(value: &Json, by: Duration) -> Json {
    match value {
        Json::String(text) => earlier_text(text, by).map_or_else(|| value.clone(), Json::String),
        Json::Number(number) => number.as_i64().map_or_else(
            || value.clone(),
            |number| {
                let step = if number >= 100_000_000_000 { by.as_millis() } else { u128::from(by.as_secs()) };
                Json::from(number.saturating_sub(i64::try_from(step).unwrap_or(i64::MAX)))
            },
        ),
        _ => value.clone(),
    }
}

fn earlier_text(text: &str, by: Duration) -> Option<String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return time.checked_sub(by).ok().map(|time| time.to_string());
    }
    if text.len() == 10
        && let Ok(date) = text.parse::<civil::Date>()
    {
        let time = date.at(0, 0, 0, 0).checked_sub(by).ok()?;
        return Some(time.date().to_string());
    }
    let time = text.parse::<civil::DateTime>().ok()?.checked_sub(by).ok()?;
    Some(time.to_string())
}

/// `value`, but no time later than the source's own when it made the first page: what changes while the pages are read may
/// lie on one that was read by then. What is no time stays.
pub(super) fn not_after(value: Json, told_at: Option<&str>) -> Json {
    let Some(told_at) = told_at else { return value };
    let time = |text: &str| text.parse::<Timestamp>().ok();
    match value.as_str().and_then(time).zip(time(told_at)) {
        Some((seen, told)) if seen > told => Json::String(told_at.to_owned()),
        _ => value,
    }
}

/// Keeps the higher of two values: times as times, numbers as numbers, other text as text. What is neither is passed over.
pub(super) fn raise(highest: &mut Option<Json>, value: Json) {
    let comparable = matches!(&value, Json::Number(_)) || matches!(&value, Json::String(text) if !text.is_empty());
    if comparable && highest.as_ref().is_none_or(|old| is_higher(old, &value)) {
        *highest = Some(value);
    }
}

fn is_higher(old: &Json, new: &Json) -> bool {
    match (old, new) {
        (Json::Number(old), Json::Number(new)) => match (old.as_i64(), new.as_i64()) {
            (Some(old), Some(new)) => old < new,
            _ => old.as_f64().partial_cmp(&new.as_f64()) == Some(Ordering::Less),
        },
        (Json::String(old), Json::String(new)) => match (old.parse::<Timestamp>(), new.parse::<Timestamp>()) {
            (Ok(old), Ok(new)) => old < new,
            _ => old < new,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn lookback_keeps_the_form() {
        assert_eq!(earlier(&json!("2026-03-01T06:00:00Z"), DAY), json!("2026-02-28T06:00:00Z"));
        assert_eq!(earlier(&json!("2026-03-01T01:00:00+02:00"), DAY), json!("2026-02-27T23:00:00Z"));
        assert_eq!(earlier(&json!("2026-03-01"), DAY), json!("2026-02-28"));
        assert_eq!(earlier(&json!("2026-03-01T06:00:00"), DAY), json!("2026-02-28T06:00:00"));
        assert_eq!(earlier(&json!(1_795_000_000), DAY), json!(1_794_913_600));
        assert_eq!(earlier(&json!(1_795_000_000_000_i64), DAY), json!(1_794_913_600_000_i64));
        assert_eq!(earlier(&json!("v17"), DAY), json!("v17"));
    }

    #[test]
    fn no_time_is_later_than_the_source_said_it_was() {
        let told = Some("2026-01-05T00:00:00Z");
        assert_eq!(not_after(json!("2026-01-05T02:00:00+01:00"), told), json!("2026-01-05T00:00:00Z"));
        for stays in [json!("2026-01-05T00:30:00+01:00"), json!("2026-02-01"), json!("v17"), json!(99), json!(null)] {
            assert_eq!(not_after(stays.clone(), told), stays);
        }
        assert_eq!(not_after(json!("2026-02-01T00:00:00Z"), None), json!("2026-02-01T00:00:00Z"));
    }

    #[test]
    fn the_highest_is_kept() {
        let mut highest = None;
        for value in [
            json!("2026-01-01T02:00:00+02:00"),
            json!(null),
            json!("2026-01-01T00:30:00Z"),
            json!(""),
            json!("2025-12-31T23:59:59Z"),
        ] {
            raise(&mut highest, value);
        }
        assert_eq!(highest, Some(json!("2026-01-01T00:30:00Z")));
        let mut highest = None;
        for value in [json!(9), json!(10), json!(2.5)] {
            raise(&mut highest, value);
        }
        assert_eq!(highest, Some(json!(10)));
    }
}
