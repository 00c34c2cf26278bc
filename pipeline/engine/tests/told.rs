//! Removals that a person approves after the files of their run: files of changes tell them all the same.

#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use jobpipe_core::ErrorClass;
use jobpipe_engine::admin;
use jobpipe_engine::failpoint::NoFailpoints;
use std::collections::BTreeSet;
use std::sync::Arc;
use world::World;

fn files(world: &World, name: &str) -> Vec<String> {
    world.files.lock().unwrap().get(name).cloned().unwrap_or_default()
}

/// What one who has read every file of changes believes; fails where a line does not fit what was told before.
fn replay(known: &mut BTreeSet<String>, lines: &[String]) {
    for line in lines {
        let (change, key) = line.split_once(' ').unwrap();
        let was = if change == "gone" { known.remove(key) } else { !known.insert(key.to_owned()) };
        assert_eq!(was, change != "new", "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn removals_that_are_approved_later_are_told_by_the_next_file_of_changes() {
    let world = World::new(20, &["p1"]);
    let mut known = BTreeSet::new();
    world.run().await;
    replay(&mut known, &files(&world, "changes"));
    {
        let mut source = world.source.lock().unwrap();
        source.offers.retain(|id, _| id.as_str() < "o010");
        source.offers.get_mut("o001").unwrap().title = "edited".into();
    }
    let guarded = world.run().await;
    assert!(guarded.guard.is_some(), "{guarded:?}");
    assert_eq!(files(&world, "changes"), ["changed o001"]);
    replay(&mut known, &files(&world, "changes"));
    let (cx, _) = world.cx(Arc::new(NoFailpoints));
    admin::approve(&cx, &guarded.run).await.unwrap();
    {
        // back as it was, back with another title, back and withdrawn
        let mut source = world.source.lock().unwrap();
        for (id, title, open) in [("o010", "offer 010", true), ("o011", "other", true), ("o012", "offer 012", false)] {
            source.offers.insert(id.into(), world::Offer { title: title.into(), open });
        }
        source.offers.insert("x1".into(), world::Offer { title: "new one".into(), open: true });
    }
    let after = world.run().await;
    assert_eq!(after.guard, None);
    let told = files(&world, "changes");
    assert!(told.contains(&"changed o011".to_owned()) && told.contains(&"new x1".to_owned()), "{told:?}");
    assert_eq!(told.iter().filter(|line| line.starts_with("gone ")).count(), 8, "{told:?}");
    replay(&mut known, &told);
    assert_eq!(known, files(&world, "snapshot").into_iter().collect());
    world.run().await;
    assert_eq!(files(&world, "changes"), Vec::<String>::new(), "each is told once");
}

#[tokio::test(start_paused = true)]
async fn approved_removals_are_told_although_the_next_run_reads_nothing() {
    let world = World::new(6, &["p1"]);
    world.run().await;
    world.source.lock().unwrap().empty = true;
    let guarded = world.run().await;
    let (cx, _) = world.cx(Arc::new(NoFailpoints));
    admin::approve(&cx, &guarded.run).await.unwrap();
    world.source.lock().unwrap().failing.insert("list/0".into(), ErrorClass::Permanent);
    world.run().await;
    assert_eq!(files(&world, "changes").iter().filter(|line| line.starts_with("gone ")).count(), 6);
}
