//! The usage headers: how much of its quota a page and the app have used up, in percent of a rolling hour.

use reqwest::header::HeaderMap;
use serde_json::Value as Json;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
/// From here on a pause, so that the quota is never exceeded.
const HIGH: f64 = 90.0;
/// From here on a long one.
const FULL: f64 = 95.0;
/// The pause at [`HIGH`].
const SHORT_PAUSE: Duration = Duration::from_secs(2 * 60);
/// The shortest pause at [`FULL`], and after a refusal.
const LONG_PAUSE: Duration = Duration::from_secs(10 * 60);
/// Nothing that a header says silences a page longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// How far one quota is used up.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Load {
    percent: f64,
    regain: Duration,
}

/// What the headers of one answer say.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Usage {
    /// The page's quota.
    pub(super) page: Load,
    /// The app's.
    pub(super) app: Load,
}

impl Load {
    /// The silence that the figure asks for.
    pub(super) fn pause(self) -> Option<Duration> {
        if self.percent >= FULL {
            Some(self.after_refusal())
        } else if self.percent >= HIGH {
            Some(SHORT_PAUSE)
        } else {
            None
        }
    }

    /// The silence after "limit reached".
    pub(super) fn after_refusal(self) -> Duration {
        self.regain.clamp(LONG_PAUSE, LONGEST_PAUSE)
    }

    fn raise(&mut self, entry: &Json) {
        let figure = |name: &str| entry.get(name).and_then(Json::as_f64).unwrap_or(0.0);
        let percent = figure("call_count").max(figure("total_time")).max(figure("total_cputime"));
        let minutes = entry.get("estimated_time_to_regain_access").and_then(Json::as_u64).unwrap_or(0);
        self.percent = self.percent.max(percent);
        self.wait(MINUTE.saturating_mul(u32::try_from(minutes).unwrap_or(u32::MAX)));
    }

    fn wait(&mut self, time: Duration) {
        self.regain = self.regain.max(time);
    }
}

impl Usage {
    /// Reads the headers of an answer to a call on `page` (its id). Headers that make no sense say nothing.
    pub(super) fn of(headers: &HeaderMap, page: &str) -> Self {
        let json = |name: &str| -> Option<Json> { serde_json::from_slice(headers.get(name)?.as_bytes()).ok() };
        let mut usage = Self::default();
        if let Some(entry) = json("x-app-usage") {
            usage.app.raise(&entry);
        }
        if let Some(entry) = json("x-page-usage") {
            usage.page.raise(&entry);
        }
        if let Some(Json::Object(cases)) = json("x-business-use-case-usage") {
            // Keyed by page or by business; without the page's own key all of them count for the page of the call.
            let own = cases.get(page).map(|case| vec![case]);
            for entry in
                own.unwrap_or_else(|| cases.values().collect()).into_iter().filter_map(Json::as_array).flatten()
            {
                usage.page.raise(entry);
            }
        }
        let seconds = headers.get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
        usage.page.wait(Duration::from_secs(seconds.unwrap_or(0)));
        usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    fn usage(headers: &[(&'static str, &'static str)]) -> Usage {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        Usage::of(&headers.iter().map(pair).collect(), "1001")
    }

    #[test]
    fn pauses_begin_at_ninety_percent_and_follow_the_time_to_regain() {
        let page = |text: &'static str| usage(&[("x-business-use-case-usage", text)]).page.pause();
        assert_eq!(page(r#"{"1001":[{"call_count":89,"total_time":10}]}"#), None);
        assert_eq!(page(r#"{"1001":[{"call_count":10,"total_time":90}]}"#), Some(SHORT_PAUSE));
        assert_eq!(page(r#"{"1001":[{"total_cputime":95}]}"#), Some(LONG_PAUSE));
        assert_eq!(page(r#"{"1001":[{"call_count":99,"estimated_time_to_regain_access":19}]}"#), Some(19 * MINUTE));
        assert_eq!(
            page(r#"{"1001":[{"call_count":99,"estimated_time_to_regain_access":999999999999}]}"#),
            Some(LONGEST_PAUSE)
        );
    }

    #[test]
    fn the_pages_own_entry_wins_over_its_neighbours() {
        let text = r#"{"77":[{"call_count":99}],"1001":[{"call_count":5},{"call_count":91}]}"#;
        assert_eq!(usage(&[("x-business-use-case-usage", text)]).page.pause(), Some(SHORT_PAUSE));
        assert_eq!(
            usage(&[("x-business-use-case-usage", r#"{"77":[{"call_count":99}]}"#)]).page.pause(),
            Some(LONG_PAUSE)
        );
    }

    #[test]
    fn app_and_page_are_apart_and_nonsense_says_nothing() {
        let both = usage(&[("x-app-usage", r#"{"call_count":96}"#), ("x-page-usage", r#"{"call_count":28}"#)]);
        assert_eq!((both.app.pause(), both.page.pause()), (Some(LONG_PAUSE), None));
        assert_eq!(usage(&[("x-app-usage", "[1"), ("x-page-usage", "7"), ("retry-after", "soon")]), Usage::default());
        assert_eq!(usage(&[("retry-after", "1200")]).page.after_refusal(), 20 * MINUTE);
    }
}
