//! Several engines over one store: who stands still is taken over after a whole time to live and not before, who renews
//! is not, and who comes back late changes nothing.

#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use jobpipe_core::{DocKind, StateStore, Task, TaskState, TaskStore};
use jobpipe_engine::admin::{self, Standing};
use jobpipe_engine::admission::{self, Admitted, Wish};
use jobpipe_engine::docs::{self, Read, TargetDoc};
use jobpipe_engine::failpoint::{NoFailpoints, Point};
use jobpipe_engine::{Cx, EngineError};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use world::{DieAt, Process, World};

const TTL: Duration = Duration::from_secs(60);
/// A takeover comes with a sweep (5 s), and the first look came with one.
const SWEEPS: Duration = Duration::from_secs(11);

async fn admit(world: &World) -> String {
    let (cx, _) = world.cx(Arc::new(NoFailpoints));
    match admission::admit(&cx, &world.plan(), &Wish::default()).await.unwrap() {
        Admitted::Started(run) => run,
        other => panic!("{other:?}"),
    }
}

/// Waits until it is true; fails after 20 minutes of the paused clock.
async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is().await {
        assert!(begun.elapsed() < Duration::from_secs(1_200), "never: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

async fn running(world: &World, run: &str) -> Vec<Task> {
    world.store.tasks_open(run, TaskState::Running, "", 100).await.unwrap()
}

async fn only(world: &World, id: &str) -> Task {
    world.store.tasks(&[id.to_owned()]).await.unwrap().remove(0)
}

async fn target(world: &World, id: &str) -> Option<TargetDoc> {
    let store: &dyn StateStore = &*world.store;
    let read: Option<Read<TargetDoc>> = docs::read(store, DocKind::Target, id).await.unwrap();
    read.map(|read| read.doc)
}

async fn closed_and_in_step(world: &World, cx: &Cx, run: &str) {
    until("the run ends", async || {
        let state = admin::summary(cx, run).await.unwrap().state;
        !matches!(state, Standing::Running | Standing::Draining)
    })
    .await;
    assert_eq!(admin::summary(cx, run).await.unwrap().state, Standing::Succeeded);
    world.assert_in_step("end");
}

fn shared(offers: u32) -> World {
    World { lease_ttl: Some(TTL), ..World::new(offers, &["p1"]) }
}

fn late(world: &World, url: &str, by: Duration) {
    world.source.lock().unwrap().slow.insert(url.to_owned(), by);
}

#[tokio::test(start_paused = true)]
async fn a_task_of_a_dead_process_is_taken_over_after_the_ttl_and_not_before() {
    let world = shared(12);
    late(&world, "list/0", Duration::from_secs(86_400));
    let run = admit(&world).await;
    let first = Process::start(&world, Arc::new(NoFailpoints));
    until("the first reads", async || world.source.lock().unwrap().slow.is_empty()).await;
    first.kill().await;
    let task = running(&world, &run).await.remove(0);
    let second = Process::start(&world, Arc::new(NoFailpoints));
    let begun = Instant::now();
    sleep(TTL.checked_sub(Duration::from_millis(10)).unwrap()).await;
    assert_eq!(running(&world, &run).await, std::slice::from_ref(&task), "nothing is taken within the time to live");
    until("the takeover", async || only(&world, &task.task.id).await.fence > task.fence).await;
    assert!(begun.elapsed() >= TTL && begun.elapsed() < TTL + SWEEPS, "{:?}", begun.elapsed());
    closed_and_in_step(&world, &second.cx, &run).await;
    let done = only(&world, &task.task.id).await;
    assert_eq!((done.fence, done.owner.as_str(), done.task.crashes), (2, second.cx.owner.as_str(), 0));
    second.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_task_whose_owner_lives_is_left_to_it() {
    let world = shared(12);
    late(&world, "list/0", TTL * 10);
    let run = admit(&world).await;
    let first = Process::start(&world, Arc::new(NoFailpoints));
    until("the first claims", async || !running(&world, &run).await.is_empty()).await;
    let task = running(&world, &run).await.remove(0);
    let second = Process::start(&world, Arc::new(NoFailpoints));
    closed_and_in_step(&world, &second.cx, &run).await;
    let done = only(&world, &task.task.id).await;
    assert_eq!((done.fence, done.owner.as_str()), (1, first.cx.owner.as_str()));
    let asked = world.source.lock().unwrap().asked.iter().filter(|url| *url == "list/0").count();
    assert_eq!(asked, 1);
    first.end().await;
    second.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_process_that_stops_renews_what_it_still_finishes() {
    let ttl = Duration::from_secs(4);
    let world = World { lease_ttl: Some(ttl), ..shared(12) };
    // it gets 15 s for what it has begun
    late(&world, "list/0", ttl * 3);
    let run = admit(&world).await;
    let first = Process::start(&world, Arc::new(NoFailpoints));
    until("the first claims", async || !running(&world, &run).await.is_empty()).await;
    let task = running(&world, &run).await.remove(0);
    first.stop.stop();
    let second = Process::start(&world, Arc::new(NoFailpoints));
    closed_and_in_step(&world, &second.cx, &run).await;
    let done = only(&world, &task.task.id).await;
    assert_eq!((done.fence, done.owner.as_str()), (1, first.cx.owner.as_str()));
    first.end().await;
    second.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_late_commit_of_one_who_was_taken_over_is_refused() {
    let mut world = shared(12);
    world.transform_queue = "transform".to_owned();
    late(&world, "offer/o003", TTL * 3);
    let run = admit(&world).await;
    // one that believes itself alone renews nothing: as if it hung
    world.lease_ttl = None;
    let zombie = Process::start(&world, Arc::new(NoFailpoints));
    world.lease_ttl = Some(TTL);
    let works_on = |task: &Task| format!("{:?}", task.task.input).contains("offer/o003");
    until("the zombie claims", async || running(&world, &run).await.iter().any(works_on)).await;
    let task = running(&world, &run).await.into_iter().find(works_on).unwrap();
    let second = Process::start(&world, Arc::new(NoFailpoints));
    until("the takeover", async || only(&world, &task.task.id).await.fence > task.fence).await;
    world.source.lock().unwrap().offers.get_mut("o003").unwrap().title = "read late".into();
    let done = async || only(&world, &task.task.id).await;
    until("the second commits", async || done().await.state == TaskState::Done).await;
    let committed = done().await;
    assert_eq!((committed.fence, committed.owner.as_str()), (2, second.cx.owner.as_str()));
    sleep(TTL * 3).await;
    assert_eq!(world.source.lock().unwrap().asked.iter().filter(|url| *url == "offer/o003").count(), 2);
    let after = done().await;
    assert_eq!((after.nonce, &after.result), (committed.nonce, &committed.result));
    assert!(after.result.unwrap().outputs.iter().all(|output| output.batch.contains("/2/")));
    zombie.end().await;
    second.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_target_of_a_dead_process_is_taken_over_after_the_ttl_and_not_before() {
    let world = shared(12);
    world.pages.lock().unwrap().slow = Some(Duration::from_secs(86_400));
    let run = admit(&world).await;
    let first = Process::start(&world, Arc::new(NoFailpoints));
    until("the first drains", async || {
        world.pages.lock().unwrap().slow.is_none() && target(&world, "p1").await.unwrap().owner.is_some()
    })
    .await;
    first.kill().await;
    let held = target(&world, "p1").await.unwrap();
    // its first confirmed post resets the count of crashes
    world.pages.lock().unwrap().slow = Some(Duration::from_secs(1));
    let second = Process::start(&world, Arc::new(NoFailpoints));
    let begun = Instant::now();
    sleep(TTL.checked_sub(Duration::from_millis(10)).unwrap()).await;
    let now = target(&world, "p1").await.unwrap();
    assert_eq!((now.fence, now.owner), (held.fence, held.owner));
    until("the takeover", async || target(&world, "p1").await.unwrap().fence > held.fence).await;
    assert!(begun.elapsed() >= TTL && begun.elapsed() < TTL + SWEEPS, "{:?}", begun.elapsed());
    assert_eq!(target(&world, "p1").await.unwrap().crashes, 1);
    closed_and_in_step(&world, &second.cx, &run).await;
    second.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_target_whose_owner_lives_is_left_to_it() {
    let world = shared(12);
    world.pages.lock().unwrap().slow = Some(TTL * 5);
    let run = admit(&world).await;
    let first = Process::start(&world, Arc::new(NoFailpoints));
    until("the first drains", async || world.pages.lock().unwrap().slow.is_none()).await;
    let held = target(&world, "p1").await.unwrap();
    assert_eq!(held.owner.as_ref(), Some(&first.cx.owner));
    let second = Process::start(&world, Arc::new(NoFailpoints));
    sleep(TTL * 4).await;
    let now = target(&world, "p1").await.unwrap();
    assert_eq!((now.fence, now.owner, now.crashes), (held.fence, held.owner, 0));
    assert!(now.renewal >= 11, "{}", now.renewal);
    closed_and_in_step(&world, &second.cx, &run).await;
    first.end().await;
    second.end().await;
}

#[tokio::test(start_paused = true)]
async fn roots_that_come_late_find_no_way_into_a_cancelled_run() {
    let world = shared(12);
    let (cx, _) = world.cx(Arc::new(DieAt::new(Point::EnsureRoots, 1)));
    let slow = admission::admit(&cx, &world.plan(), &Wish::default()).await;
    assert!(matches!(slow, Err(EngineError::Killed(_))), "{slow:?}");
    let open = admission::import(&cx, "acme").await.unwrap().doc.open.unwrap();
    let run = open.facts.run.clone();
    let (cx, _) = world.cx(Arc::new(NoFailpoints));
    admin::cancel(&cx, &run).await.unwrap();
    let engine = Process::start(&world, Arc::new(NoFailpoints));
    until("the run ends", async || admin::summary(&cx, &run).await.unwrap().state == Standing::Cancelled).await;
    engine.end().await;
    admission::ensure(&cx, &open).await.unwrap();
    let tasks = world.store.tasks_of(&run, None, "", 100).await.unwrap();
    assert!(!tasks.iter().any(|task| task.open), "{tasks:?}");
}
