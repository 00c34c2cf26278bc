//! `kill -9` of the process that holds the store, again and again: whatever was acknowledged is there.
//!
//! Run without arguments it is the judge; it starts itself with `write PATH ROUND` as the victim.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use jobpipe_conformance::suite::samples;
use jobpipe_core::{Doc, DocKind, DocStore, HeadStore, RowStore, RowWrite, StoreError, TaskState, TaskStore};
use jobpipe_embedded::{EngineLock, SqliteStore};
use rand::{Rng, SeedableRng};
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

const SEED: u64 = 20_261_122;
const ROUNDS: u64 = 20;
const WRITERS: u64 = 8;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match arguments.as_slice() {
        [_, role, path, round] if role == "write" => runtime.block_on(write(Path::new(path), round)),
        _ => runtime.block_on(judge()),
    }
}

/// The victim: writes without end, and says what was acknowledged, a line each.
async fn write(folder: &Path, round: &str) {
    let _lock = EngineLock::acquire(folder).unwrap();
    let store = Arc::new(SqliteStore::open(&folder.join("state.db")).unwrap());
    say("open");
    let writers: Vec<_> =
        (0..WRITERS).map(|writer| tokio::spawn(one(store.clone(), format!("{round}-{writer}")))).collect();
    for writer in writers {
        writer.await.unwrap();
    }
}

async fn one(store: Arc<SqliteStore>, name: String) {
    for step in 0_u64.. {
        let id = format!("{name}-{step}");
        match step % 4 {
            0 => {
                let doc = Doc::of(step + 1, &json!(id)).unwrap();
                assert!(store.doc_insert(DocKind::Run, &id, doc).await.unwrap());
            }
            1 => {
                store.tasks_insert(vec![samples::task("r", "crawl", &id)]).await.unwrap();
                assert_eq!(store.tasks_claim(std::slice::from_ref(&id), &name, 0).await.unwrap().len(), 1);
                let commit = samples::commit(&id, 1, TaskState::Done, step + 1);
                assert_eq!(store.tasks_commit(vec![commit]).await.unwrap(), [true]);
            }
            2 => assert_eq!(store.heads_put("jobs", vec![samples::head(&id, 1, 1)]).await.unwrap(), [true]),
            _ => {
                let write = RowWrite { expect: None, row: samples::row("t", &id, 1) };
                assert_eq!(store.rows_put(vec![write]).await.unwrap(), [true]);
            }
        }
        say(&format!("{} {id}", step % 4));
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

/// Kills and looks.
async fn judge() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = rand::rngs::StdRng::seed_from_u64(SEED);
    let mut acked: Vec<String> = Vec::new();
    let (mut slowest, clock) = (0, jobpipe_core::SystemClock::default());
    for round in 0..ROUNDS {
        acked.extend(victim(folder.path(), round, random.random_range(1..400)).await);
        let began = jobpipe_core::Clock::monotonic(&clock);
        let lock = EngineLock::acquire(folder.path()).unwrap();
        let store = SqliteStore::open(&folder.path().join("state.db")).unwrap();
        let took = (jobpipe_core::Clock::monotonic(&clock) - began).as_millis();
        slowest = slowest.max(took);
        let mut lost = 0;
        for line in &acked {
            lost += u64::from(!there(&store, line).await);
        }
        assert_eq!(lost, 0, "seed {SEED} round {round}: acknowledged and not there");
        drop(store);
        drop(lock);
    }
    assert!(slowest <= 5_000, "seed {SEED}: recovery took {slowest} ms");
    println!("FAULT T6 seed={SEED} faults={ROUNDS} acked={} lost=0 recover_max_ms={slowest} RESULT=pass", acked.len());
}

/// Starts a victim, kills it after `count` acknowledgements, and gives all that it said.
async fn victim(folder: &Path, round: u64, count: usize) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["write", folder.to_str().unwrap(), &round.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "open");
    let mut acked: Vec<String> = lines.by_ref().take(count).map(Result::unwrap).collect();
    beside_it(folder, child.id(), round).await;
    child.kill().unwrap();
    child.wait().unwrap();
    // The pipe keeps what was said before the end; a last line may be cut.
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    acked.extend(rest.into_iter().filter(|line| line.matches('-').count() == 2));
    acked
}

/// What another process may do while the victim works.
async fn beside_it(folder: &Path, pid: u32, round: u64) {
    let busy = EngineLock::acquire(folder).unwrap_err();
    assert!(matches!(&busy, StoreError::Busy { holder, .. } if holder.contains(&format!("process {pid}"))), "{busy}");
    let reader = SqliteStore::open_reader(&folder.join("state.db")).unwrap();
    assert!(!reader.docs(DocKind::Run, "", "", 9).await.unwrap().is_empty() || round == 0);
    let command = Doc::of(1, &json!("stop")).unwrap();
    assert!(reader.doc_insert(DocKind::Command, &format!("command {round}"), command).await.unwrap());
}

async fn there(store: &SqliteStore, line: &str) -> bool {
    let (kind, id) = line.split_once(' ').unwrap();
    let ids = [id.to_owned()];
    match kind {
        "0" => store.doc(DocKind::Run, id).await.unwrap().is_some(),
        "1" => store.tasks(&ids).await.unwrap().iter().any(|task| task.state == TaskState::Done),
        "2" => !store.heads("jobs", &ids).await.unwrap().is_empty(),
        _ => !store.rows(&[samples::row_id("t", id)]).await.unwrap().is_empty(),
    }
}
