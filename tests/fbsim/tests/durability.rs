//! What outlives the process, and what is refused at the start.

#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod client;

use client::{Sim, answer, http};
use fbsim::{FbSim, Options};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

struct Process {
    child: Child,
    url: String,
}

impl Process {
    fn start(state: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fbsim"))
            .args(["--listen", "127.0.0.1:0", "--state"])
            .arg(state)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim_end().strip_prefix("listening on ").unwrap().to_owned();
        Self { child, url }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL: nothing is flushed that was not before. It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test]
async fn answered_posts_outlive_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("deep/sim.jsonl");
    let client = http();
    let mut ids = Vec::new();
    for round in 0..3 {
        let process = Process::start(&state);
        for number in 0..20 {
            let form = [("message", format!("{round}.{number}")), ("access_token", "t".to_owned())];
            let call = client.post(format!("{}/v26.0/acme/feed", process.url)).form(&form);
            ids.push(answer(call).await.1["id"].as_str().unwrap().to_owned());
        }
        let victim = ids.swap_remove(0);
        let delete = client.delete(format!("{}/v26.0/{victim}?access_token=t", process.url));
        assert_eq!(answer(delete).await.1, json!({ "success": true }));
    }
    let process = Process::start(&state);
    let list = client.get(format!("{}/v26.0/acme/published_posts?limit=100&access_token=t", process.url));
    let (_, list) = answer(list).await;
    let mut found: Vec<&str> = list["data"].as_array().unwrap().iter().filter_map(|post| post["id"].as_str()).collect();
    found.sort_unstable();
    ids.sort_unstable();
    assert_eq!(found, ids);
    let (_, report) = answer(client.get(format!("{}/__sim/report", process.url))).await;
    assert_eq!((&report["totals"]["creates"], &report["totals"]["deletes"]), (&json!(60), &json!(3)));
}

#[tokio::test]
async fn the_library_keeps_its_pages_too_and_a_reset_empties_them() {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options { state: Some(folder.path().join("sim.jsonl")), ..Options::default() };
    let sim = Sim::with(options()).await;
    let id = sim.create("acme", "a", "https://jobs.test/?jp=M").await;
    let effects = sim.handle.effects();
    sim.handle.shutdown().await;

    let sim = Sim::with(options()).await;
    assert_eq!(sim.handle.effects(), effects);
    assert_eq!(sim.get(&id).await.1["message"], "a");
    let (status, body) = sim.control("reset", Value::Null).await;
    assert_eq!((status.as_u16(), body), (200, json!({ "ok": true })));
    sim.handle.shutdown().await;

    let sim = Sim::with(options()).await;
    assert_eq!(sim.handle.effects(), []);
}

#[tokio::test]
async fn a_torn_last_line_is_cut_off_and_any_other_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("sim.jsonl");
    let options = || Options { state: Some(state.clone()), ..Options::default() };
    let sim = Sim::with(options()).await;
    sim.create("acme", "a", "https://jobs.test/").await;
    sim.handle.shutdown().await;

    let mut file = std::fs::OpenOptions::new().append(true).open(&state).unwrap();
    file.write_all(b"{\"seq\":2,\"time").unwrap();
    let sim = Sim::with(options()).await;
    assert_eq!(sim.handle.effects().len(), 1);
    sim.create("acme", "b", "https://jobs.test/").await;
    sim.handle.shutdown().await;
    let sim = Sim::with(options()).await;
    assert_eq!(sim.handle.effects().len(), 2);
    sim.handle.shutdown().await;

    file.write_all(b"no write\n").unwrap();
    let refused = FbSim::start(options()).await.err().unwrap().to_string();
    assert!(refused.contains("line 3") && refused.contains("sim.jsonl"), "{refused}");
}

#[tokio::test]
async fn what_a_start_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options { state: Some(folder.path().join("sim.jsonl")), ..Options::default() };
    let first = Sim::with(options()).await;
    let refused = |options| async { FbSim::start(options).await.err().unwrap().to_string() };
    assert!(refused(options()).await.contains("in use by another process"));
    let everywhere = Options { listen: "0.0.0.0:0".parse().unwrap(), ..Options::default() };
    assert!(refused(everywhere).await.contains("loopback"));
    let taken = Options { listen: first.handle.addr, ..Options::default() };
    assert!(refused(taken).await.contains("cannot listen on"));
}
