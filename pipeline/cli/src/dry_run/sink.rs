//! A sink that has no targets, so that no drain ever begins.

use async_trait::async_trait;
use jobpipe_core::{
    EffectAnswer, EffectCall, EffectTimes, ErrorClass, FoundPost, Millis, Rendered, RowId, Sink, TargetRef, TaskError,
};
use serde_json::Value as Json;
use std::sync::Arc;

/// The real one is asked only what it renders.
pub(super) struct DrySink(pub(super) Arc<dyn Sink>);

fn never() -> TaskError {
    TaskError {
        class: ErrorClass::Permanent,
        code: "JP593".to_owned(),
        message: "a dry run calls no target; this is a bug of jobpipe".to_owned(),
        retry_after_ms: None,
    }
}

#[async_trait]
impl Sink for DrySink {
    fn targets(&self) -> Result<Vec<TargetRef>, TaskError> {
        Ok(Vec::new())
    }

    fn render(&self, row: &RowId, body: &Json) -> Result<Rendered, TaskError> {
        self.0.render(row, body)
    }

    fn marker(&self, row: &RowId) -> String {
        self.0.marker(row)
    }

    fn marker_prefix(&self, import: &str, export: &str, target: &str) -> String {
        self.0.marker_prefix(import, export, target)
    }

    fn credential(&self, _target: &str) -> u64 {
        0
    }

    async fn apply(&self, _target: &str, _call: &EffectCall) -> EffectAnswer {
        EffectAnswer::Paused(never())
    }

    async fn probe(&self, _target: &str, _since: Millis) -> Result<Vec<FoundPost>, TaskError> {
        Err(never())
    }

    fn times(&self) -> EffectTimes {
        self.0.times()
    }
}
