//! What a server says about when to come back: `Retry-After`, `RateLimit-*`.

use std::time::Duration;

use jobpipe_core::Millis;
use reqwest::header::HeaderMap;

/// No server makes a host wait longer than this in one go.
const LONGEST: Duration = Duration::from_secs(3_600);

/// The `Retry-After` of an answer, in seconds or as an HTTP date; at most an hour. `now` is wall time.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: Millis) -> Option<Duration> {
    let text = headers.get("retry-after")?.to_str().ok()?.trim();
    let time = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => until(http_date(text)?, now),
    };
    Some(time.min(LONGEST))
}

/// How long to leave a host alone after an answer that says that nothing remains of its quota.
///
/// Understood are `X-RateLimit-Remaining/-Reset`, `RateLimit-Remaining/-Reset`, and `RateLimit` in both of its forms
/// (`limit=10, remaining=0, reset=5` and `"default";r=0;t=5`). A reset above a year's worth of seconds is an instant.
pub(crate) fn quota_pause(headers: &HeaderMap, now: Millis) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (remaining, reset) = match text("ratelimit") {
        Some(fields) => (field(fields, &["remaining", "r"]), field(fields, &["reset", "t"])),
        None => (
            text("ratelimit-remaining").or_else(|| text("x-ratelimit-remaining")).and_then(number),
            text("ratelimit-reset").or_else(|| text("x-ratelimit-reset")).and_then(number),
        ),
    };
    let (remaining, reset) = (remaining?, reset?);
    if remaining > 0 || reset == 0 {
        return None;
    }
    let time = if reset > 31_536_000 {
        until(Millis::try_from(reset.saturating_mul(1_000)).ok()?, now)
    } else {
        Duration::from_secs(reset)
    };
    Some(time.min(LONGEST)).filter(|time| !time.is_zero())
}

fn number(text: &str) -> Option<u64> {
    let whole = text.trim().split(['.', ',', ';']).next()?;
    whole.parse().ok()
}

/// The number after `name=` in a list of fields.
fn field(fields: &str, names: &[&str]) -> Option<u64> {
    fields.split([',', ';']).find_map(|part| {
        let (name, value) = part.split_once('=')?;
        names.contains(&name.trim()).then(|| number(value)).flatten()
    })
}

/// An HTTP date, `Sun, 22 Nov 2026 06:00:30 GMT`.
#[must_use]
pub fn http_date(text: &str) -> Option<Millis> {
    let time = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(time.as_millisecond())
}

fn until(instant: Millis, now: Millis) -> Duration {
    Duration::from_millis(u64::try_from(instant.saturating_sub(now)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    /// 2026-11-22T06:00:00Z
    const NOW: Millis = 1_795_327_200_000;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |&(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn retry_after_in_both_forms_and_bounded() {
        let of = |value| retry_after(&headers(&[("retry-after", value)]), NOW);
        assert_eq!(of("7"), Some(Duration::from_secs(7)));
        assert_eq!(of("Sun, 22 Nov 2026 06:00:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(of("Sun, 22 Nov 2020 06:00:30 GMT"), Some(Duration::ZERO));
        assert_eq!(of("99999999"), Some(LONGEST));
        assert_eq!(of("soon"), None);
    }

    #[test]
    fn an_empty_quota_pauses_until_its_reset() {
        for pairs in [
            &[("ratelimit-remaining", "0"), ("ratelimit-reset", "5")][..],
            &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1795327205")],
            &[("ratelimit", "limit=10, remaining=0, reset=5")],
            &[("ratelimit", "\"default\";r=0;t=5")],
        ] {
            assert_eq!(quota_pause(&headers(pairs), NOW), Some(Duration::from_secs(5)), "{pairs:?}");
        }
        assert_eq!(quota_pause(&headers(&[("ratelimit", "\"default\";r=3;t=5")]), NOW), None);
        assert_eq!(quota_pause(&headers(&[("x-ratelimit-remaining", "0")]), NOW), None);
    }
}
