//! Seen fingerprints, batches, and the purge of a run.

use super::Store;
use super::groups::group;
use super::samples::{head, letter, row, task, texts};
use jobpipe_core::{Doc, DocKind, RowWrite};
use serde_json::json;
use std::collections::BTreeMap;

pub async fn claims_are_read_back(store: Store) {
    let claim = async |few: &[&str], task: &str| store.seen_claim("r", "crawl", &texts(few), task).await.unwrap();
    assert_eq!(claim(&["x", "y", "x"], "task 1").await, [true, true, true], "now or before");
    assert_eq!(claim(&["y", "z"], "task 2").await, [false, true]);
    assert_eq!(claim(&["x", "y", "z"], "task 1").await, [true, true, false], "a repeat has the same answer");
    assert_eq!(store.seen_count("r", "crawl").await.unwrap(), 3);
}

pub async fn is_apart_by_run_and_stage(store: Store) {
    for (run, stage) in [("r", "crawl"), ("r", "detail"), ("q", "crawl")] {
        assert_eq!(store.seen_count(run, stage).await.unwrap(), 0);
        let task = format!("{run} {stage}");
        assert_eq!(store.seen_claim(run, stage, &texts(&["x"]), &task).await.unwrap(), [true]);
        assert_eq!(store.seen_count(run, stage).await.unwrap(), 1);
    }
}

pub async fn gives_each_fingerprint_to_one_of_eight(store: Store) {
    let prints: Vec<String> = (0..100).map(|at| format!("print {at}")).collect();
    let claimers: Vec<_> = (0..8)
        .map(|claimer| {
            let (store, mut mine) = (store.clone(), prints.clone());
            mine.rotate_left(claimer * 12);
            tokio::spawn(async move {
                let ours = store.seen_claim("r", "crawl", &mine, &format!("task {claimer}")).await.unwrap();
                mine.into_iter().zip(ours).filter(|(_, ours)| *ours).map(|(print, _)| print).collect::<Vec<_>>()
            })
        })
        .collect();
    let mut owners: BTreeMap<String, u32> = BTreeMap::new();
    for claimer in claimers {
        for print in claimer.await.unwrap() {
            *owners.entry(print).or_default() += 1;
        }
    }
    assert_eq!(owners.len(), 100);
    assert!(owners.values().all(|owners| *owners == 1), "{owners:?}");
}

pub async fn keeps_the_first_batch(store: Store) {
    assert_eq!(store.batch("r/a/1/0").await.unwrap(), None);
    let put = |id: &str, bytes: &[u8]| (id.to_owned(), bytes.to_vec());
    store.batches_put(vec![put("r/a/1/0", b"first"), put("r/a/1/1", &[])]).await.unwrap();
    store.batches_put(vec![put("r/a/1/0", b"second"), put("r/a/2/0", &[0, 255, 10])]).await.unwrap();
    assert_eq!(store.batch("r/a/1/0").await.unwrap().as_deref(), Some(&b"first"[..]));
    assert_eq!(store.batch("r/a/1/1").await.unwrap().as_deref(), Some(&b""[..]));
    assert_eq!(store.batch("r/a/2/0").await.unwrap().as_deref(), Some(&[0, 255, 10][..]));
}

pub async fn purges_one_run_alone(store: Store) {
    let runs = ["jobs@1", "jobs@10", "jobs@1x", "jobs@"];
    for run in runs {
        store.tasks_insert(vec![task(run, "crawl", &format!("task of {run}"))]).await.unwrap();
        store.seen_claim(run, "crawl", &texts(&["x"]), "t").await.unwrap();
        store.batches_put(vec![(format!("{run}/t/1/0"), b"bytes".to_vec())]).await.unwrap();
        store.doc_insert(DocKind::Run, run, Doc::of(1, &json!({})).unwrap()).await.unwrap();
        store.dead_put(vec![letter(&format!("letter of {run}"), "jobs", run)]).await.unwrap();
    }
    store.heads_put("jobs", vec![head("1", 1, 1)]).await.unwrap();
    store.rows_put(vec![RowWrite { expect: None, row: row("facebook:1", "1", 1) }]).await.unwrap();
    store.run_purge("jobs@1").await.unwrap();
    store.run_purge("jobs@1").await.unwrap();
    for run in runs {
        let there = run != "jobs@1";
        assert_eq!(store.tasks_of(run, None, "", 10).await.unwrap().len(), usize::from(there), "{run}");
        assert_eq!(store.seen_count(run, "crawl").await.unwrap(), u64::from(there), "{run}");
        assert_eq!(store.batch(&format!("{run}/t/1/0")).await.unwrap().is_some(), there, "{run}");
        assert_eq!(store.tasks(&[format!("task of {run}")]).await.unwrap().len(), usize::from(there), "{run}");
        assert!(store.doc(DocKind::Run, run).await.unwrap().is_some(), "documents stay");
    }
    assert_eq!(store.dead(None, Some("jobs@1"), "", 10).await.unwrap().len(), 1, "dead letters stay");
    assert_eq!(store.heads_count("jobs").await.unwrap().all, 1);
    assert_eq!(store.rows_of("facebook:1", None, 10).await.unwrap().len(), 1);
    store.tasks_insert(vec![task("jobs@1", "crawl", "task of jobs@1")]).await.unwrap();
    assert_eq!(store.tasks_ready(&group("jobs@1"), 0, "", 10).await.unwrap().len(), 1, "the id is free again");
}
