//! The gone pass when its process dies in the middle: the guard is decided as if it had not.

#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use jobpipe_engine::admission::Wish;
use jobpipe_engine::failpoint::Point;
use std::sync::Arc;
use world::{DieAt, End, World};

/// A run that dies before the nth page (of 7 heads) that its gone pass writes.
async fn dies_in_the_pass(world: &World, page: u64) {
    let die = Arc::new(DieAt::new(Point::CloseGone, page));
    let end = world.process(&Wish::default(), die as _).await.unwrap();
    assert!(matches!(end, End::Killed), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn a_guard_holds_although_its_process_dies_in_the_pass() {
    for page in 1..=3 {
        let world = World::new(20, &["p1"]);
        world.run().await;
        world.source.lock().unwrap().empty = true;
        dies_in_the_pass(&world, page).await;
        let again = world.run().await;
        assert!(again.guard.is_some(), "page {page}: {again:?}");
        assert_eq!((again.gone, world.pages.lock().unwrap().deletes), (0, 0), "page {page}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_pass_removed_before_it_died_does_not_raise_the_guard() {
    for page in 1..=5 {
        let world = World::new(100, &["p1"]);
        world.run().await;
        world.source.lock().unwrap().offers.retain(|id, _| id.as_str() < "o071");
        dies_in_the_pass(&world, page).await;
        let again = world.run().await;
        assert_eq!((again.guard, again.gone), (None, 29), "page {page}");
        world.assert_in_step("after");
    }
}
