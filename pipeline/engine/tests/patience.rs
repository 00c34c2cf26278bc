//! A store that does not answer for a while: the engine waits, says so once, and goes on.

#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use jobpipe_core::{DocKind, RowState, RowStore, StateStore};
use jobpipe_engine::admin::{self, Standing};
use jobpipe_engine::admission::{self, Admitted, Wish};
use jobpipe_engine::docs::{self, Read, TargetDoc};
use jobpipe_engine::failpoint::NoFailpoints;
use jobpipe_engine::{Cx, EngineError, serve};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::sleep;
use world::{Notices, Outage, World};

async fn admit(world: &World) -> String {
    let (cx, _) = world.cx(Arc::new(NoFailpoints));
    match admission::admit(&cx, &world.plan(), &Wish::default()).await.unwrap() {
        Admitted::Started(run) => run,
        other => panic!("{other:?}"),
    }
}

async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    for _ in 0..100_000 {
        if is().await {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

async fn succeeds(world: &World, run: &str) {
    let (cx, _) = world.cx(Arc::new(NoFailpoints));
    until("the run ends", async || {
        let state = admin::summary(&cx, run).await.unwrap().state;
        !matches!(state, Standing::Running | Standing::Draining)
    })
    .await;
    assert_eq!(admin::summary(&cx, run).await.unwrap().state, Standing::Succeeded);
    world.assert_in_step("end");
}

async fn crashes(world: &World, cx: &Cx) -> u32 {
    let store: &dyn StateStore = &*world.store;
    let target: Option<Read<TargetDoc>> = docs::read(store, DocKind::Target, "p1").await.unwrap();
    assert!(world.store.rows_of("p1", None, 1_000).await.unwrap().iter().all(|row| row.state == RowState::Idle));
    assert!(target.as_ref().unwrap().doc.owner.as_ref() != Some(&cx.owner));
    target.unwrap().doc.crashes
}

/// Cuts the line for ten minutes when it `is` time, in the first run.
async fn outage(world: &World, what: &str, is: impl AsyncFn(&World) -> bool) {
    let run = admit(world).await;
    let (store, notices) = (Outage::new(&world.store, 0), Arc::new(Notices::default()));
    let (cx, stop) = world.cx_over(Arc::clone(&store) as _, Arc::new(NoFailpoints), Arc::clone(&notices) as _);
    let engine = tokio::spawn(serve(Arc::clone(&cx)));
    until(what, async || is(world).await).await;
    store.down.store(true, Ordering::SeqCst);
    sleep(Duration::from_secs(600)).await;
    assert!(!engine.is_finished(), "{what}");
    let refused = store.refused.load(Ordering::SeqCst);
    assert!(refused > 10 && refused < 3_000, "{what}: {refused} calls in ten minutes");
    store.down.store(false, Ordering::SeqCst);
    succeeds(world, &run).await;
    let told = notices.0.lock().unwrap().clone();
    assert!(told.len() == 1 && told[0].contains("the line is cut"), "{what}: {told:?}");
    assert_eq!(crashes(world, &cx).await, 0, "{what}: nobody died");
    stop.stop();
    engine.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_outage_while_tasks_run_is_waited_for() {
    outage(&World::new(40, &["p1"]), "pages are read", async |world| world.source.lock().unwrap().asked.len() > 10)
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_while_a_page_is_drained_is_waited_for() {
    outage(&World::new(40, &["p1"]), "posts are made", async |world| world.pages.lock().unwrap().creates > 10).await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_among_several_engines_is_waited_for() {
    let world = World { lease_ttl: Some(Duration::from_secs(60)), ..World::new(40, &["p1"]) };
    outage(&world, "posts are made", async |world| world.pages.lock().unwrap().creates > 10).await;
}

#[tokio::test(start_paused = true)]
async fn answers_that_get_lost_now_and_then_end_nothing() {
    for lossy in 1..=6 {
        // what is claimed without an answer lapses
        let world = World { lease_ttl: Some(Duration::from_secs(60)), ..World::new(40, &["p1"]) };
        let run = admit(&world).await;
        let store = Outage::new(&world.store, lossy);
        let notices = Arc::new(Notices::default());
        let (cx, stop) = world.cx_over(Arc::clone(&store) as _, Arc::new(NoFailpoints), Arc::clone(&notices) as _);
        let engine = tokio::spawn(serve(cx));
        succeeds(&world, &run).await;
        assert!(store.refused.load(Ordering::SeqCst) > 2, "{lossy}");
        stop.stop();
        let end = engine.await.unwrap();
        assert!(end.as_ref().is_ok_and(|()| true) || end.as_ref().is_err_and(EngineError::passes), "{end:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_stops_does_not_wait_for_the_store() {
    let world = World::new(4, &["p1"]);
    let store = Outage::new(&world.store, 0);
    store.down.store(true, Ordering::SeqCst);
    let (cx, stop) = world.cx_over(Arc::clone(&store) as _, Arc::new(NoFailpoints), Arc::new(Notices::default()));
    let engine = tokio::spawn(serve(cx));
    sleep(Duration::from_secs(300)).await;
    assert!(!engine.is_finished());
    stop.stop();
    sleep(Duration::from_millis(200)).await;
    assert!(engine.is_finished(), "within a tick");
    assert!(engine.await.unwrap().unwrap_err().passes());
}
