//! Who waits for a rate: the limiter itself tells the view, as the requests inside one task make no events.

use async_trait::async_trait;
use jobpipe_connectors::http::LocalLimiter;
use jobpipe_core::{Clock, Rate, RateLimiter};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A shorter wait is not worth a word.
const SHORT: Duration = Duration::from_millis(100);
/// Hosts that are remembered.
const HOSTS: usize = 1_000;

/// The hosts that are waited for.
pub(crate) struct Waits {
    clock: Arc<dyn Clock>,
    /// By host: how long, on the monotonic clock.
    until: Mutex<BTreeMap<String, Duration>>,
}

impl Waits {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, until: Mutex::default() }
    }

    fn note(&self, host: &str, wait: Duration) {
        if wait < SHORT {
            return;
        }
        let now = self.clock.monotonic();
        let mut hosts = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= HOSTS {
            hosts.retain(|_, until| *until > now);
        }
        if hosts.len() < HOSTS {
            let until = hosts.entry(host.to_owned()).or_default();
            *until = (*until).max(now + wait);
        }
    }

    /// The hosts that are waited for now, and for how long.
    pub(crate) fn now(&self) -> Vec<(String, Duration)> {
        let now = self.clock.monotonic();
        let hosts = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let left = |(host, until): (&String, &Duration)| Some((host.clone(), until.checked_sub(now)?));
        hosts.iter().filter_map(left).filter(|(_, left)| !left.is_zero()).collect()
    }
}

/// A process's own limiter, whose waits can be looked at.
pub(crate) struct WatchedLimiter {
    limiter: LocalLimiter,
    waits: Arc<Waits>,
}

impl WatchedLimiter {
    pub(crate) fn new(clock: Arc<dyn Clock>, waits: Arc<Waits>) -> Self {
        Self { limiter: LocalLimiter::new(clock), waits }
    }
}

#[async_trait]
impl RateLimiter for WatchedLimiter {
    async fn permit(&self, key: &str, rate: Rate) -> Result<(), Duration> {
        let permit = self.limiter.permit(key, rate).await;
        if let Err(wait) = permit {
            self.waits.note(key, wait);
        }
        permit
    }

    async fn pause(&self, key: &str, time: Duration) {
        self.limiter.pause(key, time).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobpipe_core::SystemClock;

    #[tokio::test]
    async fn a_host_that_is_waited_for_is_known_and_one_that_is_not_is_not() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let waits = Arc::new(Waits::new(Arc::clone(&clock)));
        let limiter = WatchedLimiter::new(clock, Arc::clone(&waits));
        let (slow, fast) = (Rate { count: 1, per_ms: 3_600_000 }, Rate { count: 1_000, per_ms: 1_000 });
        for _ in 0..3 {
            let _waits_or_not = (limiter.permit("slow.test", slow).await, limiter.permit("fast.test", fast).await);
        }
        let hosts: Vec<String> = waits.now().into_iter().map(|(host, _)| host).collect();
        assert_eq!(hosts, ["slow.test"]);
    }
}
