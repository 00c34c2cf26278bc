//! The port of the broker: it carries hints, and may lose, repeat or reorder them without harm.

use crate::TaskId;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// "Task T is ready on queue Q."
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hint {
    /// The task.
    pub task: TaskId,
    /// Its run.
    pub run: String,
    /// The queue it waits in.
    pub queue: String,
}

/// A hint on its way; unless acked it may come again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// What is told.
    pub hint: Hint,
    /// The broker's name of this delivery, for the ack.
    pub tag: u64,
}

/// How soon a hint is told, compared with the others of its queue. None of them starves the ones below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Before the others: the first tasks of a run that had none ready.
    High,
    /// What is not said otherwise.
    #[default]
    Normal,
    /// After the others: the tasks of a backfill.
    Low,
}

/// A hint that the broker keeps apart, because nobody could work on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadHint {
    /// What was told; `None` where the message could not be read.
    pub hint: Option<Hint>,
    /// Why nobody could work on it: the words of who could not read it, or the broker's.
    pub reason: String,
    /// The broker's name of this dead letter, for [`Broker::settle_dead`].
    pub tag: u64,
}

/// What a broker could not do.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the broker did not answer: {message} (JP510)")]
pub struct BrokerError {
    /// The adapter's word.
    pub message: String,
}

/// Carries hints.
#[async_trait]
pub trait Broker: Send + Sync {
    /// Resolves when the broker has them.
    async fn publish(&self, hints: Vec<Hint>) -> Result<(), BrokerError>;
    /// Waits for at least one hint of the queue and gives up to `most`.
    async fn receive(&self, queue: &str, most: usize) -> Result<Vec<Delivery>, BrokerError>;
    /// These need not come again.
    async fn ack(&self, queue: &str, tags: &[u64]) -> Result<(), BrokerError>;
    /// Hints waiting in the queue, not counting those delivered.
    async fn depth(&self, queue: &str) -> Result<usize, BrokerError>;

    // What only brokers of several machines do; without it the hint is told, or forgotten, like any other.

    /// [`Broker::publish`] with a priority. Adapters without priorities publish in order.
    async fn publish_at(&self, priority: Priority, hints: Vec<Hint>) -> Result<(), BrokerError> {
        let _ = priority;
        self.publish(hints).await
    }
    /// Instead of an ack: this process is too old (or too young) for the hint, and puts it where a person can see it. The
    /// task stays in the store, and is told of again.
    async fn park(&self, queue: &str, delivery: &Delivery, reason: &str) -> Result<(), BrokerError> {
        let _ = reason;
        self.ack(queue, &[delivery.tag]).await
    }
    /// Up to `most` dead letters, at once. Those that were not settled before the next call come again.
    async fn dead(&self, most: usize) -> Result<Vec<DeadHint>, BrokerError> {
        let _ = most;
        Ok(Vec::new())
    }
    /// These dead letters are kept elsewhere now, and need not come again.
    async fn settle_dead(&self, tags: &[u64]) -> Result<(), BrokerError> {
        let _ = tags;
        Ok(())
    }
}
