//! Repair runs: what failed is done again, and nothing else is concluded from it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use jobpipe_core::{DeadLetter, ErrorClass, Plan, RowStore, TaskStore};
use jobpipe_engine::EngineError;
use jobpipe_engine::admin::Standing;
use jobpipe_engine::admission::{self, Admitted, Wish};
use jobpipe_engine::docs::Verdict;
use jobpipe_engine::failpoint::NoFailpoints;
use jobpipe_engine::scheduler::deploy;
use std::sync::Arc;
use world::World;

/// A run of twelve offers of which two pages fail; gives the ids of the dead letters.
async fn failed(world: &World) -> Vec<String> {
    for url in ["offer/o003", "offer/o007"] {
        world.source.lock().unwrap().failing.insert(url.to_owned(), ErrorClass::Permanent);
    }
    assert_eq!(world.run().await.state, Standing::Partial);
    let letters = world.store.dead(Some("acme"), None, "", 10).await.unwrap();
    assert_eq!(letters.len(), 2);
    letters.into_iter().map(|letter| letter.id).collect()
}

fn repair(letters: &[String], slot: &str) -> Wish {
    Wish { repair: letters.to_vec(), slot: Some(slot.to_owned()), ..Wish::default() }
}

#[tokio::test(start_paused = true)]
async fn a_repair_run_works_on_what_failed_and_concludes_nothing_else() {
    let world = World::new(12, &["p1"]);
    let letters = failed(&world).await;
    let whole = world.files.lock().unwrap().get("run").cloned().unwrap();
    {
        let mut source = world.source.lock().unwrap();
        source.failing.remove("offer/o003");
        source.offers.remove("o005");
        source.asked.clear();
    }
    let mended = world.run_wish(&repair(&letters, "mended")).await;
    assert_eq!((mended.run.as_str(), mended.gone), ("acme@mended", 0));
    assert_eq!(mended.state, Standing::Partial, "one of the two fails again");
    let mut asked = world.source.lock().unwrap().asked.clone();
    asked.sort();
    assert_eq!(asked, ["offer/o003", "offer/o007"], "no listing, and no other page");
    let shown = world.pages.lock().unwrap().texts("p1");
    assert!(
        shown.len() == 11 && shown.iter().any(|text| text.ends_with("offer 005")),
        "nothing counts as gone: {shown:?}"
    );
    let files = world.files.lock().unwrap().clone();
    assert_eq!(files["run"], whole, "it would hold one record");
    assert_eq!((files["snapshot"].len(), &files["changes"]), (11, &vec!["new o003".to_owned()]));
    let (cx, _) = world.cx(Arc::new(NoFailpoints));
    let verdict = cx.run("acme@mended").await.unwrap().doc.verdict;
    assert_eq!(verdict, Some(Verdict { clean: false, exhaustive: false }));
    assert_eq!(admission::import(&cx, "acme").await.unwrap().doc.since_seq, 0, "no cursor moves");

    // the next whole run sees what is gone
    world.source.lock().unwrap().failing.clear();
    let last = world.run().await;
    assert_eq!((last.state, last.gone), (Standing::Succeeded, 1));
    world.assert_in_step("last");
}

#[tokio::test(start_paused = true)]
async fn a_repair_run_is_followed_by_nobody_and_hides_no_failure() {
    let world = World::new(5, &["p1"]);
    world.source.lock().unwrap().failing.insert("list/0".to_owned(), ErrorClass::Permanent);
    let failed = world.run().await;
    assert_eq!(failed.state, Standing::Failed);
    let (cx, _) = world.cx(Arc::new(NoFailpoints));
    let follower =
        Plan { name: "second".into(), schedule: Some(serde_json::json!({ "after": "acme" })), ..world.plan() };
    deploy::deploy(&cx, &follower, "second.yml").await.unwrap();
    let letters = world.store.dead(Some("acme"), None, "", 10).await.unwrap();
    world.source.lock().unwrap().failing.clear();
    let mended = world.run_wish(&repair(&[letters[0].id.clone()], "mended")).await;
    assert_eq!(mended.state, Standing::Succeeded);
    let import = async || admission::import(&cx, "acme").await.unwrap().doc;
    let after = import().await;
    assert_eq!((after.failures, after.failed.as_ref(), after.after_due), (1, Some(&failed.run), Vec::new()));
    assert_eq!(after.closed.unwrap().run, "acme@mended");
    world.run().await;
    let after = import().await;
    assert_eq!((after.failures, after.failed, after.after_due.len()), (0, None, 1), "a whole run is another matter");
}

#[tokio::test(start_paused = true)]
async fn a_repair_run_waits_for_nobody_and_is_begun_once() {
    let world = World::new(12, &["p1"]);
    let letters = failed(&world).await;
    let (cx, _) = world.cx(Arc::new(NoFailpoints));
    let admit = async |wish: &Wish| admission::admit(&cx, &world.plan(), wish).await;
    let refusal = async |wish: &Wish| match admit(wish).await {
        Err(EngineError::Refused { code, message }) => format!("{code} {message}"),
        other => panic!("{other:?}"),
    };
    assert!(refusal(&repair(&["gone".to_owned()], "none")).await.starts_with("JP526"));
    let many: Vec<String> = (0..=10_000).map(|at| at.to_string()).collect();
    assert!(refusal(&repair(&many, "many")).await.starts_with("JP528"));
    let letter = world.store.dead_one(&letters[0]).await.unwrap().unwrap();
    let of_old = DeadLetter { id: "of-old".to_owned(), stage: "dropped".to_owned(), ..letter.clone() };
    let no_source = DeadLetter { id: "cleared".to_owned(), task: "cleared".to_owned(), input: "cut".into(), ..letter };
    let ids = [of_old.id.clone(), no_source.id.clone()];
    world.store.dead_put(vec![of_old, no_source]).await.unwrap();
    for (id, code) in ids.iter().zip(["JP529", "JP530"]) {
        let told = refusal(&repair(std::slice::from_ref(id), id)).await;
        assert!(told.starts_with(code) && told.contains(id), "{told}");
    }
    world.store.dead_delete(&ids).await.unwrap();
    let Admitted::Started(open) = admit(&Wish::default()).await.unwrap() else { panic!("no run was open") };
    let why = refusal(&repair(&letters, "mended")).await;
    assert!(why.starts_with("JP527") && why.contains(&open), "{why}");
    jobpipe_engine::admin::cancel(&cx, &open).await.unwrap();
    assert!(jobpipe_engine::close_cancelled(&cx, &open).await.unwrap());

    let wish = repair(&letters, "mended");
    assert_eq!(admit(&wish).await.unwrap(), Admitted::Started("acme@mended".to_owned()));
    assert_eq!(
        admit(&wish).await.unwrap(),
        Admitted::Resumed { run: "acme@mended".to_owned(), pinned: false },
        "whoever obeys the same wish again begins nothing"
    );
    // the roots are copies: the letters may be dropped
    world.store.dead_delete(&letters).await.unwrap();
    world.source.lock().unwrap().failing.clear();
    let ended = world.run_wish(&wish).await;
    assert_eq!((ended.run.as_str(), ended.state), ("acme@mended", Standing::Succeeded));
    assert_eq!(world.store.tasks_of("acme@mended", Some("crawl"), "", 10).await.unwrap().len(), 1, "they share a task");
    world.assert_in_step("mended");
}
