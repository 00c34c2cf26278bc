//! Turns: a huge run delays a small one by seconds, and a slow host leaves the slots to the others.

#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use async_trait::async_trait;
use jobpipe_core::{
    Answer, ErrorClass, FileExport, Gathered, Outcome, Plan, Request, RunFacts, Sink, Stage, StageCx, StageInput,
    Stages, TaskError,
};
use jobpipe_engine::admin::{self, Standing};
use jobpipe_engine::admission::{self, Admitted, Wish};
use jobpipe_engine::failpoint::NoFailpoints;
use jobpipe_engine::{Cx, EngineSettings, serve};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use world::{TestStop, World};

/// How long a call waits for a permit of its host.
const PATIENCE: Duration = Duration::from_secs(2);

/// Hosts that answer after a while, some of them not more often than they say.
#[derive(Default)]
struct Hosts {
    /// The time between two answers of a host.
    slow: BTreeMap<String, Duration>,
    next: Mutex<BTreeMap<String, Instant>>,
    /// When each answered.
    answers: Mutex<BTreeMap<String, Vec<Instant>>>,
    /// Calls that got no permit.
    refused: Mutex<u64>,
}

impl Hosts {
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

    fn answered(&self, host: &str) -> Vec<Instant> {
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

struct Crawls(Arc<Hosts>);

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

fn plan(name: &str, roots: &[(&str, u64, u64)], bundle: u32) -> Plan {
    let mut crawl = World::new(0, &[]).plan().stages.remove(0);
    crawl.bundle = bundle;
    crawl.body = json!(roots);
    Plan { name: name.to_owned(), stages: vec![crawl], schedule: None }
}

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
    let hosts = Arc::new(Hosts { slow, ..Hosts::default() });
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
