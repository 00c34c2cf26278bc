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
}
