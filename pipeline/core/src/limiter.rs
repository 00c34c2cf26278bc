//! The port of rate limits.

use async_trait::async_trait;
use std::time::Duration;

/// So many permits in an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Permits, at least 1.
    pub count: u32,
    /// The interval in milliseconds, at least 1.
    pub per_ms: u64,
}

impl Rate {
    /// The time between two permits.
    #[must_use]
    pub fn interval(self) -> Duration {
        Duration::from_micros(self.per_ms.saturating_mul(1_000) / u64::from(self.count.max(1)))
    }
}

/// Gives permits by key (a host, a token).
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Takes a permit, or says how long to wait before asking again. Resolves when the permit may be used, at once or
    /// within about a second.
    async fn permit(&self, key: &str, rate: Rate) -> Result<(), Duration>;
    /// Nobody gets a permit of `key` for so long: a server's own word (`Retry-After`).
    async fn pause(&self, key: &str, time: Duration);
}
