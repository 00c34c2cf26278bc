//! What a loop rests before it looks again.

use crate::cx::{Cx, Heard};
use std::time::Duration;

/// What a loop rests before it looks again.
pub(crate) const REST: Duration = Duration::from_millis(5);
/// A loop that nothing waits for, where looking takes several ways over a network.
const FAR: Duration = Duration::from_millis(40);
/// So many times as long at most, while news comes without a pause.
const LONGEST: u32 = 8;

/// The rests of one loop: they double while there is always news, which is of work that goes on.
#[derive(Debug)]
pub(crate) struct Rest {
    least: Duration,
    now: Duration,
}

impl Rest {
    /// Of a loop that others wait for.
    pub(crate) fn short() -> Self {
        Self { least: REST, now: REST }
    }

    /// Of a loop that reads much: longer where several engines share a store.
    pub(crate) fn of(cx: &Cx) -> Self {
        let least = if cx.settings.lease_ttl.is_some() { FAR } else { REST };
        Self { least, now: least }
    }

    /// The last look found something to do: the next one may, too.
    pub(crate) fn again_soon(&mut self) {
        self.now = self.least;
    }

    /// Waits for news, at most so long; a rest first, so that a burst of news is one.
    pub(crate) async fn wait(&mut self, cx: &Cx, heard: &mut Heard, most: Duration) {
        self.wait_for(cx, heard, most.min(cx.settings.tick * 5)).await;
    }

    /// [`Rest::wait`] of a loop that may rest longer.
    pub(crate) async fn wait_for(&mut self, cx: &Cx, heard: &mut Heard, most: Duration) {
        cx.clock.sleep(self.now).await;
        self.now = if cx.news.is_news(heard) { (self.now * 2).min(self.least * LONGEST) } else { self.least };
        tokio::select! {
            biased;
            () = cx.news.changed(heard) => {}
            () = cx.clock.sleep(most) => {}
        }
    }
}
