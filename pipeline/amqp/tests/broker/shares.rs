//! Priorities as a person meets them: an engine on a real broker, its store in memory. What is told first is done first,
//! and what is told last is done all the same.

use crate::hosts::{Crawls, Hosts, plan};
use crate::place::{self, LONG};
use jobpipe_amqp::AmqpBroker;
use jobpipe_conformance::MemoryStore;
use jobpipe_core::{Plan, Stop, SystemClock, SystemIds};
use jobpipe_engine::admin::{self, Standing};
use jobpipe_engine::admission::{self, Admitted, Wish};
use jobpipe_engine::compute::Inline;
use jobpipe_engine::event::NoEvents;
use jobpipe_engine::failpoint::NoFailpoints;
use jobpipe_engine::{Cx, Dispatch, EngineError, EngineSettings, News, Settling, serve};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// What a task takes, in milliseconds.
const TASK: u64 = 20;
/// More than are done in the time of a test.
const BACKLOG: u64 = 20_000;

#[derive(Default)]
struct Stopper(AtomicBool);

impl Stop for Stopper {
    fn is_stopping(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// One engine at work.
struct Engine {
    cx: Arc<Cx>,
    hosts: Arc<Hosts>,
    broker: Arc<AmqpBroker>,
    stop: Arc<Stopper>,
    serving: JoinHandle<Result<(), EngineError>>,
}

impl Engine {
    async fn start() -> Self {
        let (hosts, stop) = (Arc::new(Hosts::default()), Arc::new(Stopper::default()));
        let amqp = place::settings();
        EngineSettings::default().queues.iter().for_each(|queue| place::uses(&amqp.prefix, queue));
        let broker = Arc::new(place::connect(&place::url(), &amqp).await);
        let settings =
            EngineSettings { slots: 4, lease_ttl: Some(Duration::from_secs(60)), ..EngineSettings::default() };
        let cx = Arc::new(Cx {
            store: Arc::new(MemoryStore::new()),
            broker: Arc::clone(&broker) as _,
            stages: Arc::new(Crawls(Arc::clone(&hosts))),
            compute: Arc::new(Inline),
            clock: Arc::new(SystemClock::default()),
            ids: Arc::new(SystemIds),
            events: Arc::new(NoEvents),
            failpoints: Arc::new(NoFailpoints),
            stop: Arc::clone(&stop) as _,
            sabotage: None,
            settings,
            owner: "alone".to_owned(),
            news: News::default(),
            settling: Settling::default(),
            known: std::sync::Mutex::default(),
            dispatch: Dispatch::default(),
        });
        let serving = tokio::spawn(serve(Arc::clone(&cx)));
        Self { cx, hosts, broker, stop, serving }
    }

    /// Admits a run of so many tasks; with a slot, it is one of a backfill where that says so.
    async fn admit(&self, name: &str, tasks: u64, slot: Option<&str>) -> String {
        let import: Plan = plan(name, &[(name, tasks, TASK)], 1);
        let wish = Wish { slot: slot.map(str::to_owned), ..Wish::default() };
        match admission::admit(&self.cx, &import, &wish).await.unwrap() {
            Admitted::Started(run) => run,
            other => panic!("{other:?}"),
        }
    }

    fn done(&self, name: &str) -> usize {
        self.hosts.answered(name).len()
    }

    async fn until_done(&self, name: &str, tasks: usize) {
        let looks = async {
            while self.done(name) < tasks {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LONG, looks).await.unwrap_or_else(|_| panic!("{name}: {} of {tasks}", self.done(name)));
    }

    /// How long it takes until the run is closed.
    async fn time_of(&self, run: &str) -> Duration {
        let begun = Instant::now();
        let looks = async {
            while admin::summary(&self.cx, run).await.unwrap().state == Standing::Running {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LONG, looks).await.unwrap_or_else(|_| panic!("{run} does not end"));
        begun.elapsed()
    }

    async fn end(self) {
        self.stop.0.store(true, Ordering::SeqCst);
        self.serving.await.unwrap().unwrap();
        self.broker.close().await;
    }
}

#[tokio::test]
async fn a_run_of_ten_beside_a_large_backlog_is_done_within_five_seconds() {
    let _guard = place::beside_others().await;
    let engine = Engine::start().await;
    let run = engine.admit("alone", 10, None).await;
    let alone = engine.time_of(&run).await;
    engine.admit("big", BACKLOG, None).await;
    engine.until_done("big", 300).await;
    let before = engine.done("big");
    let run = engine.admit("small", 10, None).await;
    let beside = engine.time_of(&run).await;
    let others = engine.done("big") - before;
    println!("TEN alone={alone:?} beside={beside:?} others={others}");
    assert!(beside <= alone + Duration::from_secs(5), "{beside:?}, alone {alone:?}");
    assert!(engine.done("big") < BACKLOG as usize, "there was no backlog");
    engine.end().await;
}

#[tokio::test]
async fn a_backfill_gives_way_to_an_ordinary_run_and_does_not_stand_still() {
    let _guard = place::beside_others().await;
    let engine = Engine::start().await;
    engine.admit("fill", BACKLOG, Some("backfill-b:2026-01-01T00:00Z")).await;
    engine.until_done("fill", 300).await;
    let run = engine.admit("now", 900, None).await;
    engine.time_of(&run).await;
    let now = engine.hosts.answered("now");
    let during = |answer: &&Instant| now[0] <= **answer && **answer <= now[899];
    let beside = engine.hosts.answered("fill").iter().filter(during).count();
    println!("BACKFILL beside={beside} of 900 in {:?}", now[899] - now[0]);
    // one for three; and what was told already when the other came
    assert!((150..=700).contains(&beside), "{beside} of the backfill beside 900");
    let before = engine.done("fill");
    engine.until_done("fill", before + 300).await;
    engine.end().await;
}
