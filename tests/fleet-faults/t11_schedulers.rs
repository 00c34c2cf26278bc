//! T11: three schedulers on one store, one of them killed every three seconds, their clocks two minutes apart: each slot
//! has one run, and is not late.

use crate::chance::Chance;
use crate::fleet::servers;
use crate::line::Line;
use crate::servers::{self, Worker, machine, until};
use crate::sizes::size;
use crate::support::{Project, runtime};
use jobpipe_core::{Clock, DocKind, DocStore, SystemClock, utc_text};
use jobpipe_engine::docs::{self, ImportDoc, Read, RunDoc, RunState};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// What the clocks of the schedulers are set to.
const CLOCKS: [&str; 3] = ["-120s", "+0s", "+120s"];
/// What schedulers have to come to work before anything is due, in milliseconds.
const STARTING: i64 = 8_000;
/// How late ninety-nine of a hundred launches may be, by the store's clock.
const LATE_MS: u64 = 2_000;

#[test]
fn t11_schedulers() {
    let _alone = servers::alone();
    let mut chance = Chance::new();
    let mut line = Line::new("T11", &chance);
    let servers = servers();
    let desk = machine(1, "http://127.0.0.1:9", &servers);
    // where it is to be installed first, that takes time
    let library = faketime();
    let worker = Worker::at_work(&desk, &["--concurrency", "8"]);
    let (expected, last) = deploy(&desk);
    let mut schedulers: Vec<Worker> = CLOCKS.iter().map(|clock| scheduler(&desk, &library, clock)).collect();
    let (mut killed, mut late) = (Instant::now(), Vec::new());
    while SystemClock::default().now() < last {
        std::thread::sleep(Duration::from_millis(20));
        if killed.elapsed() >= Duration::from_secs(3) {
            killed = Instant::now();
            let at = chance.of(0..=2) as usize;
            late.extend(lateness(&schedulers[at]));
            schedulers[at].signal("KILL");
            assert!(!schedulers[at].end().success());
            schedulers[at] = scheduler(&desk, &library, CLOCKS[at]);
            line.faults += 1;
        }
    }
    let runtime = runtime();
    let store = runtime.block_on(jobpipe_mongo::connect(&servers.store, &Default::default())).unwrap();
    let mut runs = BTreeSet::new();
    while runs.len() < expected.len() {
        let before = runs.len();
        until("runs are left open", || {
            runs = runtime.block_on(closed(&store));
            runs.len() > before
        });
    }
    late.extend(schedulers.iter().flat_map(lateness));
    late.sort_unstable();
    let skipped: u64 = runtime.block_on(skipped(&store));
    line.expected = expected.len() as u64;
    line.visible = runs.intersection(&expected).count() as u64;
    line.lost = expected.difference(&runs).count() as u64;
    line.unexpected = runs.difference(&expected).count() as u64;
    let part = |percent: usize| late[(late.len() * percent / 100).min(late.len() - 1)];
    line.tell("schedulers", CLOCKS.len());
    line.tell("slots", expected.len());
    line.tell("runs", runs.len());
    line.tell("late_p50_ms", part(50));
    line.tell("late_p99_ms", part(99));
    line.must(runs == expected, format!("{:?}", expected.symmetric_difference(&runs).take(5).collect::<Vec<_>>()));
    line.must(skipped == 0, format!("{skipped} slots were passed over"));
    line.must(part(99) < LATE_MS, format!("launches are late: {} ms", part(99)));
    line.must(line.faults >= size(2, 25), "hardly a scheduler was killed");
    drop(worker);
    line.end();
}

/// Deploys imports whose first slots are still to come when all of them are there; gives the ids of all runs that are to
/// be, and when the last of them is due.
fn deploy(desk: &Project) -> (BTreeSet<String>, i64) {
    let mut ahead: i64 = size(15, 60);
    loop {
        // whole seconds, which is what the grammar has
        let first = (SystemClock::default().now() / 1_000 + ahead) * 1_000;
        let last = first + i64::from(size(14, 100)) * 1_000;
        let expected = write_imports(desk, first, last);
        desk.jobpipe(&["deploy", "imports"]).expect(0);
        if SystemClock::default().now() + STARTING < first {
            return (expected, last);
        }
        assert!(ahead < 600, "it takes too long to deploy");
        ahead *= 2;
    }
}

/// Each import is due every so many seconds from `first` to `last`; gives the ids of all runs that are to be.
fn write_imports(desk: &Project, first: i64, last: i64) -> BTreeSet<String> {
    desk.write("data.json", r#"{ "jobs": [{ "id": "a" }] }"#);
    let at = |time: i64| utc_text(time).trim_end_matches('Z').to_owned();
    let mut expected = BTreeSet::new();
    // ten of many are due each second, two of a few; a run has time to end before the next one of its import
    let (count, least, most) = (size(20, 600), size(5, 40), size(14, 80));
    // slots are counted from the epoch: a shorter time than the longest period would at some hours hold none
    assert!(most * 1_000 <= last - first);
    for n in 0..count {
        let (name, every) = (format!("job-{n:03}"), least + n % (most - least + 1));
        let import = format!(
            "name: {name}\n\
             schedule: {{ every: {every}s, start: \"{}\", end: \"{}\", overlap: queue_one, catch_up: all }}\n\
             crawl: {{ json: ./data.json, items: .jobs }}\n\
             transform: {{ key: .id }}\n\
             export: {{ jsonl: out/{name}.jsonl }}\n",
            at(first),
            at(last)
        );
        desk.write(&format!("imports/{name}.yml"), &import);
        let every = every * 1_000;
        let slots = (first + every - 1).div_euclid(every)..=last.div_euclid(every);
        expected.extend(slots.map(|slot| format!("{name}@{}", utc_text(slot * every))));
    }
    expected
}

/// Where the library is that gives a process another time.
fn faketime() -> String {
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/faketime");
    let told = std::process::Command::new(script).output().unwrap();
    assert!(told.status.success(), "no libfaketime: {}", String::from_utf8_lossy(&told.stderr));
    String::from_utf8(told.stdout).unwrap().trim().to_owned()
}

fn scheduler(desk: &Project, library: &str, clock: &str) -> Worker {
    let mut command = desk.command(&["scheduler", "--format", "json"]);
    command.env("LD_PRELOAD", library).env("FAKETIME", clock).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    Worker::of(command)
}

/// How late each launch was that this one told of, in milliseconds.
fn lateness(scheduler: &Worker) -> Vec<u64> {
    scheduler.told_of("launched").iter().filter_map(|event| event["late_ms"].as_u64()).collect()
}

async fn closed(store: &jobpipe_mongo::MongoStore) -> BTreeSet<String> {
    let runs = docs::all::<RunDoc, _>(store, DocKind::Run, "").await.unwrap();
    runs.into_iter().filter(|(_, run)| run.doc.state == RunState::Closed).map(|(id, _)| id).collect()
}

async fn skipped(store: &jobpipe_mongo::MongoStore) -> u64 {
    let mut all = 0;
    for (id, _) in store.docs(DocKind::Import, "", "", 10_000).await.unwrap() {
        let read: Option<Read<ImportDoc>> = docs::read(store, DocKind::Import, &id).await.unwrap();
        all += read.and_then(|read| read.doc.skipped).map_or(0, |skipped| skipped.count);
    }
    all
}
