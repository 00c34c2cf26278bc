//! Stopping a run: what runs is finished, the rest waits, nothing is lost or posted twice.

mod support;

use career_site::{Answer, CareerSite, Target};
use fbsim::FbSim;
use support::{Project, number, runtime};

/// A crawl of the site's HTML to one page.
fn import(site: &str) -> String {
    format!(
        "name: acme\n\
         crawl:\n  html: {site}/jobs\n  pages: a.next\n  links: a.job-link\n  rate: unlimited\n  robots: ignore\n\
         \x20 extract: {{ title: h1.job-title, city: dd.location, url: \"link[rel=canonical] @href\" }}\n\
         transform:\n  key: .url\n\
         export:\n  - facebook: [acme-1]\n    message: $title in $city\n    link: .url\n    pace: {{ rate: 100/s, per_day: unlimited }}\n"
    )
}

#[test]
fn the_first_signal_leaves_a_run_that_the_next_one_finishes() {
    let runtime = runtime();
    let (site, pages) = runtime.block_on(async {
        (CareerSite::start(Default::default()).await.unwrap(), FbSim::start(Default::default()).await.unwrap())
    });
    let project = Project::with_pages(1, &pages.base_url);
    project.write("import.yml", &import(&site.base_url));
    site.answer(Target::All, Answer::SlowMs(20), None);

    for signal in ["INT", "TERM"] {
        let mut run = project.start(&["run", "import.yml", "--format", "json"]);
        run.wait_for(|line| line["event"] == "task_done");
        run.signal(signal);
        let (status, lines) = run.end();
        assert_eq!(status.code(), Some(130), "{signal}");
        let summary = lines.last().unwrap();
        assert_eq!((&summary["event"], &summary["state"]), (&"summary".into(), &"interrupted".into()));
    }
    let listed = project.jobpipe(&["runs", "list", "--format", "json"]).expect(0).json();
    assert_eq!(listed.len(), 1, "one run, twice interrupted: {listed:#?}");
    assert_eq!(listed[0]["state"], "open");

    // during the posts
    site.clear_answers();
    let mut run = project.start(&["run", "import.yml", "--format", "json"]);
    let note = run.wait_for(|line| line["event"] == "notice");
    assert!(note["message"].as_str().unwrap().starts_with("going on with acme@"), "{note}");
    run.wait_for(|line| line["event"] == "effect");
    run.signal("INT");
    assert_eq!(run.end().0.code(), Some(130));

    let done = project.jobpipe(&["run", "import.yml", "--format", "json"]).expect(0).summary();
    let posted = number(&done, ["targets", "acme-1", "created"]) + number(&done, ["targets", "acme-1", "unchanged"]);
    assert_eq!(posted, 500, "{done}");
    let totals = pages.report().totals;
    assert_eq!((totals.creates, totals.visible, totals.dup_ever), (500, 500, 0));
    drop((site, pages, runtime));
}

#[test]
fn the_second_signal_stops_at_once_and_loses_nothing() {
    let runtime = runtime();
    let (site, pages) = runtime.block_on(async {
        (CareerSite::start(Default::default()).await.unwrap(), FbSim::start(Default::default()).await.unwrap())
    });
    let project = Project::with_pages(1, &pages.base_url);
    project.write("import.yml", &import(&site.base_url));
    site.answer(Target::Listing(2), Answer::SlowMs(60_000), None);
    let mut run = project.start(&["run", "import.yml", "--format", "json"]);
    // listing page 2 is asked for and will not answer: a task is at work for a minute
    run.wait_for(|line| line["event"] == "task_done");
    run.signal("INT");
    run.signal("TERM");
    let (status, _) = run.end();
    assert_eq!(status.code(), Some(130));
    site.clear_answers();
    let done = project.jobpipe(&["run", "import.yml", "--format", "json"]).expect(0).summary();
    assert_eq!(number(&done, ["targets", "acme-1", "created"]), 500, "{done}");
    assert_eq!(pages.report().totals.dup_ever, 0);
    drop((site, pages, runtime));
}
