//! Targets when several hands have been at them: one that comes back late, one that wakes in between, a second import,
//! a target that left and came back, a store put back from a backup.

#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use jobpipe_core::{Content, DocKind, DocStore, Millis, Plan, Row, RowStore, RowWrite};
use jobpipe_engine::docs::{Mark, Pause};
use jobpipe_engine::failpoint::{NoFailpoints, Point};
use jobpipe_engine::{admin, renew_epoch};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use world::hands::{Between, admit, change, done, edit, id, make_unknown, now, row, run, run_with, target, until};
use world::{Fault, Process, World};

const DAY: Millis = 86_400_000;

#[tokio::test(start_paused = true)]
async fn an_export_that_wakes_the_target_between_arm_and_proof_is_not_forgotten() {
    let world = World::new(3, &["p1"]);
    let store = Arc::clone(&world.store);
    let wakes = Between::new(Point::DrainArmed, move || {
        change(&*store, "p1", |doc| {
            doc.marks.insert("other/export".into(), Mark::default());
            doc.wake += 1;
        });
    });
    run_with(&world, &world.plan(), wakes).await;
    world.assert_in_step("end");
    assert!(target(&*world.store, "p1").doc.marks.contains_key("other/export"));
}

#[tokio::test(start_paused = true)]
async fn what_a_late_sender_made_is_deleted_without_another_run() {
    let ttl = Duration::from_secs(60);
    let mut world = World::new(3, &["p1"]);
    // the call is executed later than settle: the protocol can then only clear up
    world.pages.lock().unwrap().slow = Some(ttl * 5);
    let run = admit(&world, &world.plan()).await;
    // one that believes itself alone renews nothing: as if it hung
    let zombie = Process::start(&world, Arc::new(NoFailpoints));
    until("the zombie sends", async || world.pages.lock().unwrap().slow.is_none()).await;
    world.lease_ttl = Some(ttl);
    let second = Process::start(&world, Arc::new(NoFailpoints));
    done(&second.cx, &run).await;
    world.assert_in_step("before the zombie's call is executed");
    until("the call is executed", async || !world.pages.lock().unwrap().doubles.is_empty()).await;
    let late = Instant::now();
    until("the second post goes", async || world.pages.lock().unwrap().texts("p1") == world.expected()).await;
    assert!(late.elapsed() < ttl, "not when an audit finds it: {:?}", late.elapsed());
    zombie.end().await;
    second.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_read_back_covers_the_oldest_attempt() {
    let world = World::new(2, &["p1"]);
    run(&world, &world.plan()).await;
    let made = world.cx(Arc::new(NoFailpoints)).0.now();
    sleep(Duration::from_secs(3 * 86_400)).await;
    // the older attempt was executed, the newer one was not
    make_unknown(&world, &id("o001"), made);
    make_unknown(&world, &id("o000"), made + 3 * DAY);
    world.pages.lock().unwrap().admin_deletes("p1", "v1 offer 000");
    run(&world, &world.plan()).await;
    world.assert_in_step("end");
}

#[tokio::test(start_paused = true)]
async fn what_turns_up_after_it_was_declared_absent_is_brought_up_to_date() {
    let world = World::new(1, &["p1"]);
    run(&world, &world.plan()).await;
    let made = world.cx(Arc::new(NoFailpoints)).0.now();
    // a read-back that does not show the post: it looks only at what was made later
    make_unknown(&world, &id("o000"), made + 10 * DAY);
    edit(&world, &id("o000"), |row| row.attempt.as_mut().unwrap().misses = 1);
    world.source.lock().unwrap().offers.get_mut("o000").unwrap().title = "edited".into();
    // the create of the new content is lost, and the old post is found
    world.pages.lock().unwrap().faults.push_back(Some(Fault::LostCall));
    run(&world, &world.plan()).await;
    world.assert_in_step("end");
}

#[tokio::test(start_paused = true)]
async fn a_target_that_left_keeps_its_rechecks_until_it_is_back() {
    let mut world = World::new(2, &["p1", "p2"]);
    run(&world, &world.plan()).await;
    // an update whose end was not known: the content counts as unknown
    edit(&world, &id("o000"), |row| {
        row.content = Some(Content { hash: None, identity: "link".into() });
        row.recheck = true;
    });
    world.targets = vec!["p2".into()];
    run(&world, &world.plan()).await;
    assert!(row(&world, &id("o000")).recheck, "nobody may say what p1 is to have");
    world.targets = vec!["p1".into(), "p2".into()];
    run(&world, &world.plan()).await;
    assert_eq!(world.pages.lock().unwrap().updates, 1);
    assert!(!row(&world, &id("o000")).recheck);
}

#[tokio::test(start_paused = true)]
async fn a_lost_store_reposts_nothing_of_the_second_import_of_a_page() {
    let mut world = World::new(4, &["p1"]);
    let plans = [world.plan(), Plan { name: "beta".into(), ..world.plan() }];
    for plan in &plans {
        run(&world, plan).await;
    }
    world.store = Arc::default();
    for plan in &plans {
        run(&world, plan).await;
    }
    let pages = world.pages.lock().unwrap();
    assert_eq!((pages.doubles.as_slice(), pages.creates, pages.texts("p1").len()), ([].as_slice(), 8, 8));
}

#[tokio::test(start_paused = true)]
async fn a_post_whose_row_a_sleeper_brought_into_a_new_store_goes_with_its_record() {
    let mut world = World::new(2, &["p1"]);
    run(&world, &world.plan()).await;
    let brought = Row { version: 1 << 45, ..row(&world, &id("o001")) };
    world.store = Arc::default();
    world.source.lock().unwrap().offers.remove("o001");
    now(world.store.rows_put(vec![RowWrite { expect: None, row: brought }])).unwrap();
    run(&world, &world.plan()).await;
    assert_eq!(world.pages.lock().unwrap().texts("p1").len(), 2, "a store that knows nothing deletes nothing");
    run(&world, &world.plan()).await;
    assert_eq!(world.pages.lock().unwrap().texts("p1").len(), 1, "no run wants it");
    world.assert_in_step("withdrawn");
}

#[tokio::test(start_paused = true)]
async fn a_new_epoch_ends_the_leases_and_pauses_of_the_old_one() {
    let world = World::new(1, &["p1"]);
    run(&world, &world.plan()).await;
    change(&*world.store, "p1", |doc| {
        doc.owner = Some("one that lives on".into());
        doc.paused = Some(Pause { why: "refused".into(), credential: 1, since: 0 });
    });
    let held = target(&*world.store, "p1").doc;
    let import = || now(world.store.doc(DocKind::Import, "acme")).unwrap().unwrap();
    let before = import();
    let (cx, _) = world.cx(Arc::new(NoFailpoints));
    let new = held.fence_epoch + 1;
    let epoch = renew_epoch(&cx).await.unwrap();
    let doc = target(&*world.store, "p1").doc;
    assert_eq!((epoch, doc.owner, doc.paused, doc.next_at), (new, None, None, Some(0)));
    assert_eq!((doc.fence, doc.fence_epoch, doc.wake), (held.fence + 1, new, held.wake + 1));
    let after = import();
    assert_eq!(after.body, before.body);
    assert_ne!(after.version, before.version, "what was read of the backup's is not written upon");
}

#[tokio::test(start_paused = true)]
async fn an_orphan_is_not_lost_when_the_row_of_its_key_has_a_post_already() {
    let world = World::new(1, &["p1"]);
    run(&world, &world.plan()).await;
    let owner = row(&world, &id("o000"));
    let orphan = Row {
        post: Some("p1_99".into()),
        handed_to: Some("o000".into()),
        version: 1 << 45,
        ..Row::blank(id("jp:some-marker"), 0, 1)
    };
    now(world.store.rows_put(vec![RowWrite { expect: None, row: orphan }])).unwrap();
    run(&world, &world.plan()).await;
    let after = row(&world, &id("o000"));
    assert_eq!((after.post, row(&world, &id("jp:some-marker")).post), (owner.post, None));
    assert!(after.past.contains("p1_99"), "deleted, or surely not there");
}

#[tokio::test(start_paused = true)]
async fn one_who_wakes_a_target_late_does_not_tell_it_of_an_older_run() {
    let world = World::new(2, &["p1"]);
    run(&world, &world.plan()).await;
    let store = Arc::clone(&world.store);
    let other = Between::new(Point::WakeTarget, move || {
        change(&*store, "p1", |doc| doc.told.get_mut("acme/facebook").unwrap().seq = 99);
    });
    run_with(&world, &world.plan(), other).await;
    let told = target(&*world.store, "p1").doc.told.remove("acme/facebook").unwrap();
    assert_eq!((told.seq, told.present), (99, true));
}

#[tokio::test(start_paused = true)]
async fn one_who_slept_through_the_loss_of_a_store_tells_nothing_of_its_runs() {
    let world = World::new(2, &["p1"]);
    run(&world, &world.plan()).await;
    let store = Arc::clone(&world.store);
    let other = Between::new(Point::WakeTarget, move || {
        change(&*store, "p1", |doc| {
            let told = doc.told.get_mut("acme/facebook").unwrap();
            (told.epoch, told.seq) = (told.epoch - 1, 99);
        });
    });
    run_with(&world, &world.plan(), other).await;
    let doc = target(&*world.store, "p1").doc;
    assert_eq!((doc.told["acme/facebook"].seq, doc.told["acme/facebook"].epoch), (2, doc.fence_epoch));
}

#[tokio::test(start_paused = true)]
async fn what_is_told_of_another_store_is_not_drained() {
    let world = World::new(2, &["p1"]);
    run(&world, &world.plan()).await;
    edit(&world, &id("o000"), |row| row.recheck = true);
    change(&*world.store, "p1", |doc| {
        doc.told.get_mut("acme/facebook").unwrap().epoch -= 1;
        doc.next_at = Some(0);
    });
    let process = Process::start(&world, Arc::new(NoFailpoints));
    until("the target rests", async || target(&*world.store, "p1").doc.next_at != Some(0)).await;
    process.end().await;
    assert!(row(&world, &id("o000")).recheck, "nobody may say what it is to have");
    run(&world, &world.plan()).await;
    assert!(!row(&world, &id("o000")).recheck);
}

#[tokio::test(start_paused = true)]
async fn what_was_armed_without_the_lease_is_looked_at_by_who_has_it() {
    let world = World::new(3, &["p1"]);
    let store = Arc::clone(&world.store);
    let rests = Between::new(Point::DrainArmed, move || {
        change(&*store, "p1", |doc| {
            doc.fence += 1;
            (doc.owner, doc.next_at, doc.busy) = (None, None, false);
        });
    });
    let run = admit(&world, &world.plan()).await;
    let process = Process::start(&world, rests);
    until("the rows are made", async || world.pages.lock().unwrap().texts("p1") == world.expected()).await;
    done(&process.cx, &run).await;
    process.end().await;
    world.assert_in_step("end");
}

#[tokio::test(start_paused = true)]
async fn a_row_that_was_left_at_a_target_at_rest_is_looked_at_by_the_next_process() {
    let mut world = World::new(1, &["p1"]);
    world.lease_ttl = Some(Duration::from_secs(60));
    run(&world, &world.plan()).await;
    edit(&world, &id("o000"), |row| row.recheck = true);
    let process = Process::start(&world, Arc::new(NoFailpoints));
    until("it is looked at", async || !row(&world, &id("o000")).recheck).await;
    process.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_lease_of_another_store_is_another_lease() {
    let ttl = Duration::from_secs(60);
    let mut world = World::new(1, &["p1"]);
    run(&world, &world.plan()).await;
    change(&*world.store, "p1", |doc| doc.owner = Some("one of the old store".into()));
    world.lease_ttl = Some(ttl);
    let process = Process::start(&world, Arc::new(NoFailpoints));
    sleep(ttl / 10 * 9).await;
    change(&*world.store, "p1", |doc| {
        doc.fence_epoch += 1;
        doc.owner = Some("one of the new store".into());
    });
    sleep(ttl / 2).await;
    assert_eq!(target(&*world.store, "p1").doc.owner.as_deref(), Some("one of the new store"));
    until("it is taken", async || target(&*world.store, "p1").doc.owner.is_none()).await;
    process.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_recheck_sends_nothing_of_a_definition_that_waits() {
    let mut world = World::new(10, &["p1"]);
    run(&world, &world.plan()).await;
    edit(&world, &id("o003"), |row| row.recheck = true);
    world.template = "v2".to_owned();
    let waits = world.run().await;
    assert!(waits.targets["p1"].waits.is_some(), "{waits:?}");
    assert_eq!(world.pages.lock().unwrap().updates, 0, "nothing is sent until a person has looked");
    assert!(row(&world, &id("o003")).recheck, "it is asked when they have");
    let (cx, _) = world.cx(Arc::new(NoFailpoints));
    admin::approve(&cx, &waits.run).await.unwrap();
    world.run().await;
    world.assert_in_step("approved");
}
