//! How fast the store is on the server in `MONGODB_URL` (or one that `scripts/mongodb` starts), and how many round trips
//! it makes: `cargo bench -p jobpipe-mongo`. Every figure is of durable writes.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

#[path = "../tests/server/mod.rs"]
mod server;

use futures::StreamExt;
use futures::stream;
use jobpipe_conformance::suite::samples::{commit, head, task};
use jobpipe_core::{Clock, Doc, DocKind, DocStore, HeadSeen, HeadStore, SystemClock, TaskState, TaskStore};
use jobpipe_mongo::{MongoSettings, MongoStore, connect};
use serde_json::json;
use server::Database;
use std::future::Future;

const TASKS: usize = 1_000;
const HEADS: usize = 10_000;
const BULK: usize = 100;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let database = Database::new();
        let clock = SystemClock::default();
        let store = connect(&database.url, &MongoSettings::default()).await.unwrap();
        println!("connected, and a new database made ready, in {:.0?}", clock.monotonic());
        let clock = SystemClock::default();
        connect(&database.url, &MongoSettings::default()).await.unwrap();
        println!("connected to one that is ready in {:.0?}", clock.monotonic());
        docs(&store).await;
        tasks(&store).await;
        heads(&store).await;
        println!("{}", store.stats());
    });
}

/// Runs `calls`, `at_once` of them at a time; tells how many `things` a second that is, and round trips for each.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
async fn measure<F: Future<Output = ()>>(
    store: &MongoStore,
    name: &str,
    things: usize,
    at_once: usize,
    calls: impl Iterator<Item = F>,
) {
    let (clock, before) = (SystemClock::default(), store.stats().requests());
    stream::iter(calls).for_each_concurrent(at_once, |call| call).await;
    let took = clock.monotonic().as_secs_f64();
    let trips = (store.stats().requests() - before) as f64 / things as f64;
    println!("{name:<44} {:>9.0}/s  ({things} in {took:.2} s, {trips:.3} round trips each)", things as f64 / took);
}

async fn docs(store: &MongoStore) {
    let insert = async |at: usize| {
        let doc = Doc::of(1, &json!({ "at": at })).unwrap();
        assert!(store.doc_insert(DocKind::Run, &format!("{at}"), doc).await.unwrap());
    };
    let replace = async |at: usize| {
        let doc = Doc::of(2, &json!({ "at": at })).unwrap();
        assert!(store.doc_replace(DocKind::Run, &format!("{at}"), 1, doc).await.unwrap());
    };
    measure(store, "documents inserted, one after the other", 500, 1, (0..500).map(insert)).await;
    measure(store, "documents replaced, one after the other", 500, 1, (0..500).map(replace)).await;
    measure(store, "documents inserted, 16 at once", 2_000, 16, (500..2_500).map(insert)).await;
}

async fn tasks(store: &MongoStore) {
    let ids: Vec<String> = (0..TASKS * 3).map(|at| format!("{at:06}")).collect();
    let insert = async |few: &[String]| {
        store.tasks_insert(few.iter().map(|id| task("r", "crawl", id)).collect()).await.unwrap();
    };
    measure(store, "tasks inserted, 100 in a bulk", ids.len(), 1, ids.chunks(BULK).map(insert)).await;
    let work = async |few: &[String]| {
        let claimed = store.tasks_claim(few, "w", 0).await.unwrap();
        assert_eq!(claimed.len(), few.len());
        let commits = claimed.iter().map(|task| commit(&task.task.id, 1, TaskState::Done, 7)).collect();
        assert!(store.tasks_finish(commits).await.unwrap().iter().all(|applied| *applied));
    };
    let (first, rest) = ids.split_at(TASKS);
    let (second, third) = rest.split_at(TASKS);
    measure(store, "no-op tasks, one after the other", TASKS, 1, first.chunks(1).map(work)).await;
    measure(store, "no-op tasks, one each, 16 at once", TASKS, 16, second.chunks(1).map(work)).await;
    measure(store, "no-op tasks, 100 in a bulk", TASKS, 1, third.chunks(BULK).map(work)).await;
}

async fn heads(store: &MongoStore) {
    let keys: Vec<String> = (0..HEADS).map(|at| format!("{at:06}")).collect();
    let insert = async |few: &[String]| {
        store.heads_put("jobs", few.iter().map(|key| head(key, 1, 1)).collect()).await.unwrap();
    };
    let seen =
        |key: &String| HeadSeen { key: key.clone(), hash: "hash 1".to_owned(), rank: 0, url: format!("url of {key}") };
    let confirm = async |few: &[String]| {
        let confirmed = store.heads_confirm("jobs", 2, 5, few.iter().map(seen).collect()).await.unwrap();
        assert!(confirmed.iter().all(|confirmed| *confirmed));
    };
    measure(store, "new heads, 500 in a bulk", HEADS, 1, keys.chunks(500).map(insert)).await;
    measure(store, "unchanged heads, 500 in a bulk", HEADS, 1, keys.chunks(500).map(confirm)).await;
    let walk = async |(): ()| {
        let mut above = (0, String::new());
        loop {
            let page = store.heads_walk("jobs", above.clone(), 9, 500).await.unwrap();
            let Some(last) = page.last() else { return };
            above = (last.stamps.changed_gen, last.key.clone());
        }
    };
    measure(store, "heads walked, 500 in a page", HEADS, 1, std::iter::once(()).map(walk)).await;
}
