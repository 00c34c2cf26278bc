//! How fast the store is on this disk: `cargo bench -p jobpipe-embedded`. Every figure is of durable writes.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use futures::StreamExt;
use futures::stream;
use jobpipe_conformance::suite::samples;
use jobpipe_core::{
    Clock, Doc, DocKind, DocStore, HeadStore, HeadWrite, Row, RowStore, RowWrite, Stamps, SystemClock, TaskState,
    TaskStore,
};
use jobpipe_embedded::SqliteStore;
use serde_json::json;
use std::future::Future;

const TASKS: usize = 50_000;
const HEADS: usize = 100_000;
const BULK: usize = 100;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = SqliteStore::open(&path).unwrap();
    runtime.block_on(async {
        docs(&store).await;
        tasks(&store).await;
        heads(&store).await;
        rows(&store).await;
    });
    let size = std::fs::metadata(&path).unwrap().len() / 1_048_576;
    println!("{}\nfile: {size} MiB", store.stats());
}

/// Runs `calls`, `at_once` of them at a time, and tells how many `things` a second that is.
async fn measure<F: Future<Output = ()>>(
    store: &SqliteStore,
    name: &str,
    things: usize,
    at_once: usize,
    calls: impl Iterator<Item = F>,
) {
    let (clock, before) = (SystemClock::default(), store.stats().commits);
    stream::iter(calls).for_each_concurrent(at_once, |call| call).await;
    let took = clock.monotonic().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let rate = things as f64 / took;
    println!("{name:<44} {rate:>9.0}/s  ({things} in {took:.2} s, {} commits)", store.stats().commits - before);
}

async fn docs(store: &SqliteStore) {
    let insert = async |at: usize| {
        let doc = Doc::of(1, &json!({ "at": at })).unwrap();
        store.doc_insert(DocKind::Run, &format!("{at}"), doc).await.unwrap();
    };
    measure(store, "documents, one after the other", 1_000, 1, (0..1_000).map(insert)).await;
    measure(store, "documents, 64 at once", 20_000, 64, (1_000..21_000).map(insert)).await;
}

async fn tasks(store: &SqliteStore) {
    let ids: Vec<String> = (0..TASKS).map(|at| format!("{:064x}", at * 7_919)).collect();
    let bulks = || ids.chunks(BULK);
    let insert = bulks().map(async |few| {
        store.tasks_insert(few.iter().map(|id| samples::task("jobs@1", "crawl", id)).collect()).await.unwrap();
    });
    measure(store, "tasks inserted, 100 a call, 8 at once", TASKS, 8, insert).await;
    let claim = ids.chunks(16).map(async |few| {
        assert_eq!(store.tasks_claim(few, "worker", 0).await.unwrap().len(), few.len());
    });
    measure(store, "tasks claimed, 16 a call, 16 at once", TASKS, 16, claim).await;
    let commit = ids.iter().map(async |id| {
        assert_eq!(store.tasks_commit(vec![samples::commit(id, 1, TaskState::Done, 5)]).await.unwrap(), [true]);
    });
    measure(store, "tasks committed, one a call, 64 at once", TASKS, 64, commit).await;
    let close = bulks().map(async |few| store.tasks_close(few).await.unwrap());
    measure(store, "tasks closed, 100 a call, 8 at once", TASKS, 8, close).await;
    let seen = bulks().map(async |few| assert!(store.seen_claim("jobs@1", "crawl", few, "t").await.unwrap()[0]));
    measure(store, "requests claimed in seen, 100 a call", TASKS, 8, seen).await;
    let count = (0..20).map(async |_| assert_eq!(store.tasks_count("jobs@1").await.unwrap().len(), 1));
    measure(store, "counts over 50,000 tasks", 20, 1, count).await;
    let open = (0..2_000).map(async |_| assert!(!store.tasks_any_open("jobs@1", "crawl").await.unwrap()));
    measure(store, "any_open", 2_000, 1, open).await;
    let purge = std::iter::once(async { store.run_purge("jobs@1").await.unwrap() });
    measure(store, "tasks purged", TASKS, 1, purge).await;
}

async fn heads(store: &SqliteStore) {
    // Keys in an order of their own, as a source lists them.
    let keys: Vec<String> =
        (0..HEADS).map(|at| format!("{:016x}", (at as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15))).collect();
    let body =
        json!({ "title": "Software engineer (f/m/d)", "text": "We are looking for ".repeat(60), "city": "Linz" });
    let new = keys.chunks(BULK).map(async |few| {
        let writes =
            few.iter().map(|key| HeadWrite { body: Some(samples::body(body.clone())), ..samples::head(key, 1, 1) });
        assert!(store.heads_put("jobs", writes.collect()).await.unwrap()[0]);
    });
    measure(store, "heads new (1.2 kB), 100 a call, 8 at once", HEADS, 8, new).await;
    let stamps =
        keys.chunks(BULK).map(async |few| assert!(store.heads_stamps("jobs", few).await.unwrap()[0].is_some()));
    measure(store, "stamps read, 100 a call, 8 at once", HEADS, 8, stamps).await;
    let same = keys.chunks(BULK).map(async |few| {
        let write = |key: &String| HeadWrite {
            expect: Some(1),
            body: None,
            stamps: Stamps { version: 2, seen_gen: 2, ..samples::stamps(1, 1) },
            ..samples::head(key, 2, 2)
        };
        assert!(store.heads_put("jobs", few.iter().map(write).collect()).await.unwrap()[0]);
    });
    measure(store, "heads unchanged, 100 a call, 8 at once", HEADS, 8, same).await;
    let changed = keys.chunks(BULK).map(async |few| {
        let write = |key: &String| HeadWrite {
            expect: Some(2),
            body: Some(samples::body(body.clone())),
            ..samples::head(key, 3, 3)
        };
        assert!(store.heads_put("jobs", few.iter().map(write).collect()).await.unwrap()[0]);
    });
    measure(store, "heads changed, 100 a call, 8 at once", HEADS, 8, changed).await;
    let walk = std::iter::once(async {
        let (mut above, mut found) = ((0, String::new()), 0);
        while let Some(last) = {
            let page = store.heads_walk("jobs", above.clone(), 9, 500).await.unwrap();
            found += page.len();
            page.into_iter().next_back()
        } {
            above = (last.stamps.changed_gen, last.key);
        }
        assert_eq!(found, HEADS);
    });
    measure(store, "heads walked, 500 a page", HEADS, 1, walk).await;
    let unseen = std::iter::once(async { assert!(store.heads_unseen("jobs", 1, "", 500).await.unwrap().is_empty()) });
    measure(store, "heads looked at for the unseen, none found", HEADS, 1, unseen).await;
    let count = std::iter::once(async { assert_eq!(store.heads_count("jobs").await.unwrap().all, HEADS as u64) });
    measure(store, "heads counted", HEADS, 1, count).await;
}

async fn rows(store: &SqliteStore) {
    let row = |at: usize, version| samples::full_row("facebook:1001", &format!("{at:08}"), version);
    let insert = (0..10_000).map(async |at| {
        let write = RowWrite { expect: None, row: Row { post: None, ..row(at, 1) } };
        assert_eq!(store.rows_put(vec![write]).await.unwrap(), [true]);
    });
    measure(store, "rows inserted, one a call, 16 at once", 10_000, 16, insert).await;
    let replace = (0..10_000).map(async |at| {
        let write = RowWrite { expect: Some(1), row: row(at, 2) };
        assert_eq!(store.rows_put(vec![write]).await.unwrap(), [true]);
    });
    measure(store, "rows replaced, one a call, 16 at once", 10_000, 16, replace).await;
}
