//! An import that several workers share, each with a folder of its own as if on a machine of its own.

use crate::chance::Chance;
use crate::line::Line;
use crate::project::{Import, Page};
use crate::rabbitmq;
use crate::servers::{self, Mongo, Servers, Worker, machine};
use crate::sizes::size;
use crate::support::{Project, runtime};
use career_site::{CareerSite, Status};
use fbsim::{Expectation, ExpectedPost, FbSim};
use jobpipe_core::{Task, TaskState, TaskStore};
use serde_json::Value as Json;
use std::path::Path;
use std::sync::MutexGuard;
use std::time::{Duration, Instant};

/// What any wait may take before the test has failed.
fn long() -> Duration {
    // what was armed when its sender died may have to settle for ten minutes
    Duration::from_secs(size(180, 1_200))
}

/// How often a test looks at the world.
const LOOK: Duration = Duration::from_millis(2);

/// What a fleet is made of.
pub struct Wanted {
    pub offers: u32,
    pub pages: u32,
    pub workers: usize,
    /// Calls a second that one page takes; slow ones leave time for faults, also where each takes seconds on a busy
    /// machine: the short forms have few faults, all of which must strike before the run has ended.
    pub pace: u32,
    /// How fast the site may be asked.
    pub rate: &'static str,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { offers: 150, pages: 2, workers: 3, pace: 500, rate: "unlimited" }
    }
}

/// The servers and simulators live in the test's process: they outlive every worker.
pub struct Fleet {
    pub runtime: tokio::runtime::Runtime,
    pub site: career_site::Handle,
    pub pages: fbsim::Handle,
    pub workers: Vec<Worker>,
    // after those who use them
    pub servers: Servers,
    machines: Vec<Project>,
    /// Where runs are submitted; it does none of the work.
    desk: Project,
    wanted: Wanted,
    /// One fleet after the other: some of them stop what all of them use.
    _alone: MutexGuard<'static, ()>,
}

/// The servers of this program, with a state of a test's own.
pub fn servers() -> Servers {
    Servers::with_broker(rabbitmq::url())
}

/// The same with a store that a test may stop.
pub fn servers_of(mongo: &Mongo) -> Servers {
    Servers { store: servers::a_database(&mongo.url), broker: rabbitmq::url() }
}

impl Fleet {
    /// Sets it up; the workers are at work.
    pub fn start(wanted: Wanted, servers: Servers) -> Self {
        let alone = servers::alone();
        let runtime = runtime();
        let options = career_site::Options { offers: wanted.offers, listing_size: 20, ..Default::default() };
        let (site, pages) = runtime.block_on(async {
            (CareerSite::start(options).await.unwrap(), FbSim::start(Default::default()).await.unwrap())
        });
        let desk = machine(wanted.pages, &pages.base_url, &servers);
        let machines: Vec<Project> =
            (0..wanted.workers).map(|_| machine(wanted.pages, &pages.base_url, &servers)).collect();
        let workers = machines.iter().map(|one| Worker::at_work(one, &[])).collect();
        let fleet = Self { runtime, site, pages, servers, workers, machines, desk, wanted, _alone: alone };
        fleet.write_import("$title in $city");
        fleet
    }

    /// The state's name on both servers.
    pub fn database(&self) -> String {
        self.servers.store.rsplit('/').next().unwrap().to_owned()
    }

    /// The import, with this message of its posts.
    pub fn write_import(&self, message: &str) {
        let Wanted { pages, rate, pace, .. } = self.wanted;
        let pages: Vec<Page> = (1..=pages).map(|page| (format!("acme-{page}"), (1000 + page).to_string())).collect();
        let (site, out) = (&self.site.base_url, Path::new("out"));
        Import { site, pages: &pages, message, rate, pace, out }.write(&self.desk.path(""));
    }

    /// Begins a run; gives its id.
    pub fn submit(&self) -> String {
        let run = self.desk.jobpipe(&["submit", "import.yml", "--yes"]).expect(0).out;
        run.trim().to_owned()
    }

    /// Ends a run early.
    pub fn cancel(&self, run: &str) {
        self.desk.jobpipe(&["runs", "cancel", run]).expect(0);
        assert_eq!(servers::ended(&self.desk, run)["state"], "cancelled");
    }

    /// Pages that were read and calls that were executed: how far a run has come.
    pub fn progress(&self) -> u64 {
        self.site.report().requests + self.pages.executed() as u64
    }

    /// Waits until so much more was done, or the run has ended; false when it has.
    pub fn wait_for_more(&self, run: &str, more: u64) -> bool {
        let from = self.progress();
        let until = Instant::now() + long();
        let mut looked = Instant::now();
        while self.progress() < from + more {
            if looked.elapsed() > Duration::from_secs(1) {
                if self.is_ended(run) {
                    return false;
                }
                looked = Instant::now();
            }
            assert!(Instant::now() < until, "nothing moves: {:#}", self.shown(run));
            std::thread::sleep(LOOK);
        }
        true
    }

    fn shown(&self, run: &str) -> Json {
        self.desk.jobpipe(&["runs", "show", run, "--format", "json"]).expect(0).summary()
    }

    fn is_ended(&self, run: &str) -> bool {
        !matches!(self.shown(run)["state"].as_str(), Some("running" | "draining"))
    }

    /// Waits for its end, which must be a good one.
    #[track_caller]
    pub fn succeeds(&self, run: &str) -> Json {
        let until = Instant::now() + long();
        loop {
            let shown = self.shown(run);
            match shown["state"].as_str() {
                Some("running" | "draining") => assert!(Instant::now() < until, "it does not end: {shown:#}"),
                Some("succeeded") => return shown,
                _ => panic!("{shown:#}"),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// `kill -9`, and another one in its place.
    pub fn replace(&mut self, at: usize) {
        self.workers[at].signal("KILL");
        assert!(!self.workers[at].end().success());
        self.workers[at] = Worker::start(&self.machines[at], &[]);
    }

    /// One that was asked to end has: another one in its place.
    pub fn restart(&mut self, at: usize) {
        self.workers[at] = Worker::start(&self.machines[at], &[]);
    }

    /// Runs at random moments until `faults` of them have struck or the run has ended: `strike` is told which one it is.
    pub fn strike(
        &mut self,
        run: &str,
        chance: &mut Chance,
        faults: u64,
        mut strike: impl FnMut(&mut Self, &mut Chance, u64),
    ) -> u64 {
        for at in 0..faults {
            let more = chance.of(1..=self.step(faults));
            if !self.wait_for_more(run, more) {
                return at;
            }
            strike(self, chance, at);
        }
        faults
    }

    /// Work between two of so many faults, at most, if all of them are to strike.
    fn step(&self, faults: u64) -> u64 {
        let offers = self.site.offers().len() as u64;
        let whole = offers + offers * u64::from(self.wanted.pages);
        (whole / (faults + 1)).max(1)
    }

    /// What every page must show: each open offer once.
    fn expectation(&self, message: impl Fn(&career_site::Offer) -> String) -> Expectation {
        let offers = self.site.offers();
        let open = offers.iter().filter(|offer| offer.status == Status::Open);
        let posts: Vec<ExpectedPost> = open
            .map(|offer| ExpectedPost {
                message: Some(message(offer)),
                link: Some(format!("{}{}", self.site.base_url, offer.path())),
                ..Default::default()
            })
            .collect();
        Expectation {
            expected: (1..=self.wanted.pages).map(|page| ((1000 + page).to_string(), posts.clone())).collect(),
        }
    }

    /// The pages and the files against what they must show; then another run, which has nothing to do.
    pub fn verdict(&self, line: &mut Line) {
        self.verdict_of(line, |offer| format!("{} in {}", offer.title, offer.city));
    }

    /// The same where posts have another message.
    pub fn verdict_of(&self, line: &mut Line, message: impl Fn(&career_site::Offer) -> String) {
        let expected = self.expectation(message);
        let count: usize = expected.expected.values().map(Vec::len).sum();
        let open = expected.expected.values().next().map_or(0, Vec::len);
        let files = self.files();
        line.must(!files.is_empty(), "no worker wrote the file");
        for file in &files {
            let records = file.lines().count();
            line.must(records == open && file.ends_with('\n'), format!("a file has {records} records"));
        }
        let before = self.pages.executed();
        let again = self.succeeds(&self.submit());
        line.must(self.pages.executed() == before, format!("run again: {again:#}"));
        line.acked += (1..=self.wanted.pages).map(|page| unchanged(&again, page)).sum::<u64>();
        line.pages(&self.pages.report_against(&expected), count);
        let dead = self.desk.jobpipe(&["dead", "list", "--format", "json"]).expect(0).json();
        line.dead += dead.iter().filter(|letter| letter["event"] != "summary").count() as u64;
    }

    /// The export, from every machine that has it.
    pub fn files(&self) -> Vec<String> {
        let read = |one: &Project| std::fs::read_to_string(one.path("out/offers.jsonl")).ok();
        self.machines.iter().filter_map(read).collect()
    }

    /// Tasks that were claimed more than once: where nothing is retried, because their worker died.
    pub fn claimed_again(&self, run: &str) -> u64 {
        self.tasks(run).iter().filter(|task| task.fence > 1).count() as u64
    }

    /// Tasks that a process has claimed and not come to an end with.
    pub fn held_by(&self, run: &str, process: u32) -> u64 {
        let is_held = |task: &&Task| task.state == TaskState::Running && task.owner.contains(&format!("-{process}-"));
        self.tasks(run).iter().filter(is_held).count() as u64
    }

    fn tasks(&self, run: &str) -> Vec<Task> {
        self.runtime.block_on(async {
            let store = jobpipe_mongo::connect(&self.servers.store, &Default::default()).await.unwrap();
            store.tasks_of(run, None, "", 1_000_000).await.unwrap()
        })
    }
}

fn unchanged(summary: &Json, page: u32) -> u64 {
    summary["targets"][format!("acme-{page}")]["unchanged"].as_u64().unwrap_or(0)
}
