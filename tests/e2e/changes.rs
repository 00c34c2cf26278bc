//! The changing source: what reaches three pages when offers are edited, withdrawn, removed and added; when the answer is
//! empty or half; when a page is added; when the state is lost.
#![allow(clippy::unwrap_used, reason = "tests")]

mod scene;

use career_site::{Answer, Target};
use scene::{PAGES, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn edits_withdrawals_removals_and_additions_reach_each_page_exactly() {
    let scene = Scene::new(500, 2);
    let mut scene = scene.await;
    let first = scene.run(&[]);
    first.assert_state("succeeded");
    assert_eq!(first.page("acme-paris"), (500, 0, 0, 0, 0), "{}", first.told());
    assert_eq!(scene.lines("out/offers.jsonl"), 500);
    scene.assert_in_step("first");

    scene.site.edit(50).unwrap();
    scene.site.withdraw(30).unwrap();
    scene.site.remove(20).unwrap();
    scene.site.add(10);
    let second = scene.run(&[]);
    second.assert_state("succeeded");
    for (_, name) in PAGES.iter().take(2) {
        assert_eq!(second.page(name), (10, 50, 50, 400, 0), "{name}: {}", second.told());
    }
    scene.assert_in_step("changed");
    assert_eq!(scene.lines("out/current.jsonl"), 460);
    let totals = scene.facebook.report().totals;
    assert_eq!((totals.creates, totals.updates, totals.deletes), (1_020, 100, 100));

    // a page added to the list later gets all that is current
    scene.pages = 3;
    scene.write_import("$title in $city");
    let third = scene.run(&[]);
    third.assert_state("succeeded");
    assert_eq!(third.page("acme-lille"), (460, 0, 0, 0, 0), "{}", third.told());
    assert_eq!(third.page("acme-paris"), (0, 0, 0, 460, 0), "{}", third.told());
    scene.assert_in_step("a page more");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_answer_and_half_a_listing_change_nothing() {
    let scene = Scene::new(100, 1).await;
    scene.run(&[]).assert_state("succeeded");
    let posts = |scene: &Scene| scene.facebook.report().totals;
    let before = posts(&scene);

    scene.site.answer(Target::Listing(1), Answer::Empty, None);
    let empty = scene.run(&[]);
    empty.assert_state("partial");
    scene.site.clear_answers();

    for page in [2, 4] {
        scene.site.answer(Target::Listing(page), Answer::Status(500), None);
    }
    let half = scene.run(&[]);
    half.assert_state("partial");
    assert_eq!(half.status, Some(3), "{}", half.told());
    scene.site.clear_answers();

    let after = posts(&scene);
    assert_eq!((after.creates, after.updates, after.deletes), (before.creates, before.updates, before.deletes));
    scene.run(&[]).assert_state("succeeded");
    scene.assert_in_step("listed again");
    assert_eq!(posts(&scene).creates, before.creates);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_state_reposts_and_deletes_nothing() {
    let scene = Scene::new(60, 3).await;
    scene.run(&[]).assert_state("succeeded");
    std::fs::remove_dir_all(scene.state()).unwrap();
    let again = scene.run(&[]);
    again.assert_state("succeeded");
    let totals = scene.facebook.report().totals;
    assert_eq!((totals.creates, totals.deletes), (180, 0), "{}", again.told());
    scene.assert_in_step("adopted");
}
