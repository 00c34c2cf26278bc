//! Imports that are launched by processes of their own on a RabbitMQ and a server of MongoDB's protocol: what people do
//! with them comes out as it does beside `jobpipe up` on one machine.
#![allow(clippy::string_slice, reason = "ids of runs are of plain letters")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![allow(clippy::disallowed_methods, reason = "other processes say nothing: they are asked again, with a bound")]

mod servers;
mod support;

use serde_json::Value as Json;
use servers::{Servers, Worker, machine, until};
use support::{Project, offers};

fn import(name: &str, schedule: &str) -> String {
    format!(
        "name: {name}\nschedule: {schedule}\ncrawl: {{ json: ./offers.json }}\ntransform: {{ key: .id }}\nexport:\n  - jsonl: out/{name}.jsonl\n"
    )
}

/// `beat` every second; `acme` every hour of a time that is over, so that people alone launch it, whatever the time of day.
fn write_imports(desk: &Project) {
    desk.write("imports/acme.yml", &import("acme", "{ every: 1h, end: 2020-01-02 }"));
    desk.write("imports/beat.yml", &import("beat", "{ every: 1s, catch_up: all, overlap: queue_one }"));
}

/// An import as `schedule list` has it.
fn listed(desk: &Project, name: &str) -> Json {
    let all = desk.jobpipe(&["schedule", "list", "--format", "json"]).expect(0).json();
    all.into_iter().find(|one| one["import"] == name).unwrap()
}

/// The ids of an import's runs and how each stands, in the order of their ids.
fn runs(desk: &Project, name: &str) -> Vec<(String, String)> {
    let all = desk.jobpipe(&["runs", "list", "--import", name, "--limit", "1000", "--format", "json"]).expect(0).json();
    let text = |run: &Json, key: &str| run[key].as_str().unwrap().to_owned();
    let mut runs: Vec<_> = all.iter().map(|run| (text(run, "run"), text(run, "state"))).collect();
    runs.sort();
    runs
}

/// Waits until so many runs of an import have ended.
#[track_caller]
fn ended(desk: &Project, name: &str, count: usize) -> Vec<(String, String)> {
    let mut all = Vec::new();
    until(&format!("{name} has no {count} runs that ended"), || {
        all = runs(desk, name);
        all.iter().filter(|(_, state)| state == "closed").count() >= count
    });
    all
}

/// What a verb says, without what differs from one time to the next: numbers and the ids of runs.
fn said(desk: &Project, args: &[&str], code: i32) -> String {
    let done = desk.jobpipe(args).expect(code);
    let mut text = format!("$ jobpipe {}\n{}{}", args.join(" "), done.out, done.err);
    for begin in ["acme@", "beat@"] {
        let parts: Vec<&str> = text.split(begin).collect();
        let rest =
            parts.iter().skip(1).map(|part| part.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '-'));
        text = std::iter::once(parts[0]).chain(rest).collect::<Vec<_>>().join(&format!("{begin}..."));
    }
    text.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect()
}

/// What people do with imports that are launched by somebody at work; gives all that was said.
fn story(desk: &Project) -> Vec<String> {
    let mut told = Vec::new();
    until("nothing was launched", || listed(desk, "beat")["last"]["state"] == "succeeded");
    let beat = listed(desk, "beat");
    assert!(beat["next"].is_string() && beat["last"]["run"].as_str().unwrap().starts_with("beat@"), "{beat}");
    assert_eq!((&listed(desk, "acme")["last"], runs(desk, "acme").len()), (&Json::Null, 0));

    told.push(said(desk, &["schedule", "trigger", "acme"], 0));
    ended(desk, "acme", 1);
    assert_eq!(listed(desk, "acme")["last"]["state"], "succeeded");

    told.push(said(desk, &["schedule", "pause", "beat", "--why", "their site is down"], 0));
    assert_eq!(listed(desk, "beat")["paused"], "their site is down");
    told.push(said(desk, &["schedule", "trigger", "beat"], 2));
    until("a run goes on", || runs(desk, "beat").iter().all(|(_, state)| state == "closed"));
    let before = runs(desk, "beat");
    // what takes a second and more elsewhere leaves it where it is
    told.push(said(desk, &["schedule", "backfill", "acme", "2020-01-01T00:00..2020-01-01T03:00", "--pace", "1s"], 0));
    let all = ended(desk, "acme", 5);
    let past: Vec<&String> = all.iter().map(|(run, _)| run).filter(|run| run.contains("@backfill-")).collect();
    let hours: Vec<&str> = past.iter().map(|run| &run[run.len() - "2020-01-01T00:00:00Z".len()..]).collect();
    assert_eq!(hours, ["00", "01", "02", "03"].map(|hour| format!("2020-01-01T{hour}:00:00Z")));
    assert_eq!(runs(desk, "beat"), before, "it is paused");
    assert_eq!(listed(desk, "acme")["backfill"], Json::Null);
    told.push(said(desk, &["schedule", "resume", "beat"], 0));
    ended(desk, "beat", before.len() + 1);

    told.push(said(desk, &["schedule", "backfill", "acme", "--end"], 0));
    told.push(said(desk, &["schedule", "backfill", "acme", "2020-01-01T00:01..2020-01-01T00:59"], 2));
    told.push(said(desk, &["schedule", "pause", "amce"], 2));
    told.push(said(desk, &["retire", "beat", "--posts", "leave"], 0));
    let names: Vec<Json> = desk.jobpipe(&["schedule", "list", "--format", "json"]).expect(0).json();
    assert_eq!(names.iter().map(|one| &one["import"]).collect::<Vec<_>>(), ["acme"]);
    told.push(said(desk, &["deploy", "imports/beat.yml"], 0));
    ended(desk, "beat", before.len() + 2);
    told
}

/// The story on one machine.
fn alone() -> Vec<String> {
    let project = Project::new();
    project.write("jobpipe.yml", "defaults: { rate: 1/s }\n");
    project.write("offers.json", &offers(3));
    write_imports(&project);
    project.jobpipe(&["deploy", "imports"]).expect(0);
    let mut up = Worker::of(project.command(&["up", "--format", "json"]));
    let told = story(&project);
    up.signal("TERM");
    assert!(up.end().success());
    told
}

#[test]
fn people_see_on_servers_what_they_see_on_one_machine() {
    let _alone = servers::alone();
    let servers = Servers::new();
    let [desk, place, other] = [(); 3].map(|()| machine(1, "http://127.0.0.1:9", &servers));
    place.write("offers.json", &offers(3));
    write_imports(&desk);
    desk.jobpipe(&["deploy", "imports"]).expect(0);
    let worker = Worker::at_work(&place, &[]);
    let mut schedulers = [&desk, &other].map(scheduler);
    let told = story(&desk);
    for scheduler in &mut schedulers {
        scheduler.signal("TERM");
        assert!(scheduler.end().success());
        assert_eq!(scheduler.count("task_done"), 0, "it works on nothing");
    }
    assert!(worker.count("task_done") > 0 && !desk.path("out").exists());
    assert_eq!(told, alone());
}

fn scheduler(project: &Project) -> Worker {
    let scheduler = Worker::of(project.command(&["scheduler", "--format", "json"]));
    scheduler.wait_for_note("scheduler (process ");
    scheduler
}

#[test]
fn one_scheduler_after_the_other_is_killed_and_no_slot_is_lost_or_doubled() {
    let _alone = servers::alone();
    let servers = Servers::new();
    let [desk, place] = [(); 2].map(|()| machine(1, "http://127.0.0.1:9", &servers));
    place.write("offers.json", &offers(3));
    write_imports(&desk);
    desk.jobpipe(&["deploy", "imports"]).expect(0);
    let _worker = Worker::at_work(&place, &["--concurrency", "4"]);
    let mut first = scheduler(&desk);
    first.wait_for(|line| line["event"] == "launched");
    let mut launched = Vec::new();
    for _ in 0..4 {
        // it takes over, at once or with the next slot
        let second = scheduler(&desk);
        first.signal("KILL");
        assert!(!first.end().success());
        for _ in 0..2 {
            second.wait_for(|line| line["event"] == "launched");
        }
        launched.extend(first.told_of("launched"));
        first = second;
    }
    first.signal("TERM");
    assert!(first.end().success());
    launched.extend(first.told_of("launched"));
    let ids: Vec<&str> = launched.iter().filter_map(|event| event["run"].as_str()).collect();
    let once: std::collections::BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(once.len(), ids.len(), "told twice: {ids:?}");
    let seconds: Vec<u64> = runs(&desk, "beat").iter().map(|(run, _)| second(run)).collect();
    let skipped = listed(&desk, "beat")["skipped"]["count"].as_u64().unwrap_or(0);
    let judged = seconds.len() as u64 + skipped;
    let all = seconds.last().unwrap() + 1 - seconds[0];
    assert!(seconds.len() >= 8 && (all..=all + 2).contains(&judged), "{skipped} skipped of {all}: {seconds:?}");
}

/// The second since 1970 that a run's slot is.
fn second(run: &str) -> u64 {
    let slot: jiff::Timestamp = run.split_once('@').unwrap().1.parse().unwrap();
    slot.as_second().unsigned_abs()
}
