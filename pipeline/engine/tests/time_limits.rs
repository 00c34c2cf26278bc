//! What a task may take, and how a process ends: soon, charging nothing, giving back what it has not done.

#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use jobpipe_core::{Plan, Task, TaskInput, TaskLimit, TaskState, TaskStore};
use jobpipe_engine::admin::{self, Standing};
use jobpipe_engine::admission::{self, Admitted, Wish};
use jobpipe_engine::event::{Event, Events, NoEvents};
use jobpipe_engine::failpoint::NoFailpoints;
use jobpipe_engine::{Cx, serve};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use world::{Outage, World};

const FOREVER: Duration = Duration::from_secs(86_400);

async fn admit(cx: &Cx, world: &World) -> String {
    admit_plan(cx, &world.plan()).await
}

async fn admit_plan(cx: &Cx, plan: &Plan) -> String {
    match admission::admit(cx, plan, &Wish::default()).await.unwrap() {
        Admitted::Started(run) => run,
        other => panic!("{other:?}"),
    }
}

async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is().await {
        assert!(begun.elapsed() < Duration::from_secs(3_600), "never: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

fn late(world: &World, url: &str) {
    world.source.lock().unwrap().slow.insert(url.to_owned(), FOREVER);
}

fn attempts(task: &Task) -> u32 {
    match &task.task.input {
        TaskInput::Requests(requests) => requests.iter().map(|request| request.attempts).sum(),
        _ => 0,
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_does_not_end_is_abandoned_and_tried_again() {
    let world = World::new(12, &["p1"]);
    late(&world, "list/1");
    let (cx, stop) = world.cx(Arc::new(NoFailpoints));
    let mut cx = Arc::into_inner(cx).unwrap();
    cx.settings.soft_limit = Duration::from_secs(60);
    let cx = Arc::new(cx);
    let run = admit(&cx, &world).await;
    let begun = Instant::now();
    let engine = tokio::spawn(serve(Arc::clone(&cx)));
    until("the run ends", async || {
        !matches!(admin::summary(&cx, &run).await.unwrap().state, Standing::Running | Standing::Draining)
    })
    .await;
    assert_eq!(admin::summary(&cx, &run).await.unwrap().state, Standing::Succeeded);
    let took = begun.elapsed();
    assert!((Duration::from_secs(90)..Duration::from_secs(110)).contains(&took), "60 s and a grace of 30 s: {took:?}");
    world.assert_in_step("end");
    stop.stop();
    engine.await.unwrap().unwrap();
}

/// Watches what is tried again.
#[derive(Default)]
struct Retries(Mutex<Vec<String>>);

impl Events for Retries {
    fn emit(&self, event: Event) {
        if let Event::Retry { code, message, .. } = event {
            self.0.lock().unwrap().push(format!("{code} {message}"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stage_may_have_a_limit_of_its_own_and_is_told_which_one_to_raise() {
    let own = TaskLimit { soft_ms: 5_000, hard_ms: 7_000 };
    for (limit, seconds, raise) in [
        (Some(own), 7..10, "more than 7s and was broken off; raise its `task:` in the import"),
        (None, 630..640, "or all stages by `limits: { task }` of the settings"),
    ] {
        let world = World::new(12, &["p1"]);
        late(&world, "list/1");
        let retries = Arc::new(Retries::default());
        let store = Arc::clone(&world.store) as _;
        let (cx, stop) = world.cx_over(store, Arc::new(NoFailpoints), Arc::clone(&retries) as _);
        let mut plan = world.plan();
        plan.stages[0].task = limit;
        let run = admit_plan(&cx, &plan).await;
        let begun = Instant::now();
        let engine = tokio::spawn(serve(Arc::clone(&cx)));
        until("the task is broken off", async || !retries.0.lock().unwrap().is_empty()).await;
        assert!(seconds.contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
        let told = retries.0.lock().unwrap()[0].clone();
        assert!(told.starts_with("JP197 stage `crawl`") && told.contains(raise), "{told}");
        until("the run ends", async || admin::summary(&cx, &run).await.unwrap().state == Standing::Succeeded).await;
        world.assert_in_step("end");
        stop.stop();
        engine.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_ends_within_25_seconds_and_charges_nothing() {
    for lease_ttl in [None, Some(Duration::from_secs(60))] {
        let world = World { lease_ttl, ..World::new(60, &["p1"]) };
        for offer in 0..60 {
            late(&world, &format!("offer/o{offer:03}"));
        }
        let (cx, stop) = world.cx(Arc::new(NoFailpoints));
        let run = admit(&cx, &world).await;
        let engine = tokio::spawn(serve(Arc::clone(&cx)));
        until("all slots are taken", async || {
            world.store.tasks_open(&run, TaskState::Running, "", 100).await.unwrap().len() >= 4
        })
        .await;
        sleep(Duration::from_secs(10)).await;
        let begun = Instant::now();
        stop.stop();
        engine.await.unwrap().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
        let tasks = world.store.tasks_of(&run, Some("crawl"), "", 1_000).await.unwrap();
        let given_back = tasks.iter().filter(|task| task.state == TaskState::Ready && task.fence > 0);
        assert!(given_back.count() >= 4);
        for task in &tasks {
            assert!(matches!(task.state, TaskState::Ready | TaskState::Done), "{:?}", task.state);
            assert_eq!((task.task.crashes, attempts(task)), (0, 0), "nothing is charged");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_keeps_no_process_from_ending() {
    let world = World { lease_ttl: Some(Duration::from_secs(60)), ..World::new(30, &["p1"]) };
    for offer in 0..30 {
        late(&world, &format!("offer/o{offer:03}"));
    }
    let store = Outage::new(&world.store, 0);
    let (cx, stop) = world.cx_over(Arc::clone(&store) as _, Arc::new(NoFailpoints), Arc::new(NoEvents));
    let run = admit(&cx, &world).await;
    let engine = tokio::spawn(serve(Arc::clone(&cx)));
    until("tasks run", async || !world.store.tasks_open(&run, TaskState::Running, "", 9).await.unwrap().is_empty())
        .await;
    store.down.store(true, Ordering::SeqCst);
    stop.stop();
    let ended = timeout(Duration::from_secs(25), engine).await;
    assert!(ended.expect("it ends in time").unwrap().is_err(), "and says that it could not give all back");
}
