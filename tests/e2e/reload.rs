//! A folder that people work in while its imports are launched every second: files written in parts, replaced, broken,
//! mended, renamed, swapped, removed and put back. `JOBPIPE_FAULTS_SEED=N` repeats a run.
#![allow(unreachable_pub, dead_code, reason = "modules that several test programs share")]
#![allow(clippy::print_stdout, reason = "the seed, and what came of it")]
#![allow(clippy::string_slice, reason = "its texts are of plain letters")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![allow(clippy::disallowed_methods, reason = "who writes a file in parts rests between them")]

#[path = "../faults/chance.rs"]
mod chance;
mod servers;
#[path = "../faults/sizes.rs"]
mod sizes;
mod support;

use chance::Chance;
use jobpipe_core::{DocKind, DocStore};
use jobpipe_engine::docs::{self, ImportDoc, Read, RunDoc};
use serde_json::Value as Json;
use servers::{Servers, Worker, machine, until};
use sizes::size;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::time::{Duration, Instant};
use support::{Project, offers, runtime};

const IMPORTS: [&str; 4] = ["alpha", "beta", "gamma", "delta"];
/// It is never touched: what goes on beside the changes.
const STEADY: &str = "steady";
/// A file that stood still for so long is taken as it is; a little less, as times are measured from outside.
const STILL: Duration = Duration::from_millis(900);

/// A version of an import. Its beginning is an import, too: one that was never meant.
fn version(name: &str, version: u64) -> String {
    let rest = "#".repeat(200);
    format!(
        "name: {name}\nschedule: {{ every: 1s, overlap: queue_one, catch_up: all }}\ncrawl: {{ json: ./offers.json }}\n# {rest}\n\
         transform:\n  key: .id\n  map: {{ id: .id, version: {version} }}\n# {rest}\nexport:\n  - jsonl: out/{name}.jsonl\n"
    )
}

/// What its runs are known by, if it is an import at all.
fn definition(text: &str) -> Option<String> {
    Some(jobpipe_config::check(text, "x.yml").plan?.hash().to_string())
}

/// Whose folder it is, and what goes on in it.
struct Office<'p> {
    project: &'p Project,
    up: Worker,
    chance: Chance,
    /// The file of each import.
    files: BTreeMap<String, String>,
    versions: BTreeMap<String, u64>,
    /// What runs may be known by.
    whole: BTreeSet<String>,
}

impl<'p> Office<'p> {
    fn open(project: &'p Project) -> Self {
        let chance = Chance::new();
        println!("seed {}", chance.seed);
        project.write("offers.json", &offers(3));
        let (mut files, mut versions, mut whole) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        for name in IMPORTS.into_iter().chain([STEADY]) {
            let (file, text) = (format!("imports/{name}.yml"), version(name, 1));
            project.write(&file, &text);
            whole.extend(definition(&text));
            files.insert(name.to_owned(), file);
            versions.insert(name.to_owned(), 1);
        }
        let up = Worker::of(project.command(&["up", "imports", "--format", "json"]));
        let office = Self { project, up, chance, files, versions, whole };
        let mut deployed = BTreeSet::new();
        office.up.wait_for(|line| {
            deployed.extend(
                office.files.keys().filter(|name| told(line, &format!("{name}: version 1 is deployed"))).cloned(),
            );
            deployed.len() == office.files.len()
        });
        office
    }

    fn some_import(&mut self) -> String {
        IMPORTS[self.chance.of(0..=IMPORTS.len() as u64 - 1) as usize].to_owned()
    }

    /// A new version of an import, as text.
    fn next(&mut self, name: &str) -> String {
        let number = self.versions.get_mut(name).unwrap();
        *number += 1;
        let text = version(name, *number);
        self.whole.extend(definition(&text));
        text
    }

    /// Writes over a file in parts, as editors and copies do.
    fn write_in_parts(&mut self, file: &str, text: &str) {
        let path = self.project.path(file);
        let mut file = std::fs::File::create(&path).unwrap();
        let cuts = self.chance.of(1..=3);
        let (mut at, mut began) = (0, Instant::now());
        for cut in 0..=cuts {
            let mut part = |most| self.chance.of(0..=most as u64) as usize;
            let end = if cut < cuts { at + part((text.len() - at) / 2) } else { text.len() };
            let writes = Instant::now();
            file.write_all(&text.as_bytes()[at..end]).unwrap();
            file.flush().unwrap();
            if began.elapsed() >= STILL {
                // this machine was too slow: what stood there looked whole
                self.whole.extend(definition(&text[..at]));
            }
            (at, began) = (end, writes);
            if cut < cuts {
                std::thread::sleep(self.chance.below(Duration::from_millis(700)));
            }
        }
    }

    /// Puts a file in the place of another one in one step.
    fn replace(&self, file: &str, text: &str) {
        let new = self.project.write("new.tmp", text);
        std::fs::rename(new, self.project.path(file)).unwrap();
    }

    fn wait_for(&self, words: &str) {
        self.up.wait_for(|line| told(line, words));
    }

    /// Waits for the next run of an import; gives all that were begun until then.
    fn launched(&self, name: &str) -> Vec<String> {
        let mut runs = Vec::new();
        self.up.wait_for(|line| {
            runs.extend(run(line));
            run(line).is_some_and(|run| run.starts_with(&format!("{name}@")))
        });
        runs
    }

    /// A new version, which must be deployed.
    fn change(&mut self, name: &str) {
        let (file, text) = (self.files[name].clone(), self.next(name));
        if self.chance.of(0..=1) == 0 {
            self.write_in_parts(&file, &text);
        } else {
            self.replace(&file, &text);
        }
        self.holds_the_last(name);
    }

    /// Many versions, one over the other: the last one must be deployed.
    fn change_often(&mut self, name: &str) {
        let file = self.files[name].clone();
        for _ in 0..self.chance.of(3..=8) {
            let text = self.next(name);
            if self.chance.of(0..=2) == 0 { self.write_in_parts(&file, &text) } else { self.replace(&file, &text) }
        }
        self.change(name);
    }

    fn break_and_mend(&mut self, name: &str) {
        let file = self.files[name].clone();
        let nonsense = ["nothing at all\n", "", "name: x\ncrawl: { jsno: ./offers.json }\n", "crawl: [\n", "{\"\n"];
        let at = self.chance.of(0..=nonsense.len() as u64 - 1) as usize;
        let text = format!("{}# {}\n", nonsense[at], self.chance.of(0..=1 << 40));
        self.write_in_parts(&file, &text);
        self.wait_for(&format!("wrong: {file}: `{name}` goes on as it was before"));
        // launched on, of the version before
        self.launched(name);
        self.launched(name);
        self.change(name);
    }

    fn rename(&mut self, name: &str) {
        let new = format!("imports/{name}-{}.yml", self.chance.of(0..=1 << 40));
        let old = self.files.insert(name.to_owned(), new.clone()).unwrap();
        std::fs::rename(self.project.path(&old), self.project.path(&new)).unwrap();
        self.up.wait_for(|line| told(line, &format!("{name}: version ")) && told(line, "is deployed already"));
    }

    fn swap(&mut self) {
        let (one, other) = (self.some_import(), self.some_import());
        if one == other {
            return;
        }
        let (first, second) = (self.files[&one].clone(), self.files[&other].clone());
        let texts = [self.next(&other), self.next(&one)];
        self.replace(&first, &texts[0]);
        self.replace(&second, &texts[1]);
        self.files.insert(one.clone(), second);
        self.files.insert(other.clone(), first);
        self.holds_the_last(&one);
        self.holds_the_last(&other);
    }

    fn lose_and_find(&mut self, name: &str) {
        let path = self.project.path(&self.files[name]);
        std::fs::remove_file(&path).unwrap();
        self.wait_for(&format!("pause: {name}: its file is gone: {}", self.files[name]));
        // whoever was about to launch may do so still
        self.launched(STEADY);
        let mut runs = self.launched(STEADY);
        runs.extend(self.launched(STEADY));
        assert!(!runs.iter().any(|run| run.starts_with(&format!("{name}@"))), "{name} is paused: {runs:?}");
        let text = self.next(name);
        std::fs::write(&path, text).unwrap();
        self.wait_for(&format!("{name}: launched again"));
        self.launched(name);
    }

    /// Waits until the version is launched that was written last.
    fn holds_the_last(&self, name: &str) {
        let wanted = definition(&version(name, self.versions[name])).unwrap();
        until(&format!("the last version of {name} is not deployed"), || {
            let versions = self.project.jobpipe(&["deploy", "--list", name, "--format", "json"]).expect(0).json();
            let current = versions.iter().find(|version| version["current"] == true);
            current.is_some_and(|version| version["definition"] == wanted.as_str())
        });
    }

    fn work(&mut self, rounds: u64) {
        for _ in 0..rounds {
            let name = self.some_import();
            match self.chance.of(0..=9) {
                0..=2 => self.change(&name),
                3 | 4 => self.change_often(&name),
                5 | 6 => self.break_and_mend(&name),
                7 => self.rename(&name),
                8 => self.swap(),
                _ => self.lose_and_find(&name),
            }
        }
        let name = self.some_import();
        self.lose_and_find(&name);
        self.break_and_mend(&name);
        self.swap();
    }

    /// Ends it; gives what was launched.
    fn close(mut self) -> (Vec<String>, BTreeSet<String>) {
        for name in IMPORTS {
            self.launched(name);
            self.holds_the_last(name);
        }
        self.up.signal("TERM");
        assert!(self.up.end().success());
        let launched = self.up.told_of("launched").iter().filter_map(run).collect();
        (launched, self.whole)
    }
}

fn told(line: &Json, words: &str) -> bool {
    line["message"].as_str().is_some_and(|message| message.contains(words))
}

fn run(line: &Json) -> Option<String> {
    (line["event"] == "launched").then(|| line["run"].as_str().unwrap().to_owned())
}

/// Each run is of a version that was whole, and was launched once; the steady import has missed no second.
async fn judge(store: &impl DocStore, (launched, whole): (Vec<String>, BTreeSet<String>)) {
    let runs = docs::all::<RunDoc, _>(store, DocKind::Run, "").await.unwrap();
    let strange: Vec<&String> =
        runs.iter().filter(|(_, run)| !whole.contains(&run.doc.open.definition)).map(|(id, _)| id).collect();
    assert!(strange.is_empty(), "runs of what never was whole: {strange:?}");
    let once: BTreeSet<&String> = launched.iter().collect();
    assert_eq!(once.len(), launched.len(), "launched twice: {launched:?}");
    assert!(runs.len() >= once.len() && runs.iter().all(|(id, _)| once.contains(id)));
    let is_steady = |id: &str| id.starts_with(&format!("{STEADY}@"));
    let mut slots: Vec<i64> =
        runs.iter().filter(|(id, _)| is_steady(id)).filter_map(|(_, run)| slot(&run.doc)).collect();
    slots.sort_unstable();
    let import: Option<Read<ImportDoc>> = docs::read(store, DocKind::Import, STEADY).await.unwrap();
    // one that came while a run was open and another one waited is passed over, as `overlap` says
    let skipped = import.unwrap().doc.skipped.map_or(0, |skipped| skipped.count);
    let seconds = (slots[slots.len() - 1] - slots[0]) / 1_000 + 1;
    let judged = slots.len() as u64 + skipped;
    println!("{} runs, {} of them steady, {skipped} skipped", runs.len(), slots.len());
    assert!(
        slots.len() > 10 && (seconds as u64..=seconds as u64 + 2).contains(&judged),
        "{skipped} skipped of {seconds}: {slots:?}"
    );
}

fn slot(run: &RunDoc) -> Option<i64> {
    run.open.launch.as_ref().map(|launch| launch.at)
}

#[test]
fn a_folder_on_one_machine() {
    let project = Project::new();
    project.write("jobpipe.yml", "defaults: { rate: 1/s }\n");
    let mut office = Office::open(&project);
    office.work(size(6, 60));
    let told = office.close();
    runtime().block_on(async {
        let store = jobpipe_embedded::SqliteStore::open(&project.path(".jobpipe/jobpipe.db")).unwrap();
        judge(&store, told).await;
    });
}

#[test]
fn a_folder_of_a_state_on_servers() {
    let _alone = servers::alone();
    let servers = Servers::new();
    let project = machine(1, "http://127.0.0.1:9", &servers);
    let mut office = Office::open(&project);
    office.work(size(2, 30));
    let told = office.close();
    runtime().block_on(async {
        let store = jobpipe_mongo::connect(&servers.store, &Default::default()).await.unwrap();
        judge(&store, told).await;
    });
}
