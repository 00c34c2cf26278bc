//! How many hints wait in a queue: the broker's count, asked for seldom, corrected by what this process did since.

use std::time::Duration;
use tokio::time::Instant;

/// The gauge of one queue.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    counted: Option<(Instant, u64)>,
    published: u64,
    /// What `published` and the given hints were when the count was made.
    at_count: (u64, u64),
}

impl Gauge {
    /// This process has published so many more.
    pub(crate) fn published(&mut self, count: u64) {
        self.published += count;
    }

    /// What was published, ever; taken before counting.
    pub(crate) fn mark(&self) -> u64 {
        self.published
    }

    /// The broker counted `waiting` (with what waits in this process) after `mark`, when `given` were given out, ever.
    /// What was published meanwhile may be counted twice: the estimate errs to the high side, and a refill waits.
    pub(crate) fn counted(&mut self, waiting: u64, mark: u64, given: u64, now: Instant) {
        self.counted = Some((now, waiting));
        self.at_count = (mark, given);
    }

    /// The estimate, while the count is younger than `most`.
    pub(crate) fn estimate(&self, most: Duration, given: u64, now: Instant) -> Option<u64> {
        let (_, waiting) = self.counted.filter(|(at, _)| now.saturating_duration_since(*at) < most)?;
        let (published_then, given_then) = self.at_count;
        Some((waiting + (self.published - published_then)).saturating_sub(given - given_then))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_corrected_until_it_is_old() {
        let mut gauge = Gauge::default();
        let (most, now) = (Duration::from_secs(1), Instant::now());
        assert_eq!(gauge.estimate(most, 0, now), None);
        gauge.published(3);
        let mark = gauge.mark();
        gauge.published(2);
        gauge.counted(10, mark, 100, now);
        assert_eq!(gauge.estimate(most, 100, now), Some(12));
        gauge.published(5);
        assert_eq!(gauge.estimate(most, 104, now), Some(13));
        assert_eq!(gauge.estimate(most, 1_000, now), Some(0), "never below nothing");
        assert_eq!(gauge.estimate(most, 104, now + most), None);
    }
}
