//! What other processes wish for: two engines that obey one command do it once.

#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use jobpipe_core::DocKind;
use jobpipe_engine::admin;
use jobpipe_engine::admission::{self, Wish};
use jobpipe_engine::docs::{self, Command};
use jobpipe_engine::failpoint::NoFailpoints;
use jobpipe_engine::{Cx, serve};
use std::sync::Arc;
use std::time::Duration;
use world::World;

/// As one engine obeys it that has read it before another one forgot it.
async fn obey(cx: &Cx, id: &str, command: &Command) {
    docs::insert(&*cx.store, &*cx.ids, DocKind::Command, id, command).await.unwrap();
    admin::obey(cx).await.unwrap();
}

/// An engine works until no run is open.
async fn work(world: &World) {
    let (cx, stop) = world.cx(Arc::new(NoFailpoints));
    let engine = tokio::spawn(serve(Arc::clone(&cx)));
    while admission::import(&cx, "acme").await.unwrap().doc.open.is_some() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.stop();
    engine.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_run_is_started_once() {
    let world = World::new(5, &["p1"]);
    for (number, slot) in [Some("wished".to_owned()), None].into_iter().enumerate() {
        let (first, _) = world.cx(Arc::new(NoFailpoints));
        let (second, _) = world.cx(Arc::new(NoFailpoints));
        let wish = Wish { slot, supersede: true, ..Wish::default() };
        let command = Command::Run { plan: Box::new(world.plan()), wish };
        let id = format!("command-{number}");
        obey(&first, &id, &command).await;
        obey(&second, &id, &command).await;
        work(&world).await;
        obey(&second, &id, &command).await;
        assert_eq!(admission::import(&first, "acme").await.unwrap().doc.open, None, "nothing is opened again");
        assert_eq!(admin::runs(&first, Some("acme"), 100).await.unwrap().len(), number + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_run_command_supersedes_nothing() {
    let world = World::new(5, &["p1"]);
    let (cx, _) = world.cx(Arc::new(NoFailpoints));
    let wish = Wish { slot: Some("wished".to_owned()), supersede: true, ..Wish::default() };
    let command = Command::Run { plan: Box::new(world.plan()), wish };
    obey(&cx, "command", &command).await;
    work(&world).await;
    let other = World { template: "v2".to_owned(), ..world };
    let (cx, _) = other.cx(Arc::new(NoFailpoints));
    admission::admit(&cx, &other.plan(), &Wish::default()).await.unwrap();
    let open = admission::import(&cx, "acme").await.unwrap().doc.open.unwrap();
    obey(&cx, "command", &command).await;
    assert!(!cx.run(&open.facts.run).await.unwrap().doc.cancel);
}
