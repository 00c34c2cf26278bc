//! How many a second: from the work as it is told, or from totals that are read now and then.

use std::collections::VecDeque;
use std::time::Duration;

/// Rates are measured over so long.
const WINDOW: Duration = Duration::from_secs(5);

/// How many a second, over the last seconds.
#[derive(Debug)]
pub(crate) enum Rate {
    /// How many were done, and when: as it was told.
    Told(VecDeque<(Duration, u64)>),
    /// How many were done in all, and when that was read.
    Counted(VecDeque<(Duration, u64)>),
}

impl Default for Rate {
    fn default() -> Self {
        Self::Told(VecDeque::new())
    }
}

impl Rate {
    /// So many were done just now.
    pub(crate) fn add(&mut self, now: Duration, count: u64) {
        let Self::Told(done) = self else { return };
        while done.front().is_some_and(|(at, _)| *at + WINDOW < now) {
            done.pop_front();
        }
        if count > 0 {
            done.push_back((now, count));
        }
    }

    /// So many are done in all.
    pub(crate) fn count(&mut self, now: Duration, total: u64) {
        let mut read = match std::mem::take(self) {
            Self::Counted(read) => read,
            Self::Told(_) => VecDeque::new(),
        };
        read.push_back((now, total));
        // one from before the window stays: else there would be none to compare with, where they are far apart
        while read.get(1).is_some_and(|(at, _)| *at + WINDOW <= now) {
            read.pop_front();
        }
        *self = Self::Counted(read);
    }

    /// A second; `None` = not known yet.
    pub(crate) fn now(&self, now: Duration) -> Option<f64> {
        match self {
            Self::Told(done) => {
                let recent = || done.iter().filter(|(at, _)| *at + WINDOW >= now);
                let first = recent().map(|(at, _)| *at).min().unwrap_or(now);
                let count = recent().map(|(_, count)| count).sum();
                Some(per_second(count, now.saturating_sub(first).max(Duration::from_secs(1))))
            }
            Self::Counted(read) => {
                let ((from, before), (to, after)) = (read.front()?, read.back()?);
                let span = to.saturating_sub(*from);
                (!span.is_zero()).then(|| per_second(after.saturating_sub(*before), span))
            }
        }
    }
}

fn per_second(count: u64, span: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let count = count as f64;
    count / span.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn work_that_is_told_counts_for_a_while() {
        let mut rate = Rate::default();
        assert_eq!(rate.now(at(0)), Some(0.0));
        rate.add(at(1), 3);
        rate.add(at(2), 7);
        assert_eq!(rate.now(at(3)), Some(5.0));
        assert_eq!(rate.now(at(60)), Some(0.0), "long ago");
    }

    #[test]
    fn totals_that_are_read_need_two() {
        let mut rate = Rate::default();
        rate.count(at(10), 1_000);
        assert_eq!(rate.now(at(10)), None, "done before anybody looked, who knows when");
        rate.count(at(11), 1_020);
        assert_eq!(rate.now(at(12)), Some(20.0));
        rate.count(at(12), 1_060);
        assert_eq!(rate.now(at(12)), Some(30.0));
        rate.count(at(40), 1_060 + 280);
        assert_eq!(rate.now(at(45)), Some(10.0), "since the reading before, however long ago");
        for second in 41..=60 {
            rate.count(at(second), 1_340);
        }
        assert_eq!(rate.now(at(60)), Some(0.0));
    }
}
