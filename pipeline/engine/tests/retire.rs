//! An import that ends with its posts: all of them are deleted, those of no other import, whoever dies meanwhile.

#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use jobpipe_core::{DocKind, Plan, RowStore};
use jobpipe_engine::admission::{self, Wish};
use jobpipe_engine::docs::{self, Command, ImportDoc, Read, ScheduleDoc};
use jobpipe_engine::failpoint::{NoFailpoints, Point};
use jobpipe_engine::scheduler::{Order, deploy, obey};
use jobpipe_engine::{Cx, EngineError, admin};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use world::launching::{answered, cx, hours, plan, runs, start, start_watched};
use world::{DieAt, Fault, Notices, World};

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

fn retire(import: &str) -> Order {
    Order::Retire { import: import.to_owned(), slot: "last".to_owned() }
}

fn code(done: Result<impl std::fmt::Debug, EngineError>) -> &'static str {
    match done {
        Err(EngineError::Refused { code, .. }) => code,
        other => panic!("it is not refused: {other:?}"),
    }
}

async fn schedule(world: &World, import: &str) -> ScheduleDoc {
    let read: Option<Read<ScheduleDoc>> = docs::read(&*world.store, DocKind::Schedule, import).await.unwrap();
    read.unwrap().doc
}

fn texts(world: &World, page: &str) -> Vec<String> {
    world.pages.lock().unwrap().texts(page)
}

/// The world's import as `acme`, its posts kept when their records go.
fn keeping(world: &World) -> Plan {
    let mut plan = plan(world, "acme", json!("every 1h"));
    let facebook = plan.stages.iter_mut().find(|stage| stage.name == "facebook").unwrap();
    facebook.body["gone"] = json!("keep");
    plan
}

async fn with_posts(plan: &Plan, world: &World) -> Arc<Cx> {
    let cx = cx(world);
    deploy::deploy(&cx, plan, "acme.yml").await.unwrap();
    let engine = start(world, true, Arc::new(NoFailpoints));
    sleep(hours(1)).await;
    engine.end().await;
    cx
}

#[tokio::test(start_paused = true)]
async fn its_posts_are_deleted_and_those_of_others_stay() {
    let world = World::new(9, &["p1", "p2"]);
    let engine = start(&world, true, Arc::new(NoFailpoints));
    let cx = cx(&world);
    deploy::deploy(&cx, &plan(&world, "other", json!("every 1h")), "other.yml").await.unwrap();
    sleep(hours(1)).await;
    deploy::deploy(&cx, &plan(&world, "acme", json!("every 1h")), "acme.yml").await.unwrap();
    sleep(hours(1)).await;
    assert_eq!((texts(&world, "p1").len(), texts(&world, "p2").len()), (18, 18));
    deploy::withdraw(&cx, "other").await.unwrap();
    world.source.lock().unwrap().asked.clear();

    let (told, refused) = answered(&cx, retire("acme")).await;
    assert!(refused.is_none() && told.contains("acme@last"), "{told}");
    sleep(minutes(10)).await;
    world.assert_in_step("what other has posted");
    assert_eq!(world.source.lock().unwrap().asked, Vec::<String>::new(), "nothing is read for it");
    let run = cx.run("acme@last").await.unwrap().doc;
    assert_eq!((run.gone, run.guard), (9, None));
    let files = world.files.lock().unwrap().clone();
    assert_eq!((files["snapshot"].len(), files["changes"].len()), (0, 9), "the removals are told");
    assert!(files["changes"].iter().all(|line| line.starts_with("gone o")), "{:?}", files["changes"]);
    assert_eq!(files["run"].len(), 9, "what the last run of the source has read stays");
    let ended = schedule(&world, "acme").await;
    assert_eq!((ended.current, ended.next, ended.retiring), (None, None, None));
    let before = runs(&world, "acme").await;
    sleep(hours(5)).await;
    assert_eq!(runs(&world, "acme").await, before, "it is launched no more");
    engine.end().await;
}

#[tokio::test(start_paused = true)]
async fn posts_that_are_kept_when_their_record_goes_are_deleted_too() {
    let world = World::new(9, &["p1"]);
    let cx = with_posts(&keeping(&world), &world).await;
    world.source.lock().unwrap().offers.remove("o003");
    let engine = start(&world, true, Arc::new(NoFailpoints));
    sleep(hours(1)).await;
    assert_eq!(texts(&world, "p1").len(), 9, "the export keeps it");
    deploy::pause(&cx, "acme", "by hand").await.unwrap();
    answered(&cx, retire("acme")).await;
    sleep(minutes(10)).await;
    assert_eq!(texts(&world, "p1"), Vec::<String>::new(), "a pause keeps nothing from ending");
    // deployed once more it begins anew
    deploy::deploy(&cx, &keeping(&world), "acme.yml").await.unwrap();
    sleep(hours(1)).await;
    world.assert_in_step("deployed again");
    engine.end().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_dies_leaves_the_rest_to_the_next() {
    let mut never = Vec::new();
    // a first run and its requests: tests/crash.rs
    let first = ["admit.definition", "task.output", "drain.attach", "drain.attached", "drain.probe"];
    let apart = |point: &&Point| !point.name().starts_with("relay.") && !first.contains(&point.name());
    for point in Point::ALL.iter().filter(apart) {
        let times: &[u64] = if point.name().starts_with("drain.") { &[1, 3] } else { &[1] };
        for nth in times.iter().copied() {
            let world = World::new(9, &["p1", "p2"]);
            let cx = with_posts(&plan(&world, "acme", json!("every 1h")), &world).await;
            world.source.lock().unwrap().asked.clear();
            // a command that is left for the engine: who dies has not answered it
            admin::wish(&cx, &Command::Order(retire("acme"))).await.unwrap();
            let die = Arc::new(DieAt::new(*point, nth));
            let dying = start(&world, true, Arc::clone(&die) as _);
            sleep(minutes(20)).await;
            if dying.engine.is_finished() {
                assert!(matches!(dying.engine.await.unwrap(), Err(EngineError::Killed(_))), "{}", point.name());
            } else {
                dying.end().await;
            }
            if !die.died() && nth == 1 {
                never.push(point.name());
            }
            let next = start(&world, true, Arc::new(NoFailpoints));
            sleep(minutes(20)).await;
            next.end().await;
            let what = format!("{} {nth}", point.name());
            for page in ["p1", "p2"] {
                assert_eq!(texts(&world, page), Vec::<String>::new(), "{what}: {page}");
            }
            assert_eq!(runs(&world, "acme").await.len(), 2, "{what}: one run of the source, and the last");
            assert_eq!(world.source.lock().unwrap().asked, Vec::<String>::new(), "{what}");
            let files = world.files.lock().unwrap().clone();
            assert_eq!((files["snapshot"].len(), files["changes"].len()), (0, 9), "{what}");
            let ended = schedule(&world, "acme").await;
            assert_eq!((ended.current, ended.retiring), (None, None), "{what}");
        }
    }
    assert_eq!(never, Vec::<&str>::new(), "points that it never reaches");
}

#[tokio::test(start_paused = true)]
async fn nothing_else_is_begun_meanwhile() {
    let world = World::new(9, &["p1"]);
    let plan = plan(&world, "acme", json!("every 1h"));
    let cx = with_posts(&plan, &world).await;
    assert_eq!(code(obey(&cx, &retire("amce")).await), "JP611");
    obey(&cx, &retire("acme")).await.unwrap();
    let again = obey(&cx, &Order::Retire { import: "acme".into(), slot: "other".into() }).await.unwrap();
    assert!(again.contains("acme@last"), "it is under way: {again}");
    let changed = Plan { schedule: Some(json!("every 2h")), ..plan.clone() };
    assert_eq!(code(deploy::deploy(&cx, &changed, "acme.yml").await), "JP614");
    assert_eq!(code(deploy::trigger(&cx, "acme", "now").await), "JP614");
    assert_eq!(code(admission::admit(&cx, &plan, &Wish::default()).await), "JP614");
    assert_eq!(deploy::all(&cx).await.unwrap().len(), 1, "it is shown until it has ended");
    // who does not want to wait
    deploy::withdraw(&cx, "acme").await.unwrap();
    let engine = start(&world, true, Arc::new(NoFailpoints));
    sleep(hours(2)).await;
    assert_eq!((texts(&world, "p1").len(), runs(&world, "acme").await.len()), (9, 1));
    // one that is not deployed any more is known as long as its records are
    answered(&cx, retire("acme")).await;
    sleep(minutes(10)).await;
    assert_eq!(texts(&world, "p1"), Vec::<String>::new());
    assert!(deploy::all(&cx).await.unwrap().is_empty());
    engine.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_open_run_makes_room_and_a_cancel_of_the_last_one_ends_it() {
    let world = World::new(9, &["p1"]);
    let cx = with_posts(&plan(&world, "acme", json!("every 1h")), &world).await;
    world.source.lock().unwrap().slow.insert("list/0".into(), minutes(30));
    let engine = start(&world, true, Arc::new(NoFailpoints));
    deploy::trigger(&cx, "acme", "slow").await.unwrap();
    sleep(minutes(1)).await;
    let import: Read<ImportDoc> = docs::read(&*world.store, DocKind::Import, "acme").await.unwrap().unwrap();
    assert_eq!(import.doc.open.unwrap().facts.run, "acme@slow");
    answered(&cx, retire("acme")).await;
    sleep(hours(1)).await;
    assert!(cx.run("acme@slow").await.unwrap().doc.cancel);
    assert_eq!((texts(&world, "p1"), runs(&world, "acme").await.len()), (Vec::new(), 3));
    engine.end().await;

    let cx = with_posts(&plan(&world, "acme", json!("every 1h")), &world).await;
    assert_eq!(texts(&world, "p1").len(), 9);
    let last = Order::Retire { import: "acme".into(), slot: "cancelled".into() };
    obey(&cx, &last).await.unwrap();
    // launched by one that works on nothing, so that it is open
    let scheduler = start(&world, false, Arc::new(NoFailpoints));
    sleep(minutes(1)).await;
    scheduler.end().await;
    admin::cancel(&cx, "acme@cancelled").await.unwrap();
    let notices = Arc::new(Notices::default());
    let engine = start_watched(&world, true, Arc::new(NoFailpoints), Arc::clone(&notices) as _);
    sleep(hours(2)).await;
    assert!(notices.0.lock().unwrap().iter().any(|told| told.contains("acme is not retired")));
    assert!(schedule(&world, "acme").await.current.is_some());
    world.assert_in_step("it goes on");
    engine.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_deleted_is_waited_for_or_told() {
    let world = World::new(9, &["p1"]);
    let cx = with_posts(&plan(&world, "acme", json!("every 1h")), &world).await;
    world.pages.lock().unwrap().faults.extend([Some(Fault::Rejected), None, Some(Fault::Auth)]);
    let notices = Arc::new(Notices::default());
    let engine = start_watched(&world, true, Arc::new(NoFailpoints), Arc::clone(&notices) as _);
    answered(&cx, retire("acme")).await;
    sleep(hours(3)).await;
    assert!(schedule(&world, "acme").await.retiring.is_some(), "its page waits for another token");
    world.pages.lock().unwrap().token += 1;
    engine.end().await;
    let engine = start_watched(&world, true, Arc::new(NoFailpoints), Arc::clone(&notices) as _);
    let cx = self::cx(&world);
    admin::approve(&cx, "acme@last").await.unwrap();
    sleep(minutes(30)).await;
    let ended = schedule(&world, "acme").await;
    assert_eq!((ended.current, ended.retiring), (None, None));
    assert_eq!(texts(&world, "p1").len(), 1, "the refused one");
    assert_eq!(world.store.dead(Some("acme"), Some("acme@last"), "", 9).await.unwrap().len(), 1);
    let told = notices.0.lock().unwrap().join("\n");
    assert!(told.contains("acme is retired: 1 of its posts could not be deleted"), "{told}");
    engine.end().await;
}
