//! The port of a sink with effects: `render`, `apply`, `probe`. When and whether to call them is the engine's.

use crate::{Content, Millis, Op, RowId, RunFacts, TaskError};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::time::Duration;

/// A place outside, as resolved when a run starts. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetRef {
    /// `facebook:1001`.
    pub id: String,
    /// The name that people gave it.
    pub name: String,
}

/// What a target is to have of a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Rendered {
    /// Nothing: the record is not for this target.
    Nothing,
    /// This.
    Content {
        /// What is compared.
        content: Content,
        /// What is sent.
        payload: Json,
    },
}

/// One call that changes a target.
#[derive(Debug, Clone, PartialEq)]
pub struct EffectCall {
    /// The row it is for; its marker is made from it.
    pub row: RowId,
    /// What is asked.
    pub op: Op,
    /// The post, for update and delete.
    pub post: Option<String>,
    /// What was rendered and armed.
    pub payload: Json,
}

/// What the target answered, by what it proves.
#[derive(Debug, Clone, PartialEq)]
pub enum EffectAnswer {
    /// Done; the post's id for a create.
    Done {
        /// The id.
        post: Option<String>,
    },
    /// Surely not executed; to be tried after so long, no attempt charged.
    Wait {
        /// How long.
        after: Duration,
        /// The whole target must be quiet for so long, not only this row.
        whole_target: bool,
        /// Why.
        error: TaskError,
    },
    /// Refused for its content: not due again until it changes.
    Rejected(TaskError),
    /// The post does not exist, says the target.
    Absent(TaskError),
    /// The credential is refused: the target pauses.
    Paused(TaskError),
    /// It may or may not have been executed.
    Unknown(TaskError),
}

/// A post of ours found on a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundPost {
    /// Its id.
    pub post: String,
    /// The marker in it.
    pub marker: String,
    /// When it was made.
    pub created_at: Millis,
    /// What cannot be updated in place (the link without the marker), as far as the target tells.
    pub identity: Option<String>,
    /// Fingerprint of what it shows, made as [`Content::hash`] is; `None` = the target does not tell.
    pub hash: Option<String>,
    /// The target says that somebody else made it: it is never deleted.
    pub foreign: bool,
}

/// The times that a target's answers need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EffectTimes {
    /// A call may be sent only so long after its ARM began.
    pub send_by: Duration,
    /// The longest that one call takes.
    pub timeout: Duration,
    /// How late a target may execute, its read lag included.
    pub settle: Duration,
    /// How late a read may show what was executed.
    pub read_lag: Duration,
}

/// Which effects an export wants (`new`, `changed`, `gone` of the import language).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EffectPolicy {
    /// New records are made.
    pub create: bool,
    /// Changed ones are changed.
    pub update: bool,
    /// Gone and withdrawn ones are deleted.
    pub delete: bool,
}

/// A sink with effects, compiled once for a definition and an export.
#[async_trait]
pub trait Sink: Send + Sync {
    /// The targets of this export now; resolved once, when a run starts. Empty is an error.
    fn targets(&self) -> Result<Vec<TargetRef>, TaskError>;

    /// What the target is to have of a live record. Pure. An error is a dead letter and leaves the target as it is.
    fn render(&self, row: &RowId, body: &Json) -> Result<Rendered, TaskError>;

    /// The marker that posts of this row carry. Its first part is [`Sink::marker_prefix`], the rest is made of the key.
    fn marker(&self, row: &RowId) -> String;

    /// The part of a marker that names import, export and target, so that posts of others are left alone.
    fn marker_prefix(&self, import: &str, export: &str, target: &str) -> String;

    /// A number that changes when the target's credential does; a pause is bound to the one that was used.
    fn credential(&self, target: &str) -> u64;

    /// Makes one call; never repeats it.
    async fn apply(&self, target: &str, call: &EffectCall) -> EffectAnswer;

    /// Reads every post with a marker of ours made at or after `since`; complete or an error.
    async fn probe(&self, target: &str, since: Millis) -> Result<Vec<FoundPost>, TaskError>;

    /// Which effects the export wants; all of them unless it says otherwise.
    fn policy(&self) -> EffectPolicy {
        EffectPolicy { create: true, update: true, delete: true }
    }

    /// Its times.
    fn times(&self) -> EffectTimes;
}

/// Makes stages and sinks of a definition; the composition root gives it to the engine, which names none of them.
pub trait Stages: Send + Sync {
    /// The crawl or transform of that name.
    fn stage(&self, plan: &crate::Plan, name: &str) -> Result<std::sync::Arc<dyn crate::Stage>, TaskError>;
    /// The file export of that name.
    fn file(&self, plan: &crate::Plan, name: &str) -> Result<std::sync::Arc<dyn crate::FileExport>, TaskError>;
    /// The sink of the export of that name.
    fn sink(&self, plan: &crate::Plan, name: &str) -> Result<std::sync::Arc<dyn Sink>, TaskError>;
    /// Facts that expressions may see, as they are for this run (no secret).
    fn describe(&self, facts: &RunFacts) -> Json {
        serde_json::json!({ "id": facts.run, "seq": facts.seq })
    }
}
