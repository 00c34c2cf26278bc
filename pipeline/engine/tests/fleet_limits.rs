//! A rate over a whole fleet, on one store and an injected clock.

#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use jobpipe_core::{Clock, DocStore, Ids, Rate, RateLimiter, StateStore};
use jobpipe_engine::FleetLimiter;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use world::{Outage, World};

const FIVE: Rate = Rate { count: 5, per_ms: 1_000 };

fn limiter(world: &World, store: Arc<dyn StateStore>) -> Arc<FleetLimiter> {
    Arc::new(FleetLimiter::new(
        store,
        Arc::clone(&world.clock) as Arc<dyn Clock>,
        Arc::clone(&world.ids) as Arc<dyn Ids>,
    ))
}

/// Asks for permits until `end`, waiting as it is told; notes when it got each.
async fn caller(
    limiter: Arc<FleetLimiter>,
    key: &'static str,
    rate: Rate,
    end: Instant,
    got: Arc<Mutex<Vec<Instant>>>,
) {
    while Instant::now() < end {
        match limiter.permit(key, rate).await {
            // one that it waited for may lie behind the end
            Ok(()) if Instant::now() >= end => {}
            Ok(()) => {
                got.lock().unwrap().push(Instant::now());
                sleep(Duration::from_millis(7)).await;
            }
            Err(wait) => sleep(wait).await,
        }
    }
}

fn most_in_a_second(times: &[Instant]) -> usize {
    let within =
        |from: &Instant| times.iter().filter(|at| **at >= *from && **at < *from + Duration::from_secs(1)).count();
    times.iter().map(within).max().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn four_processes_share_five_a_second() {
    let world = World::new(0, &[]);
    let (got, begun) = (Arc::new(Mutex::new(Vec::new())), Instant::now());
    let end = begun + Duration::from_secs(20);
    let mut callers = JoinSet::new();
    for _ in 0..4 {
        let limiter = limiter(&world, Arc::clone(&world.store) as _);
        for _ in 0..3 {
            callers.spawn(caller(Arc::clone(&limiter), "a.org", FIVE, end, Arc::clone(&got)));
        }
    }
    callers.join_all().await;
    let mut times = got.lock().unwrap().clone();
    times.sort_unstable();
    println!("LIMIT permits={} most_in_a_second={}", times.len(), most_in_a_second(&times));
    assert!(most_in_a_second(&times) <= 6);
    assert!((95..=105).contains(&times.len()), "{} permits in 20 s", times.len());
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_with_its_slots_slows_the_others_for_a_moment_only() {
    let world = World::new(0, &[]);
    let got = Arc::new(Mutex::new(Vec::new()));
    let end = Instant::now() + Duration::from_secs(20);
    let mut dying = JoinSet::new();
    let limiter_of = || limiter(&world, Arc::clone(&world.store) as _);
    let (first, second) = (limiter_of(), limiter_of());
    for _ in 0..3 {
        dying.spawn(caller(Arc::clone(&first), "a.org", FIVE, end, Arc::clone(&got)));
    }
    let living = tokio::spawn(caller(second, "a.org", FIVE, end, Arc::clone(&got)));
    sleep(Duration::from_millis(5_330)).await;
    dying.shutdown().await;
    living.await.unwrap();
    let mut times = got.lock().unwrap().clone();
    times.sort_unstable();
    assert!(most_in_a_second(&times) <= 6);
    assert!((95..=105).contains(&times.len()), "{} permits in 20 s", times.len());
}

#[tokio::test(start_paused = true)]
async fn slow_and_quick_rates_and_none_at_all() {
    let world = World::new(0, &[]);
    let limiter = limiter(&world, Arc::clone(&world.store) as _);
    let rates = [("hour", 2, 3_600_000, 120_u64), ("quick", 100, 1_000, 10), ("second", 1, 1_000, 60)];
    for (key, count, per_ms, seconds) in rates {
        let got = Arc::new(Mutex::new(Vec::new()));
        let end = Instant::now() + Duration::from_secs(seconds);
        let mut callers = JoinSet::new();
        for _ in 0..8 {
            callers.spawn(caller(Arc::clone(&limiter), key, Rate { count, per_ms }, end, Arc::clone(&got)));
        }
        sleep_until(end).await;
        callers.shutdown().await;
        let (got, wanted) = (got.lock().unwrap().len() as u64, u64::from(count) * seconds * 1_000 / per_ms);
        println!("LIMIT {key}: {got} of {wanted}");
        assert!(got <= wanted + 1 && got * 100 >= wanted * 95, "{key}: {got} of {wanted}");
    }
    let none = Rate { count: 1_000_000, per_ms: 1_000 };
    for _ in 0..10_000 {
        assert_eq!(limiter.permit("none", none).await, Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_every_process() {
    let world = World::new(0, &[]);
    let limiter_of = || limiter(&world, Arc::clone(&world.store) as _);
    let (first, second) = (limiter_of(), limiter_of());
    let none = Rate { count: 1_000_000, per_ms: 1_000 };
    assert_eq!(second.permit("b.org", none).await, Ok(()));
    for key in ["a.org", "b.org"] {
        first.pause(key, Duration::from_secs(30)).await;
        first.pause(key, Duration::from_secs(5)).await;
    }
    sleep(Duration::from_secs(2)).await;
    for limiter in [&first, &second] {
        assert_eq!(limiter.permit("a.org", FIVE).await, Err(Duration::from_secs(28)));
        assert_eq!(limiter.permit("b.org", none).await, Err(Duration::from_secs(28)));
    }
    sleep(Duration::from_secs(28)).await;
    assert_eq!(second.permit("a.org", FIVE).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_wrong_is_not_waited_for_and_without_a_store_there_is_no_permit() {
    let world = World::new(0, &[]);
    let store = Outage::new(&world.store, 0);
    let limiter = limiter(&world, Arc::clone(&store) as _);
    let ahead = 86_400_000;
    world.clock.1.fetch_add(ahead, Ordering::SeqCst);
    assert_eq!(limiter.permit("a.org", FIVE).await, Ok(()));
    world.clock.1.fetch_sub(ahead, Ordering::SeqCst);
    let other = FleetLimiter::new(
        Arc::clone(&world.store) as Arc<dyn StateStore>,
        Arc::clone(&world.clock) as Arc<dyn Clock>,
        Arc::clone(&world.ids) as Arc<dyn Ids>,
    );
    assert_eq!(other.permit("a.org", FIVE).await, Ok(()));
    store.down.store(true, Ordering::SeqCst);
    sleep(Duration::from_secs(1)).await;
    assert!(limiter.permit("b.org", FIVE).await.is_err());
    assert!(world.store.doc(jobpipe_core::DocKind::Limit, "b.org").await.unwrap().is_none());
}
