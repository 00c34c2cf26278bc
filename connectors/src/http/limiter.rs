//! Rates by key inside one process: GCRA with a burst of one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jobpipe_core::{Clock, Rate, RateLimiter};

/// Keys kept before those that are idle are dropped.
const KEYS: usize = 10_000;

/// Permits for this process alone. An idle key holds no more than one permit, so a host is never met with a burst.
pub struct LocalLimiter {
    clock: Arc<dyn Clock>,
    cells: Mutex<HashMap<String, Cell>>,
}

/// When a key may be asked next, on the monotonic clock.
#[derive(Clone, Copy, Default)]
struct Cell {
    /// After the last permit's interval.
    next: Duration,
    /// After a server's own word.
    paused: Duration,
}

impl LocalLimiter {
    /// Permits by `clock`'s monotonic time.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, cells: Mutex::new(HashMap::new()) }
    }

    fn with_cell<T>(&self, key: &str, change: impl FnOnce(&mut Cell, Duration) -> T) -> T {
        let now = self.clock.monotonic();
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if cells.len() >= KEYS && !cells.contains_key(key) {
            cells.retain(|_, cell| cell.next > now || cell.paused > now);
        }
        change(cells.entry(key.to_owned()).or_default(), now)
    }
}

#[async_trait]
impl RateLimiter for LocalLimiter {
    async fn permit(&self, key: &str, rate: Rate) -> Result<(), Duration> {
        self.with_cell(key, |cell, now| {
            let free = cell.next.max(cell.paused);
            if free > now {
                return Err(free - now);
            }
            cell.next = now + rate.interval();
            Ok(())
        })
    }

    async fn pause(&self, key: &str, time: Duration) {
        self.with_cell(key, |cell, now| cell.paused = cell.paused.max(now + time));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobpipe_core::Millis;

    #[derive(Default)]
    struct Hand(Mutex<Duration>);

    impl Hand {
        fn forward(&self, time: Duration) {
            *self.0.lock().unwrap() += time;
        }
    }

    #[async_trait]
    impl Clock for Hand {
        fn now(&self) -> Millis {
            0
        }
        fn monotonic(&self) -> Duration {
            *self.0.lock().unwrap()
        }
        async fn sleep(&self, time: Duration) {
            self.forward(time);
        }
    }

    const TWO_A_SECOND: Rate = Rate { count: 2, per_ms: 1_000 };

    #[tokio::test]
    async fn permits_come_at_the_rate_and_never_in_a_burst() {
        let clock = Arc::new(Hand::default());
        let limiter = LocalLimiter::new(clock.clone());
        assert_eq!(limiter.permit("a", TWO_A_SECOND).await, Ok(()));
        assert_eq!(limiter.permit("a", TWO_A_SECOND).await, Err(Duration::from_millis(500)));
        assert_eq!(limiter.permit("b", TWO_A_SECOND).await, Ok(()), "keys are apart");
        clock.forward(Duration::from_secs(60));
        assert_eq!(limiter.permit("a", TWO_A_SECOND).await, Ok(()));
        assert_eq!(limiter.permit("a", TWO_A_SECOND).await, Err(Duration::from_millis(500)), "idling saves nothing up");
    }

    #[tokio::test]
    async fn a_pause_holds_everybody_and_is_never_shortened() {
        let clock = Arc::new(Hand::default());
        let limiter = LocalLimiter::new(clock.clone());
        limiter.pause("a", Duration::from_secs(30)).await;
        limiter.pause("a", Duration::from_secs(5)).await;
        assert_eq!(limiter.permit("a", TWO_A_SECOND).await, Err(Duration::from_secs(30)));
        clock.forward(Duration::from_secs(30));
        assert_eq!(limiter.permit("a", TWO_A_SECOND).await, Ok(()));
    }

    #[tokio::test]
    async fn idle_keys_are_dropped_and_busy_ones_kept() {
        let clock = Arc::new(Hand::default());
        let limiter = LocalLimiter::new(clock.clone());
        for n in 0..KEYS {
            limiter.permit(&n.to_string(), TWO_A_SECOND).await.unwrap();
        }
        limiter.pause("7", Duration::from_secs(90)).await;
        clock.forward(Duration::from_secs(60));
        limiter.permit("new", TWO_A_SECOND).await.unwrap();
        assert_eq!(limiter.cells.lock().unwrap().len(), 2);
        assert_eq!(limiter.permit("7", TWO_A_SECOND).await, Err(Duration::from_secs(30)));
    }
}
