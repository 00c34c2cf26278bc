//! kill -9 in the middle of crawling, of posting and of writing the files, five times each: `run` again finishes, and the
//! pages show every offer exactly once.
#![allow(clippy::unwrap_used, reason = "tests")]

mod scene;

use scene::Scene;
use serde_json::Value;

fn is(event: &Value, kind: &str) -> bool {
    event["event"] == kind
}

/// Kills the run after so many events of the kind, each of five times a little later; then lets it finish.
async fn killed_at(kind: &'static str, first: u64, step: u64) {
    let mut scene = Scene::new(500, 3).await;
    // what is posted until a kill comes is little, also where the machine is busy
    scene.pace = 100;
    scene.write_import("$title in $city");
    for round in 0..5 {
        let mut left = first + round * step;
        let killed = scene.run_and_kill(&[], |event| {
            left = left.saturating_sub(u64::from(is(event, kind)));
            left == 0
        });
        assert!(killed, "round {round}: the run ended before {kind} could be counted");
    }
    finish(&scene);
}

fn finish(scene: &Scene) {
    let last = scene.run(&[]);
    last.assert_state("succeeded");
    scene.assert_in_step("after five kills");
    assert_eq!(scene.lines("out/offers.jsonl"), 500);
    assert_eq!(scene.lines("out/current.jsonl"), 500);
    let leftovers: Vec<_> = std::fs::read_dir(scene.folder.path().join("out"))
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter(|name| name.contains("tmp"))
        .collect();
    assert_eq!(leftovers, Vec::<String>::new(), "no temporary file is left");
    let again = scene.run(&[]);
    assert_eq!(again.page("acme-paris"), (0, 0, 0, 500, 0), "{}", again.told());
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_middle_of_crawling() {
    killed_at("task_done", 5, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_middle_of_posting() {
    killed_at("effect", 100, 40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_middle_of_writing_the_files() {
    let scene = Scene::new(500, 3).await;
    // the first file, the rename of the first, the second file, its rename, and the first again
    for point in ["file.write:1", "file.written:1", "file.write:2", "file.written:1", "close.run:1"] {
        let killed = scene.run_and_kill(&[("JOBPIPE_FAILPOINT", point)], |_| false);
        assert!(killed, "{point} was not reached");
    }
    finish(&scene);
}
