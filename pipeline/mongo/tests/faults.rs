//! What must hold when answers are lost, the server goes away, or many write at once.

#![expect(clippy::unwrap_used, reason = "a test")]

mod server;

use jobpipe_conformance::suite::samples::{commit, head, letter, row, row_id, stamps, task, texts};
use jobpipe_core::{
    Clock, Doc, DocKind, DocStore, HeadSeen, HeadStore, HeadWrite, RowStore, RowWrite, StateStore, StoreError,
    SystemClock, TaskState, TaskStore,
};
use jobpipe_mongo::{MongoSettings, MongoStore, connect};
use serde_json::json;
use server::proxy::Proxy;
use server::{Database, Server, with_database};
use std::sync::Arc;
use std::time::Duration;

/// Short bounds, so that what is given up is given up soon.
const HASTE: &str = "serverSelectionTimeoutMS=1000&connectTimeoutMS=1000&heartbeatFrequencyMS=500";

/// The same where all is to succeed at last, however busy the machine is.
const PATIENCE: &str = "serverSelectionTimeoutMS=30000&connectTimeoutMS=30000&heartbeatFrequencyMS=500";

fn settings() -> MongoSettings {
    MongoSettings { work: Duration::from_secs(5), ..MongoSettings::default() }
}

fn doc(version: u64) -> Doc {
    Doc::of(version, &json!({ "version": version })).unwrap()
}

/// `url` with options.
fn with_options(url: &str, options: &str) -> String {
    let join = if url.contains('?') { '&' } else { '?' };
    format!("{url}{join}{options}")
}

/// As much time as a busy machine needs, where nothing is to be given up.
fn patient() -> MongoSettings {
    MongoSettings { work: Duration::from_secs(100), ..MongoSettings::default() }
}

/// A store that reaches its database through a proxy.
async fn behind_proxy(options: &str, settings: &MongoSettings) -> (MongoStore, Proxy, Database) {
    let database = Database::new();
    let proxy = Proxy::before(&database.url).await;
    let url = with_options(&proxy.instead(&database.url), options);
    let store = connect(&url, settings).await.unwrap();
    (store, proxy, database)
}

/// Commands as they begin on the wire: a field of type text with the command's name.
const INSERT: &[u8] = b"\x02insert\0";
const UPDATE: &[u8] = b"\x02update\0";
const CLAIM: &[u8] = b"\x02findAndModify\0";
const DELETE: &[u8] = b"\x02delete\0";
const FIND: &[u8] = b"\x02find\0";

/// Every kind of write, its answer lost once, ends as if nothing had happened, and was done once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_lost_changes_nothing() {
    let (store, proxy, _database) = behind_proxy(PATIENCE, &patient()).await;
    let mut lost = 0;
    let mut lose = |bytes: &[u8]| {
        assert_eq!(proxy.to_lose(), 0, "the last one was lost, too");
        proxy.lose_answers(bytes, 1);
        lost += 1;
    };
    lose(INSERT);
    assert!(store.doc_insert(DocKind::Run, "r", doc(1)).await.unwrap(), "it is its own document that it finds");
    assert!(!store.doc_insert(DocKind::Run, "r", doc(2)).await.unwrap());
    lose(UPDATE);
    assert!(store.doc_replace(DocKind::Run, "r", 1, doc(3)).await.unwrap());
    lose(UPDATE);
    assert!(!store.doc_replace(DocKind::Run, "r", 1, doc(4)).await.unwrap(), "a stale one stays stale");
    assert_eq!(store.doc(DocKind::Run, "r").await.unwrap(), Some(doc(3)));

    store.tasks_insert(["a", "b", "c"].map(|id| task("r", "crawl", id)).into()).await.unwrap();
    lose(CLAIM);
    let claimed = store.tasks_claim(&texts(&["a"]), "w", 0).await.unwrap();
    assert_eq!(claimed.iter().map(|task| task.fence).collect::<Vec<_>>(), [1]);
    lose(UPDATE);
    let claimed = store.tasks_claim(&texts(&["a", "b", "c"]), "w", 0).await.unwrap();
    assert_eq!(
        claimed.iter().map(|task| (task.task.id.as_str(), task.fence)).collect::<Vec<_>>(),
        [("b", 1), ("c", 1)]
    );
    lose(UPDATE);
    let commits = vec![commit("a", 1, TaskState::Done, 7), commit("b", 9, TaskState::Done, 8)];
    assert_eq!(store.tasks_commit(commits).await.unwrap(), [true, false]);
    lose(UPDATE);
    assert_eq!(store.tasks_finish(vec![commit("c", 1, TaskState::Done, 9)]).await.unwrap(), [true]);
    lose(INSERT);
    assert_eq!(store.seen_claim("r", "crawl", &texts(&["x", "y"]), "a").await.unwrap(), [true, true]);
    lose(INSERT);
    store.batches_put(vec![("r/a/1/0".to_owned(), b"bytes".to_vec())]).await.unwrap();
    assert_eq!(store.batch("r/a/1/0").await.unwrap().as_deref(), Some(&b"bytes"[..]));

    lose(INSERT);
    assert_eq!(store.heads_put("jobs", vec![head("1", 1, 1), head("2", 2, 1)]).await.unwrap(), [true, true]);
    let turn = |key: &str, expect| HeadWrite { expect: Some(expect), stamps: stamps(11, 2), ..head(key, 1, 1) };
    lose(UPDATE);
    assert_eq!(store.heads_put("jobs", vec![turn("1", 1), turn("2", 9)]).await.unwrap(), [true, false]);
    let seen = HeadSeen { key: "1".to_owned(), hash: "hash 2".to_owned(), rank: 0, url: "u".to_owned() };
    lose(UPDATE);
    assert_eq!(store.heads_confirm("jobs", 3, 12, vec![seen]).await.unwrap(), [true]);
    lose(INSERT);
    let fresh = RowWrite { expect: None, row: row("t", "1", 1) };
    assert_eq!(store.rows_put(vec![fresh]).await.unwrap(), [true]);
    lose(UPDATE);
    store.dead_put(vec![letter("l", "jobs", "r")]).await.unwrap();
    lose(DELETE);
    store.dead_delete(&texts(&["l"])).await.unwrap();
    assert_eq!(store.dead_one("l").await.unwrap(), None);
    lose(FIND);
    assert_eq!(store.rows(&[row_id("t", "1")]).await.unwrap(), [row("t", "1", 1)]);
    assert_eq!(proxy.to_lose(), 0);
    let stats = store.stats();
    println!("FAULT lost_answers faults={lost} {stats} RESULT=pass");
    // A read is repeated by the driver itself.
    assert_eq!((stats.repeated, stats.failed), (lost - 1, 0), "{stats}");
}

/// When the answer to the second try is lost, too, the caller is told that nobody knows; its own repetition finds out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_stay_away_are_told_as_unknown() {
    let (store, proxy, _database) = behind_proxy(PATIENCE, &patient()).await;
    store.tasks_insert(vec![task("r", "crawl", "a")]).await.unwrap();
    store.tasks_claim(&texts(&["a"]), "w", 0).await.unwrap();
    proxy.lose_answers(UPDATE, 2);
    let mine = || vec![commit("a", 1, TaskState::Done, 41)];
    let error = store.tasks_commit(mine()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    assert_eq!(proxy.to_lose(), 0);
    assert_eq!(store.tasks_commit(mine()).await.unwrap(), [false]);
    let stored = store.tasks(&texts(&["a"])).await.unwrap();
    assert_eq!((stored[0].nonce, stored[0].state), (41, TaskState::Done), "the nonce tells that it was this one");
}

async fn until_it_answers(store: &MongoStore) -> Duration {
    let clock = SystemClock::default();
    while let Err(error) = store.doc(DocKind::Run, "r").await {
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
        assert!(clock.monotonic() < Duration::from_secs(60), "it does not come back: {error}");
    }
    clock.monotonic()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_comes_back_when_the_server_was_away_or_silent() {
    let (store, proxy, _database) = behind_proxy(HASTE, &settings()).await;
    store.doc_insert(DocKind::Run, "r", doc(1)).await.unwrap();
    for silent in [false, true] {
        if silent {
            proxy.fall_silent();
        } else {
            proxy.go_away();
        }
        let clock = SystemClock::default();
        let error = store.doc(DocKind::Run, "r").await.unwrap_err();
        let gave_up = clock.monotonic();
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
        assert!(gave_up < Duration::from_secs(30), "{gave_up:?}");
        proxy.come_back();
        let came_back = until_it_answers(&store).await;
        println!("FAULT server_away silent={silent} gave_up={gave_up:?} came_back={came_back:?}: {error}");
        let version = if silent { 2 } else { 1 };
        assert!(store.doc_replace(DocKind::Run, "r", version, doc(version + 1)).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_comes_back_when_the_server_was_killed_and_nothing_acknowledged_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap().to_owned();
    let first = Server::start(&["--data", &data]);
    let port = first.url.rsplit_once(':').unwrap().1.to_owned();
    let url = with_options(&with_database(&first.url, "jobpipe_killed"), HASTE);
    let store = Arc::new(connect(&url, &settings()).await.unwrap());
    store.doc_insert(DocKind::Run, "r", doc(1)).await.unwrap();
    // Documents are inserted all the while; what was acknowledged must be there afterwards.
    let writer = Arc::clone(&store);
    let (acked, mut seen) = tokio::sync::watch::channel(0_u64);
    let writing = tokio::spawn(async move {
        for at in 1..u64::MAX {
            match writer.doc_insert(DocKind::Command, &format!("{at:09}"), doc(at)).await {
                Ok(inserted) => assert!(inserted),
                Err(error) => return error,
            }
            acked.send_replace(at);
        }
        unreachable!("the server is killed before")
    });
    seen.wait_for(|acked| *acked >= 20).await.unwrap();
    first.kill();
    let error = writing.await.unwrap();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    let acked = *seen.borrow();
    let second = Server::start(&["--data", &data, "--port", &port]);
    let came_back = until_it_answers(&store).await;
    let there = store.docs(DocKind::Command, "", "", usize::MAX).await.unwrap();
    let lost = (1..=acked).filter(|at| !there.iter().any(|(_, stored)| stored.version == *at)).count();
    println!("FAULT store_killed acked={acked} there={} lost={lost} came_back={came_back:?}", there.len());
    assert_eq!(lost, 0);
    assert!(there.len() as u64 <= acked + 1, "at most the one in flight is there unacknowledged");
    assert!(store.doc_replace(DocKind::Run, "r", 1, doc(2)).await.unwrap());
    drop(second);
}

/// Eight processes' worth: each with a client of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_stores_share_the_work_and_lose_no_update() {
    const TASKS: usize = 400;
    let database = Database::new();
    let mut stores: Vec<Arc<dyn StateStore>> = Vec::new();
    for _ in 0..8 {
        stores.push(Arc::new(connect(&database.url, &patient()).await.unwrap()));
    }
    let ids: Vec<String> = (0..TASKS).map(|at| format!("task {at:03}")).collect();
    stores[0].tasks_insert(ids.iter().map(|id| task("r", "crawl", id)).collect()).await.unwrap();
    stores[0].doc_insert(DocKind::Target, "t", Doc::of(1, &0_u64).unwrap()).await.unwrap();
    let work = async |store: Arc<dyn StateStore>, worker: usize, mut ids: Vec<String>| {
        ids.rotate_left(worker * TASKS / 8);
        let mut done = 0_u64;
        for few in ids.chunks(9) {
            let claimed = store.tasks_claim(few, &format!("worker {worker}"), 0).await.unwrap();
            assert!(claimed.iter().all(|task| task.fence == 1));
            let commits: Vec<_> =
                claimed.iter().map(|task| commit(&task.task.id, 1, TaskState::Done, 1 + worker as u64)).collect();
            let applied = store.tasks_finish(commits).await.unwrap();
            assert!(applied.iter().all(|applied| *applied));
            done += applied.len() as u64;
        }
        let mut added = false;
        while !added {
            let read = store.doc(DocKind::Target, "t").await.unwrap().unwrap();
            let sum = read.read::<u64>().unwrap() + done;
            let next = Doc::of(rand::random::<u64>() >> 1, &sum).unwrap();
            added = store.doc_replace(DocKind::Target, "t", read.version, next).await.unwrap();
        }
    };
    let workers = stores.iter().enumerate().map(|(at, store)| work(Arc::clone(store), at, ids.clone()));
    futures::future::join_all(workers).await;
    let sum = stores[0].doc(DocKind::Target, "t").await.unwrap().unwrap();
    assert_eq!(sum.read::<u64>().unwrap(), TASKS as u64);
    assert!(!stores[0].tasks_any_open("r", "crawl").await.unwrap());
}

/// Bytes that do not compress, and that no other `seed` gives.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_longer_than_a_document_are_kept_whole() {
    let database = Database::new();
    let store = Arc::new(connect(&database.url, &patient()).await.unwrap());
    let lengths = [(8 << 20) - 1, 8 << 20, (8 << 20) + 1, 16 << 20, 35 << 20];
    for (at, length) in lengths.into_iter().enumerate() {
        let (id, bytes) = (format!("r/a/1/{at}"), noise(at as u64, length));
        store.batches_put(vec![(id.clone(), bytes.clone())]).await.unwrap();
        assert!(store.batch(&id).await.unwrap() == Some(bytes), "{length} bytes");
    }
    store.run_purge("r").await.unwrap();
    let raw = database.raw().await;
    let left = raw.collection::<mongodb::bson::Document>("jobpipe_batches");
    assert_eq!(left.count_documents(mongodb::bson::doc! {}).await.unwrap(), 0, "parts go with the run");
}

/// The first writer of a long batch gets no further than its first part.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_batch_that_was_begun_with_other_content_is_not_mixed() {
    let (store, proxy, _database) = behind_proxy(PATIENCE, &patient()).await;
    let put = |bytes: &Vec<u8>| store.batches_put(vec![("r/b/1/0".to_owned(), bytes.clone())]);
    let [begun, whole, late] = [91, 92, 93].map(|seed| noise(seed, 17 << 20));
    proxy.lose_answers(INSERT, 2);
    put(&begun).await.unwrap_err();
    assert_eq!(store.batch("r/b/1/0").await.unwrap(), None, "a part is no batch");
    put(&whole).await.unwrap();
    put(&late).await.unwrap();
    assert!(store.batch("r/b/1/0").await.unwrap() == Some(whole), "the first whole one stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulk_is_one_round_trip() {
    let database = Database::new();
    let store = connect(&database.url, &patient()).await.unwrap();
    let ids: Vec<String> = (0..200).map(|at| format!("{at:03}")).collect();
    let trips = |before: jobpipe_mongo::MongoStats| store.stats().requests() - before.requests();
    let before = store.stats();
    store.tasks_insert(ids.iter().map(|id| task("r", "crawl", id)).collect()).await.unwrap();
    assert_eq!(trips(before), 1, "insertion");
    let before = store.stats();
    assert_eq!(store.tasks_claim(&ids[..1], "w", 0).await.unwrap().len(), 1);
    assert_eq!(store.tasks_finish(vec![commit(&ids[0], 1, TaskState::Done, 1)]).await.unwrap(), [true]);
    assert_eq!(trips(before), 2, "a task alone: its claim and its end");
    let before = store.stats();
    assert_eq!(store.tasks_claim(&ids[1..], "w", 0).await.unwrap().len(), 199);
    let commits = (2..).zip(&ids[1..]).map(|(nonce, id)| commit(id, 1, TaskState::Done, nonce));
    assert!(store.tasks_finish(commits.collect()).await.unwrap().iter().all(|applied| *applied));
    assert_eq!(trips(before), 3, "199 tasks: a claim, its reading back, and their end");
    let before = store.stats();
    store.heads_put("jobs", ids.iter().map(|id| head(id, 1, 1)).collect()).await.unwrap();
    assert_eq!(trips(before), 1, "new heads");
    let seen =
        |key: &String| HeadSeen { key: key.clone(), hash: "hash 1".to_owned(), rank: 0, url: format!("url of {key}") };
    let before = store.stats();
    let confirmed = store.heads_confirm("jobs", 2, 5, ids.iter().map(seen).collect()).await.unwrap();
    assert!(confirmed.iter().all(|confirmed| *confirmed));
    assert_eq!(trips(before), 1, "unchanged heads");
    let before = store.stats();
    assert!(store.seen_claim("r", "crawl", &ids, "a").await.unwrap().iter().all(|ours| *ours));
    assert_eq!(trips(before), 1, "fresh fingerprints");
}
