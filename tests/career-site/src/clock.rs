//! The site's clock: the one place that reads the time of this machine.

use jiff::Timestamp;
use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter};

/// Milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "a server of its own, outside every simulated run; nothing replays it")]
pub(crate) fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// `2026-11-22T06:00:00Z`, in whole seconds.
pub(crate) fn iso(ms: i64) -> String {
    at(ms).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `22 November 2026`
pub(crate) fn long_date(ms: i64) -> String {
    at(ms).strftime("%-d %B %Y").to_string()
}

/// `Sun, 22 Nov 2026 06:00:00 GMT`, the form of HTTP and of RSS.
pub(crate) fn http_date(ms: i64) -> String {
    DateTimePrinter::new().timestamp_to_rfc9110_string(&at(ms)).unwrap_or_default()
}

/// Seconds since 1970 of an HTTP date.
pub(crate) fn parse_http_date(text: &str) -> Option<i64> {
    DateTimeParser::new().parse_timestamp(text).ok().map(Timestamp::as_second)
}

/// Milliseconds since 1970 of `2026-11-22` or `2026-11-22T06:00:00Z`.
pub(crate) fn parse_iso(text: &str) -> Option<i64> {
    let day = || text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    let time = text.parse::<Timestamp>().ok().or_else(|| day().map(|day| day.timestamp()));
    time.map(Timestamp::as_millisecond)
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read_back() {
        let noon = parse_iso("2026-11-22T12:00:00Z").unwrap();
        assert_eq!(iso(noon), "2026-11-22T12:00:00Z");
        assert_eq!(http_date(noon), "Sun, 22 Nov 2026 12:00:00 GMT");
        assert_eq!(parse_http_date(&http_date(noon)), Some(noon / 1000));
        assert_eq!(long_date(noon), "22 November 2026");
        assert_eq!(parse_iso("2026-11-22"), Some(noon - 12 * 3_600_000));
        assert_eq!(parse_iso("yesterday"), None);
    }
}
