//! The broker of one process: hints in memory.
//!
//! The store is the queue: a task that is ready stays ready in the file until it is claimed, and the dispatcher tells of
//! it again. So hints need no disk. They are lost when the process ends, and above a bound they are dropped: both cost
//! time, never work. For the same reason nothing is kept until an ack, and `ack` does nothing.

use async_trait::async_trait;
use jobpipe_core::{Broker, BrokerError, Delivery, Hint};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Hints of a queue; the dispatcher keeps at most 1,000 of them out, so more is a fault elsewhere.
const MOST: usize = 65_536;

/// A [`Broker`] for the tasks of one process.
#[derive(Debug, Default)]
pub struct LocalBroker {
    inner: Mutex<Inner>,
    /// Told at every publish.
    published: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    queues: BTreeMap<String, VecDeque<Delivery>>,
    last_tag: u64,
}

impl LocalBroker {
    /// An empty broker.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, queue: &str, most: usize) -> Vec<Delivery> {
        let mut inner = self.lock();
        let Some(waiting) = inner.queues.get_mut(queue) else { return Vec::new() };
        let count = most.min(waiting.len());
        waiting.drain(..count).collect()
    }
}

#[async_trait]
impl Broker for LocalBroker {
    async fn publish(&self, hints: Vec<Hint>) -> Result<(), BrokerError> {
        let mut inner = self.lock();
        for hint in hints {
            inner.last_tag += 1;
            let tag = inner.last_tag;
            let waiting = inner.queues.entry(hint.queue.clone()).or_default();
            if waiting.len() < MOST {
                waiting.push_back(Delivery { hint, tag });
            } else {
                tracing::debug!(queue = hint.queue, task = hint.task, "dropped a hint: the queue is full");
            }
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

    async fn ack(&self, _queue: &str, _tags: &[u64]) -> Result<(), BrokerError> {
        Ok(())
    }

    async fn depth(&self, queue: &str) -> Result<usize, BrokerError> {
        Ok(self.lock().queues.get(queue).map_or(0, VecDeque::len))
    }
}
