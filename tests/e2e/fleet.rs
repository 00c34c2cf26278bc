//! One import on several machines: processes that share nothing but a broker and a store.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![allow(clippy::disallowed_methods, reason = "how long another process takes is measured")]

mod servers;
mod support;

use career_site::CareerSite;
use fbsim::{FbSim, WriteOp};
use servers::{Mongo, Servers, Worker, ended, machine};
use std::time::{Duration, Instant};
use support::{Project, number, runtime};

const QUICKSTART: &str = include_str!("../../examples/quickstart/import.yml");
const OFFERS: u32 = 500;

/// The quickstart import of a site on loopback, to the pages `acme-1` ... of a test.
fn quickstart(site: &career_site::Handle) -> String {
    let text = QUICKSTART.replace("http://careers.example.test", &site.base_url);
    let text = text.replace("acme-paris, acme-lyon, acme-lille", "acme-1, acme-2, acme-3");
    assert!(text.contains(&site.base_url) && text.contains("[acme-1,"), "the example has changed");
    text
}

/// Page, message and link.
type Post = (String, String, Option<String>);
/// Posts, in order, and a file.
type Made = (Vec<Post>, String);

/// Page, message and link of every post that was made, each once.
fn posts(pages: &fbsim::Handle) -> Vec<Post> {
    let effects = pages.effects();
    assert!(effects.iter().all(|effect| effect.op == WriteOp::Create), "a first run only creates");
    let mut posts: Vec<_> = effects.into_iter().map(|effect| (effect.page, effect.message, effect.link)).collect();
    posts.sort();
    posts
}

/// A site, and two sets of pages: one for a process alone, one for a fleet.
struct World {
    runtime: tokio::runtime::Runtime,
    site: career_site::Handle,
    pages: fbsim::Handle,
}

impl World {
    fn new() -> Self {
        let runtime = runtime();
        let options = career_site::Options { offers: OFFERS, ..Default::default() };
        let (site, pages) = runtime.block_on(async {
            (CareerSite::start(options).await.unwrap(), FbSim::start(Default::default()).await.unwrap())
        });
        Self { runtime, site, pages }
    }

    /// What one process makes of the quickstart: its posts and its file.
    fn alone(&self) -> Made {
        let pages = self.runtime.block_on(FbSim::start(Default::default())).unwrap();
        let project = Project::with_pages(3, &pages.base_url);
        project.write("import.yml", &quickstart(&self.site));
        let done = project.jobpipe(&["run", "import.yml", "--format", "json"]).expect(0).summary();
        assert_eq!(number(&done, ["targets", "acme-1", "created"]), u64::from(OFFERS));
        (posts(&pages), project.read("out/jobs.jsonl"))
    }

    fn assert_right(&self, machines: &[&Project], alone: &Made) {
        let report = self.pages.report();
        assert_eq!((report.totals.dup_now, report.totals.dup_ever), (0, 0));
        assert!(posts(&self.pages) == alone.0, "{} posts, {} of one process", posts(&self.pages).len(), alone.0.len());
        let files: Vec<String> =
            machines.iter().filter_map(|one| std::fs::read_to_string(one.path("out/jobs.jsonl")).ok()).collect();
        assert!(!files.is_empty() && files.iter().all(|file| *file == alone.1), "{} files", files.len());
    }
}

#[test]
fn two_workers_make_the_posts_and_the_file_of_one_process() {
    let _alone = servers::alone();
    let world = World::new();
    let alone = world.alone();
    let servers = Servers::new();
    let [desk, first, second] = [(); 3].map(|()| machine(3, &world.pages.base_url, &servers));
    let workers = [("first", &first), ("second", &second)].map(|(name, at)| Worker::at_work(at, &["--name", name]));
    desk.write("import.yml", &quickstart(&world.site));
    let run = desk.jobpipe(&["submit", "import.yml"]).expect(0).out;
    let run = run.trim();
    assert!(run.starts_with("quickstart@") && !run.contains(char::is_whitespace), "{run:?}");
    let done = ended(&desk, run);
    assert_eq!(done["state"], "succeeded", "{done:#}");
    for page in ["acme-1", "acme-2", "acme-3"] {
        assert_eq!(number(&done, ["targets", page, "created"]), u64::from(OFFERS));
    }
    world.assert_right(&[&first, &second], &alone);
    assert!(!desk.path("out/jobs.jsonl").exists(), "who submits does none of the work");
    for worker in &workers {
        assert!(worker.count("task_done") > 5, "both work");
    }

    // again, followed: nothing is posted twice
    let again = desk.jobpipe(&["run", "import.yml", "--format", "json"]).expect(0).summary();
    assert_eq!((number(&again, ["targets", "acme-2", "created"]), again["state"].as_str()), (0, Some("succeeded")));
    assert_eq!(number(&again, ["targets", "acme-2", "unchanged"]), u64::from(OFFERS));
    world.assert_right(&[&first, &second], &alone);
    let listed = desk.jobpipe(&["runs", "list", "--format", "json"]).expect(0).json();
    assert_eq!(listed.len(), 2);

    let mut workers = workers;
    for worker in &mut workers {
        worker.signal("TERM");
        let asked = Instant::now();
        assert!(worker.end().success());
        assert!(asked.elapsed() < Duration::from_secs(25), "{:?}", asked.elapsed());
    }
}

#[test]
fn a_worker_killed_midway_is_made_up_for() {
    let _alone = servers::alone();
    let world = World::new();
    let alone = world.alone();
    let servers = Servers::new();
    let [desk, first, second] = [(); 3].map(|()| machine(3, &world.pages.base_url, &servers));
    let mut victim = Worker::at_work(&first, &["--name", "victim"]);
    let _survivor = Worker::at_work(&second, &["--name", "survivor"]);
    desk.write("import.yml", &quickstart(&world.site));
    let run = desk.jobpipe(&["submit", "import.yml"]).expect(0).out;
    victim.wait_for(|line| line["event"] == "task_done");
    victim.signal("KILL");
    assert!(!victim.end().success());
    let done = ended(&desk, run.trim());
    assert_eq!(done["state"], "succeeded", "{done:#}");
    world.assert_right(&[&first, &second], &alone);
}

#[test]
fn a_worker_killed_while_it_posts_is_made_up_for() {
    let _alone = servers::alone();
    let world = World::new();
    let alone = world.alone();
    let servers = Servers::new();
    let [desk, first, second] = [(); 3].map(|()| machine(3, &world.pages.base_url, &servers));
    let mut workers = [&first, &second].map(|at| Worker::at_work(at, &[]));
    desk.write("import.yml", &quickstart(&world.site));
    let run = desk.jobpipe(&["submit", "import.yml"]).expect(0).out;
    // one of them may have taken all pages: whoever posts is the one
    let posts = |workers: &[Worker; 2]| workers.iter().position(|worker| worker.count("effect") > 0);
    let mut victim = None;
    servers::until("nobody posts", || {
        victim = posts(&workers);
        victim.is_some()
    });
    let victim = victim.and_then(|at| workers.get_mut(at)).unwrap();
    victim.signal("KILL");
    victim.end();
    let done = ended(&desk, run.trim());
    assert_eq!(done["state"], "succeeded", "{done:#}");
    world.assert_right(&[&first, &second], &alone);
}

#[test]
fn a_worker_waits_for_a_store_that_is_away_and_a_submit_does_not() {
    let port = free_port();
    let servers = Servers::with_store(format!("mongodb://127.0.0.1:{port}/late"));
    let desk = machine(1, "http://127.0.0.1:9", &servers);
    desk.write("import.yml", &support::import(1));
    desk.write("offers.json", &support::offers(3));
    let asked = Instant::now();
    let refused = desk.jobpipe(&["submit", "import.yml"]).expect(1);
    assert!(refused.err.contains("JP504") && refused.err.contains("no server can be used"), "{}", refused.err);
    // some seconds; a worker waits for ever
    assert!(asked.elapsed() < Duration::from_secs(60), "{:?}", asked.elapsed());
    let worker = Worker::start(&desk, &[]);
    worker.wait_for_note("lost:  the state store did not answer");
    let data = desk.path("mongodb");
    let _server = Mongo::start(&["--port", &port.to_string(), "--data", data.to_str().unwrap()]);
    worker.wait_for_note("works on crawl, transform, export");
    desk.jobpipe(&["runs", "list"]).expect(0);
}

/// One that nobody listens at, out of the range that systems give to clients: nobody takes it in the meantime.
fn free_port() -> u16 {
    loop {
        let port = 10_000 + rand::random::<u16>() % 22_000;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

#[test]
fn what_cannot_be_shared_is_refused_before_anything_is_begun() {
    let mut project = Project::with_pages(1, "http://127.0.0.1:9");
    project.write("import.yml", &support::import(1));
    for verb in ["submit", "worker"] {
        let arguments: &[&str] = if verb == "submit" { &["submit", "import.yml"] } else { &["worker"] };
        let alone = project.jobpipe(arguments).expect(2);
        assert!(alone.err.contains("store: $MONGODB_URL"), "{}", alone.err);
    }
    project.set("JOBPIPE_BROKER", "amqp://jobs:canary@127.0.0.1:1/x");
    let refused = project.jobpipe(&["run", "import.yml"]).expect(2);
    assert!(refused.err.contains("JP067") && !refused.err.contains("canary"), "{}", refused.err);
    project.set("JOBPIPE_STORE", "postgres://jobs:canary@127.0.0.1/x");
    let refused = project.jobpipe(&["runs", "list"]).expect(2);
    assert!(refused.err.contains("JP024") && !refused.err.contains("canary"), "{}", refused.err);
    assert!(!project.path(".jobpipe").exists());
}

#[test]
fn a_worker_has_more_slots_while_work_waits_and_few_when_it_is_idle() {
    let _alone = servers::alone();
    let world = World::new();
    let servers = Servers::new();
    let [desk, place] = [(); 2].map(|()| machine(3, &world.pages.base_url, &servers));
    let refused = place.jobpipe(&["worker", "--autoscale", "8,1"]).expect(2).err;
    assert!(refused.contains("the smaller one first"), "{refused}");
    place.jobpipe(&["worker", "--autoscale", "1,8", "--concurrency", "4"]).expect(2);

    world.site.answer(career_site::Target::All, career_site::Answer::SlowMs(200), None);
    let worker = Worker::start(&place, &["--autoscale", "1,8"]);
    worker.wait_for_note("works on crawl, transform, export, 1 to 8 tasks at once");
    // how many there are now, not how many there may be
    let slots = || {
        let workers = desk.jobpipe(&["workers", "--format", "json"]).expect(0).json();
        workers.first().map(|worker| worker["slots"].as_u64().unwrap())
    };
    servers::until("it is not listed", || slots().is_some());
    assert_eq!(slots(), Some(1));
    // without a bound of its own a task asks for four pages at once
    let import = quickstart(&world.site).replace("  concurrency: 8 ", "  # ");
    desk.write("import.yml", &import);
    let run = desk.jobpipe(&["submit", "import.yml"]).expect(0).out;
    for slots in ["2", "4", "8"] {
        worker.wait_for_note(&format!("{slots} tasks at once from now on"));
    }
    servers::until("no more pages are asked for at once than by one task or two", || {
        world.site.report().most_in_flight > 8
    });
    assert_eq!(ended(&desk, run.trim())["state"], "succeeded");
    worker.wait_for_note("1 tasks at once from now on");
    servers::until("its slots are not those that it has", || slots() == Some(1));
    assert!(world.site.report().most_in_flight <= 8 * 4 + 1);
}

#[test]
fn a_page_waits_while_no_worker_has_its_token() {
    let _alone = servers::alone();
    let world = World::new();
    let servers = Servers::new();
    let [desk, poor, rich] = [(); 3].map(|()| machine(3, &world.pages.base_url, &servers));
    let import = quickstart(&world.site);
    desk.write("import.yml", &import);
    // it knows the pages, and not their token
    let lacking = poor.read("jobpipe.yml").replace("$FB_TOKEN", "$FB_TOKEN_ELSEWHERE");
    poor.write("jobpipe.yml", &lacking);
    let mut poor = Worker::at_work(&poor, &["--name", "poor"]);
    let run = desk.jobpipe(&["submit", "import.yml", "--limit", "40"]).expect(0).out;
    poor.wait_for(|line| line["message"].as_str().is_some_and(|text| text.contains("FB_TOKEN_ELSEWHERE")));
    assert!(poor.is_alive(), "it says so and goes on");
    let done = ended(&desk, run.trim());
    assert_eq!(done["state"], "partial", "{done:#}");
    // mended as on one machine: a worker that has the token, and the import run again
    poor.signal("TERM");
    assert!(poor.end().success());
    let _rich = Worker::at_work(&rich, &["--name", "rich"]);
    let done = desk.jobpipe(&["run", "import.yml", "--limit", "40", "--format", "json"]).expect(0).summary();
    assert_eq!(done["state"], "succeeded", "{done:#}");
    assert_eq!(world.pages.report().totals.creates, 3 * 40);
}
