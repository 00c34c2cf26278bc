//! `jobpipe up` and what people do to deployed imports beside it.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![allow(clippy::disallowed_methods, reason = "time passes in which nobody is there")]

mod support;

use serde_json::Value as Json;
use std::time::Duration;
use support::{Project, Running, offers};

/// Schedules whose times are over: what is launched, people launch, whatever the time of day.
const HOURLY: &str = "{ every: 1h, end: 2020-01-02 }";
const EVERY_TWO_HOURS: &str = "{ every: 2h, end: 2020-01-02 }";
const EVERY_THREE_HOURS: &str = "{ every: 3h, end: 2020-01-02 }";

/// A project with one import, `acme`, of a file to a file.
fn project(schedule: &str) -> Project {
    let project = Project::new();
    project.write("jobpipe.yml", "defaults: { rate: 1/s }\n");
    project.write("offers.json", &offers(3));
    project.write("imports/acme.yml", &import("acme", schedule));
    project
}

fn import(name: &str, schedule: &str) -> String {
    format!(
        "name: {name}\nschedule: {schedule}\ncrawl: {{ json: ./offers.json }}\ntransform: {{ key: .id }}\nexport:\n  - jsonl: out/{name}.jsonl\n"
    )
}

fn up(project: &Project) -> Running {
    project.start(&["up", "--format", "json"])
}

fn launched(line: &Json) -> bool {
    line["event"] == "launched"
}

fn told(words: &str) -> impl Fn(&Json) -> bool {
    move |line| line["message"].as_str().is_some_and(|message| message.contains(words))
}

/// The slots of acme's runs as seconds since 1970, in order.
fn slots(project: &Project) -> Vec<i64> {
    let args = ["runs", "list", "--import", "acme", "--limit", "1000", "--format", "json"];
    let runs = project.jobpipe(&args).expect(0).json();
    let second = |run: &Json| {
        let slot = run["run"].as_str().unwrap().strip_prefix("acme@").unwrap();
        slot.parse::<jiff::Timestamp>().unwrap().as_second()
    };
    let mut all: Vec<i64> = runs.iter().map(second).collect();
    all.sort_unstable();
    all
}

fn scheduled(project: &Project) -> Vec<Json> {
    project.jobpipe(&["schedule", "list", "--format", "json"]).expect(0).json()
}

#[test]
fn each_slot_has_one_run_through_kill_and_restart() {
    let project = project("{ every: 1s, catch_up: all }");
    for round in 0..3 {
        let mut up = up(&project);
        for _ in 0..3 {
            up.wait_for(launched);
        }
        if round < 2 {
            up.signal("KILL");
            drop(up);
            // slots that nobody is there for
            std::thread::sleep(Duration::from_millis(2_500));
        } else {
            // until the missed ones are made up for
            loop {
                let line = up.wait_for(launched);
                if line["late_ms"].as_u64().unwrap() < 1_000 {
                    break;
                }
            }
            up.signal("TERM");
            assert!(up.end().0.success());
        }
    }
    let slots = slots(&project);
    assert!(slots.len() >= 9, "{slots:?}");
    let seconds = slots.last().unwrap() + 1 - slots[0];
    // one that came while a run was still open is skipped, as `overlap` says; the last runs may have met such, too
    let skipped = scheduled(&project)[0]["skipped"]["count"].as_i64().unwrap_or(0);
    let judged = slots.len() as i64 + skipped;
    assert!((seconds..=seconds + 2).contains(&judged), "{skipped} skipped of {seconds}: {slots:?}");
}

#[test]
fn an_import_whose_file_cannot_be_written_stands_in_nobodys_way() {
    let project = project("every 1s");
    // where the folder of its file should be lies a file
    project.write("blocked", "");
    let lost = import("lost", "every 1s").replace("out/lost", "blocked/lost");
    project.write("imports/lost.yml", &lost);
    let mut up = up(&project);
    let retry = up.wait_for(|line| line["event"] == "retry" && line["run"].as_str().unwrap().starts_with("lost@"));
    assert!(retry["message"].as_str().unwrap().contains("blocked/lost.jsonl"), "{retry}");
    for _ in 0..2 {
        up.wait_for(|line| line["event"] == "file_written" && line["run"].as_str().unwrap().starts_with("acme@"));
    }
    up.signal("TERM");
    assert!(up.end().0.success());
    // nor does its open run, which a person meets who runs the other one by hand
    project.jobpipe(&["run", "imports/acme.yml"]).expect(0);
}

#[test]
fn one_that_dies_before_its_next_look_is_followed_by_another() {
    use std::os::unix::process::ExitStatusExt;
    let project = project("{ every: 1s, catch_up: all }");
    let died = project.command(&["up"]).env("JOBPIPE_FAILPOINT", "slot.next:3").output().unwrap();
    assert_eq!(died.status.signal(), Some(6), "{}", String::from_utf8_lossy(&died.stderr));
    let before = slots(&project);
    let mut up = up(&project);
    for _ in 0..2 {
        up.wait_for(launched);
    }
    up.signal("TERM");
    assert!(up.end().0.success());
    let after = slots(&project);
    assert!(after.starts_with(&before) && after.len() >= before.len() + 2, "{before:?}, then {after:?}");
    let open = project.jobpipe(&["runs", "list", "--format", "json"]).expect(0).json();
    assert!(open.iter().filter(|run| run["state"] == "running").count() <= 1, "{open:?}");
}

#[test]
fn people_pause_trigger_and_redeploy_beside_it() {
    let project = project(HOURLY);
    let mut up = up(&project);
    up.wait_for(told("acme: version 1 is deployed"));
    let all = scheduled(&project);
    assert_eq!((all.len(), &all[0]["import"], &all[0]["version"]), (1, &"acme".into(), &1.into()));
    assert_eq!((&all[0]["schedule"], &all[0]["last"]), (&"every hour, until 2020-01-02".into(), &Json::Null));

    let paused = project.jobpipe(&["schedule", "pause", "acme", "--why", "the site is down"]).expect(0);
    assert!(paused.out.contains("acme: paused"), "{}", paused.out);
    let refused = project.jobpipe(&["schedule", "trigger", "acme"]).expect(2);
    assert!(refused.err.contains("JP612") && refused.err.contains("the site is down"), "{}", refused.err);
    let unknown = project.jobpipe(&["schedule", "pause", "amce"]).expect(2);
    assert!(unknown.err.contains("JP611"), "{}", unknown.err);
    project.jobpipe(&["schedule", "resume", "acme"]).expect(0);
    project.jobpipe(&["schedule", "trigger", "acme"]).expect(0);
    let run = up.wait_for(launched)["run"].as_str().unwrap().to_owned();
    up.wait_for(|line| line["event"] == "run_closed" && line["run"] == run.as_str());
    assert_eq!(project.read("out/acme.jsonl").lines().count(), 3);

    // a change is a version; a mistake leaves it at work; a file that disappears pauses its import
    project.write("imports/acme.yml", &import("acme", EVERY_TWO_HOURS));
    up.wait_for(told("acme: version 2 is deployed"));
    project.write("imports/acme.yml", &import("acme", "every now and then"));
    up.wait_for(told("imports/acme.yml:2"));
    up.wait_for(told("`acme` goes on as it was before"));
    assert_eq!(scheduled(&project)[0]["version"], 2);
    std::fs::remove_file(project.path("imports/acme.yml")).unwrap();
    up.wait_for(told("its file is gone: imports/acme.yml"));
    assert!(scheduled(&project)[0]["paused"].as_str().unwrap().contains("its file is gone"));
    project.write("imports/acme.yml", &import("acme", EVERY_THREE_HOURS));
    up.wait_for(told("acme: version 3 is deployed"));
    up.wait_for(told("acme: launched again"));
    assert_eq!(scheduled(&project)[0]["paused"], Json::Null);

    project.jobpipe(&["schedule", "backfill", "acme", "2020-01-01T00:00..2020-01-01T06:00"]).expect(0);
    for hour in ["00", "03", "06"] {
        let run = up.wait_for(launched)["run"].as_str().unwrap().to_owned();
        assert!(run.contains("@backfill-") && run.ends_with(&format!("2020-01-01T{hour}:00:00Z")), "{run}");
    }
    // imports that would wait for each other
    project.write("imports/first.yml", &import("first", "{ after: acme }"));
    up.wait_for(told("first: version 1 is deployed"));
    project.write("imports/acme.yml", &import("acme", "{ after: first }"));
    let circle = up.wait_for(told("JP615"));
    let circle = circle["message"].as_str().unwrap();
    assert!(circle.contains("`acme` runs after `first`, and `first` runs after `acme`"), "{circle}");
    assert_eq!(scheduled(&project)[0]["version"], 3, "the version before is at work");

    let busy = project.jobpipe(&["up"]).expect(1);
    assert!(busy.err.contains("in use by another jobpipe process"), "{}", busy.err);
    up.signal("TERM");
    assert!(up.end().0.success());
}

#[test]
fn imports_are_deployed_compared_rolled_back_and_retired() {
    let project = project("every 1h");
    let wrong = project.write("imports/wrong.yml", "name: wrong\ncrawl: { jsno: ./offers.json }\n");
    let refused = project.jobpipe(&["deploy", "imports"]).expect(2);
    assert!(refused.err.contains("wrong.yml:2:10") && refused.err.contains("nothing is deployed"), "{}", refused.err);
    assert!(!project.path(".jobpipe/jobpipe.db").exists());
    std::fs::remove_file(wrong).unwrap();
    let second = project.write("imports/second.yml", &import("second", "{ after: third }"));
    let third = project.write("imports/third.yml", &import("third", "{ after: second }"));
    let refused = project.jobpipe(&["deploy", "imports"]).expect(2);
    let circle = "error[JP615]: `second` runs after `third`, and `third` runs after `second`";
    assert!(refused.err.contains(circle) && refused.err.contains("nothing is deployed"), "{}", refused.err);
    assert!(!project.path(".jobpipe/jobpipe.db").exists());
    std::fs::remove_file(second).unwrap();
    std::fs::remove_file(third).unwrap();

    let done = project.jobpipe(&["deploy", "imports"]).expect(0);
    assert!(done.out.contains("acme: version 1 is deployed\n  every hour; next run: "), "{}", done.out);
    assert!(done.err.contains("jobpipe up"), "it is said that nobody launches: {}", done.err);
    // an environment has schedules of its own, in a state of its own
    project.write("config/environments/demo.yml", "schedules: { acme: off }\n");
    let demo = project.jobpipe(&["deploy", "imports", "--env", "demo", "--format", "json"]).expect(0).json();
    assert_eq!((&demo[0]["schedule"], &demo[0]["next"]), (&"by hand".into(), &Json::Null));
    project.write("config/environments/demo.yml", "schedules: { acme: every now and then }\n");
    let refused = project.jobpipe(&["deploy", "imports", "--env", "demo"]).expect(2);
    assert!(refused.err.contains("demo.yml:1"), "{}", refused.err);

    project.write("imports/acme.yml", &import("acme", "every 2h"));
    project.jobpipe(&["deploy", "imports/acme.yml"]).expect(0);
    let versions = project.jobpipe(&["deploy", "--list", "acme", "--format", "json"]).expect(0).json();
    let current: Vec<bool> = versions.iter().map(|version| version["current"].as_bool().unwrap()).collect();
    assert_eq!((current, &versions[0]["source"]), (vec![true, false], &"imports/acme.yml".into()));
    let diff = project.jobpipe(&["deploy", "--diff", "acme"]).expect(0).out;
    assert!(diff.contains("-schedule: every 1h\n+schedule: every 2h"), "{diff}");
    let back = project.jobpipe(&["deploy", "--rollback", "acme", "--to", "1"]).expect(0).out;
    assert!(back.contains("version 1 is deployed again, as version 3"), "{back}");
    let list = project.jobpipe(&["schedule", "list"]).expect(0).out;
    assert!(list.contains("acme") && list.contains("every hour"), "{list}");
    assert!(list.lines().all(|line| line.chars().count() <= 80), "{list}");
    let shown = project.jobpipe(&["schedule", "show", "acme"]).expect(0).out;
    assert!(shown.contains("version   3, of "), "{shown}");

    let triggered = project.jobpipe(&["schedule", "trigger", "acme"]).expect(0);
    assert!(triggered.out.contains("is launched as soon as") && triggered.err.contains("jobpipe up"), "{triggered:?}");
    project.jobpipe(&["retire", "acme", "--posts", "leave"]).expect(0);
    assert!(scheduled(&project).is_empty());
    let unknown = project.jobpipe(&["retire", "acme", "--posts", "leave"]).expect(2);
    assert!(unknown.err.contains("JP611"), "{}", unknown.err);
}

#[test]
fn what_the_documentation_shows_is_right() {
    let text = include_str!("../../docs/scheduling.md");
    let blocks: Vec<&str> = text.split("```").skip(1).step_by(2).collect();
    let project = project("every 1h");
    let yaml: Vec<&str> = blocks.iter().filter_map(|block| block.strip_prefix("yaml\n")).collect();
    let mut project = project;
    project.set("ALERTS_URL", "http://127.0.0.1:9/");
    for (at, block) in yaml.iter().enumerate() {
        match block.lines().next().and_then(|line| line.strip_prefix("# ")) {
            Some(settings) => {
                project.write(settings, block);
                let done = project.jobpipe(&["check", "imports/acme.yml", "--env", "prod"]).expect(0);
                assert_eq!(done.err, "", "{settings}");
            }
            None => {
                let file = project.write(&format!("example-{at}.yml"), block);
                project.jobpipe(&["check", file.to_str().unwrap()]).expect(0);
            }
        }
    }
    let commands: Vec<&str> =
        blocks.iter().filter_map(|block| block.strip_prefix("sh\n")).flat_map(str::lines).collect();
    for command in &commands {
        // as far as the command line goes: `--help` at the end is answered when all before it may stand there
        let words = command.split('#').next().unwrap().replace("\"their site is down\"", "x");
        let words: Vec<&str> = words.split_whitespace().skip(1).chain(["--help"]).collect();
        let done = project.jobpipe(&words);
        assert_eq!(done.code, 0, "{command}\n{}", done.err);
    }
    assert!(!yaml.is_empty() && commands.len() > 10);
}
