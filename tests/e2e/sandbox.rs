//! The sandbox and the real thing know nothing of each other.

mod support;

use fbsim::{FbSim, Options};
use std::io::{Read, Write};
use std::net::TcpStream;
use support::{Project, import, number, offers, runtime};

#[test]
fn nothing_of_the_sandbox_counts_for_a_real_run() {
    let runtime = runtime();
    let pages = runtime.block_on(FbSim::start(Options::default())).unwrap();
    let project = Project::with_pages(2, &pages.base_url);
    project.write("offers.json", &offers(5));
    project.write("import.yml", &import(2));
    let run = |args: &[&str]| {
        let args = [&["run", "import.yml", "--format", "json"], args].concat();
        project.jobpipe(&args).expect(0).summary()
    };

    let sandbox = run(&["--sandbox"]);
    assert_eq!(number(&sandbox, ["targets", "acme-1", "created"]), 5);
    assert!(pages.effects().is_empty(), "the sandbox posts nowhere else");
    assert!(!project.path(".jobpipe/jobpipe.db").exists());
    let simulated = project.read(".jobpipe/sandbox/facebook.jsonl");

    let real = run(&[]);
    assert_eq!(number(&real, ["targets", "acme-1", "created"]), 5, "posts of the sandbox are no posts");
    assert_eq!(pages.report().totals.creates, 10);
    assert_eq!(project.read(".jobpipe/sandbox/facebook.jsonl"), simulated);

    let again = run(&["--sandbox"]);
    assert_eq!(number(&again, ["targets", "acme-2", "unchanged"]), 5);
    assert_eq!(pages.report().totals.creates, 10);

    // a third state: an environment has its own
    project.write("config/environments/demo.yml", "{}\n");
    let demo = project.jobpipe(&["run", "import.yml", "--env", "demo", "--dry-run", "--format", "json"]).expect(0);
    assert_eq!(number(&demo.summary(), ["targets", "acme-1", "created"]), 5);
    assert!(!project.path(".jobpipe/demo").exists(), "a dry run makes no state");
    drop((pages, runtime));
}

#[test]
fn the_posts_of_the_sandbox_can_be_looked_at() {
    let project = Project::new();
    project.write("offers.json", &offers(3));
    project.write("import.yml", &import(1));
    project.jobpipe(&["run", "import.yml", "--sandbox"]).expect(0);
    let mut sandbox = project.start(&["sandbox", "import.yml"]);
    let line = sandbox.line().unwrap();
    let url = line.split_whitespace().nth(1).unwrap();
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path}/acme-1 HTTP/1.0\r\nHost: {host}\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    assert!(page.contains("Nurse 1") && page.contains("Nurse 3"), "{page}");
    // while it is shown, a run of the sandbox says what is in the way
    let refused = project.jobpipe(&["run", "import.yml", "--sandbox"]).expect(1);
    assert!(refused.err.contains("jobpipe sandbox"), "{}", refused.err);
    sandbox.signal("INT");
}
