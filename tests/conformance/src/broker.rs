//! The broker in memory: a first-in first-out queue a name; what was delivered and not acked can be delivered again.

use async_trait::async_trait;
use jobpipe_core::{Broker, BrokerError, Delivery, Hint};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// A [`Broker`] that lives as long as the value; calls but `receive` never wait.
#[derive(Debug, Default)]
pub struct MemoryBroker {
    inner: Mutex<Inner>,
    /// Told at every publish.
    published: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: BTreeMap<String, VecDeque<Delivery>>,
    unacked: BTreeMap<String, BTreeMap<u64, Hint>>,
    last_tag: u64,
}

impl MemoryBroker {
    /// An empty broker.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What a broker does when a consumer's connection breaks: everything unacked waits again, in order of delivery.
    pub fn redeliver(&self) {
        let mut inner = self.lock();
        let unacked = std::mem::take(&mut inner.unacked);
        for (queue, hints) in unacked {
            let waiting = inner.waiting.entry(queue).or_default();
            waiting.extend(hints.into_iter().map(|(tag, hint)| Delivery { hint, tag }));
        }
        drop(inner);
        self.published.notify_waiters();
    }

    /// Loses everything, as a broker may.
    pub fn lose_all(&self) {
        let mut inner = self.lock();
        inner.waiting.clear();
        inner.unacked.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, queue: &str, most: usize) -> Vec<Delivery> {
        let mut inner = self.lock();
        let Some(waiting) = inner.waiting.get_mut(queue) else { return Vec::new() };
        let count = most.min(waiting.len());
        let taken: Vec<Delivery> = waiting.drain(..count).collect();
        let unacked = inner.unacked.entry(queue.to_owned()).or_default();
        unacked.extend(taken.iter().map(|delivery| (delivery.tag, delivery.hint.clone())));
        taken
    }
}

#[async_trait]
impl Broker for MemoryBroker {
    async fn publish(&self, hints: Vec<Hint>) -> Result<(), BrokerError> {
        let mut inner = self.lock();
        for hint in hints {
            inner.last_tag += 1;
            let tag = inner.last_tag;
            inner.waiting.entry(hint.queue.clone()).or_default().push_back(Delivery { hint, tag });
        }
        drop(inner);
        self.published.notify_waiters();
        Ok(())
    }

    async fn receive(&self, queue: &str, most: usize) -> Result<Vec<Delivery>, BrokerError> {
        loop {
            // Made before looking, so that a publish between the look and the wait is not slept through.
            let published = self.published.notified();
            let taken = self.take(queue, most.max(1));
            if !taken.is_empty() {
                return Ok(taken);
            }
            published.await;
        }
    }

    async fn ack(&self, queue: &str, tags: &[u64]) -> Result<(), BrokerError> {
        if let Some(unacked) = self.lock().unacked.get_mut(queue) {
            for tag in tags {
                unacked.remove(tag);
            }
        }
        Ok(())
    }

    async fn depth(&self, queue: &str) -> Result<usize, BrokerError> {
        Ok(self.lock().waiting.get(queue).map_or(0, VecDeque::len))
    }
}
