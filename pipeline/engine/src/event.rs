//! What the engine tells those who watch it. Losing an event loses nothing else.

use jobpipe_core::{Counts, ErrorClass};
use serde::Serialize;
use std::collections::BTreeMap;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A run was admitted, or an open one is gone on with.
    RunStarted {
        /// The run.
        run: String,
        /// True when it was open before.
        resumed: bool,
    },
    /// A task was committed.
    TaskDone {
        /// The run.
        run: String,
        /// What each stage of its chain did.
        counts: BTreeMap<String, Counts>,
        /// Tasks that it made.
        children: u64,
    },
    /// Requests or records failed and are tried again.
    Retry {
        /// The run.
        run: String,
        /// The stage.
        stage: String,
        /// The URL.
        url: String,
        /// The code.
        code: String,
        /// Why.
        message: String,
        /// When, in milliseconds from now.
        in_ms: u64,
    },
    /// Something waits for a limit.
    Waiting {
        /// The run.
        run: String,
        /// The stage or target.
        stage: String,
        /// On what: a host's rate, a page's pace.
        on: String,
        /// For how long, in milliseconds.
        for_ms: u64,
    },
    /// Something was given up.
    Dead {
        /// The run.
        run: String,
        /// The stage or export.
        stage: String,
        /// The URL or target.
        url: String,
        /// The class.
        class: ErrorClass,
        /// The code.
        code: String,
        /// Why.
        message: String,
    },
    /// A stage is closed: none of its tasks will appear any more.
    StageClosed {
        /// The run.
        run: String,
        /// The stage.
        stage: String,
    },
    /// A file is in place.
    FileWritten {
        /// The run.
        run: String,
        /// The export.
        stage: String,
        /// Where.
        path: String,
        /// Records in it.
        records: u64,
    },
    /// An effect was confirmed.
    Effect {
        /// The target's name.
        target: String,
        /// The export.
        stage: String,
        /// `create`, `update` or `delete`.
        op: String,
        /// The record.
        key: String,
    },
    /// A target pauses, or waits for approval.
    TargetPaused {
        /// The target.
        target: String,
        /// Why, and what to do.
        message: String,
        /// The run whose approval lets it go on, where a person must give it.
        #[serde(skip_serializing_if = "Option::is_none")]
        approve: Option<String>,
    },
    /// The run is closed; its targets may still be drained.
    RunClosed {
        /// The run.
        run: String,
    },
    /// A run was launched by its schedule.
    Launched {
        /// The import.
        import: String,
        /// The run.
        run: String,
        /// How long after its time, in milliseconds.
        late_ms: u64,
    },
    /// Slots passed without a run.
    Skipped {
        /// The import.
        import: String,
        /// How many.
        slots: u64,
        /// Why.
        why: String,
    },
    /// An import that is due cannot be launched; it is tried again.
    NotLaunched {
        /// The import.
        import: String,
        /// Why, and what to do.
        message: String,
    },
    /// Something that a person should know.
    Notice {
        /// In words.
        message: String,
    },
}

/// Takes events; never blocks.
pub trait Events: Send + Sync {
    /// One happened.
    fn emit(&self, event: Event);
}

/// Nobody watches.
#[derive(Debug, Default)]
pub struct NoEvents;

impl Events for NoEvents {
    fn emit(&self, _event: Event) {}
}
