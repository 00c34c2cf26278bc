//! Turns: a huge run delays a small one by seconds, a slow host leaves the slots to the others, and a backfill gives way.

#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use async_trait::async_trait;
use jobpipe_conformance::MemoryBroker;
use jobpipe_core::{Broker, BrokerError, Delivery, Hint, Millis, Plan, Priority};
use jobpipe_engine::admin::{self, Standing};
use jobpipe_engine::admission::{self, Admitted, Wish};
use jobpipe_engine::docs::Backfill;
use jobpipe_engine::failpoint::NoFailpoints;
use jobpipe_engine::scheduler::deploy;
use jobpipe_engine::{Cx, EngineSettings, serve};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use world::hosts::{Crawls, Hosts, plan};
use world::{TestStop, World};

const DAY: Millis = 86_400_000;

fn engine(world: &World, hosts: &Arc<Hosts>) -> (Arc<Cx>, Arc<TestStop>) {
    let (cx, stop) = world.cx(Arc::new(NoFailpoints));
    let settings = EngineSettings { slots: 4, lease_ttl: world.lease_ttl, ..EngineSettings::default() };
    let cx = Cx { stages: Arc::new(Crawls(Arc::clone(hosts))), settings, ..Arc::into_inner(cx).unwrap() };
    (Arc::new(cx), stop)
}

async fn admit(cx: &Cx, plan: &Plan) -> String {
    match admission::admit(cx, plan, &Wish::default()).await.unwrap() {
        Admitted::Started(run) => run,
        other => panic!("{other:?}"),
    }
}

/// How long it takes until the run is closed.
async fn time_of(cx: &Cx, run: &str) -> Duration {
    let begun = Instant::now();
    while admin::summary(cx, run).await.unwrap().state == Standing::Running {
        assert!(begun.elapsed() < Duration::from_secs(3_600), "{run} does not end");
        sleep(Duration::from_millis(20)).await;
    }
    begun.elapsed()
}

/// What a run of ten tasks takes while a run of `many` is at work, each task as long as `millis`.
async fn small_beside(many: u64, millis: u64, lease_ttl: Option<Duration>) -> Duration {
    let world = World { lease_ttl, ..World::new(0, &[]) };
    let hosts = Arc::new(Hosts::default());
    let (cx, stop) = engine(&world, &hosts);
    let serving = tokio::spawn(serve(Arc::clone(&cx)));
    if many > 0 {
        admit(&cx, &plan("big", &[("big.org", many, millis)], 1)).await;
        while hosts.answered("big.org").len() < 20 {
            sleep(Duration::from_millis(100)).await;
        }
    }
    let small = admit(&cx, &plan("small", &[("small.org", 10, millis)], 1)).await;
    let time = time_of(&cx, &small).await;
    assert_eq!(hosts.answered("small.org").len(), 10);
    assert!(hosts.answered("big.org").len() as u64 <= many);
    stop.stop();
    serving.await.unwrap().unwrap();
    time
}

#[tokio::test(start_paused = true)]
async fn a_run_of_a_hundred_thousand_delays_a_run_of_ten_by_five_seconds_at_most() {
    for lease_ttl in [None, Some(Duration::from_secs(60))] {
        for millis in [20, 1_000] {
            let alone = small_beside(0, millis, lease_ttl).await;
            let beside = small_beside(100_000, millis, lease_ttl).await;
            println!("FAIR task_ms={millis} leases={} alone={alone:?} beside={beside:?}", lease_ttl.is_some());
            assert!(beside <= alone + Duration::from_secs(5), "{millis} ms: {beside:?}, alone {alone:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn tasks_that_take_long_leave_few_hints_out() {
    let world = World::new(0, &[]);
    let hosts = Arc::new(Hosts::default());
    let (cx, stop) = engine(&world, &hosts);
    let serving = tokio::spawn(serve(Arc::clone(&cx)));
    admit(&cx, &plan("big", &[("big.org", 1_000, 10_000)], 1)).await;
    let mut most = 0;
    for _ in 0..600 {
        sleep(Duration::from_secs(1)).await;
        most = most.max(cx.broker.depth("crawl").await.unwrap());
    }
    assert!(most <= 20, "{most} hints");
    assert!(hosts.answered("big.org").len() >= 236, "four slots, 600 s, 10 s each");
    stop.stop();
    serving.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_slow_host_does_not_idle_the_others_and_is_asked_as_often_as_it_may() {
    let world = World::new(0, &[]);
    let slow = BTreeMap::from([("slow.org".to_owned(), Duration::from_secs(1))]);
    let hosts = Arc::new(Hosts::with_slow(slow));
    let (cx, stop) = engine(&world, &hosts);
    let serving = tokio::spawn(serve(Arc::clone(&cx)));
    admit(&cx, &plan("mixed", &[("slow.org", 20_000, 20), ("quick.org", 1_000, 50)], 1)).await;
    let begun = Instant::now();
    sleep(Duration::from_secs(120)).await;
    let quick = hosts.answered("quick.org");
    let slow = hosts.answered("slow.org").len();
    let last = quick.iter().max().map(|last| *last - begun);
    let refused = *hosts.refused.lock().unwrap();
    println!("SLOW quick={} last={last:?} slow={slow} refused={refused}", quick.len());
    assert_eq!(quick.len(), 1_000);
    // alone on four slots: 12.5 s
    assert!(last.unwrap() < Duration::from_secs(25), "{last:?}");
    assert!((100..=121).contains(&slow), "{slow} answers in 120 s at one a second");
    stop.stop();
    serving.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stage_with_a_bound_of_its_own_leaves_the_slots_to_the_others() {
    for lease_ttl in [None, Some(Duration::from_secs(60))] {
        let world = World { lease_ttl, ..World::new(0, &[]) };
        let hosts = Arc::new(Hosts::default());
        let (cx, stop) = engine(&world, &hosts);
        let serving = tokio::spawn(serve(Arc::clone(&cx)));
        let mut bounded = plan("bounded", &[("bounded.org", 12, 1_000)], 1);
        bounded.stages[0].concurrency = Some(1);
        let run = admit(&cx, &bounded).await;
        while hosts.answered("bounded.org").len() < 2 {
            sleep(Duration::from_millis(100)).await;
        }
        let open = admit(&cx, &plan("open", &[("open.org", 60, 100)], 1)).await;
        let time = time_of(&cx, &open).await;
        // three slots, 100 ms each: 2 s, and the bounded stage takes the fourth
        assert!(time < Duration::from_secs(4), "{time:?}");
        let time = time_of(&cx, &run).await;
        let answers = hosts.answered("bounded.org");
        assert_eq!(answers.len(), 12);
        let close = answers.windows(2).map(|two| two[1] - two[0]).min().unwrap();
        assert!(close >= Duration::from_millis(999), "two at a time: {close:?}");
        let took = answers[11] - answers[0];
        println!("BOUND leases={} took={took:?} left={time:?}", lease_ttl.is_some());
        assert!(took < Duration::from_millis(12_500), "it stood idle: {took:?}");
        stop.stop();
        serving.await.unwrap().unwrap();
    }
}

/// Notes how each hint is told; its queues are those in memory, without priorities.
#[derive(Default)]
struct Told {
    broker: MemoryBroker,
    log: Mutex<Vec<(Priority, Hint)>>,
}

impl Told {
    /// The priorities of the hints of runs that begin so, in order.
    fn of(&self, run: &str) -> Vec<Priority> {
        let log = self.log.lock().unwrap();
        log.iter().filter(|(_, hint)| hint.run.starts_with(run)).map(|(priority, _)| *priority).collect()
    }
}

#[async_trait]
impl Broker for Told {
    async fn publish(&self, hints: Vec<Hint>) -> Result<(), BrokerError> {
        self.publish_at(Priority::Normal, hints).await
    }
    async fn publish_at(&self, priority: Priority, hints: Vec<Hint>) -> Result<(), BrokerError> {
        self.log.lock().unwrap().extend(hints.iter().map(|hint| (priority, hint.clone())));
        self.broker.publish(hints).await
    }
    async fn receive(&self, queue: &str, most: usize) -> Result<Vec<Delivery>, BrokerError> {
        self.broker.receive(queue, most).await
    }
    async fn ack(&self, queue: &str, tags: &[u64]) -> Result<(), BrokerError> {
        self.broker.ack(queue, tags).await
    }
    async fn depth(&self, queue: &str) -> Result<usize, BrokerError> {
        self.broker.depth(queue).await
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_hints_of_a_run_go_before_and_those_of_a_backfill_after() {
    for lease_ttl in [None, Some(Duration::from_secs(60))] {
        let world = World { lease_ttl, ..World::new(0, &[]) };
        let hosts = Arc::new(Hosts::default());
        let told = Arc::new(Told::default());
        let (cx, stop) = engine(&world, &hosts);
        let mut cx = Arc::into_inner(cx).unwrap();
        cx.broker = Arc::clone(&told) as _;
        cx.settings.launches = true;
        let cx = Arc::new(cx);
        let serving = tokio::spawn(serve(Arc::clone(&cx)));
        let big = admit(&cx, &plan("big", &[("big.org", 400, 100)], 1)).await;
        while hosts.answered("big.org").len() < 60 {
            sleep(Duration::from_millis(100)).await;
        }
        let small = admit(&cx, &plan("small", &[("small.org", 10, 100)], 1)).await;
        time_of(&cx, &small).await;
        let fill = Plan { schedule: Some(json!("every 1d")), ..plan("fill", &[("fill.org", 30, 100)], 1) };
        deploy::deploy(&cx, &fill, "fill.yml").await.unwrap();
        let until = cx.now();
        let wish = Backfill { id: "b".into(), after: until - 3 * DAY, until, pace: 0, started: 0, skip: false };
        assert_eq!(deploy::backfill(&cx, "fill", wish).await.unwrap(), 3);
        while hosts.answered("fill.org").len() < 90 {
            sleep(Duration::from_millis(100)).await;
        }
        time_of(&cx, &big).await;
        assert_eq!(told.of("small@")[..10], [Priority::High; 10]);
        let of_big = told.of("big@");
        assert_eq!(of_big[..16], [Priority::High; 16]);
        assert!(of_big.len() >= 400 && of_big[16..].iter().all(|one| *one == Priority::Normal), "{of_big:?}");
        let of_fill = told.of("fill@backfill-b:");
        assert!(of_fill.len() >= 90 && of_fill.iter().all(|one| *one == Priority::Low), "{of_fill:?}");
        stop.stop();
        serving.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_backfill_has_a_part_beside_others_and_all_when_they_are_done() {
    for lease_ttl in [None, Some(Duration::from_secs(60))] {
        // tasks that are short, and such of which the window holds two
        for (millis, count) in [(100, 800), (10_000, 80)] {
            let world = World { lease_ttl, ..World::new(0, &[]) };
            let hosts = Arc::new(Hosts::default());
            let (cx, stop) = engine(&world, &hosts);
            let serving = tokio::spawn(serve(Arc::clone(&cx)));
            let slot = Wish { slot: Some("backfill-b:2026-01-01T00:00Z".to_owned()), ..Wish::default() };
            let fill = plan("fill", &[("fill.org", 4_000, millis)], 1);
            assert!(matches!(admission::admit(&cx, &fill, &slot).await.unwrap(), Admitted::Started(_)));
            while hosts.answered("fill.org").len() < 20 {
                sleep(Duration::from_millis(millis)).await;
            }
            let early = hosts.answered("fill.org").len();
            let run = admit(&cx, &plan("now", &[("now.org", count, millis)], 1)).await;
            time_of(&cx, &run).await;
            let beside = hosts.answered("fill.org").len() - early;
            sleep(Duration::from_millis(50 * millis)).await;
            let alone = hosts.answered("fill.org").len() - early - beside;
            println!(
                "BACKFILL task_ms={millis} leases={} beside={beside} of {count} alone={alone}",
                lease_ttl.is_some()
            );
            let beside = beside as u64;
            assert!((count / 5..=count / 2).contains(&beside), "one for every three of the other run: {beside}");
            assert!(alone >= 160, "four slots, each used fifty times: {alone}");
            stop.stop();
            serving.await.unwrap().unwrap();
        }
    }
}
