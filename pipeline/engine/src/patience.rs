//! Patience with a store or broker that does not answer: what failed is begun again after a while, in one place for all
//! that an engine does. Every step stands for itself and may be repeated, so nothing is lost by it.

use crate::cx::Cx;
use crate::error::{EngineError, Result};
use crate::event::Event;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// What a first failure waits at most; each further one in a row twice as much.
const FIRST: Duration = Duration::from_millis(100);

/// What any failure waits at most.
const MOST: Duration = Duration::from_secs(10);

/// Failures closer to each other than this are one outage, and told once.
const OUTAGE: Duration = Duration::from_secs(60);

/// What one loop of an engine knows of going on. Clones share what was told.
#[derive(Clone)]
pub(crate) struct Patience {
    cx: Arc<Cx>,
    /// Another loop has failed for good.
    halt: watch::Receiver<bool>,
    /// When a step of any loop failed last, on the own clock.
    failed: Arc<Mutex<Option<Duration>>>,
    /// What the next failure waits at most.
    most: Duration,
}

impl Patience {
    pub(crate) fn new(cx: &Arc<Cx>, halt: watch::Receiver<bool>) -> Self {
        Self { cx: Arc::clone(cx), halt, failed: Arc::default(), most: FIRST }
    }

    /// True until the process stops or another loop has failed.
    pub(crate) fn goes_on(&self) -> bool {
        !self.cx.stop.is_stopping() && !*self.halt.borrow()
    }

    /// How a step ended; `None` after a while when it is to be begun again, at once when the process is asked to stop
    /// meanwhile. One that fails while the process stops is not begun again.
    pub(crate) async fn with<T>(&mut self, done: Result<T>) -> Result<Option<T>> {
        let error = match done {
            Err(error) if error.passes() => error,
            done => {
                self.most = FIRST;
                return done.map(Some);
            }
        };
        self.tell(&error);
        if !self.goes_on() {
            return Err(error);
        }
        let mut left = self.most.mul_f64(self.cx.ids.fraction());
        self.most = (self.most * 2).min(MOST);
        while self.goes_on() && !left.is_zero() {
            let part = left.min(self.cx.settings.tick);
            self.cx.clock.sleep(part).await;
            left -= part;
        }
        Ok(None)
    }

    fn tell(&self, error: &EngineError) {
        let now = self.cx.clock.monotonic();
        let before = self.failed.lock().unwrap_or_else(PoisonError::into_inner).replace(now);
        tracing::warn!("a step is begun again: {error}");
        if before.is_none_or(|before| now.saturating_sub(before) >= OUTAGE) {
            self.cx.emit(Event::Notice { message: format!("{error}; work goes on when it answers") });
        }
    }
}
