//! Why the engine stops.

use jobpipe_core::{BrokerError, StoreError, TaskError};

/// An error that ends a step of the engine. What was written stays; the step is repeated by the next engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The state store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The broker failed.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// A stage, file or sink could not be made from the stored definition, or a file could not be written.
    #[error("{} ({})", .0.message, .0.code)]
    Stage(TaskError),
    /// Something asked for does not exist or is refused; the message says what to do.
    #[error("{message} ({code})")]
    Refused {
        /// The stable code.
        code: &'static str,
        /// What, and what to do.
        message: String,
    },
    /// A failpoint ended this process (in a simulation).
    #[error("killed at failpoint {0}")]
    Killed(&'static str),
}

impl EngineError {
    /// True for an error that says nothing of the step: the store or the broker did not answer. The step may be repeated.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self, Self::Store(StoreError::Unavailable { .. }) | Self::Broker(_))
    }
}

/// Result of an engine step.
pub type Result<T> = std::result::Result<T, EngineError>;
