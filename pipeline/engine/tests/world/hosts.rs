//! Hosts that answer after a while, and crawls that ask them; beside a real broker, too.

use async_trait::async_trait;
use jobpipe_core::{
    Answer, Budget, ErrorClass, Feed, FileExport, Gathered, Outcome, Plan, Request, RetryPolicy, RunFacts, Sink, Stage,
    StageCx, StageInput, StageKind, StagePlan, Stages, TaskError,
};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a call waits for a permit of its host.
const PATIENCE: Duration = Duration::from_secs(2);

/// Hosts that answer after a while, some of them not more often than they say.
#[derive(Default)]
pub struct Hosts {
    /// The time between two answers of a host.
    slow: BTreeMap<String, Duration>,
    next: Mutex<BTreeMap<String, Instant>>,
    /// When each answered.
    answers: Mutex<BTreeMap<String, Vec<Instant>>>,
    /// Calls that got no permit.
    pub refused: Mutex<u64>,
}

impl Hosts {
    /// Some that take their time between two answers.
    pub fn with_slow(slow: BTreeMap<String, Duration>) -> Self {
        Self { slow, ..Self::default() }
    }

    fn permit(&self, host: &str) -> Result<(), Duration> {
        let Some(every) = self.slow.get(host) else { return Ok(()) };
        let mut next = self.next.lock().unwrap();
        let next = next.entry(host.to_owned()).or_insert_with(Instant::now);
        if *next > Instant::now() {
            return Err(*next - Instant::now());
        }
        *next = Instant::now() + *every;
        Ok(())
    }

    async fn ask(&self, request: &Request) -> Result<Json, TaskError> {
        let mut patience = PATIENCE;
        while let Err(wait) = self.permit(&request.group) {
            if wait > patience {
                *self.refused.lock().unwrap() += 1;
                let retry_after_ms = Some(u64::try_from(wait.as_millis()).unwrap().max(1));
                let (code, message) = ("JP116".to_owned(), "no permit".to_owned());
                return Err(TaskError { class: ErrorClass::Throttled, code, message, retry_after_ms });
            }
            patience -= wait;
            sleep(wait).await;
        }
        sleep(Duration::from_millis(request.body.as_u64().unwrap())).await;
        self.answers.lock().unwrap().entry(request.group.clone()).or_default().push(Instant::now());
        Ok(Json::Null)
    }

    pub fn answered(&self, host: &str) -> Vec<Instant> {
        self.answers.lock().unwrap().get(host).cloned().unwrap_or_default()
    }
}

/// A crawl whose requests are all roots: `[[host, count, milliseconds], ..]`.
struct Crawl {
    hosts: Arc<Hosts>,
    roots: Vec<(String, u64, u64)>,
}

#[async_trait]
impl Stage for Crawl {
    fn roots(&self, _facts: &RunFacts) -> Result<Vec<Request>, TaskError> {
        let of = |(host, count, time): &(String, u64, u64)| {
            let (host, time) = (host.clone(), *time);
            (0..*count).map(move |n| Request {
                id: format!("{host}/{n}"),
                group: host.clone(),
                url: format!("{host}/{n}"),
                listing: false,
                attempts: 0,
                body: json!(time),
            })
        };
        Ok(self.roots.iter().flat_map(of).collect())
    }

    async fn gather(&self, input: StageInput, cx: &StageCx) -> Result<Gathered, TaskError> {
        let StageInput::Requests(requests) = input else { return Ok(Gathered::Records(Vec::new())) };
        let mut answers = Vec::new();
        for request in requests {
            let result = self.hosts.ask(&request).await;
            answers.push(Answer { request, result, body: Vec::new(), at: cx.clock.now() });
        }
        Ok(Gathered::Answers(answers))
    }

    fn compute(&self, gathered: Gathered, _facts: &RunFacts) -> Result<Outcome, TaskError> {
        let mut outcome = Outcome::default();
        let Gathered::Answers(answers) = gathered else { return Ok(outcome) };
        for answer in answers {
            match answer.result {
                Ok(_) => outcome.taken += 1,
                Err(error) => outcome.failed.push((answer.request, error)),
            }
        }
        Ok(outcome)
    }
}

pub struct Crawls(pub Arc<Hosts>);

impl Stages for Crawls {
    fn stage(&self, plan: &Plan, name: &str) -> Result<Arc<dyn Stage>, TaskError> {
        let roots = serde_json::from_value(plan.stage(name).unwrap().body.clone()).unwrap();
        Ok(Arc::new(Crawl { hosts: Arc::clone(&self.0), roots }))
    }
    fn file(&self, _plan: &Plan, _name: &str) -> Result<Arc<dyn FileExport>, TaskError> {
        unreachable!("no file")
    }
    fn sink(&self, _plan: &Plan, _name: &str) -> Result<Arc<dyn Sink>, TaskError> {
        unreachable!("no page")
    }
}

/// An import of one crawl that asks `roots`.
pub fn plan(name: &str, roots: &[(&str, u64, u64)], bundle: u32) -> Plan {
    let crawl = StagePlan {
        name: "crawl".to_owned(),
        from: Vec::new(),
        kind: StageKind::Crawl,
        connector: "html".to_owned(),
        feed: Feed::Batches,
        queue: "crawl".to_owned(),
        retry: RetryPolicy { times: 2, base_ms: 100, max_ms: 1_000 },
        concurrency: None,
        task: None,
        bundle,
        gone: None,
        pace: None,
        max: Budget::default(),
        body: json!(roots),
    };
    Plan { name: name.to_owned(), stages: vec![crawl], schedule: None }
}
