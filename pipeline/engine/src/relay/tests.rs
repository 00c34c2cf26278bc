//! A relay that comes when its run has been cleared.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::admission;
use crate::compute::Inline;
use crate::docs::{OpenRun, RunDoc};
use crate::event::NoEvents;
use crate::failpoint::NoFailpoints;
use crate::{EngineSettings, News};
use jobpipe_conformance::{MemoryBroker, MemoryStore};
use jobpipe_core::{
    FileExport, Output, Plan, RunFacts, Sink, Stage, Stages, Stop, SystemClock, SystemIds, TaskError, TaskStore,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// A relay compiles nothing.
pub(crate) struct NoStages;

impl Stages for NoStages {
    fn stage(&self, _: &Plan, name: &str) -> std::result::Result<Arc<dyn Stage>, TaskError> {
        panic!("{name}")
    }
    fn file(&self, _: &Plan, name: &str) -> std::result::Result<Arc<dyn FileExport>, TaskError> {
        panic!("{name}")
    }
    fn sink(&self, _: &Plan, name: &str) -> std::result::Result<Arc<dyn Sink>, TaskError> {
        panic!("{name}")
    }
}

struct NoStop;

impl Stop for NoStop {
    fn is_stopping(&self) -> bool {
        false
    }
}

pub(crate) fn cx(store: &Arc<MemoryStore>) -> Cx {
    Cx {
        store: Arc::clone(store) as _,
        broker: Arc::new(MemoryBroker::new()),
        stages: Arc::new(NoStages),
        compute: Arc::new(Inline),
        clock: Arc::new(SystemClock::default()),
        ids: Arc::new(SystemIds),
        events: Arc::new(NoEvents),
        failpoints: Arc::new(NoFailpoints),
        stop: Arc::new(NoStop),
        sabotage: None,
        settings: EngineSettings::default(),
        owner: "late".to_owned(),
        news: News::default(),
        settling: crate::Settling::default(),
        known: Mutex::default(),
        dispatch: crate::Dispatch::default(),
    }
}

/// The run `acme@1` of a plan without stages.
pub(crate) async fn insert_run(cx: &Cx, state: RunState) {
    let plan = Plan { name: "acme".to_owned(), stages: Vec::new(), schedule: None };
    docs::insert(&*cx.store, &*cx.ids, DocKind::Definition, &plan.hash(), &plan).await.unwrap();
    let facts = RunFacts {
        import: "acme".to_owned(),
        run: "acme@1".to_owned(),
        seq: 1,
        started_at: 0,
        since: BTreeMap::new(),
        limit: None,
    };
    let open = OpenRun {
        definition: plan.hash(),
        facts,
        targets: BTreeMap::new(),
        approved: false,
        launch: None,
        repair: false,
        retires: false,
    };
    let run = RunDoc { state, cleared: state == RunState::Closed, ..RunDoc::new(open) };
    docs::insert(&*cx.store, &*cx.ids, DocKind::Run, "acme@1", &run).await.unwrap();
    admission::import(cx, "acme").await.unwrap();
}

#[tokio::test]
async fn a_relay_that_comes_after_the_end_of_its_run_leaves_nothing() {
    let store = Arc::new(MemoryStore::new());
    let cx = cx(&store);
    insert_run(&cx, RunState::Closed).await;
    let task = NewTask::new("acme@1", "crawl", "crawl", "", TaskInput::Requests(Vec::new()));
    let child = NewTask::new("acme@1", "transform", "crawl", "", TaskInput::Batch("acme@1/t/1/0".to_owned()));
    let result = TaskResult {
        outputs: vec![Output { stage: "crawl".to_owned(), batch: "acme@1/t/1/0".to_owned(), records: 1 }],
        children: vec![child],
        ..TaskResult::default()
    };
    relay_result(&cx, &task, &result, &Stored::new()).await.unwrap();
    assert_eq!(store.tasks_of("acme@1", None, "", 10).await.unwrap(), []);
}

#[tokio::test]
async fn what_a_run_that_is_over_needed_may_be_missing() {
    for (state, over) in [(RunState::Open, false), (RunState::Closed, true)] {
        let cx = cx(&Arc::new(MemoryStore::new()));
        insert_run(&cx, state).await;
        let done = batch::read(&*cx.store, "acme@1/t/1/0").await;
        assert_eq!(unless_over(&cx, "acme@1", done).await.is_ok_and(|done| done.is_none()), over);
    }
}
