//! Queues and what is left in them: a full one holds no other up, a run that was cleared stays cleared.

#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use async_trait::async_trait;
use jobpipe_conformance::{MemoryBroker, MemoryStore};
use jobpipe_core::{Broker, BrokerError, Delivery, DocKind, Hint, StateStore, TaskState, TaskStore};
use jobpipe_engine::admission::{self, Admitted, Wish};
use jobpipe_engine::docs::{self, Read, RunDoc, RunState};
use jobpipe_engine::failpoint::{Dead, Failpoints, NoFailpoints, Point};
use jobpipe_engine::{Cx, serve};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use world::{TestIds, World};

/// The store in memory never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("the store in memory waits"),
    }
}

/// Nobody takes from the queue `transform`, and it says that it is full; hints of others are carried.
struct Stuck(MemoryBroker);

#[async_trait]
impl Broker for Stuck {
    async fn publish(&self, hints: Vec<Hint>) -> Result<(), BrokerError> {
        self.0.publish(hints.into_iter().filter(|hint| hint.queue != "transform").collect()).await
    }
    async fn receive(&self, queue: &str, most: usize) -> Result<Vec<Delivery>, BrokerError> {
        self.0.receive(queue, most).await
    }
    async fn ack(&self, queue: &str, tags: &[u64]) -> Result<(), BrokerError> {
        self.0.ack(queue, tags).await
    }
    async fn depth(&self, queue: &str) -> Result<usize, BrokerError> {
        if queue == "transform" { Ok(usize::MAX) } else { self.0.depth(queue).await }
    }
}

async fn admit(cx: &Cx, world: &World) -> String {
    match admission::admit(cx, &world.plan(), &Wish::default()).await.unwrap() {
        Admitted::Started(run) => run,
        other => panic!("{other:?}"),
    }
}

async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    for _ in 0..20_000 {
        if is().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_holds_no_other_queue_up() {
    let world = World { transform_queue: "transform".to_owned(), ..World::new(30, &["p1"]) };
    let (cx, stop) = world.cx(Arc::new(NoFailpoints));
    let cx = Arc::new(Cx { broker: Arc::new(Stuck(MemoryBroker::new())), ..Arc::into_inner(cx).unwrap() });
    let run = admit(&cx, &world).await;
    let engine = tokio::spawn(serve(Arc::clone(&cx)));
    until("everything is crawled", async || {
        let crawls = world.store.tasks_of(&run, Some("crawl"), "", 1_000).await.unwrap();
        crawls.len() > 10 && crawls.iter().all(|task| task.state == TaskState::Done)
    })
    .await;
    stop.stop();
    engine.await.unwrap().unwrap();
}

/// The run is closed and cleared by others while a process stores the output of a task.
struct Cleared {
    store: Arc<MemoryStore>,
    run: Mutex<Option<String>>,
}

impl Failpoints for Cleared {
    fn hit(&self, point: Point) -> Result<(), Dead> {
        if point == Point::TaskOutput
            && let Some(run) = self.run.lock().unwrap().take()
        {
            let store: &dyn StateStore = &*self.store;
            let read: Read<RunDoc> = now(docs::read(store, DocKind::Run, &run)).unwrap().unwrap();
            let new = RunDoc { state: RunState::Closed, cleared: true, ..read.doc.clone() };
            assert!(now(docs::replace(store, &TestIds::default(), DocKind::Run, &run, &read, new)).unwrap().is_some());
            now(self.store.run_purge(&run)).unwrap();
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_under_a_run_that_was_cleared_is_cleared() {
    let world = World { lease_ttl: Some(Duration::from_secs(60)), ..World::new(4, &["p1"]) };
    let cleared = Arc::new(Cleared { store: Arc::clone(&world.store), run: Mutex::default() });
    let (cx, stop) = world.cx(Arc::clone(&cleared) as _);
    let run = admit(&cx, &world).await;
    *cleared.run.lock().unwrap() = Some(run.clone());
    let claimed = Arc::clone(&world.store);
    let engine = tokio::spawn(serve(cx));
    let mut ids = Vec::new();
    until("it is cleared", async || {
        ids.extend(claimed.tasks_of(&run, None, "", 100).await.unwrap().into_iter().map(|task| task.task.id));
        cleared.run.lock().unwrap().is_none()
    })
    .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    stop.stop();
    engine.await.unwrap().unwrap();
    assert!(!ids.is_empty());
    for id in ids {
        assert_eq!(world.store.batch(&format!("{run}/{id}/1/0")).await.unwrap(), None, "{id}");
    }
}
