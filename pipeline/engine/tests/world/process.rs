//! One process at work.

use super::{TestStop, World};
use jobpipe_engine::failpoint::Failpoints;
use jobpipe_engine::{Cx, EngineError, serve};
use std::sync::Arc;
use tokio::task::JoinHandle;

/// An engine, and what stops it.
pub struct Process {
    pub cx: Arc<Cx>,
    pub stop: Arc<TestStop>,
    pub engine: JoinHandle<Result<(), EngineError>>,
}

impl Process {
    pub fn start(world: &World, failpoints: Arc<dyn Failpoints>) -> Self {
        let (cx, stop) = world.cx(failpoints);
        Self::of(cx, stop)
    }

    pub fn of(cx: Arc<Cx>, stop: Arc<TestStop>) -> Self {
        let engine = tokio::spawn(serve(Arc::clone(&cx)));
        Self { cx, stop, engine }
    }

    pub async fn end(self) {
        self.stop.stop();
        self.engine.await.unwrap().unwrap();
    }

    /// As by kill -9: nothing is given back.
    pub async fn kill(self) {
        self.engine.abort();
        assert!(self.engine.await.unwrap_err().is_cancelled());
    }
}
