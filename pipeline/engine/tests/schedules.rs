//! Deployed imports are launched when they are due: once, by whoever comes first, whatever happens.

#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use jobpipe_core::{Clock, DocKind, DocStore, Millis, Plan, utc_text};
use jobpipe_engine::EngineError;
use jobpipe_engine::docs::{self, Backfill, ImportDoc, Read};
use jobpipe_engine::failpoint::{NoFailpoints, Point};
use jobpipe_engine::scheduler::Order;
use jobpipe_engine::scheduler::deploy::{self, Outcome};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use world::launching::{answered, cx, hours, plan, runs, start, start_watched};
use world::{DieAt, Launches, World};

const HOUR: Millis = 3_600_000;

/// The ids of the runs of each full hour from `first` on.
fn hourly(import: &str, first: Millis, count: i64) -> Vec<String> {
    let first = (first + HOUR - 1).div_euclid(HOUR) * HOUR;
    (0..count).map(|hour| format!("{import}@{}", utc_text(first + hour * HOUR))).collect()
}

#[tokio::test(start_paused = true)]
async fn each_slot_has_one_run_however_many_try() {
    let world = World { lease_ttl: Some(Duration::from_secs(60)), ..World::new(3, &["p1"]) };
    let begin = world.clock.now();
    let first = start(&world, true, Arc::new(NoFailpoints));
    let others = [start(&world, false, Arc::new(NoFailpoints)), start(&world, false, Arc::new(NoFailpoints))];
    let done = deploy::deploy(&cx(&world), &plan(&world, "acme", json!("every 1h")), "acme.yml").await.unwrap();
    assert_eq!(done, Outcome::Deployed(1));
    sleep(hours(10)).await;
    assert_eq!(runs(&world, "acme").await, hourly("acme", begin, 10));
    first.end().await;
    for other in others {
        other.end().await;
    }
    world.assert_in_step("ten runs");
}

#[tokio::test(start_paused = true)]
async fn whoever_dies_at_a_slot_leaves_it_to_the_next() {
    let points = ["slot.noted", "slot.next", "admit.import", "ensure.run", "ensure.roots", "close.import", "close.run"];
    for point in Point::ALL.iter().filter(|point| points.contains(&point.name())) {
        for nth in [1, 3] {
            let world = World::new(2, &["p1"]);
            let begin = world.clock.now();
            let hourly_plan = plan(&world, "acme", json!({ "every": "1h", "catch_up": "all", "overlap": "skip" }));
            deploy::deploy(&cx(&world), &hourly_plan, "acme.yml").await.unwrap();
            let die = Arc::new(DieAt::new(*point, nth));
            let dying = start(&world, true, Arc::clone(&die) as _);
            sleep(hours(3)).await;
            // three hours in which nobody is there: what was missed then waits
            if dying.engine.is_finished() {
                assert!(matches!(dying.engine.await.unwrap(), Err(EngineError::Killed(_))), "{}", point.name());
            } else {
                dying.end().await;
            }
            sleep(hours(3)).await;
            let next = start(&world, true, Arc::clone(&die) as _);
            sleep(hours(2)).await;
            assert!(nth > 1 || die.died(), "{}: nobody died", point.name());
            let dead = next.engine.is_finished();
            if !dead {
                next.end().await;
            }
            let last = start(&world, true, Arc::new(NoFailpoints));
            sleep(Duration::from_secs(1_800)).await;
            assert_eq!(runs(&world, "acme").await, hourly("acme", begin, 8), "{} {nth}, dead {dead}", point.name());
            last.end().await;
            world.assert_in_step(point.name());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn slots_that_nobody_met_are_made_up_for_though_their_runs_overlap() {
    let world = World::new(1, &["p1"]);
    let schedule = json!({ "every": "10s", "catch_up": "all", "overlap": "skip" });
    deploy::deploy(&cx(&world), &plan(&world, "acme", schedule), "acme.yml").await.unwrap();
    let first = start(&world, true, Arc::new(NoFailpoints));
    sleep(Duration::from_secs(15)).await;
    // this one stays open while nobody is there
    world.source.lock().unwrap().slow.insert("list/0".into(), Duration::from_secs(4));
    sleep(Duration::from_secs(6)).await;
    first.stop.stop();
    let died = world.clock.now();
    first.engine.await.unwrap().unwrap();
    sleep(Duration::from_secs(30)).await;
    let back = world.clock.now();
    world.source.lock().unwrap().slow.insert("list/0".into(), Duration::from_secs(25));
    let second = start(&world, true, Arc::new(NoFailpoints));
    sleep(Duration::from_secs(65)).await;
    second.end().await;
    let done = runs(&world, "acme").await;
    let slots = (died / 10_000 + 1..=back / 10_000).map(|slot| format!("acme@{}", utc_text(slot * 10_000)));
    let missed: Vec<String> = slots.filter(|run| !done.contains(run)).collect();
    assert_eq!(missed, Vec::<String>::new(), "of {done:?}");
    let read: Read<ImportDoc> = docs::read(&*world.store, DocKind::Import, "acme").await.unwrap().unwrap();
    assert!(read.doc.skipped.is_some(), "those that were met are skipped while one is open");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_its_jitter_delays_is_not_late() {
    let world = World::new(1, &["p1"]);
    let launches = Arc::new(Launches::default());
    let engine = start_watched(&world, true, Arc::new(NoFailpoints), Arc::clone(&launches) as _);
    let schedule = json!({ "every": "1h", "jitter": "20m" });
    deploy::deploy(&cx(&world), &plan(&world, "acme", schedule), "acme.yml").await.unwrap();
    sleep(hours(6)).await;
    deploy::trigger(&cx(&world), "acme", "now").await.unwrap();
    sleep(Duration::from_secs(60)).await;
    let launches = launches.0.lock().unwrap().clone();
    assert!(launches.len() >= 6 && launches.iter().all(|(_, late)| *late < 2_000), "{launches:?}");
    let read: Read<ImportDoc> = docs::read(&*world.store, DocKind::Import, "acme").await.unwrap().unwrap();
    assert!(read.doc.closed.unwrap().run == "acme@now");
    engine.end().await;
}

#[tokio::test(start_paused = true)]
async fn five_hundred_missed_slots_are_made_up_for_in_order() {
    let world = World::new(1, &["p1"]);
    let begin = world.clock.now();
    let every = json!({ "every": "1h", "catch_up": "all" });
    deploy::deploy(&cx(&world), &plan(&world, "acme", every), "acme.yml").await.unwrap();
    sleep(hours(500)).await;
    let engine = start(&world, true, Arc::new(NoFailpoints));
    sleep(Duration::from_secs(3_000)).await;
    assert_eq!(runs(&world, "acme").await, hourly("acme", begin, 500));
    engine.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_import_runs_after_each_run_of_another() {
    let world = World::new(2, &["p1"]);
    let engine = start(&world, true, Arc::new(NoFailpoints));
    let cx = cx(&world);
    deploy::deploy(&cx, &plan(&world, "second", json!({ "after": "first" })), "second.yml").await.unwrap();
    deploy::deploy(&cx, &plan(&world, "first", json!("every 1h")), "first.yml").await.unwrap();
    sleep(hours(4)).await;
    let first = runs(&world, "first").await;
    assert_eq!(first.len(), 4);
    let after: Vec<String> = first.iter().map(|run| format!("second@after:{run}")).collect();
    assert_eq!(runs(&world, "second").await, after);
    engine.end().await;
    let read: Read<ImportDoc> = docs::read(&*world.store, DocKind::Import, "first").await.unwrap().unwrap();
    assert!(read.doc.after_due.is_empty(), "what was taken by all is forgotten: {:?}", read.doc.after_due);
    assert_eq!(world.store.docs_due(DocKind::Import, Millis::MAX, (Millis::MIN, ""), 9).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn imports_in_a_circle_are_refused() {
    let world = World::new(1, &["p1"]);
    let cx = cx(&world);
    let after = |name: &str, other: &str| plan(&world, name, json!({ "after": other }));
    deploy::deploy(&cx, &after("a", "b"), "a.yml").await.unwrap();
    deploy::deploy(&cx, &after("b", "c"), "b.yml").await.unwrap();
    for closing in [after("b", "a"), after("c", "a"), after("c", "c")] {
        match deploy::deploy(&cx, &closing, "x.yml").await {
            Err(EngineError::Refused { code: "JP615", message }) => {
                assert!(message.contains(&format!("`{}` runs after", closing.name)), "{message}");
            }
            other => panic!("it is not refused: {other:?}"),
        }
    }
    assert_eq!(deploy::plan_of(&cx, "b", None).await.unwrap(), after("b", "c"), "the version before stays");
    // one that is not deployed any more is followed by nobody in vain
    deploy::withdraw(&cx, "a").await.unwrap();
    deploy::deploy(&cx, &after("c", "a"), "c.yml").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn people_pause_trigger_backfill_roll_back_and_withdraw() {
    let world = World::new(2, &["p1"]);
    let cx = cx(&world);
    let engine = start(&world, true, Arc::new(NoFailpoints));
    let first = plan(&world, "acme", json!("every 1h"));
    assert!(matches!(deploy::pause(&cx, "acme", "x").await, Err(EngineError::Refused { code: "JP611", .. })));
    deploy::deploy(&cx, &first, "acme.yml").await.unwrap();
    assert_eq!(deploy::deploy(&cx, &first, "acme.yml").await.unwrap(), Outcome::Unchanged(1));
    sleep(hours(2)).await;
    assert_eq!(runs(&world, "acme").await.len(), 2);

    deploy::pause(&cx, "acme", "by hand").await.unwrap();
    assert!(matches!(deploy::trigger(&cx, "acme", "now").await, Err(EngineError::Refused { code: "JP612", .. })));
    sleep(hours(5)).await;
    assert_eq!(runs(&world, "acme").await.len(), 2, "a pause launches nothing");
    deploy::resume(&cx, "acme").await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(runs(&world, "acme").await.len(), 2, "slots of the pause are not made up for");

    let run = deploy::trigger(&cx, "acme", "now").await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(runs(&world, "acme").await.last(), Some(&run));

    let until = world.clock.now() - 24 * HOUR;
    let wish = Backfill { id: "b".into(), after: until - 3 * HOUR, until, pace: 0, started: 0, skip: false };
    assert_eq!(deploy::backfill(&cx, "acme", wish.clone()).await.unwrap(), 3);
    assert_eq!(deploy::backfill(&cx, "acme", wish.clone()).await.unwrap(), 3, "it is under way");
    let other = Backfill { id: "c".into(), ..wish };
    assert!(matches!(deploy::backfill(&cx, "acme", other).await, Err(EngineError::Refused { code: "JP613", .. })));
    sleep(Duration::from_secs(120)).await;
    let all = runs(&world, "acme").await;
    let filled: BTreeSet<&String> = all.iter().filter(|run| run.starts_with("acme@backfill-b:")).collect();
    assert_eq!((all.len(), filled.len()), (6, 3));

    let second = Plan { schedule: Some(json!("every 2h")), ..first.clone() };
    assert_eq!(deploy::deploy(&cx, &second, "acme.yml").await.unwrap(), Outcome::Deployed(2));
    assert_eq!(deploy::roll_back(&cx, "acme", 1).await.unwrap(), Outcome::Deployed(3));
    assert_eq!(deploy::plan_of(&cx, "acme", None).await.unwrap(), first);
    deploy::withdraw(&cx, "acme").await.unwrap();
    let before = runs(&world, "acme").await.len();
    sleep(hours(5)).await;
    assert_eq!(runs(&world, "acme").await.len(), before);
    assert!(deploy::all(&cx).await.unwrap().is_empty());
    engine.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_fails_is_tried_again_and_then_the_import_pauses() {
    let world = World::new(1, &["p1"]);
    world.source.lock().unwrap().failing.insert("list/0".into(), jobpipe_core::ErrorClass::Permanent);
    let engine = start(&world, true, Arc::new(NoFailpoints));
    let policies = json!({ "every": "1h", "retry": 1, "pause_on_failure": 4 });
    deploy::deploy(&cx(&world), &plan(&world, "acme", policies), "acme.yml").await.unwrap();
    sleep(hours(6)).await;
    let begin = world.clock.now() - 6 * HOUR;
    let slots = hourly("acme", begin, 2);
    let tries: Vec<String> = slots.iter().flat_map(|slot| [slot.clone(), format!("{slot}~1")]).collect();
    assert_eq!(runs(&world, "acme").await, tries, "two slots, each tried twice; then it pauses");
    let read: Read<ImportDoc> = docs::read(&*world.store, DocKind::Import, "acme").await.unwrap().unwrap();
    assert!(read.doc.paused.unwrap().why.contains("4 runs in a row failed"));
    engine.end().await;
}

#[tokio::test(start_paused = true)]
async fn orders_that_are_left_for_the_engine_are_answered_and_obeyed_once() {
    let world = World::new(1, &["p1"]);
    let cx = cx(&world);
    let engine = start(&world, true, Arc::new(NoFailpoints));
    let name = || "acme".to_owned();
    let (why, refused) = answered(&cx, Order::Trigger { import: name(), slot: "early".into() }).await;
    assert_eq!((why.contains("no import `acme` is deployed"), refused.as_deref()), (true, Some("JP611")));
    let deploy = Order::Deploy { plan: Box::new(plan(&world, "acme", json!("every 1h"))), source: "acme.yml".into() };
    assert_eq!(answered(&cx, deploy.clone()).await, ("acme: version 1 is deployed".into(), None));
    assert_eq!(answered(&cx, deploy).await, ("acme: version 1 is deployed already".into(), None));
    let trigger = Order::Trigger { import: name(), slot: "now".into() };
    for _ in 0..2 {
        assert_eq!(answered(&cx, trigger.clone()).await.1, None);
        sleep(Duration::from_secs(60)).await;
    }
    assert_eq!(runs(&world, "acme").await, ["acme@now"], "asked twice, launched once");
    let until = world.clock.now() - 24 * HOUR;
    let wish = Backfill { id: "b".into(), after: until - 2 * HOUR, until, pace: 0, started: 0, skip: false };
    let backfill = Order::Backfill { import: name(), wish };
    for _ in 0..2 {
        assert_eq!(answered(&cx, backfill.clone()).await.1, None);
        sleep(Duration::from_secs(60)).await;
    }
    assert_eq!(runs(&world, "acme").await.len(), 3, "begun twice, run once");
    // answers go after a while
    sleep(Duration::from_secs(120)).await;
    assert_eq!(world.store.docs(DocKind::Command, "", "", 9).await.unwrap(), []);
    engine.end().await;
}
