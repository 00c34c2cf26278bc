//! A RabbitMQ and a MongoDB to share work on, and workers as processes.
#![allow(unreachable_pub, dead_code, reason = "shared by several test programs, each of which uses a part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![allow(clippy::disallowed_methods, reason = "other processes say nothing: they are asked again, with a bound")]

mod tidy;

use crate::support::Project;
use serde_json::Value as Json;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// What any wait of a test may take before it has failed.
pub const LONG: Duration = Duration::from_secs(120);

/// Held while processes of one test are at work: several fleets at a time only wait for each other.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks until it is so.
#[track_caller]
pub fn until(trouble: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < until, "{trouble}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A script of this project.
fn script(name: &str) -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts").join(name))
}

/// A server that speaks MongoDB's protocol; it ends with this value, or with this process.
pub struct Mongo {
    pub url: String,
    script: Child,
    process: String,
}

impl Mongo {
    pub fn start(arguments: &[&str]) -> Self {
        let mut script =
            script("mongodb").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut told = BufReader::new(script.stdout.take().unwrap()).lines();
        let url = told.next().and_then(Result::ok);
        let url = url.expect("no MongoDB to test on: set MONGODB_URL, or see above why scripts/mongodb has none");
        let process = told.next().and_then(Result::ok).and_then(|line| Some(line.strip_prefix("pid ")?.to_owned()));
        Self { url, script, process: process.expect("it tells its process") }
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.process]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Mongo {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        let _reaped = self.script.wait();
    }
}

fn mongo_url() -> String {
    // never dropped: the script sees the end of this program by the end of its input
    static SERVER: OnceLock<Mongo> = OnceLock::new();
    std::env::var("MONGODB_URL").unwrap_or_else(|_| SERVER.get_or_init(|| Mongo::start(&[])).url.clone())
}

fn amqp_url() -> String {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| std::env::var("AMQP_URL").unwrap_or_else(|_| own_rabbitmq())).clone()
}

/// One that ends with this process.
fn own_rabbitmq() -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rabbitmq-of-the-fleet-tests");
    let folder = folder.to_str().unwrap();
    let told = |arguments: &[&str]| {
        let output = script("rabbitmq").args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "scripts/rabbitmq failed; or set AMQP_URL to a RabbitMQ for tests\n{said}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    // what an earlier process left may be half stopped
    told(&["stop", folder]);
    let _absent = std::fs::remove_dir_all(folder);
    told(&["start", folder, &std::process::id().to_string()])
}

/// A state of its own on both servers: queues are named after the database. On servers that were given it goes with this
/// value; let it be the last of a test.
pub struct Servers {
    pub store: String,
    pub broker: String,
}

impl Servers {
    pub fn new() -> Self {
        Self { store: a_database(&mongo_url()), broker: amqp_url() }
    }

    /// The same with another broker.
    pub fn with_broker(broker: String) -> Self {
        Self { store: a_database(&mongo_url()), broker }
    }

    /// The same with another store.
    pub fn with_store(store: String) -> Self {
        Self { store, broker: amqp_url() }
    }
}

/// A database of its own on a server.
pub fn a_database(server: &str) -> String {
    with_database(server, &format!("test-{:016x}", rand::random::<u64>()))
}

/// `server`'s URL with `database` in it.
pub fn with_database(server: &str, database: &str) -> String {
    let (server, options) = server.split_once('?').map_or((server, None), |(server, options)| (server, Some(options)));
    let (scheme, rest) = server.split_once("://").unwrap();
    let hosts = rest.split('/').next().unwrap();
    let options = options.map(|options| format!("?{options}")).unwrap_or_default();
    format!("{scheme}://{hosts}/{database}{options}")
}

/// A machine of a fleet: a project's folder whose settings name the servers.
pub fn machine(pages: u32, graph_url: &str, servers: &Servers) -> Project {
    let mut project = Project::with_pages(pages, graph_url);
    project.set("MONGODB_URL", &servers.store);
    project.set("AMQP_URL", &servers.broker);
    project.set("JOBPIPE_LEASE_TTL", "2s");
    let settings = project.read("jobpipe.yml");
    project.write("jobpipe.yml", &format!("store: $MONGODB_URL\nbroker: $AMQP_URL\n{settings}"));
    project
}

/// `jobpipe worker`, read all the time so that it never waits for its reader. Killed with this value.
pub struct Worker {
    child: Child,
    lines: Receiver<Json>,
    seen: Mutex<Vec<Json>>,
}

impl Worker {
    pub fn start(project: &Project, more: &[&str]) -> Self {
        let mut arguments = vec!["worker", "--format", "json"];
        arguments.extend(more);
        Self::of(project.command(&arguments))
    }

    /// Any command that tells its events as JSON.
    pub fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let json = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"));
                if sender.send(json).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, seen: Mutex::default() }
    }

    /// The same, once it is at work.
    pub fn at_work(project: &Project, more: &[&str]) -> Self {
        let worker = Self::start(project, more);
        worker.wait_for_note("works on ");
        worker
    }

    /// The next line that `wanted` accepts.
    #[track_caller]
    pub fn wait_for(&self, mut wanted: impl FnMut(&Json) -> bool) -> Json {
        let until = Instant::now() + LONG;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let found = wanted(&line);
                    self.seen.lock().unwrap().push(line.clone());
                    if found {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("never came; {}", self.told()),
                Err(RecvTimeoutError::Disconnected) => panic!("the worker ended before it told it; {}", self.told()),
            }
        }
    }

    #[track_caller]
    pub fn wait_for_note(&self, begins: &str) -> String {
        let line = self.wait_for(|line| note(line).is_some_and(|text| text.starts_with(begins)));
        note(&line).unwrap().to_owned()
    }

    /// Events of a kind that it has told so far.
    pub fn count(&self, kind: &str) -> usize {
        self.told_of(kind).len()
    }

    /// Those events.
    pub fn told_of(&self, kind: &str) -> Vec<Json> {
        let mut seen = self.seen.lock().unwrap();
        seen.extend(self.lines.try_iter());
        seen.iter().filter(|line| line["event"] == kind).cloned().collect()
    }

    fn told(&self) -> String {
        let seen = self.seen.lock().unwrap();
        let notes: Vec<&str> = seen.iter().filter_map(note).collect();
        format!("{} lines; notes: {notes:#?}", seen.len())
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    pub fn end(&mut self) -> ExitStatus {
        let until = Instant::now() + LONG;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "it does not end; {}", self.told());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped_already = self.child.wait();
    }
}

fn note(line: &Json) -> Option<&str> {
    line["message"].as_str().filter(|_| line["event"] == "notice")
}

/// `runs show RUN`, again and again until the run has ended.
#[track_caller]
pub fn ended(desk: &Project, run: &str) -> Json {
    let until = Instant::now() + LONG;
    loop {
        let shown = desk.jobpipe(&["runs", "show", run, "--format", "json"]).expect(0).summary();
        if !matches!(shown["state"].as_str(), Some("running" | "draining")) {
            return shown;
        }
        assert!(Instant::now() < until, "it does not end: {shown:#}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
