//! How many hints of a queue are kept out: two seconds of what this process takes in, within bounds.

use crate::cx::Cx;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Over what time the drain is measured.
const MEASURED: Duration = Duration::from_millis(250);

/// The drains of queues, as this process has measured them.
#[derive(Debug, Default)]
pub(super) struct Windows(Mutex<BTreeMap<String, Drain>>);

#[derive(Debug, Default)]
struct Drain {
    since: Duration,
    count: usize,
    /// Hints in two seconds.
    ahead: usize,
}

impl Drain {
    fn took(&mut self, count: usize, now: Duration) {
        self.count += count;
        let time = now.saturating_sub(self.since);
        if time >= MEASURED {
            let millis = usize::try_from(time.as_millis()).unwrap_or(usize::MAX);
            self.ahead = self.count.saturating_mul(2_000) / millis.max(1);
            (self.since, self.count) = (now, 0);
        }
    }
}

impl Windows {
    /// So many hints of the queue were taken in.
    pub(super) fn took(&self, queue: &str, count: usize, now: Duration) {
        let mut drains = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match drains.get_mut(queue) {
            Some(drain) => drain.took(count, now),
            None => drop(drains.insert(queue.to_owned(), Drain { since: now, count, ahead: 0 })),
        }
    }

    /// At least what some of the slots can take: tasks that take long are few in two seconds.
    pub(super) fn of(&self, cx: &Cx, queue: &str) -> usize {
        let most = cx.settings.window.max(1);
        let least = cx.settings.slots.div_ceil(4).max(2).min(most);
        let drains = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drains.get(queue).map_or(least, |drain| drain.ahead.clamp(least, most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_two_seconds_of_the_drain() {
        let mut drain = Drain::default();
        for at in 1..=20 {
            drain.took(10, Duration::from_millis(100 * at));
        }
        assert_eq!(drain.ahead, 200, "100 a second");
        drain.took(1, Duration::from_secs(12));
        assert!(drain.ahead <= 5, "it has run dry: {}", drain.ahead);
    }
}
