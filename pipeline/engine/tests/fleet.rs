//! Several engines over one store and one broker: each takes its own queues, all are known, and what one does not know it
//! leaves to the others.

#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use async_trait::async_trait;
use jobpipe_conformance::MemoryBroker;
use jobpipe_core::{
    Broker, BrokerError, DeadHint, Delivery, Doc, DocKind, DocStore, ErrorClass, FileExport, Hint, Plan, RowStore,
    Sink, Stage, Stages, Task, TaskError, TaskState, TaskStore,
};
use jobpipe_engine::admin::{self, Standing};
use jobpipe_engine::admission::{self, Admitted, Wish};
use jobpipe_engine::failpoint::NoFailpoints;
use jobpipe_engine::{Cx, EngineSettings, workers};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use world::{Outage, Process, TestStop, World};

const TTL: Duration = Duration::from_secs(60);

/// The broker of a fleet, and what was done there.
#[derive(Default)]
struct Shared {
    hints: MemoryBroker,
    dead: Mutex<Vec<DeadHint>>,
    parked: Mutex<Vec<(String, String)>>,
}

#[async_trait]
impl Broker for Shared {
    async fn publish(&self, hints: Vec<Hint>) -> Result<(), BrokerError> {
        self.hints.publish(hints).await
    }
    async fn receive(&self, queue: &str, most: usize) -> Result<Vec<Delivery>, BrokerError> {
        self.hints.receive(queue, most).await
    }
    async fn ack(&self, queue: &str, tags: &[u64]) -> Result<(), BrokerError> {
        self.hints.ack(queue, tags).await
    }
    async fn depth(&self, queue: &str) -> Result<usize, BrokerError> {
        self.hints.depth(queue).await
    }
    async fn park(&self, queue: &str, delivery: &Delivery, reason: &str) -> Result<(), BrokerError> {
        self.parked.lock().unwrap().push((delivery.hint.task.clone(), reason.to_owned()));
        self.hints.ack(queue, &[delivery.tag]).await
    }
    async fn dead(&self, most: usize) -> Result<Vec<DeadHint>, BrokerError> {
        Ok(self.dead.lock().unwrap().iter().take(most).cloned().collect())
    }
    async fn settle_dead(&self, tags: &[u64]) -> Result<(), BrokerError> {
        self.dead.lock().unwrap().retain(|letter| !tags.contains(&letter.tag));
        Ok(())
    }
}

/// A fleet to be.
struct Ground {
    world: World,
    broker: Arc<Shared>,
}

impl Ground {
    fn new(offers: u32) -> Self {
        let world =
            World { lease_ttl: Some(TTL), transform_queue: "transform".to_owned(), ..World::new(offers, &["p1"]) };
        Self { world, broker: Arc::default() }
    }

    fn cx(&self, name: &str, queues: &[&str]) -> (Cx, Arc<TestStop>) {
        let (cx, stop) = self.world.cx(Arc::new(NoFailpoints));
        let cx = Arc::into_inner(cx).unwrap();
        let queues = queues.iter().map(|&queue| queue.to_owned()).collect();
        let settings = EngineSettings { name: name.to_owned(), queues, ..cx.settings.clone() };
        (Cx { broker: Arc::clone(&self.broker) as _, owner: name.to_owned(), settings, ..cx }, stop)
    }

    fn start(&self, name: &str, queues: &[&str]) -> Process {
        let (cx, stop) = self.cx(name, queues);
        Self::start_with(cx, stop)
    }

    fn start_with(cx: Cx, stop: Arc<TestStop>) -> Process {
        Process::of(Arc::new(cx), stop)
    }

    async fn admit(&self) -> String {
        let (cx, _) = self.cx("client", &[]);
        match admission::admit(&cx, &self.world.plan(), &Wish::default()).await.unwrap() {
            Admitted::Started(run) => run,
            other => panic!("{other:?}"),
        }
    }

    async fn tasks(&self, run: &str, stage: &str) -> Vec<Task> {
        self.world.store.tasks_of(run, Some(stage), "", 10_000).await.unwrap()
    }

    async fn all_done(&self, run: &str, stage: &str, least: usize) -> bool {
        let tasks = self.tasks(run, stage).await;
        tasks.len() >= least && tasks.iter().all(|task| task.state == TaskState::Done)
    }

    async fn ends_well(&self, run: &str) {
        let (cx, _) = self.cx("client", &[]);
        until("the run ends", async || {
            let state = admin::summary(&cx, run).await.unwrap().state;
            !matches!(state, Standing::Running | Standing::Draining)
        })
        .await;
        assert_eq!(admin::summary(&cx, run).await.unwrap().state, Standing::Succeeded);
        self.world.assert_in_step("end");
    }
}

async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is().await {
        assert!(begun.elapsed() < Duration::from_secs(1_200), "never: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_takes_what_waits_in_its_own_queues_and_nothing_else() {
    let ground = Ground::new(30);
    let run = ground.admit().await;
    let crawler = ground.start("crawler", &["crawl"]);
    until("everything is crawled", async || ground.all_done(&run, "crawl", 12).await).await;
    sleep(Duration::from_secs(60)).await;
    let waiting = ground.tasks(&run, "transform").await;
    assert!(!waiting.is_empty() && waiting.iter().all(|task| task.fence == 0), "nobody works on that queue yet");
    let exporter = ground.start("exporter", &["transform", "export"]);
    ground.ends_well(&run).await;
    for (stage, owner) in [("crawl", "crawler"), ("transform", "exporter"), ("run", "exporter")] {
        let tasks = ground.tasks(&run, stage).await;
        assert!(!tasks.is_empty() && tasks.iter().all(|task| task.owner == owner), "{stage}");
    }
    crawler.end().await;
    exporter.end().await;
}

#[tokio::test(start_paused = true)]
async fn who_works_is_known_until_it_ends_or_stands_still_for_long() {
    let ground = Ground::new(3);
    let first = ground.start("first", &["crawl"]);
    let second = ground.start("second", &["crawl", "transform", "export"]);
    sleep(Duration::from_secs(10)).await;
    let known = workers::list(&first.cx).await.unwrap();
    let names: Vec<&str> = known.iter().map(|(_, worker)| worker.name.as_str()).collect();
    assert_eq!(names, ["first", "second"]);
    let (_, worker) = &known[0];
    assert_eq!((worker.queues.as_slice(), worker.slots), (&["crawl".to_owned()][..], 4));
    assert!(worker.beats >= 3 && worker.seen > worker.started && !worker.version.is_empty(), "{worker:?}");
    second.kill().await;
    sleep(TTL * 3).await;
    assert_eq!(workers::list(&first.cx).await.unwrap().len(), 2, "it may only be slow");
    sleep(TTL * 3).await;
    let known = workers::list(&first.cx).await.unwrap();
    assert_eq!(known.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["first"]);
    let cx = Arc::clone(&first.cx);
    first.end().await;
    assert!(workers::list(&cx).await.unwrap().is_empty(), "one that ends in order says so");
}

/// A release that does not know one of the stages.
struct Older(Arc<dyn Stages>);

impl Stages for Older {
    fn stage(&self, plan: &Plan, name: &str) -> Result<Arc<dyn Stage>, TaskError> {
        if name == "transform" {
            return Err(TaskError {
                class: ErrorClass::Permanent,
                code: "JP330".to_owned(),
                message: "this version cannot make it".to_owned(),
                retry_after_ms: None,
            });
        }
        self.0.stage(plan, name)
    }
    fn file(&self, plan: &Plan, name: &str) -> Result<Arc<dyn FileExport>, TaskError> {
        self.0.file(plan, name)
    }
    fn sink(&self, plan: &Plan, name: &str) -> Result<Arc<dyn Sink>, TaskError> {
        self.0.sink(plan, name)
    }
}

const ALL: [&str; 3] = ["crawl", "transform", "export"];

#[tokio::test(start_paused = true)]
async fn a_stage_that_an_older_release_does_not_know_waits_for_one_that_does() {
    let ground = Ground::new(12);
    let run = ground.admit().await;
    let (cx, stop) = ground.cx("older", &ALL);
    let stages = Arc::new(Older(Arc::clone(&cx.stages)));
    let older = Ground::start_with(Cx { stages, ..cx }, stop);
    until("everything is crawled", async || ground.all_done(&run, "crawl", 5).await).await;
    sleep(Duration::from_secs(300)).await;
    let waiting = ground.tasks(&run, "transform").await;
    assert!(!waiting.is_empty() && waiting.iter().all(|task| task.state == TaskState::Ready && task.task.crashes == 0));
    let parked = ground.broker.parked.lock().unwrap().len();
    assert_eq!(parked, waiting.len(), "each once");
    assert!(!older.engine.is_finished());
    let newer = ground.start("newer", &ALL);
    ground.ends_well(&run).await;
    assert!(ground.tasks(&run, "transform").await.iter().all(|task| task.owner == "newer"));
    assert!(ground.world.store.dead(None, None, "", 9).await.unwrap().is_empty());
    older.end().await;
    newer.end().await;
}

#[tokio::test(start_paused = true)]
async fn documents_of_a_newer_release_are_passed_over() {
    let ground = Ground::new(6);
    let odd = || Doc { version: 1, due: Some(0), body: r#"{"news":[1,2]}"#.to_owned() };
    for (kind, id) in [(DocKind::Import, "aaa"), (DocKind::Target, "aaa"), (DocKind::Worker, "aaa")] {
        assert!(ground.world.store.doc_insert(kind, id, odd()).await.unwrap());
    }
    let open = r#"{"open":{"definition":"newer","facts":{"import":"bbb","run":"bbb@1","seq":1,"started_at":0,"since":{},"limit":null},"targets":{},"approved":false}}"#;
    let import = Doc { version: 1, due: Some(0), body: open.to_owned() };
    ground.world.store.doc_insert(DocKind::Import, "bbb", import).await.unwrap();
    ground.world.store.doc_insert(DocKind::Run, "bbb@1", odd()).await.unwrap();
    ground.world.store.doc_insert(DocKind::Definition, "newer", odd()).await.unwrap();
    let run = ground.admit().await;
    let worker = ground.start("worker", &ALL);
    ground.ends_well(&run).await;
    sleep(Duration::from_secs(60)).await;
    assert!(!worker.engine.is_finished());
    for (kind, id) in [(DocKind::Import, "aaa"), (DocKind::Target, "aaa"), (DocKind::Run, "bbb@1")] {
        assert_eq!(ground.world.store.doc(kind, id).await.unwrap(), Some(odd()), "{id}");
    }
    worker.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_in_a_form_of_a_newer_release_is_left_and_its_neighbours_are_done() {
    let ground = Ground::new(30);
    let run = ground.admit().await;
    let crawler = ground.start("crawler", &["crawl"]);
    until("everything is crawled", async || ground.all_done(&run, "crawl", 12).await).await;
    crawler.end().await;
    let waiting = ground.tasks(&run, "transform").await;
    let odd = waiting[waiting.len() / 2].task.id.clone();
    let store = Outage::new(&ground.world.store, 0);
    *store.unreadable.lock().unwrap() = Some(odd.clone());
    let (cx, stop) = ground.cx("older", &["transform"]);
    let older = Ground::start_with(Cx { store: Arc::clone(&store) as _, ..cx }, stop);
    let is_odd = |task: &Task| task.task.id == odd;
    until("its neighbours are done", async || {
        ground.tasks(&run, "transform").await.iter().all(|task| is_odd(task) || task.state == TaskState::Done)
    })
    .await;
    sleep(Duration::from_secs(30)).await;
    assert!(!older.engine.is_finished());
    let newer = ground.start("newer", &ALL);
    ground.ends_well(&run).await;
    let done = ground.tasks(&run, "transform").await;
    assert!(done.iter().filter(|task| !is_odd(task)).all(|task| task.fence == 1), "each ran once");
    assert!(done.iter().filter(|task| is_odd(task)).all(|task| task.owner == "newer"));
    older.end().await;
    newer.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_hint_counts_as_a_crash_of_its_task_and_is_settled() {
    let ground = Ground::new(0);
    let run = ground.admit().await;
    let task = ground.tasks(&run, "crawl").await.remove(0).task;
    let hint = Hint { task: task.id.clone(), run: run.clone(), queue: task.queue.clone() };
    let letters = [
        DeadHint { hint: Some(hint), reason: "delivery_limit".to_owned(), tag: 1 },
        DeadHint { hint: None, reason: "no hint".to_owned(), tag: 2 },
        DeadHint {
            hint: Some(Hint { task: "gone".to_owned(), run, queue: "crawl".to_owned() }),
            reason: "old".to_owned(),
            tag: 3,
        },
    ];
    ground.broker.dead.lock().unwrap().extend(letters);
    let worker = ground.start("worker", &["export"]);
    until("they are settled", async || ground.broker.dead.lock().unwrap().is_empty()).await;
    let task = ground.world.store.tasks(&[task.id]).await.unwrap().remove(0);
    assert_eq!((task.state, task.task.crashes, task.fence), (TaskState::Ready, 1, 1));
    worker.end().await;
}
