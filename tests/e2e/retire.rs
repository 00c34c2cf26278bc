//! `jobpipe retire --posts delete` beside `jobpipe up`, which is killed on the way.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use fbsim::FbSim;
use serde_json::Value as Json;
use support::{Project, Running, lines, offers, runtime};

const POSTS: u64 = 40;

/// An import of `./offers.json` to pages and files, launched by people alone, for the times of its schedule are over.
fn import(name: &str, pages: &str) -> String {
    format!(
        "name: {name}\nschedule: {{ every: 1h, end: 2020-01-02 }}\ncrawl: {{ json: ./offers.json }}\ntransform:\n  key: .id\nexport:\n\
         \x20 - facebook: [{pages}]\n    message: \"{name}: $title\"\n    gone: keep\n\
         \x20   pace: {{ rate: 10/s, per_day: unlimited }}\n\
         \x20 - jsonl: out/{name}-current.jsonl\n    as: current\n    write: snapshot\n\
         \x20 - jsonl: out/{name}-changes.jsonl\n    as: changes\n    write: changes\n    fields: [change, id]\n"
    )
}

fn up(project: &Project) -> Running {
    project.start(&["up", "--format", "json"])
}

fn told(words: &str) -> impl Fn(&Json) -> bool {
    move |line| line["message"].as_str().is_some_and(|message| message.contains(words))
}

fn effect(op: &str) -> impl Fn(&Json) -> bool {
    move |line| line["event"] == "effect" && line["op"] == op
}

/// Launches an import, and waits until so many of its posts are made.
fn post(project: &Project, up: &mut Running, name: &str, posts: u64) {
    project.jobpipe(&["schedule", "trigger", name]).expect(0);
    for _ in 0..posts {
        up.wait_for(effect("create"));
    }
}

#[test]
fn posts_of_an_import_are_deleted_from_its_pages_through_a_kill() {
    let runtime = runtime();
    let facebook = runtime.block_on(FbSim::start(Default::default())).unwrap();
    let visible = |page: &str| facebook.report().pages[page].visible;
    let project = Project::with_pages(2, &facebook.base_url);
    project.write("offers.json", &offers(u32::try_from(POSTS).unwrap()));
    project.write("imports/acme.yml", &import("acme", "acme-1, acme-2"));
    project.write("imports/other.yml", &import("other", "acme-1"));
    let mut first = up(&project);
    first.wait_for(told("other: version 1 is deployed"));
    post(&project, &mut first, "acme", 2 * POSTS);
    post(&project, &mut first, "other", POSTS);
    assert_eq!((visible("1001"), visible("1002")), (2 * POSTS, POSTS));

    std::fs::remove_file(project.path("imports/acme.yml")).unwrap();
    first.wait_for(told("its file is gone"));
    let ordered = project.jobpipe(&["retire", "acme", "--posts", "delete"]).expect(0).out;
    assert!(ordered.contains("acme: launched no more") && ordered.contains("being retired"), "{ordered}");
    let refused = project.jobpipe(&["schedule", "trigger", "acme"]).expect(2);
    assert!(refused.err.contains("JP614"), "{}", refused.err);
    for _ in 0..5 {
        first.wait_for(effect("delete"));
    }
    first.signal("KILL");
    drop(first);
    let list = project.jobpipe(&["schedule", "list"]).expect(0).out;
    assert!(list.contains("retiring") && list.contains("its posts are being deleted"), "{list}");
    assert!(list.lines().all(|line| line.chars().count() <= 80), "{list}");
    assert!(visible("1002") > 0, "it was killed on the way");

    let mut second = up(&project);
    second.wait_for(told("acme is retired: none of its posts is left"));
    assert_eq!((visible("1001"), visible("1002")), (POSTS, 0));
    let totals = facebook.report().totals;
    assert_eq!((totals.creates, totals.deletes, totals.dup_ever), (3 * POSTS, 2 * POSTS, 0));
    assert_eq!(project.read("out/acme-current.jsonl"), "");
    let gone = lines(&project.path("out/acme-changes.jsonl"));
    assert_eq!(gone.len(), usize::try_from(POSTS).unwrap());
    assert!(gone.iter().all(|line| line["change"] == "gone"), "{gone:?}");
    let left = project.jobpipe(&["schedule", "list", "--format", "json"]).expect(0).json();
    assert_eq!((left.len(), &left[0]["import"]), (1, &"other".into()));
    project.jobpipe(&["retire", "amce", "--posts", "delete"]).expect(2);

    // deployed once more, its posts come back
    project.write("imports/acme.yml", &import("acme", "acme-2"));
    second.wait_for(told("acme: version 2 is deployed"));
    post(&project, &mut second, "acme", POSTS);
    assert_eq!((visible("1001"), visible("1002")), (POSTS, POSTS));
    second.signal("TERM");
    assert!(second.end().0.success());
    drop((facebook, runtime));
}
