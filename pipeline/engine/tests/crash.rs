//! A process that dies at any named place, the first, second or fifth time it gets there: the next one converges.

#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use jobpipe_core::ErrorClass;
use jobpipe_engine::admission::Wish;
use jobpipe_engine::failpoint::{NoFailpoints, Point};
use std::sync::Arc;
use world::{DieAt, End, Fault, World};

/// A scene that comes by every failpoint: a first run with a post whose end is unknown, then a changed source with a
/// page that fails for good, records that go, and a store that was lost in between.
async fn scene(world: &mut World, point: Point, nth: u64) -> bool {
    let mut died = false;
    {
        let mut pages = world.pages.lock().unwrap();
        pages.faults.extend([None, Some(Fault::LostAnswer), None, Some(Fault::LostCall)]);
    }
    died |= run(world, point, nth, died).await;
    world.assert_in_step("first run");
    {
        let mut source = world.source.lock().unwrap();
        source.offers.get_mut("o001").unwrap().title = "edited".into();
        source.offers.get_mut("o002").unwrap().open = false;
        source.offers.remove("o003");
        source.failing.insert("offer/o004".into(), ErrorClass::Permanent);
    }
    died |= run(world, point, nth, died).await;
    world.assert_in_step("second run");
    world.store = Arc::new(jobpipe_conformance::MemoryStore::new());
    world.source.lock().unwrap().failing.clear();
    died |= run(world, point, nth, died).await;
    world.assert_in_step("third run, store lost");
    let shown = world.expected().len();
    for target in world.targets.clone() {
        assert_eq!(world.pages.lock().unwrap().texts(&target).len(), shown);
    }
    died
}

/// One run, killed at the point unless that has happened already; then run again to its end.
async fn run(world: &World, point: Point, nth: u64, already: bool) -> bool {
    if already {
        world.run().await;
        return true;
    }
    let die = Arc::new(DieAt::new(point, nth));
    let wish = Wish { approved: true, ..Wish::default() };
    match world.process(&wish, Arc::clone(&die) as _).await.unwrap() {
        End::Done(_) => false,
        End::Killed => {
            assert!(die.died());
            match world.process(&wish, Arc::new(NoFailpoints)).await.unwrap() {
                End::Done(_) => true,
                End::Killed => unreachable!("nobody kills the second process"),
            }
        }
    }
}

async fn every_point(nth: u64) -> Vec<&'static str> {
    let mut never = Vec::new();
    // slots: tests/schedules.rs
    for point in Point::ALL.iter().filter(|point| !point.name().starts_with("slot.")) {
        let mut world = World::new(11, &["p1", "p2"]);
        if !scene(&mut world, *point, nth).await {
            never.push(point.name());
        }
    }
    never
}

#[tokio::test(start_paused = true)]
async fn dying_at_each_point_converges() {
    let never = every_point(1).await;
    assert_eq!(never, Vec::<&str>::new(), "points that the scene never reaches");
}

#[tokio::test(start_paused = true)]
async fn dying_there_later_converges_too() {
    every_point(2).await;
    every_point(5).await;
}
