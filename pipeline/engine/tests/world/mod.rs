//! A small world to test the engine in: a source that changes, pages that err, files in memory; time that does not pass
//! by itself. Everything but the engine is as simple as can be.

#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses its own part of the world"
)]

pub mod hands;
pub mod hosts;
pub mod launching;
mod notices;
mod outage;
mod page;
mod process;
mod source;

pub use notices::{Launches, Notices};
pub use outage::Outage;
pub use page::Fault;
use page::Pages;
pub use process::Process;
pub use source::Offer;
use source::Source;

use jobpipe_conformance::{MemoryBroker, MemoryStore};
use jobpipe_core::{
    Budget, Clock, Feed, GonePolicy, Ids, Millis, Pace, Plan, RetryPolicy, StageKind, StagePlan, StateStore, Stop,
};
use jobpipe_engine::admission::{self, Admitted, Wish};
use jobpipe_engine::compute::Inline;
use jobpipe_engine::event::{Events, NoEvents};
use jobpipe_engine::failpoint::{Dead, Failpoints, NoFailpoints, Point};
use jobpipe_engine::{Cx, EngineError, EngineSettings, News, admin, serve};
use serde_json::json;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Wall time at the start of every test.
const BEGIN: Millis = 1_795_000_000_000;

/// Time as tokio's paused clock has it; the wall clock may be set, in milliseconds.
pub struct TestClock(pub tokio::time::Instant, pub AtomicI64);

#[async_trait::async_trait]
impl Clock for TestClock {
    fn now(&self) -> Millis {
        BEGIN + i64::try_from(self.0.elapsed().as_millis()).unwrap() + self.1.load(Ordering::SeqCst)
    }
    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// Ids in a row; fractions from a fixed sequence.
#[derive(Default)]
pub struct TestIds(AtomicU64);

impl Ids for TestIds {
    fn run(&self) -> String {
        format!("{:06}", self.0.fetch_add(1, Ordering::SeqCst))
    }
    fn nonce(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }
    fn fraction(&self) -> f64 {
        0.5
    }
}

#[derive(Default)]
pub struct TestStop(AtomicBool);

impl TestStop {
    pub fn stop(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Stop for TestStop {
    fn is_stopping(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Dies at the nth time that a point is reached, and counts how often each was.
pub struct DieAt {
    point: Point,
    left: AtomicU64,
    dead: AtomicBool,
}

impl DieAt {
    pub fn new(point: Point, nth: u64) -> Self {
        Self { point, left: AtomicU64::new(nth), dead: AtomicBool::new(false) }
    }
    pub fn died(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }
}

impl Failpoints for DieAt {
    fn hit(&self, point: Point) -> Result<(), Dead> {
        if point == self.point && self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.dead.store(true, Ordering::SeqCst);
        }
        if self.died() { Err(Dead) } else { Ok(()) }
    }
}

/// The world: what outlives a process.
pub struct World {
    pub store: Arc<MemoryStore>,
    pub source: Arc<Mutex<Source>>,
    pub pages: Arc<Mutex<Pages>>,
    pub files: Arc<Mutex<std::collections::BTreeMap<String, Vec<String>>>>,
    pub ids: Arc<TestIds>,
    pub clock: Arc<TestClock>,
    pub gone: Option<GonePolicy>,
    pub targets: Vec<String>,
    pub template: String,
    /// The queue of the transform: `crawl` shares the crawl's tasks, another one takes stored batches.
    pub transform_queue: String,
    pub seen: Arc<Mutex<std::collections::BTreeMap<&'static str, u64>>>,
    /// How long processes leave a lease that stands still; `None`: each is alone.
    pub lease_ttl: Option<Duration>,
}

/// How a process ended.
#[derive(Debug)]
pub enum End {
    /// The run is closed and its targets are in step.
    Done(Box<admin::RunSummary>),
    /// A failpoint killed it.
    Killed,
}

impl World {
    pub fn new(offers: u32, targets: &[&str]) -> Self {
        let clock = Arc::new(TestClock(tokio::time::Instant::now(), AtomicI64::new(0)));
        Self {
            store: Arc::new(MemoryStore::with_clock(Arc::clone(&clock) as Arc<dyn Clock>)),
            source: Arc::new(Mutex::new(Source::new(offers))),
            pages: Arc::new(Mutex::new(Pages::default())),
            files: Arc::default(),
            ids: Arc::default(),
            clock,
            gone: Some(GonePolicy { after: 1, limit: 0.3 }),
            targets: targets.iter().map(|&target| target.to_owned()).collect(),
            template: "v1".to_owned(),
            transform_queue: "crawl".to_owned(),
            seen: Arc::default(),
            lease_ttl: None,
        }
    }

    /// crawl -> transform -> (pages, file, snapshot, changes)
    pub fn plan(&self) -> Plan {
        let stage = |name: &str, from: &[&str], kind, connector: &str, feed, queue: &str| StagePlan {
            name: name.to_owned(),
            from: from.iter().map(|&from| from.to_owned()).collect(),
            kind,
            connector: connector.to_owned(),
            feed,
            queue: queue.to_owned(),
            retry: RetryPolicy { times: 2, base_ms: 100, max_ms: 1_000 },
            concurrency: None,
            task: None,
            bundle: 4,
            gone: None,
            pace: None,
            max: Budget::default(),
            body: json!({}),
        };
        let mut transform =
            stage("transform", &["crawl"], StageKind::Transform, "map", Feed::Batches, &self.transform_queue);
        transform.gone = self.gone;
        let mut facebook = stage("facebook", &["transform"], StageKind::Export, "facebook", Feed::Heads, "export");
        facebook.pace = Some(Pace { count: 100, every_ms: 1_000, per_day: None });
        facebook.body = json!({ "targets": self.targets, "template": self.template });
        Plan {
            name: "acme".to_owned(),
            stages: vec![
                stage("crawl", &[], StageKind::Crawl, "html", Feed::Batches, "crawl"),
                transform,
                facebook,
                stage("run", &["transform"], StageKind::Export, "jsonl", Feed::Run, "export"),
                stage("snapshot", &["transform"], StageKind::Export, "jsonl", Feed::Snapshot, "export"),
                stage("changes", &["transform"], StageKind::Export, "jsonl", Feed::Changes, "export"),
            ],
            schedule: None,
        }
    }

    pub fn cx(&self, failpoints: Arc<dyn Failpoints>) -> (Arc<Cx>, Arc<TestStop>) {
        self.cx_over(Arc::clone(&self.store) as _, failpoints, Arc::new(NoEvents))
    }

    /// A process that reaches the store in its own way, and is watched.
    pub fn cx_over(
        &self,
        store: Arc<dyn StateStore>,
        failpoints: Arc<dyn Failpoints>,
        events: Arc<dyn Events>,
    ) -> (Arc<Cx>, Arc<TestStop>) {
        let stop = Arc::new(TestStop::default());
        let cx = Cx {
            store,
            broker: Arc::new(MemoryBroker::new()),
            stages: Arc::new(source::Registry {
                source: Arc::clone(&self.source),
                pages: Arc::clone(&self.pages),
                files: Arc::clone(&self.files),
                clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            }),
            compute: Arc::new(Inline),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            ids: Arc::clone(&self.ids) as Arc<dyn Ids>,
            events,
            failpoints,
            sabotage: None,
            stop: Arc::clone(&stop) as Arc<dyn Stop>,
            settings: EngineSettings {
                page: 7,
                round: 5,
                slots: 4,
                batch_records: 3,
                lease_ttl: self.lease_ttl,
                ..EngineSettings::default()
            },
            owner: format!("process-{}", self.ids.nonce()),
            news: News::default(),
            settling: jobpipe_engine::Settling::default(),
            known: Mutex::default(),
            dispatch: jobpipe_engine::Dispatch::default(),
        };
        (Arc::new(cx), stop)
    }

    /// One process: admits (or goes on with) a run and works until it is closed and its targets are in step.
    pub async fn process(&self, wish: &Wish, failpoints: Arc<dyn Failpoints>) -> Result<End, EngineError> {
        let (cx, stop) = self.cx(failpoints);
        let run = match admission::admit(&cx, &self.plan(), wish).await {
            Ok(Admitted::Started(run) | Admitted::Resumed { run, .. } | Admitted::Superseding(run)) => run,
            Err(EngineError::Killed(_)) => return Ok(End::Killed),
            Err(error) => return Err(error),
        };
        let engine = tokio::spawn(serve(Arc::clone(&cx)));
        let mut end = End::Killed;
        while !engine.is_finished() {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let summary = admin::summary(&cx, &run).await?;
            if !matches!(summary.state, admin::Standing::Running | admin::Standing::Draining) {
                end = End::Done(Box::new(summary));
                break;
            }
        }
        stop.stop();
        match engine.await.expect("the engine does not panic") {
            Ok(()) => Ok(end),
            Err(EngineError::Killed(_)) => Ok(End::Killed),
            Err(error) => Err(error),
        }
    }

    /// A whole run without faults of its own.
    pub async fn run(&self) -> admin::RunSummary {
        self.run_wish(&Wish::default()).await
    }

    pub async fn run_wish(&self, wish: &Wish) -> admin::RunSummary {
        let run = tokio::time::timeout(Duration::from_secs(7 * 86_400), self.process(wish, Arc::new(NoFailpoints)));
        match run.await.expect("comes to an end").expect("no error") {
            End::Done(summary) => *summary,
            End::Killed => panic!("nobody kills this process"),
        }
    }

    /// What every page should show: each open offer once.
    pub fn expected(&self) -> Vec<String> {
        let source = self.source.lock().unwrap();
        let mut texts: Vec<String> = source
            .offers
            .values()
            .filter(|offer| offer.open)
            .map(|offer| format!("{} {}", self.template, offer.title))
            .collect();
        texts.sort();
        texts
    }

    /// Fails unless every target shows exactly the expected posts, and never showed one twice.
    pub fn assert_in_step(&self, what: &str) {
        let pages = self.pages.lock().unwrap();
        for target in &self.targets {
            assert_eq!(pages.texts(target), self.expected(), "{what}: {target}");
        }
        assert_eq!(pages.doubles, Vec::<String>::new(), "{what}: posts were visible twice");
    }
}
