//! Several hands at one target: processes step by step, and rows and targets as others leave them.

use super::{Process, World};
use jobpipe_core::{Attempt, DocKind, Millis, Op, Plan, Row, RowId, RowState, RowStore, RowWrite, StateStore};
use jobpipe_engine::admin::{self, Standing};
use jobpipe_engine::admission::{self, Admitted, Wish};
use jobpipe_engine::docs::{self, ImportDoc, Read, TargetDoc};
use jobpipe_engine::failpoint::{Dead, Failpoints, NoFailpoints, Point};
use jobpipe_engine::{Cx, EngineError, serve};
use serde_json::json;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// The store in memory never waits.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("the store in memory waits"),
    }
}

/// Does something else, once, when a step comes by a point: what another process does in between.
pub struct Between<F> {
    point: Point,
    act: Mutex<Option<F>>,
}

impl<F: FnOnce() + Send> Between<F> {
    pub fn new(point: Point, act: F) -> Arc<Self> {
        Arc::new(Self { point, act: Mutex::new(Some(act)) })
    }
}

impl<F: FnOnce() + Send> Failpoints for Between<F> {
    fn hit(&self, point: Point) -> Result<(), Dead> {
        if point == self.point
            && let Some(act) = self.act.lock().unwrap().take()
        {
            act();
        }
        Ok(())
    }
}

pub async fn admit(world: &World, plan: &Plan) -> String {
    let (cx, _) = world.cx(Arc::new(NoFailpoints));
    match admission::admit(&cx, plan, &Wish { approved: true, ..Wish::default() }).await.unwrap() {
        Admitted::Started(run) => run,
        other => panic!("{other:?}"),
    }
}

pub async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    for _ in 0..2_000_000 {
        if is().await {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}

pub async fn done(cx: &Cx, run: &str) {
    until("the run ends", async || {
        !matches!(admin::summary(cx, run).await.unwrap().state, Standing::Running | Standing::Draining)
    })
    .await;
}

/// A run of the plan in a process of its own.
pub async fn run(world: &World, plan: &Plan) {
    run_with(world, plan, Arc::new(NoFailpoints)).await;
}

pub async fn run_with(world: &World, plan: &Plan, failpoints: Arc<dyn Failpoints>) {
    let run = admit(world, plan).await;
    let process = Process::start(world, failpoints);
    done(&process.cx, &run).await;
    process.end().await;
}

pub fn target(store: &dyn StateStore, id: &str) -> Read<TargetDoc> {
    now(docs::read(store, DocKind::Target, id)).unwrap().unwrap()
}

pub fn change(store: &dyn StateStore, id: &str, change: impl FnOnce(&mut TargetDoc)) {
    let read = target(store, id);
    let mut new = read.doc.clone();
    change(&mut new);
    // far from the numbers that the world gives
    let ids = Ids(AtomicU64::new(read.version + (1 << 40)));
    assert!(now(docs::replace(store, &ids, DocKind::Target, id, &read, new)).unwrap().is_some());
}

pub fn change_import(store: &dyn StateStore, name: &str, change: impl FnOnce(&mut ImportDoc)) {
    let read: Read<ImportDoc> = now(docs::read(store, DocKind::Import, name)).unwrap().unwrap();
    let mut new = read.doc.clone();
    change(&mut new);
    let ids = Ids(AtomicU64::new(read.version + (1 << 40)));
    assert!(now(docs::replace(store, &ids, DocKind::Import, name, &read, new)).unwrap().is_some());
}

struct Ids(AtomicU64);

impl jobpipe_core::Ids for Ids {
    fn run(&self) -> String {
        unreachable!("no run is made")
    }
    fn nonce(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
    fn fraction(&self) -> f64 {
        0.5
    }
}

pub fn id(key: &str) -> RowId {
    RowId { target: "p1".into(), import: "acme".into(), export: "facebook".into(), key: key.into() }
}

pub fn row(world: &World, id: &RowId) -> Row {
    now(world.store.rows(std::slice::from_ref(id))).unwrap().remove(0)
}

pub fn edit(world: &World, id: &RowId, change: impl FnOnce(&mut Row)) {
    let old = row(world, id);
    let mut new = old.clone();
    change(&mut new);
    new.version = old.version + (1 << 40);
    assert_eq!(now(world.store.rows_put(vec![RowWrite { expect: Some(old.version), row: new }])).unwrap(), [true]);
}

/// The create of this row was made at this time, and nobody knows how it ended.
pub fn make_unknown(world: &World, id: &RowId, armed_at: Millis) {
    edit(world, id, |row| {
        let attempt = Attempt {
            op: Op::Create,
            content: row.content.take(),
            payload: json!({}),
            nonce: 1 << 50,
            owner: "one that is dead".into(),
            armed_at,
            unknown_from: 0,
            misses: 0,
            missed_at: 0,
            after_unknown_delete: false,
            seq: 1,
        };
        row.post = None;
        row.state = RowState::Unknown;
        row.attempt = Some(attempt);
    });
}
