//! The verbs that look at runs, workers and dead letters, and do again what failed: on a state in a folder and on one on
//! servers.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod servers;
mod support;

use fbsim::FbSim;
use serde_json::json;
use servers::{Servers, Worker, ended, machine};
use support::{Project, number, runtime};

/// Three offers, of which the second has no title: a dead letter.
fn offers(with_title: bool) -> String {
    let title = if with_title { json!("Nurse 2") } else { json!(null) };
    let offer = |id: u32, title: serde_json::Value| json!({ "id": id, "title": title, "url": format!("https://acme.test/{id}") });
    json!([offer(1, json!("Nurse 1")), offer(2, title), offer(3, json!("Nurse 3"))]).to_string()
}

fn import() -> String {
    support::import(1).replace("  key: .id\n", "  key: .id\n  require: [title]\n")
}

/// `dead list`, `show`, `retry` and `drop`, and `runs retry`, of a run with one dead letter.
fn go_through_letters(desk: &Project, sources: &[&Project], run: &str) {
    let letters = desk.jobpipe(&["dead", "list", "--format", "json"]).expect(0).json();
    assert_eq!(letters.len(), 1, "{letters:#?}");
    let id = letters[0]["id"].as_str().unwrap().get(..10).unwrap();
    assert_eq!((letters[0]["run"].as_str(), letters[0]["key"].as_str()), (Some(run), Some("2")));
    let shown = desk.jobpipe(&["dead", "show", id]).expect(0).out;
    assert!(shown.contains("title") && shown.contains("https://acme.test/2"), "{shown}");
    let nothing = desk.jobpipe(&["dead", "drop", "--import", "other"]).expect(0).out;
    assert!(nothing.contains("dropped 0"), "{nothing}");
    desk.jobpipe(&["dead", "drop"]).expect(2);

    // what still fails is a dead letter of the new run; the old one is settled
    let again = desk.jobpipe(&["dead", "retry", id, "--format", "json"]).expect(3).summary();
    assert_ne!(again["run"], run);
    let letters = desk.jobpipe(&["dead", "list", "--format", "json"]).expect(0).json();
    assert_eq!((letters.len(), &letters[0]["run"]), (1, &again["run"]));
    for source in sources {
        source.write("offers.json", &offers(true));
    }
    let again = desk.jobpipe(&["dead", "retry", "--import", "acme", "--format", "json"]).expect(0).summary();
    assert_eq!(
        (number(&again, ["targets", "acme-1", "created"]), number(&again, ["targets", "acme-1", "unchanged"])),
        (1, 2)
    );
    assert!(desk.jobpipe(&["dead", "list"]).expect(0).out.contains("no dead letters"));

    for source in sources {
        source.write("offers.json", &offers(false));
    }
    let again = desk.jobpipe(&["runs", "retry", "acme", "--format", "json"]).expect(3).summary();
    let run = again["run"].as_str().unwrap();
    let dropped = desk.jobpipe(&["dead", "drop", "--run", run]).expect(0).out;
    assert!(dropped.contains("dropped 1"), "{dropped}");
    assert!(desk.jobpipe(&["dead", "list"]).expect(0).out.contains("no dead letters"));
    let runs = desk.jobpipe(&["runs", "list", "--format", "json"]).expect(0).json();
    assert_eq!(runs.len(), 4, "{runs:#?}");
}

#[test]
fn what_failed_is_done_again_in_a_folder() {
    let runtime = runtime();
    let pages = runtime.block_on(FbSim::start(Default::default())).unwrap();
    let project = Project::with_pages(1, &pages.base_url);
    project.write("import.yml", &import());
    project.write("offers.json", &offers(false));
    let first = project.jobpipe(&["run", "import.yml", "--format", "json"]).expect(3).summary();
    go_through_letters(&project, &[&project], first["run"].as_str().unwrap());
    assert!(project.jobpipe(&["workers"]).expect(0).out.contains("no engine is at work"));
    let queues = project.jobpipe(&["queues", "--format", "json"]).expect(0).json();
    assert_eq!(queues[0], json!({ "queue": "crawl", "ready": 0, "running": 0, "hints": null, "workers": 0 }));
}

#[test]
fn what_failed_is_done_again_by_workers() {
    let runtime = runtime();
    let pages = runtime.block_on(FbSim::start(Default::default())).unwrap();
    let servers = Servers::new();
    let (desk, place) = (machine(1, &pages.base_url, &servers), machine(1, &pages.base_url, &servers));
    desk.write("import.yml", &import());
    for project in [&desk, &place] {
        project.write("offers.json", &offers(false));
    }
    let alone = desk.jobpipe(&["submit", "import.yml"]).expect(0);
    assert!(alone.err.contains("no worker is at work"), "{}", alone.err);
    let run = alone.out.trim().to_owned();
    let queues = desk.jobpipe(&["queues", "--format", "json"]).expect(0).json();
    assert_eq!((&queues[0]["queue"], &queues[0]["ready"]), (&"crawl".into(), &1.into()), "{queues:?}");

    let worker = Worker::at_work(&place, &["--name", "solo", "--concurrency", "3"]);
    assert_eq!(ended(&desk, &run)["state"], "partial");
    let known = desk.jobpipe(&["workers", "--format", "json"]).expect(0).json();
    assert_eq!((known.len(), &known[0]["name"], &known[0]["state"]), (1, &"solo".into(), &"at work".into()));
    assert_eq!((&known[0]["slots"], &known[0]["queues"]), (&3.into(), &json!(["crawl", "transform", "export"])));
    let queues = desk.jobpipe(&["queues", "--format", "json"]).expect(0).json();
    let expected = json!({ "queue": "export", "ready": 0, "running": 0, "hints": 0, "workers": 1 });
    assert!(queues.contains(&expected), "{queues:?}");
    assert!(desk.jobpipe(&["workers"]).expect(0).out.contains("solo"));
    let state = desk.jobpipe(&["state", "show"]).expect(0).out;
    assert!(state.contains(&servers.store) && state.contains("broker") && state.contains("acme: 1 runs"), "{state}");
    go_through_letters(&desk, &[&place], &run);
    let cleaned = desk.jobpipe(&["state", "clean"]).expect(0).out;
    assert!(cleaned.contains("cleared"), "{cleaned}");

    let mut worker = worker;
    worker.signal("TERM");
    assert!(worker.end().success());
    assert!(desk.jobpipe(&["workers"]).expect(0).out.contains("no worker is at work"), "it took its leave");
    let refused = desk.jobpipe(&["state", "restore", "x.db"]).expect(2);
    assert!(refused.err.contains("own tools"), "{}", refused.err);
    let epoch = desk.jobpipe(&["state", "restore"]).expect(0).out;
    assert!(epoch.contains("reads back every page"), "{epoch}");
}

#[test]
fn a_run_on_servers_can_be_cancelled_whether_or_not_anybody_works() {
    let servers = Servers::new();
    let (desk, place) = (machine(1, "http://127.0.0.1:9", &servers), machine(1, "http://127.0.0.1:9", &servers));
    desk.write("import.yml", &import());
    let run = desk.jobpipe(&["submit", "import.yml"]).expect(0).out;
    let run = run.trim();
    let cancelled = desk.jobpipe(&["runs", "cancel", "acme"]).expect(0).out;
    assert!(cancelled.contains("the workers end it"), "{cancelled}");
    let _worker = Worker::at_work(&place, &[]);
    assert_eq!(ended(&desk, run)["state"], "cancelled");
}
