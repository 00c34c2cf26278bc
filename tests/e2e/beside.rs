//! Other processes while an engine works: they look, they wish, and they take over when it dies.

mod support;

use career_site::{Answer, CareerSite, Target};
use fbsim::FbSim;
use support::{Project, runtime};

struct Stage {
    runtime: tokio::runtime::Runtime,
    site: career_site::Handle,
    pages: fbsim::Handle,
    project: Project,
}

/// A site whose second listing page fails, and is asked again, until the answers are cleared: so a run goes on for as long
/// as a test needs it to.
#[expect(clippy::unwrap_used, reason = "a helper of tests fails by panicking")]
fn stage() -> Stage {
    let runtime = runtime();
    let (site, pages) = runtime.block_on(async {
        (CareerSite::start(Default::default()).await.unwrap(), FbSim::start(Default::default()).await.unwrap())
    });
    let project = Project::with_pages(1, &pages.base_url);
    let text = format!(
        "name: acme\n\
         crawl:\n  html: {}/jobs\n  pages: a.next\n  links: a.job-link\n  rate: unlimited\n  robots: ignore\n  retry: {{ times: 100_000, base: 50ms, max: 100ms }}\n\
         \x20 extract: {{ title: h1.job-title, city: dd.location, url: \"link[rel=canonical] @href\" }}\n\
         transform:\n  key: .url\n\
         export:\n  - facebook: [acme-1]\n    message: $title in $city\n    link: .url\n    pace: {{ rate: 500/s, per_day: unlimited }}\n",
        site.base_url
    );
    project.write("import.yml", &text);
    site.answer(Target::Listing(2), Answer::Status(503), None);
    Stage { runtime, site, pages, project }
}

#[test]
fn readers_work_beside_an_engine() {
    let Stage { runtime, site, pages, project } = stage();
    let mut run = project.start(&["run", "import.yml", "--format", "json"]);
    let started = run.wait_for(|line| line["event"] == "run_started");
    run.wait_for(|line| line["event"] == "task_done");
    let id = started["run"].as_str().unwrap();
    let listed = project.jobpipe(&["runs", "list", "--format", "json"]).expect(0).json();
    assert_eq!((&listed[0]["run"], &listed[0]["state"]), (&id.into(), &"open".into()));
    let shown = project.jobpipe(&["runs", "show", "acme", "--format", "json"]).expect(0).summary();
    assert_eq!((&shown["run"], &shown["state"]), (&id.into(), &"running".into()));
    project.jobpipe(&["dead", "list"]).expect(0);
    project.jobpipe(&["explain", "import.yml"]).expect(0);
    let state = project.jobpipe(&["state", "show"]).expect(0).out;
    assert!(state.contains("process "), "the engine is named:\n{state}");
    let busy = project.jobpipe(&["state", "clean"]).expect(1);
    assert!(busy.err.contains("in use by another jobpipe process"), "{}", busy.err);
    site.clear_answers();
    let (status, lines) = run.end();
    assert_eq!(status.code(), Some(0), "{:?}", lines.last());
    drop((site, pages, runtime));
}

#[test]
fn a_second_run_follows_the_first_ones() {
    let Stage { runtime, site, pages, project } = stage();
    let mut first = project.start(&["run", "import.yml", "--format", "json"]);
    first.wait_for(|line| line["event"] == "task_done");
    let mut second = project.start(&["run", "import.yml", "--format", "json"]);
    second.wait_for(|line| line["message"].as_str().is_some_and(|text| text.starts_with("following acme@")));
    site.clear_answers();
    let ((first, told), (second, followed)) = (first.end(), second.end());
    assert_eq!((first.code(), second.code()), (Some(0), Some(0)));
    let (told, followed) = (told.last().unwrap(), followed.last().unwrap());
    assert_eq!((&followed["run"], &followed["state"]), (&told["run"], &"succeeded".into()));
    assert_eq!(followed["targets"], told["targets"]);
    assert_eq!(pages.report().totals.creates, 500);
    drop((site, runtime));
}

#[test]
fn who_follows_takes_over_when_the_engine_is_killed() {
    let Stage { runtime, site, pages, project } = stage();
    let mut first = project.start(&["run", "import.yml", "--format", "json"]);
    first.wait_for(|line| line["event"] == "task_done");
    let mut second = project.start(&["run", "import.yml", "--format", "json"]);
    second.wait_for(|line| line["message"].as_str().is_some_and(|text| text.starts_with("following acme@")));
    first.signal("KILL");
    second.wait_for(|line| line["message"].as_str().is_some_and(|text| text.starts_with("going on with")));
    site.clear_answers();
    let (status, lines) = second.end();
    assert_eq!(status.code(), Some(0), "{:?}", lines.last());
    let totals = pages.report().totals;
    assert_eq!((totals.creates, totals.dup_ever), (500, 0));
    drop((site, runtime));
}

#[test]
fn a_run_can_be_cancelled_from_beside_and_without_an_engine() {
    let Stage { runtime, site, pages, project } = stage();
    let mut run = project.start(&["run", "import.yml", "--format", "json"]);
    run.wait_for(|line| line["event"] == "task_done");
    project.jobpipe(&["runs", "cancel", "acme"]).expect(0);
    let (status, lines) = run.end();
    assert_eq!((status.code(), &lines.last().unwrap()["state"]), (Some(1), &"cancelled".into()));
    assert_eq!(pages.report().totals.creates, 0, "a cancelled run posts nothing");

    let mut run = project.start(&["run", "import.yml", "--format", "json"]);
    run.wait_for(|line| line["event"] == "task_done");
    run.signal("KILL");
    run.end();
    let done = project.jobpipe(&["runs", "cancel", "acme"]).expect(0);
    assert!(done.out.contains("cancelled"), "{}", done.out);
    let listed = project.jobpipe(&["runs", "list", "--format", "json"]).expect(0).json();
    assert!(listed.iter().all(|run| run["state"] == "cancelled") && listed.len() == 2, "{listed:#?}");
    site.clear_answers();
    let done = project.jobpipe(&["run", "import.yml", "--format", "json"]).expect(0).summary();
    assert_eq!(support::number(&done, ["targets", "acme-1", "created"]), 500);
    drop((site, runtime));
}

/// An import of a site of its own, of which one detail page is absent; gives both, once it was run and has a dead letter.
#[expect(clippy::unwrap_used, reason = "a helper of tests fails by panicking")]
fn with_a_letter(stage: &Stage) -> (career_site::Handle, String) {
    let options = career_site::Options { offers: 6, ..Default::default() };
    let site = stage.runtime.block_on(CareerSite::start(options)).unwrap();
    let absent = Target::Detail(site.offers()[2].reference.clone());
    site.answer(absent, Answer::Status(404), None);
    let text = stage.project.read("import.yml").replace(&stage.site.base_url, &site.base_url);
    stage.project.write("acme.yml", &text);
    stage.project.write("import.yml", &stage.project.read("import.yml").replace("name: acme", "name: busy"));
    let first = stage.project.jobpipe(&["run", "acme.yml", "--format", "json"]).expect(3).summary();
    assert_eq!(stage.pages.report().totals.creates, 5);
    (site, first["run"].as_str().unwrap().to_owned())
}

#[test]
fn what_failed_is_done_again_by_an_engine_that_is_busy_and_once() {
    let stage = stage();
    let (site, first) = with_a_letter(&stage);
    let project = &stage.project;
    let mut busy = project.start(&["run", "import.yml", "--format", "json"]);
    busy.wait_for(|line| line["event"] == "task_done");
    site.clear_answers();
    let mut again = project.start(&["dead", "retry", "--run", &first, "--format", "json"]);
    again.wait_for(|line| line["message"].as_str().is_some_and(|text| text.starts_with("following acme@")));
    let (status, lines) = again.end();
    let done = lines.last().unwrap();
    assert_eq!((status.code(), &done["state"]), (Some(0), &"succeeded".into()), "{done:#}");
    assert_eq!(support::number(done, ["targets", "acme-1", "created"]), 1);
    assert!(project.jobpipe(&["dead", "list"]).expect(0).out.contains("no dead letters"), "what is done is settled");
    let nothing = project.jobpipe(&["dead", "retry", "--run", &first]).expect(0).out;
    assert!(nothing.contains("no dead letters"), "{nothing}");
    let runs = project.jobpipe(&["runs", "list", "--format", "json"]).expect(0).json();
    assert_eq!(runs.iter().filter(|run| run["run"].as_str().unwrap().starts_with("acme@")).count(), 2, "{runs:#?}");
    stage.site.clear_answers();
    let (status, lines) = busy.end();
    assert_eq!(status.code(), Some(0), "{:?}", lines.last());
    let totals = stage.pages.report().totals;
    assert_eq!((totals.creates, totals.dup_ever), (506, 0));
}

#[test]
fn what_failed_is_done_again_once_when_the_busy_engine_is_killed() {
    let stage = stage();
    let (site, first) = with_a_letter(&stage);
    let project = &stage.project;
    let mut busy = project.start(&["run", "import.yml", "--format", "json"]);
    busy.wait_for(|line| line["event"] == "task_done");
    // the page comes back, but not yet: the engine is killed while it asks for it
    site.clear_answers();
    site.answer(Target::All, Answer::Status(503), None);
    let mut again = project.start(&["dead", "retry", "--run", &first, "--format", "json"]);
    again.wait_for(|line| line["message"].as_str().is_some_and(|text| text.starts_with("following acme@")));
    busy.signal("KILL");
    again.wait_for(|line| line["message"].as_str().is_some_and(|text| text.starts_with("going on with")));
    site.clear_answers();
    let (status, lines) = again.end();
    assert_eq!(status.code(), Some(0), "{:?}", lines.last());
    assert!(project.jobpipe(&["dead", "list"]).expect(0).out.contains("no dead letters"));
    let runs = project.jobpipe(&["runs", "list", "--format", "json"]).expect(0).json();
    assert_eq!(runs.iter().filter(|run| run["run"].as_str().unwrap().starts_with("acme@")).count(), 2, "{runs:#?}");
    stage.site.clear_answers();
    project.jobpipe(&["run", "import.yml", "--format", "json"]).expect(0);
    let totals = stage.pages.report().totals;
    assert_eq!((totals.creates, totals.dup_ever), (506, 0));
}

#[test]
fn letters_are_dropped_beside_an_engine() {
    let stage = stage();
    let (_site, first) = with_a_letter(&stage);
    let project = &stage.project;
    let mut busy = project.start(&["run", "import.yml", "--format", "json"]);
    busy.wait_for(|line| line["event"] == "task_done");
    let dropped = project.jobpipe(&["dead", "drop", "--run", &first]).expect(0).out;
    assert!(dropped.contains("dropped 1"), "{dropped}");
    assert!(project.jobpipe(&["dead", "list"]).expect(0).out.contains("no dead letters"));
    stage.site.clear_answers();
    let (status, lines) = busy.end();
    assert_eq!(status.code(), Some(0), "{:?}", lines.last());
}
