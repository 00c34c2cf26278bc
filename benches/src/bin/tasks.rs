//! `tasks COUNT FOLDER`: so many tasks that do nothing, through the engine and the embedded store in FOLDER.
//!
//! A hundred listings lead to COUNT requests, each a task of its own: claimed, computed, committed, relayed, closed.

use async_trait::async_trait;
use jobpipe_core::{
    Budget, Clock, DocKind, ErrorClass, Feed, FileExport, Gathered, Ids, Outcome, Plan, Request, RetryPolicy, RunFacts,
    Sink, Stage, StageCx, StageInput, StageKind, StagePlan, Stages, Stop, SystemClock, SystemIds, TaskError,
};
use jobpipe_embedded::{EngineLock, LocalBroker, SqliteStore};
use jobpipe_engine::admission::{self, Admitted, Wish};
use jobpipe_engine::compute::Pool;
use jobpipe_engine::docs::{self, ImportDoc, Read};
use jobpipe_engine::event::NoEvents;
use jobpipe_engine::failpoint::NoFailpoints;
use jobpipe_engine::{Cx, EngineSettings, News, admin, serve};
use serde_json::{Value as Json, json};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Fault = Box<dyn std::error::Error + Send + Sync>;

const LISTINGS: usize = 100;

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [count, folder] = arguments.as_slice() else { return Err("usage: tasks COUNT FOLDER".into()) };
    let folder = Path::new(folder);
    let _lock = EngineLock::acquire(folder)?;
    let store = Arc::new(SqliteStore::open(&folder.join("jobpipe.db"))?);
    let stop = Arc::new(StopFlag::default());
    let cx = engine(Arc::clone(&store), Arc::clone(&stop), folder, count.parse()?);
    let run = match admission::admit(&cx, &plan(), &Wish::default()).await? {
        Admitted::Started(run) => run,
        Admitted::Resumed { .. } | Admitted::Superseding(_) => return Err("the folder holds a run".into()),
    };
    let engine = tokio::spawn(serve(Arc::clone(&cx)));
    while !engine.is_finished() {
        tokio::time::sleep(Duration::from_millis(100)).await;
        // a summary would count every task each time
        let import: Option<Read<ImportDoc>> = docs::read(&*cx.store, DocKind::Import, "nothings").await?;
        if import.is_some_and(|import| import.doc.open.is_none()) {
            break;
        }
    }
    stop.0.store(true, Ordering::SeqCst);
    engine.await??;
    let summary = admin::summary(&cx, &run).await?;
    std::fs::write(folder.join("told.txt"), format!("{}\n{summary:?}\n", store.stats()))?;
    Ok(())
}

fn engine(store: Arc<SqliteStore>, stop: Arc<StopFlag>, folder: &Path, count: usize) -> Arc<Cx> {
    Arc::new(Cx {
        store,
        broker: Arc::new(LocalBroker::new()),
        stages: Arc::new(Nothings { each: count.div_ceil(LISTINGS) }),
        compute: Arc::new(Pool::new(2, None)),
        clock: Arc::new(SystemClock::default()) as Arc<dyn Clock>,
        ids: Arc::new(SystemIds) as Arc<dyn Ids>,
        events: Arc::new(NoEvents),
        failpoints: Arc::new(NoFailpoints),
        sabotage: None,
        stop,
        settings: EngineSettings { spill: folder.to_path_buf(), ..EngineSettings::default() },
        owner: "bench".to_owned(),
        news: News::default(),
        settling: jobpipe_engine::Settling::default(),
        known: Mutex::default(),
        dispatch: jobpipe_engine::Dispatch::default(),
    })
}

fn plan() -> Plan {
    let stage = StagePlan {
        name: "nothing".to_owned(),
        from: Vec::new(),
        kind: StageKind::Crawl,
        connector: "nothing".to_owned(),
        feed: Feed::Batches,
        queue: "crawl".to_owned(),
        retry: RetryPolicy::default(),
        concurrency: None,
        bundle: 1,
        gone: None,
        pace: None,
        max: Budget::default(),
        body: json!({}),
    };
    Plan { name: "nothings".to_owned(), stages: vec![stage], schedule: None }
}

#[derive(Default)]
struct StopFlag(AtomicBool);

impl Stop for StopFlag {
    fn is_stopping(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

struct Nothings {
    each: usize,
}

impl Stages for Nothings {
    fn stage(&self, _plan: &Plan, _name: &str) -> Result<Arc<dyn Stage>, TaskError> {
        Ok(Arc::new(Nothing { each: self.each }))
    }

    fn file(&self, _plan: &Plan, name: &str) -> Result<Arc<dyn FileExport>, TaskError> {
        Err(no(name))
    }

    fn sink(&self, _plan: &Plan, name: &str) -> Result<Arc<dyn Sink>, TaskError> {
        Err(no(name))
    }
}

fn no(name: &str) -> TaskError {
    let message = format!("there is no export `{name}`");
    TaskError { class: ErrorClass::Permanent, code: "JP198".to_owned(), message, retry_after_ms: None }
}

/// Listings lead to `each` requests; those lead to nothing.
struct Nothing {
    each: usize,
}

fn request(id: String, listing: bool) -> Request {
    Request { url: id.clone(), id, group: "bench".to_owned(), listing, attempts: 0, body: Json::Null }
}

#[async_trait]
impl Stage for Nothing {
    fn roots(&self, _facts: &RunFacts) -> Result<Vec<Request>, TaskError> {
        Ok((0..LISTINGS).map(|n| request(format!("list/{n}"), true)).collect())
    }

    async fn gather(&self, input: StageInput, cx: &StageCx) -> Result<Gathered, TaskError> {
        let StageInput::Requests(requests) = input else { return Ok(Gathered::Records(Vec::new())) };
        let at = cx.clock.now();
        let answer = |request| jobpipe_core::Answer { request, result: Ok(Json::Null), body: Vec::new(), at };
        Ok(Gathered::Answers(requests.into_iter().map(answer).collect()))
    }

    fn compute(&self, gathered: Gathered, _facts: &RunFacts) -> Result<Outcome, TaskError> {
        let mut outcome = Outcome::default();
        let Gathered::Answers(answers) = gathered else { return Ok(outcome) };
        for answer in answers {
            outcome.taken += 1;
            if answer.request.listing {
                let found = (0..self.each).map(|n| request(format!("{}/{n}", answer.request.url), false));
                outcome.follow.extend(found);
            }
        }
        Ok(outcome)
    }
}
