//! The audit: what others do to posts behind the engine's back, and what a target does late.

#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use jobpipe_core::{Clock, RowStore};
use jobpipe_engine::failpoint::NoFailpoints;
use jobpipe_engine::serve;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use world::{Notices, Offer, World};

/// From a create to its first audit at most, and from that to its second.
const FIRST: Duration = Duration::from_secs(2 * 3_600);
const SECOND: Duration = Duration::from_secs(24 * 3_600);
/// Less than the read lag of the pages, and more than both reads and what follows take.
const ONE_READ: Duration = Duration::from_secs(1);
const BOTH_READS: Duration = Duration::from_secs(60);

/// A process that serves for so long; what it told.
async fn serves(world: &World, time: Duration) -> Vec<String> {
    let notices = Arc::new(Notices::default());
    let (cx, stop) = world.cx_over(Arc::clone(&world.store) as _, Arc::new(NoFailpoints), Arc::clone(&notices) as _);
    let engine = tokio::spawn(serve(cx));
    sleep(time).await;
    stop.stop();
    engine.await.unwrap().unwrap();
    let told = notices.0.lock().unwrap();
    told.clone()
}

/// Creates, updates and deletes so far.
fn effects(world: &World) -> (u64, u64, u64) {
    let pages = world.pages.lock().unwrap();
    (pages.creates, pages.updates, pages.deletes)
}

fn reads(world: &World) -> u64 {
    world.pages.lock().unwrap().reads
}

/// Six posts, and after the first hour.
async fn audited_soon() -> World {
    let world = World::new(6, &["p1"]);
    world.run().await;
    sleep(FIRST).await;
    world
}

#[tokio::test(start_paused = true)]
async fn a_post_that_somebody_edited_is_told_and_set_back_after_two_reads() {
    let world = audited_soon().await;
    world.pages.lock().unwrap().admin_edits("p1", "v1 offer 002", "call us!");
    let before = reads(&world);
    assert_eq!(serves(&world, ONE_READ).await, [""; 0]);
    assert_eq!((reads(&world) - before, effects(&world)), (1, (6, 0, 0)), "one read says nothing");
    let told = serves(&world, BOTH_READS).await;
    assert_eq!((reads(&world) - before, effects(&world)), (2, (6, 1, 0)));
    world.assert_in_step("set back");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("p1") && told[0].contains("1 changed") && told[0].contains("`o002`"), "{told:?}");
    sleep(SECOND).await;
    world.pages.lock().unwrap().admin_edits("p1", "v1 offer 002", "call us again!");
    assert_eq!(serves(&world, ONE_READ).await, [""; 0]);
    assert_eq!(effects(&world), (6, 1, 0), "the edit of long ago is no first read of this one");
    assert_eq!(serves(&world, BOTH_READS).await.len(), 1);
    assert_eq!(effects(&world), (6, 2, 0));
    world.assert_in_step("set back again");
}

#[tokio::test(start_paused = true)]
async fn a_post_as_it_was_left_is_read_and_left() {
    let world = audited_soon().await;
    let before = reads(&world);
    for wait in [Duration::ZERO, SECOND, SECOND] {
        sleep(wait).await;
        assert_eq!(serves(&world, BOTH_READS).await, [""; 0]);
    }
    assert_eq!((reads(&world) - before, effects(&world)), (4, (6, 0, 0)), "two audits of two reads");
}

#[tokio::test(start_paused = true)]
async fn a_read_that_shows_nothing_once_proves_nothing() {
    let world = audited_soon().await;
    world.pages.lock().unwrap().blind = 1;
    assert_eq!(serves(&world, BOTH_READS).await, [""; 0]);
    assert_eq!(effects(&world), (6, 0, 0));
    assert!(world.store.rows_of("p1", None, 100).await.unwrap().iter().all(|row| row.seen.is_none()));
}

#[tokio::test(start_paused = true)]
async fn a_post_that_an_admin_deleted_is_told_once_and_comes_back_only_after_a_withdrawal() {
    let world = audited_soon().await;
    world.pages.lock().unwrap().admin_deletes("p1", "v1 offer 002");
    let told = serves(&world, BOTH_READS).await;
    assert!(told.len() == 1 && told[0].contains("1 not there"), "{told:?}");
    sleep(SECOND).await;
    assert_eq!(serves(&world, BOTH_READS).await, [""; 0]);
    world.run().await;
    assert_eq!(effects(&world), (6, 2, 0), "asked twice whether it is there, and not made again");
    let open = |open: bool| world.source.lock().unwrap().offers.get_mut("o002").unwrap().open = open;
    open(false);
    world.run().await;
    open(true);
    world.run().await;
    assert_eq!(effects(&world), (7, 2, 0));
    world.assert_in_step("made again");
}

#[tokio::test(start_paused = true)]
async fn a_post_that_is_there_twice_is_told_and_the_later_one_goes() {
    let world = audited_soon().await;
    world.pages.lock().unwrap().doubles("p1", "v1 offer 002", world.clock.now());
    world.pages.lock().unwrap().admin_edits("p1", "v1 offer 004", "call us!");
    let told = serves(&world, BOTH_READS).await;
    assert_eq!(effects(&world), (6, 1, 1));
    world.assert_in_step("once again");
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("0 changed") && told[0].contains("1 there twice"), "{told:?}");
    assert!(told[1].contains("1 changed") && told[1].contains("0 there twice"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_post_that_a_person_made_with_our_marker_is_left_to_them() {
    let world = audited_soon().await;
    world.pages.lock().unwrap().admin_repeats("p1", "v1 offer 002", world.clock.now());
    assert_eq!(serves(&world, BOTH_READS).await, [""; 0]);
    assert_eq!(effects(&world), (6, 0, 0));
    assert_eq!(world.pages.lock().unwrap().texts("p1").len(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_shows_posts_in_its_own_way_is_sent_them_once_more_only() {
    let world = audited_soon().await;
    world.pages.lock().unwrap().own_way = true;
    assert_eq!(serves(&world, BOTH_READS).await.len(), 1);
    assert_eq!(effects(&world), (6, 6, 0));
    sleep(SECOND).await;
    assert_eq!(serves(&world, BOTH_READS).await, [""; 0]);
    assert_eq!(effects(&world), (6, 6, 0));
    world.pages.lock().unwrap().own_way = false;
    world.assert_in_step("as sent");
}

#[tokio::test(start_paused = true)]
async fn an_audit_that_is_late_reads_as_far_back_as_it_is_for() {
    let world = audited_soon().await;
    world.pages.lock().unwrap().admin_deletes("p1", "v1 offer 002");
    world.pages.lock().unwrap().admin_edits("p1", "v1 offer 003", "call us!");
    sleep(10 * SECOND).await;
    let told = serves(&world, BOTH_READS).await;
    assert!(told.len() == 1 && told[0].contains("1 changed, 1 not there"), "{told:?}");
    assert_eq!(effects(&world), (6, 2, 0), "one set back, one asked whether it is there");
}

#[tokio::test(start_paused = true)]
async fn an_audit_that_falls_due_between_two_reads_is_made_too() {
    let world = World::new(6, &["p1"]);
    let hour = 3_600_000;
    let left = || Duration::from_millis(u64::try_from(hour - world.clock.now() % hour).unwrap());
    sleep(left() + BOTH_READS).await;
    world.run().await;
    sleep(left() + BOTH_READS).await;
    let offer = Offer { title: "offer 900".into(), open: true };
    world.source.lock().unwrap().offers.insert("o900".into(), offer);
    world.run().await;
    // the audit of the first run is due for an hour then, that of the second in a second
    sleep(left()).await;
    sleep(left() - ONE_READ).await;
    let before = reads(&world);
    assert_eq!(serves(&world, BOTH_READS).await, [""; 0]);
    assert_eq!(reads(&world) - before, 4);
}
