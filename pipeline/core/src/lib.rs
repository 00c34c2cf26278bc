//! The vocabulary of jobpipe and the ports of its engine.
//!
//! This crate holds no I/O and no policy: types that every other crate shares, and the traits that adapters implement.

pub mod json;

mod broker;
mod clock;
mod head;
mod limiter;
mod plan;
mod record;
mod row;
mod sink;
mod stage;
mod store;
mod task;

pub use broker::{Broker, BrokerError, DeadHint, Delivery, Hint, Priority};
pub use clock::{Clock, Ids, SystemClock, SystemIds, utc_text};
pub use head::{Head, HeadBody, HeadCounts, HeadSeen, HeadWrite, Stamps, Version, Wanted};
pub use limiter::{Rate, RateLimiter};
pub use plan::{Budget, Feed, GonePolicy, Pace, Plan, RetryPolicy, StageKind, StagePlan, TaskLimit};
pub use record::{Fate, Millis, Origin, Record};
pub use row::{Attempt, Content, LastEffect, Op, Row, RowId, RowState, RowWrite, Sighting};
pub use sink::{EffectAnswer, EffectCall, EffectPolicy, EffectTimes, FoundPost, Rendered, Sink, Stages, TargetRef};
pub use stage::{
    Answer, FileExport, FileRecord, Gathered, Outcome, RecordReader, RunFacts, Stage, StageCx, StageInput, Stop,
    Written,
};
pub use store::{
    Doc, DocKind, DocStore, HeadStore, ReadyTask, RowStore, StateStore, StoreError, StoreResult, TaskCount, TaskGroup,
    TaskStore,
};
pub use task::{
    Commit, Counts, DeadLetter, ErrorClass, Follow, NewTask, Output, Reason, Request, Task, TaskError, TaskId,
    TaskInput, TaskResult, TaskState,
};
