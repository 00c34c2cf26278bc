//! An API that is asked only for what is newer: the cursor moves after a clean run, stays after another, and what is not
//! listed is not gone.
#![allow(clippy::unwrap_used, reason = "tests")]

mod scene;

use career_site::{Answer, Target};
use scene::Scene;

fn api_import(scene: &Scene) -> String {
    format!(
        r#"name: acme-api
crawl:
  json: {base}/api/v1/jobs
  query: {{ per_page: 50, updated_since: $since }}
  items: .data
  pages: .next
  since: .updated_at
  rate: unlimited
  retry: {{ times: 1, base: 50ms, max: 100ms }}
transform:
  key: .url
  where: .status == "open"
  map: {{ title: .title, city: .city, url: .url }}
  require: [title, city, url]
export:
  - facebook: [acme-paris]
    message: $title in $city
    link: .url
    pace: {{ rate: 500/s, per_day: unlimited }}
"#,
        base = scene.site.base_url
    )
}

fn crawled(ran: &scene::Ran) -> u64 {
    ran.summary["stages"]["crawl"]["out"].as_u64().unwrap_or_else(|| panic!("{}", ran.told()))
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_runs_do_not_make_the_store_grow() {
    let scene = Scene::new(300, 1).await;
    std::fs::write(
        scene.import(),
        api_import(&scene).replace("  since: .updated_at\n", "").replace(", updated_since: $since", ""),
    )
    .unwrap();
    let size = || std::fs::metadata(scene.state().join("jobpipe.db")).unwrap().len();
    scene.run(&[]).assert_state("succeeded");
    let first = size();
    for _ in 1..8 {
        let again = scene.run(&[]);
        again.assert_state("succeeded");
        assert_eq!(again.page("acme-paris"), (0, 0, 0, 300, 0), "{}", again.told());
    }
    assert!(size() <= 2 * first, "{} bytes after eight runs, {first} after one", size());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_newer_is_asked_and_nothing_else_is_gone() {
    let scene = Scene::new(120, 1).await;
    std::fs::write(scene.import(), api_import(&scene)).unwrap();
    let first = scene.run(&[]);
    first.assert_state("succeeded");
    assert_eq!((crawled(&first), first.page("acme-paris").0), (120, 120), "{}", first.told());
    scene.assert_in_step("first");

    scene.site.edit(7).unwrap();
    scene.site.withdraw(3).unwrap();
    let second = scene.run(&[]);
    second.assert_state("succeeded");
    assert!((10..30).contains(&crawled(&second)), "only what is newer: {}", second.told());
    assert_eq!(second.page("acme-paris"), (0, 7, 3, 110, 0), "{}", second.told());
    scene.assert_in_step("second");

    // a run that fails moves no cursor: what changed meanwhile is asked for again
    scene.site.edit(5).unwrap();
    scene.site.answer(Target::Api(1), Answer::Status(500), None);
    let failed = scene.run(&[]);
    failed.assert_state("failed");
    assert_eq!(failed.status, Some(1), "{}", failed.told());
    scene.site.clear_answers();
    let fourth = scene.run(&[]);
    fourth.assert_state("succeeded");
    assert_eq!(fourth.page("acme-paris").1, 5, "{}", fourth.told());
    scene.assert_in_step("fourth");
}
