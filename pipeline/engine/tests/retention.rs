//! What closed runs leave: the last three are kept whole, of older ones a tombstone and the dead letters.

#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use jobpipe_core::{DocKind, ErrorClass, RowStore, TaskStore};
use jobpipe_engine::docs::{self, ImportDoc, Read, RunDoc};
use world::World;
use world::hands::change_import;

const KEPT: usize = 3;

/// What the store has of a run: tasks, requests that were seen, batches, and whether it is a tombstone.
async fn left(world: &World, run: &str, batches: &[String]) -> (usize, u64, usize, bool) {
    let tasks = world.store.tasks_of(run, None, "", 999).await.unwrap().len();
    let seen = world.store.seen_count(run, "crawl").await.unwrap();
    let mut stored = 0;
    for batch in batches {
        stored += usize::from(world.store.batch(batch).await.unwrap().is_some());
    }
    let doc: Read<RunDoc> = docs::read(&*world.store, DocKind::Run, run).await.unwrap().unwrap();
    (tasks, seen, stored, doc.doc.cleared)
}

async fn batches(world: &World, run: &str) -> Vec<String> {
    let tasks = world.store.tasks_of(run, None, "", 999).await.unwrap();
    let outputs = tasks.into_iter().filter_map(|task| task.result).flat_map(|result| result.outputs);
    outputs.map(|output| output.batch).collect()
}

#[tokio::test(start_paused = true)]
async fn runs_beyond_the_last_three_are_cleared_and_what_is_known_of_records_and_posts_stays() {
    let world = World::new(9, &["p1"]);
    let mut runs = Vec::new();
    world.source.lock().unwrap().failing.insert("offer/o004".into(), ErrorClass::Permanent);
    for round in 0..KEPT + 2 {
        let run = world.run().await.run;
        let batches = batches(&world, &run).await;
        assert!(!batches.is_empty(), "round {round}: nothing was stored that could be cleared");
        runs.push((run, batches));
        world.source.lock().unwrap().failing.clear();
    }
    // clearing is the sweep's: what a process did not come to before it ended, the next one does first
    world.run().await;
    let (old, kept) = runs.split_at(runs.len() - KEPT);
    for (run, batches) in old {
        assert_eq!(left(&world, run, batches).await, (0, 0, 0, true), "{run}");
    }
    // the oldest of these goes with the end of that run, if its process comes to it
    for (run, batches) in &kept[1..] {
        let (tasks, seen, stored, cleared) = left(&world, run, batches).await;
        assert!(tasks > 0 && seen > 0 && stored == batches.len() && !cleared, "{run}");
    }
    let letters = world.store.dead(Some("acme"), Some(&old[0].0), "", 9).await.unwrap();
    assert_eq!(letters.len(), 1, "what was given up is not forgotten with its run");
    assert!(letters[0].input.is_object(), "and is a copy, whole");
    world.assert_in_step("after clearing");
}

/// Dying between the removal and the tombstone, or amid the removal, which has steps of its own.
#[tokio::test(start_paused = true)]
async fn clearing_that_was_broken_off_is_done_by_the_next_one() {
    let world = World::new(9, &["p1"]);
    let mut runs = Vec::new();
    for _ in 0..KEPT {
        runs.push(world.run().await.run);
    }
    let first = runs[0].clone();
    assert!(!left(&world, &first, &[]).await.3);
    world.store.run_purge(&first).await.unwrap();
    change_import(&*world.store, "acme", |import: &mut ImportDoc| import.untidy = true);
    world.run().await;
    world.run().await;
    assert_eq!(left(&world, &first, &[]).await, (0, 0, 0, true));
    world.assert_in_step("after it");
}
