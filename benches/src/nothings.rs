//! Stages that do nothing, as fast as may be.

use async_trait::async_trait;
use jobpipe_core::{
    Budget, ErrorClass, Feed, FileExport, Gathered, NewTask, Origin, Outcome, Plan, Record, Request, RetryPolicy,
    RunFacts, Sink, Stage, StageCx, StageInput, StageKind, StagePlan, Stages, Stop, TaskError, TaskInput,
};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::sync::CancellationToken;

/// The stage, and the queue of its tasks.
const STAGE: (&str, &str) = ("nothing", "crawl");
/// The stage that takes the records of fruitful tasks.
const NEXT: (&str, &str) = ("next", "transform");
/// What the requests of fruitful tasks begin with.
const FRUITFUL: &str = "page/";
/// A request that ends only when it is told to.
const HOLD: &str = "hold";

/// An import of one stage, and one more where its tasks bear `fruit`.
pub fn plan(fruit: bool) -> Plan {
    let next = fruit.then(|| stage(NEXT, &[STAGE.0], StageKind::Transform));
    let stages = std::iter::once(stage(STAGE, &[], StageKind::Crawl)).chain(next).collect();
    Plan { name: "nothings".to_owned(), stages, schedule: None }
}

fn stage((name, queue): (&str, &str), from: &[&str], kind: StageKind) -> StagePlan {
    StagePlan {
        name: name.to_owned(),
        from: from.iter().map(|from| (*from).to_owned()).collect(),
        kind,
        connector: "nothing".to_owned(),
        feed: Feed::Batches,
        queue: queue.to_owned(),
        retry: RetryPolicy::default(),
        concurrency: None,
        task: None,
        bundle: 1,
        gone: None,
        pace: None,
        max: Budget::default(),
        body: json!({}),
    }
}

#[derive(Default)]
pub struct StopFlag(pub AtomicBool);

impl Stop for StopFlag {
    fn is_stopping(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// What the stage is made of.
#[derive(Clone)]
pub struct Nothings {
    /// Root requests.
    pub listings: usize,
    /// Requests that each of them leads to.
    pub each: usize,
    /// Keeps the stage open with one more root until it is cancelled.
    pub hold: Option<CancellationToken>,
}

impl Stages for Nothings {
    fn stage(&self, _plan: &Plan, _name: &str) -> Result<Arc<dyn Stage>, TaskError> {
        Ok(Arc::new(Nothing(self.clone())))
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

/// Listings lead to requests; those lead to nothing.
struct Nothing(Nothings);

/// So many tasks of a run, numbered from `first`. Those that bear `fruit` give a record, and lead to one more request.
pub fn tasks(run: &str, first: usize, count: usize, fruit: bool) -> Vec<NewTask> {
    let kind = if fruit { FRUITFUL } else { "item/" };
    let task = |n| {
        let input = TaskInput::Requests(vec![request(format!("{kind}{n}"), false)]);
        NewTask::new(run, STAGE.0, STAGE.1, "bench", input)
    };
    (first..first + count).map(task).collect()
}

fn request(id: String, listing: bool) -> Request {
    Request { url: id.clone(), id, group: "bench".to_owned(), listing, attempts: 0, body: Json::Null }
}

#[async_trait]
impl Stage for Nothing {
    fn roots(&self, _facts: &RunFacts) -> Result<Vec<Request>, TaskError> {
        let hold = self.0.hold.as_ref().map(|_| request(HOLD.to_owned(), false));
        Ok((0..self.0.listings).map(|n| request(format!("list/{n}"), true)).chain(hold).collect())
    }

    async fn gather(&self, input: StageInput, cx: &StageCx) -> Result<Gathered, TaskError> {
        let requests = match input {
            StageInput::Requests(requests) => requests,
            StageInput::Records(records) => return Ok(Gathered::Records(records)),
        };
        if let Some(hold) = self.0.hold.as_ref().filter(|_| requests.iter().any(|request| request.id == HOLD)) {
            hold.cancelled().await;
        }
        let at = cx.clock.now();
        let answer = |request| jobpipe_core::Answer { request, result: Ok(Json::Null), body: Vec::new(), at };
        Ok(Gathered::Answers(requests.into_iter().map(answer).collect()))
    }

    fn compute(&self, gathered: Gathered, _facts: &RunFacts) -> Result<Outcome, TaskError> {
        let mut outcome = Outcome::default();
        let Gathered::Answers(answers) = gathered else { return Ok(outcome) };
        for answer in answers {
            outcome.taken += 1;
            if let Some(n) = answer.request.id.strip_prefix(FRUITFUL) {
                let origin = Origin { url: answer.request.url.clone(), ..Origin::default() };
                outcome.records.push(Record::new(json!({ "page": n }), origin));
                outcome.follow.push(request(format!("leaf/{n}"), false));
            }
            if answer.request.listing {
                let found = (0..self.0.each).map(|n| request(format!("{}/{n}", answer.request.url), false));
                outcome.follow.extend(found);
            }
        }
        Ok(outcome)
    }
}
