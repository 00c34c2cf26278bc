//! The choices of `run`: how much, how long, which definition, who approves.

mod support;

use fbsim::FbSim;
use support::{Done, Project, import, lines, number, offers, runtime};

fn with_offers(count: u32, pages: &fbsim::Handle) -> Project {
    let project = Project::with_pages(1, &pages.base_url);
    project.write("offers.json", &offers(count));
    project.write("import.yml", &import(1));
    project
}

#[test]
fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let runtime = runtime();
    let pages = runtime.block_on(FbSim::start(Default::default())).unwrap();
    let project = with_offers(4, &pages);
    let snapshot = "  - jsonl: out/now.jsonl\n    as: now\n    write: snapshot\n";
    project.write("import.yml", &(project.read("import.yml") + snapshot));
    let dry = |extra: &[&str]| project.jobpipe(&[&["run", "import.yml", "--dry-run"], extra].concat()).expect(0);
    let first = dry(&["--format", "json"]).summary();
    assert_eq!(number(&first, ["targets", "acme-1", "created"]), 4);
    assert_eq!(first["dry_run"], true);
    assert!(!project.path(".jobpipe").exists() && !project.path("out").exists() && pages.report().totals.calls == 0);

    project.jobpipe(&["run", "import.yml"]).expect(0);
    let (calls, file) = (pages.report().totals.calls, project.read("out/acme.jsonl"));
    // two edited, one new; one is missing, which a dry run never counts as gone
    let changed = offers(6).replace("\"Nurse 2\"", "\"Doctor 2\"").replace("\"Nurse 3\"", "\"Doctor 3\"");
    project.write(
        "offers.json",
        &changed.replace("{\"id\":1,\"title\":\"Nurse 1\",\"url\":\"https://acme.test/jobs/1\"},", ""),
    );
    let second = dry(&["--format", "json"]).summary();
    let count = |of: &str| number(&second, ["targets", "acme-1", of]);
    assert_eq!([count("created"), count("updated"), count("deleted"), count("unchanged")], [2, 2, 0, 1], "{second}");
    let limited = dry(&["--limit", "2"]).out;
    assert!(limited.contains("out/now.jsonl (4 lines)") && limited.contains("out/acme.jsonl (2 lines)"), "{limited}");
    let told = dry(&[]).out;
    assert!(told.contains("would be") && told.contains("nothing was posted, written or remembered"), "{told}");
    assert_eq!((pages.report().totals.calls, project.read("out/acme.jsonl")), (calls, file));
    let runs = project.jobpipe(&["runs", "list", "--format", "json"]).expect(0).json();
    assert_eq!(runs.len(), 1, "a dry run is no run");
    drop((pages, runtime));
}

#[test]
fn a_limited_run_takes_so_many_and_counts_nothing_as_gone() {
    let runtime = runtime();
    let pages = runtime.block_on(FbSim::start(Default::default())).unwrap();
    let project = with_offers(10, &pages);
    project.jobpipe(&["run", "import.yml"]).expect(0);
    let limited = project.jobpipe(&["run", "import.yml", "--limit", "3", "--format", "json"]).expect(0).summary();
    assert_eq!(number(&limited, ["stages", "crawl", "out"]), 3);
    assert_eq!(number(&limited, ["targets", "acme-1", "deleted"]), 0);
    assert_eq!(pages.report().totals.visible, 10);
    assert_eq!(lines(&project.path("out/acme.jsonl")).len(), 3);
    drop((pages, runtime));
}

#[test]
fn a_slow_page_is_left_draining_and_the_next_run_goes_on_posting() {
    let runtime = runtime();
    let pages = runtime.block_on(FbSim::start(Default::default())).unwrap();
    let project = with_offers(3, &pages);
    let text = import(1);
    project.write("import.yml", &text.replace("rate: 500/s", "rate: 6/min"));
    let done = project.jobpipe(&["run", "import.yml", "--wait", "3s", "--format", "json"]).expect(4).summary();
    assert_eq!(done["state"], "draining");
    assert_eq!(number(&done, ["targets", "acme-1", "created"]), 1);
    let told = project.jobpipe(&["run", "import.yml", "--wait", "0s"]).expect(4).out;
    assert!(told.contains("for its pace, or a limit that it named; next in"), "{told}");
    // another pace is another definition, and what it would do at once is more than one post in three
    project.write("import.yml", &text);
    let done = project.jobpipe(&["run", "import.yml", "--yes", "--format", "json"]).expect(0).summary();
    assert_eq!(pages.report().totals.creates, 3, "{done}");
    drop((pages, runtime));
}

#[test]
fn posts_that_wait_for_their_update_do_not_count_as_unchanged() {
    let runtime = runtime();
    let pages = runtime.block_on(FbSim::start(Default::default())).unwrap();
    let project = with_offers(6, &pages);
    project.jobpipe(&["run", "import.yml"]).expect(0);
    project.write("import.yml", &import(1).replace("rate: 500/s", "rate: 10/min"));
    project.write("offers.json", &offers(6).replace("Nurse 2", "Doctor 2").replace("Nurse 4", "Doctor 4"));
    let run = |wait: &str| project.jobpipe(&["run", "import.yml", "--yes", "--wait", wait, "--format", "json"]);
    let left = run("3s").expect(4).summary();
    let count = |of: &str| number(&left, ["targets", "acme-1", of]);
    assert_eq!([count("created"), count("updated"), count("unchanged")], [0, 1, 4], "{left}");
    let told = project.jobpipe(&["runs", "show", "acme"]).expect(0).out;
    assert!(told.contains("note:  acme-1: 1 post is not yet compared"), "{told}");
    let done = run("1m").expect(0).summary();
    assert_eq!(number(&done, ["targets", "acme-1", "unchanged"]), 5, "{done}");
    assert_eq!(pages.report().totals.updates, 2);
    drop((pages, runtime));
}

#[test]
fn an_open_run_of_another_definition_asks_which_one() {
    let runtime = runtime();
    let pages = runtime.block_on(FbSim::start(Default::default())).unwrap();
    let project = with_offers(5, &pages);
    let die = |point: &str| {
        let mut command = project.command(&["run", "import.yml", "--format", "json"]);
        assert!(!command.env("JOBPIPE_FAILPOINT", point).output().unwrap().status.success(), "{point}");
    };
    die("task.commit");
    let first = project.jobpipe(&["runs", "list", "--format", "json"]).expect(0).json()[0]["run"].clone();
    project.write("import.yml", &import(1).replace("message: $title", "message: Job $title"));
    let refused = project.jobpipe(&["run", "import.yml"]).expect(2);
    assert!(refused.err.contains("--resume") && refused.err.contains("--new"), "{}", refused.err);

    let resumed = project.jobpipe(&["run", "import.yml", "--resume", "--format", "json"]).expect(0).summary();
    assert_eq!(resumed["run"], first);
    let shown = pages.report();
    assert_eq!((shown.totals.creates, shown.totals.updates), (5, 0));

    // the new definition would change all posts: it waits for approval
    let waits = project.jobpipe(&["run", "import.yml"]).expect(3);
    let run = waits.out.lines().find(|line| line.starts_with("acme@")).and_then(|line| line.split_once(' ')).unwrap().0;
    let asked = format!("`jobpipe runs approve {run}` lets it through");
    assert!(waits.out.contains(&format!("before that is approved; {asked}")), "told while it waits: {}", waits.out);
    assert!(waits.out.contains(&format!("\nnext:  {asked}")), "{}", waits.out);
    let file = project.path("import.yml");
    let elsewhere = tempfile::tempdir().unwrap();
    let shown = |run: &str| {
        let mut command = project.command(&["runs", "show", run, "--at", file.to_str().unwrap()]);
        Done::of(command.current_dir(elsewhere.path()).output().unwrap()).expect(0).out
    };
    assert!(shown(run).contains(&format!("`jobpipe runs approve {run} --at {}`", file.display())), "{}", shown(run));
    assert!(!shown(resumed["run"].as_str().unwrap()).contains("runs approve"), "it is too late for the one before");
    assert_eq!(pages.report().totals.updates, 0);
    project.jobpipe(&["runs", "approve", "acme"]).expect(0);
    let done = project.jobpipe(&["run", "import.yml", "--format", "json"]).expect(0).summary();
    assert_eq!(pages.report().totals.updates, 5, "{done}");

    // --new cancels the open run; --yes approves beforehand
    die("task.commit");
    project.write("import.yml", &import(1).replace("message: $title", "message: Offer $title"));
    let new = project.jobpipe(&["run", "import.yml", "--new", "--yes", "--format", "json"]).expect(0).summary();
    assert_eq!(number(&new, ["targets", "acme-1", "updated"]), 5);
    let states: Vec<String> = project
        .jobpipe(&["runs", "list", "--format", "json"])
        .expect(0)
        .json()
        .iter()
        .map(|run| run["state"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(states, ["closed", "cancelled", "closed", "closed", "closed"]);
    assert_eq!(pages.report().totals.dup_ever, 0);
    drop((pages, runtime));
}

#[test]
fn an_open_run_keeps_its_limit_and_says_so() {
    let runtime = runtime();
    let pages = runtime.block_on(FbSim::start(Default::default())).unwrap();
    let project = with_offers(5, &pages);
    let mut dies = project.command(&["run", "import.yml"]);
    assert!(!dies.env("JOBPIPE_FAILPOINT", "task.commit").output().unwrap().status.success());
    let told = project.jobpipe(&["run", "import.yml", "--limit", "2"]).expect(0).out;
    assert!(
        told.contains("it was begun without --limit and goes on so") && told.contains("runs cancel acme@"),
        "{told}"
    );
    assert_eq!(pages.report().totals.creates, 5);

    let mut dies = project.command(&["run", "import.yml", "--limit", "2"]);
    assert!(!dies.env("JOBPIPE_FAILPOINT", "task.commit").output().unwrap().status.success());
    let mut elsewhere = project.command(&["run", project.path("import.yml").to_str().unwrap()]);
    let told = Done::of(elsewhere.current_dir(std::env::temp_dir()).output().unwrap()).expect(0).out;
    let (begun, typed) = ("it was begun with --limit 2 and goes on so", told.split('`').nth(1).unwrap_or_default());
    assert!(
        told.contains(begun) && typed.ends_with(&format!(" --at {}", project.path("import.yml").display())),
        "{told}"
    );
    let told = project.jobpipe(&["run", "import.yml"]).expect(0).out;
    assert!(!told.contains("--limit"), "{told}");
    drop((pages, runtime));
}

#[test]
fn the_summary_has_its_fixed_shape() {
    let runtime = runtime();
    let pages = runtime.block_on(FbSim::start(Default::default())).unwrap();
    let project = with_offers(2, &pages);
    let summary = project.jobpipe(&["run", "import.yml", "--format", "json"]).expect(0).summary();
    let keys = |json: &serde_json::Value| json.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&summary), ["event", "run", "state", "stages", "targets", "elapsed_s"]);
    assert_eq!(keys(&summary["stages"]), ["crawl", "jsonl", "transform"]);
    assert_eq!(keys(&summary["stages"]["crawl"]), ["tasks", "in", "out", "dead", "retried"]);
    assert_eq!(keys(&summary["targets"]["acme-1"]), ["created", "updated", "deleted", "unchanged", "failed"]);
    assert!(summary["run"].as_str().unwrap().starts_with("acme@") && summary["elapsed_s"].is_f64());
    drop((pages, runtime));
}

#[test]
fn imports_of_a_project_share_its_state_and_its_paths() {
    let project = Project::new();
    project.write("jobpipe.yml", "{}\n");
    project.write("data/offers.json", &offers(3));
    for name in ["a", "b"] {
        let text = format!(
            "name: {name}\ncrawl: {{ json: data/offers.json }}\ntransform: {{ key: .id }}\nexport: {{ jsonl: out/{name}.jsonl }}\n"
        );
        project.write(&format!("imports/{name}.yml"), &text);
    }
    let mut dies = project.command(&["run", "imports/a.yml"]);
    assert!(!dies.env("JOBPIPE_FAILPOINT", "file.write").output().unwrap().status.success());
    // the engine of `b` goes on with the open run of `a`, and puts its file where `a` itself would
    project.jobpipe(&["run", "imports/b.yml"]).expect(0);
    project.jobpipe(&["run", "imports/a.yml"]).expect(0);
    for name in ["a", "b"] {
        assert_eq!(lines(&project.path(&format!("out/{name}.jsonl"))).len(), 3);
    }
    assert!(project.path(".jobpipe/jobpipe.db").is_file());
    assert!(!project.path("imports/.jobpipe").exists() && !project.path("imports/out").exists());
}
