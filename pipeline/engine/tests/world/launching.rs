//! Processes that launch deployed imports, and what is asked of them.

use super::{Process, World};
use jobpipe_core::{DocKind, Plan};
use jobpipe_engine::docs::{self, Command, Read, RunDoc, RunState};
use jobpipe_engine::event::{Events, NoEvents};
use jobpipe_engine::failpoint::{Failpoints, NoFailpoints};
use jobpipe_engine::scheduler::Order;
use jobpipe_engine::{Cx, EngineError, EngineSettings, admin, serve, serve_schedules};
use serde_json::Value as Json;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::sleep;

pub fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3_600)
}

/// The world's import by another name, with a schedule.
pub fn plan(world: &World, name: &str, schedule: Json) -> Plan {
    Plan { name: name.to_owned(), schedule: Some(schedule), ..world.plan() }
}

/// A process that launches what is due; with `works`, it works on it, too.
pub fn start(world: &World, works: bool, failpoints: Arc<dyn Failpoints>) -> Process {
    start_watched(world, works, failpoints, Arc::new(NoEvents))
}

/// The same, watched.
pub fn start_watched(world: &World, works: bool, failpoints: Arc<dyn Failpoints>, events: Arc<dyn Events>) -> Process {
    let (cx, stop) = world.cx_over(Arc::clone(&world.store) as _, failpoints, events);
    let cx = Arc::into_inner(cx).unwrap();
    // hours pass in which nothing happens: loops that look ten times a second would make them long
    let (tick, sweep_every) = (Duration::from_secs(4), Duration::from_secs(20));
    let settings = EngineSettings { launches: true, tick, sweep_every, ..cx.settings.clone() };
    let cx = Arc::new(Cx { settings, ..cx });
    if works {
        return Process::of(cx, stop);
    }
    let engine = tokio::spawn(serve_schedules(Arc::clone(&cx)));
    Process { cx, stop, engine }
}

pub fn cx(world: &World) -> Arc<Cx> {
    world.cx(Arc::new(NoFailpoints)).0
}

/// The runs of an import in the order of their numbers; each is closed.
pub async fn runs(world: &World, import: &str) -> Vec<String> {
    let all = docs::all::<RunDoc, _>(&*world.store, DocKind::Run, &format!("{import}@")).await.unwrap();
    assert!(all.iter().all(|(_, run)| run.doc.state == RunState::Closed), "a run is left open");
    let mut all: Vec<(u64, String)> = all.into_iter().map(|(id, run)| (run.doc.open.facts.seq, id)).collect();
    all.sort();
    all.into_iter().map(|(_, id)| id).collect()
}

/// The answer to an order that was left for the engine.
pub async fn answered(cx: &Cx, order: Order) -> (String, Option<String>) {
    let id = admin::wish(cx, &Command::Order(order)).await.unwrap();
    loop {
        let read: Read<Command> = docs::read(&*cx.store, DocKind::Command, &id).await.unwrap().unwrap();
        match read.doc {
            Command::Answer { text, refused, .. } => return (text, refused),
            _ => sleep(Duration::from_secs(1)).await,
        }
    }
}
