//! Time and chance as ports, so that a simulation can replay them.

use crate::Millis;
use std::time::Duration;

/// The clock. Wall time is told to people and compared with the store's; leases and timeouts use the monotonic one.
#[async_trait::async_trait]
pub trait Clock: Send + Sync {
    /// Wall time, milliseconds since the Unix epoch, UTC.
    fn now(&self) -> Millis;
    /// Time since an arbitrary origin of this process; never goes back.
    fn monotonic(&self) -> Duration;
    /// Waits.
    async fn sleep(&self, time: Duration);
}

/// Where ids and chance come from.
pub trait Ids: Send + Sync {
    /// A new id for a run started by hand: a UUID v7 as text.
    fn run(&self) -> String;
    /// A random number for versions and nonces; never 0, at most 63 bits (every store has signed integers).
    fn nonce(&self) -> u64;
    /// A fraction in `[0, 1)`, for jitter.
    fn fraction(&self) -> f64;
}

/// The machine's own clock.
#[derive(Debug)]
pub struct SystemClock {
    origin: std::time::Instant,
}

impl Default for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else is given")]
    fn default() -> Self {
        Self { origin: std::time::Instant::now() }
    }
}

#[async_trait::async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else is given")]
    fn now(&self) -> Millis {
        jiff::Timestamp::now().as_millisecond()
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// The machine's own randomness.
#[derive(Debug, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "this is the source of ids that everything else is given")]
    fn run(&self) -> String {
        uuid::Uuid::now_v7().to_string()
    }

    fn nonce(&self) -> u64 {
        (rand::random::<u64>() >> 1).max(1)
    }

    fn fraction(&self) -> f64 {
        rand::random::<f64>()
    }
}

/// `time` as `2026-11-22T06:00:00Z` (with milliseconds where there are any).
#[must_use]
pub fn utc_text(time: Millis) -> String {
    jiff::Timestamp::from_millisecond(time).map_or_else(|_| time.to_string(), |stamp| stamp.to_string())
}
