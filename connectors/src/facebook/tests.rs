//! What the tests of this module share.

use jobpipe_core::{Clock, Millis};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A clock that moves when told to; sleeping moves it at once.
#[derive(Debug, Default)]
pub(super) struct ManualClock {
    now: Mutex<Duration>,
}

impl ManualClock {
    pub(super) fn advance(&self, time: Duration) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) += time;
    }
}

#[async_trait::async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Millis {
        1_795_000_000_000 + Millis::try_from(self.monotonic().as_millis()).unwrap()
    }

    fn monotonic(&self) -> Duration {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn sleep(&self, time: Duration) {
        self.advance(time);
    }
}
