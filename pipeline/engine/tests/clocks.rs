//! A wall clock that is set forward proves nothing: what must settle settles on the own clock, too.

#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use jobpipe_engine::admission::{self, Wish};
use jobpipe_engine::event::NoEvents;
use jobpipe_engine::failpoint::NoFailpoints;
use jobpipe_engine::serve;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use world::{Fault, Outage, Process, World};

const DAY: i64 = 86_400_000;

async fn until(what: &str, mut is: impl FnMut() -> bool) {
    for _ in 0..100_000 {
        if is() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

#[tokio::test(start_paused = true)]
async fn no_target_is_attached_in_haste() {
    let mut world = World::new(4, &["p1"]);
    world.run().await;
    // the store is lost while the last create is still under way
    world.source.lock().unwrap().offers.insert("o004".into(), world::Offer { title: "late".into(), open: true });
    world.pages.lock().unwrap().slow = Some(Duration::from_secs(15));
    let (cx, stop) = world.cx(Arc::new(NoFailpoints));
    admission::admit(&cx, &world.plan(), &Wish::default()).await.unwrap();
    let late = tokio::spawn(serve(cx));
    until("it is sent", || world.pages.lock().unwrap().slow.is_none()).await;
    world.store = Arc::default();
    let reads = world.pages.lock().unwrap().reads;
    tokio::join!(world.run(), async {
        until("the page is read", || world.pages.lock().unwrap().reads > reads).await;
        world.clock.1.store(DAY, Ordering::SeqCst);
    });
    stop.stop();
    late.await.unwrap().unwrap();
    world.assert_in_step("attached");
}

#[tokio::test(start_paused = true)]
async fn no_post_is_taken_for_gone_in_haste() {
    let world = World::new(3, &["p1"]);
    world.run().await;
    world.clock.1.store(3_600_000, Ordering::SeqCst);
    world.source.lock().unwrap().offers.get_mut("o001").unwrap().title = "edited".into();
    world.pages.lock().unwrap().faults.push_back(Some(Fault::Late));
    world.run().await;
    world.assert_in_step("the post was there all along");
}

#[tokio::test(start_paused = true)]
async fn one_read_tells_of_every_call_of_unknown_end() {
    let world = World::new(40, &["p1"]);
    world.pages.lock().unwrap().faults.extend([Some(Fault::LostCall); 40]);
    let store = Outage::new(&world.store, 0);
    // time passes between the read and the look at the row
    *store.late.lock().unwrap() = Duration::from_millis(5);
    let (cx, stop) = world.cx_over(store, Arc::new(NoFailpoints), Arc::new(NoEvents));
    admission::admit(&cx, &world.plan(), &Wish::default()).await.unwrap();
    let process = Process::of(cx, stop);
    until("all are posted", || world.pages.lock().unwrap().creates == 40).await;
    process.end().await;
    world.assert_in_step("what was lost was sent again");
    // one each read lag until all has settled
    let reads = world.pages.lock().unwrap().reads;
    assert!(reads < 40, "{reads} reads for 40 calls");
}
