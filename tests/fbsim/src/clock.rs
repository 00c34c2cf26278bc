//! The simulator's clock: the one place that reads the time of this machine.

use jiff::Timestamp;

/// Milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "a server of its own, outside every simulated run; nothing replays it")]
pub(crate) fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// The form in which the Graph API writes a time: `2026-11-22T18:31:28+0000`.
pub(crate) fn graph_time(ms: i64) -> String {
    at(ms).strftime("%Y-%m-%dT%H:%M:%S+0000").to_string()
}

/// A time for people: `22 Nov 2026, 18:31:28 UTC`.
pub(crate) fn human_time(ms: i64) -> String {
    at(ms).strftime("%-d %b %Y, %H:%M:%S UTC").to_string()
}

/// A time given in a parameter: seconds since 1970, or ISO 8601 with an offset (`+0000` or `+00:00` or `Z`).
pub(crate) fn parse_time_ms(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<i64>() {
        return seconds.checked_mul(1000);
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_millisecond());
    }
    Timestamp::strptime("%Y-%m-%dT%H:%M:%S%z", text).ok().map(Timestamp::as_millisecond)
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}
