//! Whole runs: what reaches pages and files when the source changes, errs, or is empty.

#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use jobpipe_core::ErrorClass;
use jobpipe_engine::admin::{self, Standing};
use jobpipe_engine::admission::Wish;
use jobpipe_engine::docs::RunState;
use jobpipe_engine::failpoint::{NoFailpoints, Point};
use std::sync::Arc;
use world::{DieAt, End, Fault, World};

fn files(world: &World, name: &str) -> Vec<String> {
    world.files.lock().unwrap().get(name).cloned().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_first_run_posts_everything_once_and_a_second_nothing() {
    let world = World::new(23, &["p1", "p2"]);
    let first = world.run().await;
    assert_eq!(first.state, Standing::Succeeded);
    assert_eq!((first.targets["p1"].created, first.targets["p2"].created), (23, 23));
    assert_eq!(first.stages["transform"].counts.given, 23);
    world.assert_in_step("first");
    assert_eq!(files(&world, "run").len(), 23);
    assert_eq!(files(&world, "snapshot").len(), 23);
    assert!(files(&world, "changes").iter().all(|line| line.starts_with("new ")));

    let second = world.run().await;
    assert_eq!((second.targets["p1"].created, second.targets["p1"].unchanged), (0, 23));
    assert_eq!(world.pages.lock().unwrap().creates, 46);
    assert_eq!(files(&world, "run").len(), 23);
    assert_eq!(files(&world, "changes"), Vec::<String>::new());
    world.assert_in_step("second");
}

#[tokio::test(start_paused = true)]
async fn edited_withdrawn_missing_and_new_offers_are_followed_exactly() {
    let world = World::new(100, &["p1"]);
    world.run().await;
    {
        let mut source = world.source.lock().unwrap();
        for n in 0..10 {
            source.offers.get_mut(&format!("o{n:03}")).unwrap().title = format!("edited {n}");
        }
        for n in 10..16 {
            source.offers.get_mut(&format!("o{n:03}")).unwrap().open = false;
        }
        for n in 16..20 {
            source.offers.remove(&format!("o{n:03}"));
        }
        source.offers.insert("x1".into(), world::Offer { title: "new one".into(), open: true });
    }
    let second = world.run().await;
    let page = &second.targets["p1"];
    assert_eq!((page.updated, page.deleted, page.created, page.unchanged), (10, 10, 1, 80));
    assert_eq!(second.gone, 4);
    world.assert_in_step("changed");
    let changes = files(&world, "changes");
    let count = |kind: &str| changes.iter().filter(|line| line.starts_with(kind)).count();
    assert_eq!((count("new"), count("changed"), count("gone")), (1, 10, 10));

    let third = world.run().await;
    assert_eq!(third.targets["p1"].unchanged, 91);
    assert_eq!(files(&world, "changes"), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_page_added_later_gets_all_that_is_current() {
    let mut world = World::new(12, &["p1"]);
    world.run().await;
    world.targets.push("p2".into());
    let second = world.run().await;
    assert_eq!((second.targets["p1"].created, second.targets["p2"].created), (0, 12));
    world.assert_in_step("added");
}

#[tokio::test(start_paused = true)]
async fn a_page_that_left_keeps_its_posts_and_comes_back_in_step() {
    let mut world = World::new(12, &["p1", "p2"]);
    world.run().await;
    world.targets = vec!["p1".into()];
    world.source.lock().unwrap().offers.get_mut("o001").unwrap().title = "edited".into();
    world.run().await;
    assert_eq!(world.pages.lock().unwrap().texts("p2").len(), 12);
    assert!(!world.pages.lock().unwrap().texts("p2").contains(&"v1 edited".to_owned()));
    world.targets.push("p2".into());
    world.run().await;
    world.assert_in_step("back");
}

#[tokio::test(start_paused = true)]
async fn an_empty_listing_removes_nothing_until_a_person_says_so() {
    let world = World::new(20, &["p1"]);
    world.run().await;
    world.source.lock().unwrap().empty = true;
    let second = world.run().await;
    assert!(second.guard.is_some() && second.approvable, "{second:?}");
    assert_eq!(second.state, Standing::Partial);
    assert_eq!(world.pages.lock().unwrap().deletes, 0);

    let (cx, _) = world.cx(std::sync::Arc::new(jobpipe_engine::failpoint::NoFailpoints));
    jobpipe_engine::admin::approve(&cx, &second.run).await.unwrap();
    let third = world.run().await;
    assert_eq!(world.pages.lock().unwrap().texts("p1"), Vec::<String>::new());
    assert_eq!((third.guard, third.approvable), (None, false));
}

#[tokio::test(start_paused = true)]
async fn failing_listings_and_details_remove_nothing_and_are_dead_letters() {
    let world = World::new(40, &["p1"]);
    world.run().await;
    {
        let mut source = world.source.lock().unwrap();
        source.failing.insert("list/4".into(), ErrorClass::Transient);
        source.failing.insert("offer/o003".into(), ErrorClass::Permanent);
        source.flaky.insert("offer/o007".into(), 2);
    }
    let second = world.run().await;
    assert_eq!(second.state, Standing::Partial);
    assert_eq!(second.stages["crawl"].counts.dead, 2);
    assert_eq!(second.gone, 0);
    assert_eq!(world.pages.lock().unwrap().deletes, 0);
    assert_eq!(second.targets["p1"].unchanged, 40);
    world.assert_in_step("held");

    world.source.lock().unwrap().failing.clear();
    world.source.lock().unwrap().offers.remove("o003");
    let third = world.run().await;
    assert_eq!((third.gone, third.targets["p1"].deleted), (1, 1));
    world.assert_in_step("listed again");
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_lost_never_make_a_second_post() {
    let world = World::new(30, &["p1"]);
    {
        let mut pages = world.pages.lock().unwrap();
        for n in 0..60 {
            pages.faults.push_back(match n % 6 {
                0 => Some(Fault::LostAnswer),
                2 => Some(Fault::LostCall),
                4 => Some(Fault::Throttled),
                _ => None,
            });
        }
    }
    let first = world.run().await;
    assert_eq!(first.state, Standing::Succeeded, "{first:?}");
    world.assert_in_step("faults");
    assert_eq!(world.pages.lock().unwrap().creates, 30);
    // updates and deletes of unknown end, too
    {
        let mut source = world.source.lock().unwrap();
        for n in 0..8 {
            source.offers.get_mut(&format!("o{n:03}")).unwrap().title = format!("edited {n}");
        }
        source.offers.get_mut("o010").unwrap().open = false;
        source.offers.get_mut("o011").unwrap().open = false;
        let mut pages = world.pages.lock().unwrap();
        pages.faults.clear();
        for n in 0..20 {
            pages.faults.push_back(Some(if n % 2 == 0 { Fault::LostAnswer } else { Fault::LostCall }));
        }
    }
    world.run().await;
    world.assert_in_step("updates and deletes");
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_pauses_the_page_until_it_is_renewed() {
    let world = World::new(6, &["p1"]);
    world.pages.lock().unwrap().faults.push_back(Some(Fault::Auth));
    let first = world.run().await;
    assert_eq!(first.state, Standing::Partial);
    assert!(first.targets["p1"].waits.is_some());
    assert_eq!(world.pages.lock().unwrap().calls, 1);
    world.run().await;
    assert_eq!(world.pages.lock().unwrap().calls, 1, "the same token is not tried again");
    world.pages.lock().unwrap().token += 1;
    world.run().await;
    world.assert_in_step("renewed");
}

#[tokio::test(start_paused = true)]
async fn a_post_that_waits_for_its_change_does_not_count_as_unchanged() {
    let world = World::new(30, &["p1"]);
    world.run().await;
    for n in 10..25 {
        world.source.lock().unwrap().offers.get_mut(&format!("o{n:03}")).unwrap().title = format!("edited {n}");
    }
    world.pages.lock().unwrap().faults.push_back(Some(Fault::Auth));
    let paused = world.run().await;
    let page = &paused.targets["p1"];
    assert!(page.waits.is_some() && !paused.approvable, "{paused:?}");
    assert_eq!(page.unchanged, 15, "{paused:?}");
    assert_eq!(page.updated + page.pending + page.uncompared, 15, "{paused:?}");
    assert!(page.uncompared >= 10, "rounds are of five: {paused:?}");
    world.pages.lock().unwrap().token += 1;
    let done = world.run().await;
    assert_eq!((done.targets["p1"].unchanged, done.targets["p1"].uncompared), (15, 0), "{done:?}");
    world.assert_in_step("renewed");
}

#[tokio::test(start_paused = true)]
async fn refused_content_is_a_dead_letter_and_not_tried_again_until_it_changes() {
    let world = World::new(3, &["p1"]);
    world.pages.lock().unwrap().faults.push_back(Some(Fault::Rejected));
    let first = world.run().await;
    assert_eq!((first.state, first.targets["p1"].failed), (Standing::Partial, 1));
    world.run().await;
    assert_eq!(world.pages.lock().unwrap().calls, 3);
    for n in 0..3 {
        world.source.lock().unwrap().offers.get_mut(&format!("o{n:03}")).unwrap().title = format!("edited {n}");
    }
    world.run_wish(&Wish { approved: true, ..Wish::default() }).await;
    world.assert_in_step("edited");
}

#[tokio::test(start_paused = true)]
async fn a_post_that_an_admin_deleted_is_not_made_again() {
    let world = World::new(5, &["p1"]);
    world.run().await;
    tokio::time::sleep(std::time::Duration::from_secs(3_600)).await;
    world.pages.lock().unwrap().admin_deletes("p1", "v1 offer 002");
    world.source.lock().unwrap().offers.get_mut("o002").unwrap().title = "edited".into();
    world.run().await;
    world.source.lock().unwrap().offers.get_mut("o002").unwrap().title = "edited again".into();
    world.run().await;
    assert_eq!(world.pages.lock().unwrap().texts("p1").len(), 4);
    // withdrawn once, then wanted again: made again
    world.source.lock().unwrap().offers.get_mut("o002").unwrap().open = false;
    world.run().await;
    world.source.lock().unwrap().offers.get_mut("o002").unwrap().open = true;
    world.run().await;
    world.assert_in_step("wanted again");
}

#[tokio::test(start_paused = true)]
async fn a_lost_store_adopts_what_is_there() {
    let mut world = World::new(9, &["p1", "p2"]);
    world.run().await;
    world.store = std::sync::Arc::new(jobpipe_conformance::MemoryStore::new());
    let again = world.run().await;
    assert_eq!(again.state, Standing::Succeeded);
    assert_eq!(world.pages.lock().unwrap().creates, 18);
    assert_eq!(world.pages.lock().unwrap().deletes, 0);
    world.assert_in_step("adopted");
}

#[tokio::test(start_paused = true)]
async fn a_lost_store_and_half_a_listing_adopts_orphans_and_gives_them_back() {
    let mut world = World::new(20, &["p1"]);
    world.run().await;
    world.store = std::sync::Arc::new(jobpipe_conformance::MemoryStore::new());
    world.source.lock().unwrap().failing.insert("list/2".into(), ErrorClass::Permanent);
    world.run().await;
    assert_eq!(world.pages.lock().unwrap().deletes, 0, "what was not listed stays");
    world.source.lock().unwrap().failing.clear();
    world.source.lock().unwrap().offers.remove("o019");
    let third = world.run().await;
    assert_eq!(third.targets["p1"].deleted, 1, "an orphan that no run wants goes");
    assert_eq!(world.pages.lock().unwrap().creates, 20, "no orphan is posted again");
    world.assert_in_step("given back");
}

#[tokio::test(start_paused = true)]
async fn a_changed_template_that_touches_most_posts_waits_for_approval() {
    let mut world = World::new(10, &["p1"]);
    world.run().await;
    world.template = "v2".into();
    let second = world.run().await;
    assert_eq!(second.state, Standing::Partial);
    assert!(second.targets["p1"].waits.as_ref().unwrap().contains("10 of 10") && second.approvable, "{second:?}");
    assert_eq!((second.targets["p1"].unchanged, second.targets["p1"].uncompared), (0, 10));
    assert_eq!(world.pages.lock().unwrap().updates, 0);
    let (cx, _) = world.cx(std::sync::Arc::new(jobpipe_engine::failpoint::NoFailpoints));
    jobpipe_engine::admin::approve(&cx, &second.run).await.unwrap();
    world.run().await;
    assert_eq!(world.pages.lock().unwrap().updates, 10);
    world.assert_in_step("approved");
}

#[tokio::test(start_paused = true)]
async fn a_limited_run_infers_nothing_gone() {
    let world = World::new(10, &["p1"]);
    world.run().await;
    world.source.lock().unwrap().offers.remove("o004");
    let second = world.run_wish(&Wish { limit: Some(3), ..Wish::default() }).await;
    assert_eq!(second.gone, 0);
    assert_eq!(world.pages.lock().unwrap().deletes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_refused_delete_is_told_once_and_not_repeated() {
    let world = World::new(5, &["p1"]);
    world.run().await;
    world.source.lock().unwrap().offers.get_mut("o002").unwrap().open = false;
    world.pages.lock().unwrap().faults.push_back(Some(Fault::Rejected));
    let second = world.run().await;
    assert_eq!((second.state, second.targets["p1"].failed), (Standing::Partial, 1), "{second:?}");
    let calls = world.pages.lock().unwrap().calls;
    world.run().await;
    assert_eq!(world.pages.lock().unwrap().calls, calls);
    // wanted again: the post is still there and right
    world.source.lock().unwrap().offers.get_mut("o002").unwrap().open = true;
    world.run().await;
    assert_eq!(world.pages.lock().unwrap().calls, calls);
    world.assert_in_step("wanted again");
}

#[tokio::test(start_paused = true)]
async fn an_older_run_still_tells_what_it_did() {
    let world = World::new(5, &["p1"]);
    let first = world.run().await;
    world.run().await;
    let (cx, _) = world.cx(std::sync::Arc::new(jobpipe_engine::failpoint::NoFailpoints));
    let told = jobpipe_engine::admin::summary(&cx, &first.run).await.unwrap();
    assert_eq!((told.targets["p1"].created, told.targets["p1"].unchanged), (5, 0));
    assert_eq!(told.state, Standing::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn what_was_due_anyway_is_not_blamed_on_a_changed_definition() {
    let mut world = World::new(10, &["p1"]);
    world.run().await;
    for n in 0..8 {
        world.source.lock().unwrap().offers.get_mut(&format!("o{n:03}")).unwrap().title = format!("edited {n}");
    }
    // a definition that changes nothing for the two offers that stayed
    world.gone = Some(jobpipe_core::GonePolicy { after: 2, limit: 0.3 });
    let second = world.run().await;
    assert_eq!((second.state, second.targets["p1"].updated), (Standing::Succeeded, 8), "{second:?}");
    world.assert_in_step("edited");
}

#[tokio::test(start_paused = true)]
async fn a_stage_on_a_queue_of_its_own_takes_stored_batches() {
    let mut world = World::new(23, &["p1"]);
    world.transform_queue = "slow".to_owned();
    let first = world.run().await;
    assert_eq!(first.state, Standing::Succeeded);
    assert!(first.stages["transform"].tasks > 0);
    assert_eq!(first.stages["transform"].counts.given, 23);
    world.assert_in_step("stored");
    assert_eq!(files(&world, "run").len(), 23);
}

#[tokio::test(start_paused = true)]
async fn old_runs_leave_only_their_document() {
    use jobpipe_core::TaskStore;
    let world = World::new(8, &["p1"]);
    let mut runs = Vec::new();
    for _ in 0..6 {
        runs.push(world.run().await.run);
    }
    let (first, last) = (runs[0].clone(), runs[5].clone());
    let (cx, _) = world.cx(std::sync::Arc::new(jobpipe_engine::failpoint::NoFailpoints));
    let told = jobpipe_engine::admin::summary(&cx, &first).await.unwrap();
    assert_eq!((told.stages["crawl"].counts.given, told.targets["p1"].created), (8, 8), "counts outlive the tasks");
    assert_eq!(world.store.tasks_of(&first, None, "", 100).await.unwrap().len(), 0);
    assert!(!world.store.tasks_of(&last, None, "", 100).await.unwrap().is_empty());
    world.assert_in_step("kept");
}

#[tokio::test(start_paused = true)]
async fn a_closed_run_is_not_done_before_its_targets_know_of_it() {
    let world = World::new(5, &["p1"]);
    world.run().await;
    world.source.lock().unwrap().offers.get_mut("o001").unwrap().title = "edited".into();
    let die = Arc::new(DieAt::new(Point::CloseImport, 1));
    assert!(matches!(world.process(&Wish::default(), die).await.unwrap(), End::Killed));
    let (cx, _) = world.cx(Arc::new(NoFailpoints));
    let run = admin::runs(&cx, Some("acme"), 1).await.unwrap().remove(0).doc;
    assert_eq!(run.state, RunState::Closed);
    assert_eq!(admin::summary(&cx, &run.open.facts.run).await.unwrap().state, Standing::Running);
    world.run().await;
    world.assert_in_step("freed");
}
