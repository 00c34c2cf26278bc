//! Calls that are made at the same time share requests, and each is told of its own.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod server;

use futures::future::join_all;
use jobpipe_conformance::suite::samples::{commit, head, task, texts};
use jobpipe_core::{Doc, DocKind, DocStore, HeadStore, StateStore, StoreError, TaskState, TaskStore};
use jobpipe_mongo::{MongoSettings, MongoStats, MongoStore, connect};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use server::Database;
use server::proxy::Proxy;
use std::sync::Arc;

const TASKS: usize = 200;
const SEED: u64 = 20_261_123;

fn ids() -> Vec<String> {
    (0..TASKS).map(|at| format!("task {at:03}")).collect()
}

/// A store behind a proxy, with [`TASKS`] tasks.
async fn filled() -> (Arc<MongoStore>, Proxy, Database) {
    let database = Database::new();
    let proxy = Proxy::before(&database.url).await;
    let store = Arc::new(connect(&proxy.instead(&database.url), &MongoSettings::default()).await.unwrap());
    store.tasks_insert(ids().iter().map(|id| task("r", "crawl", id)).collect()).await.unwrap();
    (store, proxy, database)
}

/// All of `calls` at once, each in a task of its own, as the engine makes them.
async fn at_once<T: Send + 'static>(calls: impl Iterator<Item = impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    join_all(calls.map(tokio::spawn)).await.into_iter().map(Result::unwrap).collect()
}

fn requests(store: &MongoStore, before: MongoStats) -> u64 {
    store.stats().requests() - before.requests()
}

/// The first goes alone; what comes until it is answered goes in one. Those who count use a runtime of one thread: there all
/// have come after a few looks for answers, however busy the machine is.
fn assert_few(what: &str, requests: u64, calls: usize) {
    println!("{what}: {requests} requests for {calls} calls");
    assert!(requests <= 12, "{what}: {requests} requests for {calls} calls");
}

#[tokio::test]
async fn a_backlog_costs_few_requests() {
    let (store, _proxy, _database) = filled().await;
    let before = store.stats();
    let claims = ids().into_iter().map(|id| {
        let store = Arc::clone(&store);
        async move { store.tasks_claim(&[id], "w", 0).await.unwrap() }
    });
    for (claimed, id) in at_once(claims).await.iter().zip(ids()) {
        assert_eq!(claimed.iter().map(|task| (&task.task.id, task.fence)).collect::<Vec<_>>(), [(&id, 1)]);
    }
    assert_few("claims", requests(&store, before), TASKS);

    let before = store.stats();
    let batches = ids().into_iter().map(|id| {
        let store = Arc::clone(&store);
        async move { store.batches_put(vec![(format!("r/{id}/1/0"), id.into_bytes())]).await.unwrap() }
    });
    at_once(batches).await;
    assert_few("batches", requests(&store, before), TASKS);

    let before = store.stats();
    let commits = (1..).zip(ids()).map(|(nonce, id)| {
        let store = Arc::clone(&store);
        async move { store.tasks_commit(vec![commit(&id, 1, TaskState::Done, nonce)]).await.unwrap() }
    });
    assert!(at_once(commits).await.iter().all(|applied| applied == &[true]));
    assert_few("commits", requests(&store, before), TASKS);

    let before = store.stats();
    let relays = ids().into_iter().map(|id| {
        let store = Arc::clone(&store);
        async move {
            let run = store.doc(DocKind::Run, "r").await.unwrap();
            let ours = store.seen_claim("r", "crawl", &texts(&["of all", &id]), &id).await.unwrap();
            store.tasks_insert(vec![task("r", "crawl", &format!("child of {id}"))]).await.unwrap();
            assert_eq!(store.heads_put("jobs", vec![head(&id, 1, 1)]).await.unwrap(), [true]);
            store.tasks_close(&[id]).await.unwrap();
            assert!(run.is_none() && ours[1]);
            ours[0]
        }
    });
    let owners = at_once(relays).await.into_iter().filter(|owns| *owns).count();
    assert_eq!(owners, 1, "what all have found is of one");
    // a read, an insertion and its reading back, children, heads, an end: each in a few requests
    let relays = requests(&store, before);
    println!("relays: {relays} requests for {} calls", 5 * TASKS);
    assert!(relays <= 60, "{relays} requests for {} calls", 5 * TASKS);
    assert_eq!(store.tasks_of("r", None, "", 1_000).await.unwrap().len(), 2 * TASKS);
    assert!(store.tasks(&ids()).await.unwrap().iter().all(|task| !task.open && task.state == TaskState::Done));
    for id in ids() {
        assert_eq!(store.batch(&format!("r/{id}/1/0")).await.unwrap(), Some(id.into_bytes()));
    }
}

/// Some lose: a fence that is old, a task that is not there, one that another call commits at the same time. And the
/// answer to some request is lost. Each call is told what became of its own.
#[tokio::test]
async fn those_that_lose_are_told_so_and_no_other() {
    let (store, proxy, _database) = filled().await;
    println!("seed {SEED}");
    let mut random = StdRng::seed_from_u64(SEED);
    for fence in 1..=8 {
        let claimed = store.tasks_claim(&ids(), "w", 0).await.unwrap();
        assert!(claimed.len() == TASKS && claimed.iter().all(|task| task.fence == fence));
        let mut commits = Vec::new();
        let mut right = Vec::new();
        for id in ids() {
            let stale = random.random_bool(0.2);
            let fence = if stale { fence - 1 } else { fence };
            right.push(!stale);
            commits.push(vec![commit(&id, fence, TaskState::Ready, random.random::<u64>() >> 1)]);
            if random.random_bool(0.1) {
                right.push(false);
                commits.push(vec![commit(&format!("no {id}"), fence, TaskState::Ready, random.random::<u64>() >> 1)]);
            }
        }
        if fence % 2 == 0 {
            proxy.lose_answers(b"\x02update\0", 1);
        }
        let nonces: Vec<u64> = commits.iter().map(|commits| commits[0].nonce).collect();
        let before = store.stats();
        let calls = commits.into_iter().map(|commits| {
            let store = Arc::clone(&store);
            async move { store.tasks_commit(commits).await.unwrap() }
        });
        let told = at_once(calls).await;
        assert_eq!(proxy.to_lose(), 0);
        assert_few("commits", requests(&store, before), told.len());
        assert_eq!(told.concat(), right, "seed {SEED}, fence {fence}");
        let stored = store.tasks(&ids()).await.unwrap();
        let won = nonces.iter().zip(&right).filter(|(_, right)| **right).map(|(nonce, _)| nonce);
        assert!(won.clone().all(|nonce| stored.iter().any(|task| task.nonce == *nonce)), "what is told is there");
        assert_eq!(stored.iter().filter(|task| task.state == TaskState::Ready).count(), won.count());
        let left = stored.iter().filter(|task| task.state == TaskState::Running);
        let left = left.map(|task| commit(&task.task.id, fence, TaskState::Ready, random.random::<u64>() >> 1));
        assert!(store.tasks_commit(left.collect()).await.unwrap().iter().all(|applied| *applied));
    }
    println!("{}", store.stats());
}

/// Of eight who claim, commit, and replace the same, one does; a claim whose answer is lost is found again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_has_it() {
    let (store, proxy, _database) = filled().await;
    store.doc_insert(DocKind::Run, "r", Doc::of(1, &json!(1)).unwrap()).await.unwrap();
    for lose in [false, true] {
        if lose {
            proxy.lose_answers(b"\x02update\0", 1);
        }
        let version = store.doc(DocKind::Run, "r").await.unwrap().unwrap().version;
        let calls = (1..=8).map(|who: u64| {
            let store = Arc::clone(&store);
            let next = version + who;
            async move {
                let claimed = store.tasks_claim(&ids(), &format!("w{who}"), 0).await.unwrap();
                let new = Doc::of(next, &json!(who)).unwrap();
                (claimed, store.doc_replace(DocKind::Run, "r", version, new).await.unwrap().then_some(next))
            }
        });
        let (claimed, replaced): (Vec<_>, Vec<_>) = at_once(calls).await.into_iter().unzip();
        assert_eq!(claimed.iter().map(Vec::len).sum::<usize>(), if lose { 0 } else { TASKS }, "each once");
        let replaced: Vec<u64> = replaced.into_iter().flatten().collect();
        assert_eq!(replaced, [store.doc(DocKind::Run, "r").await.unwrap().unwrap().version]);
    }
    let calls = ids().into_iter().flat_map(|id| [id.clone(), id]).enumerate().map(|(at, id)| {
        let store = Arc::clone(&store);
        async move { store.tasks_finish(vec![commit(&id, 1, TaskState::Done, at as u64 + 1)]).await.unwrap()[0] }
    });
    let won = at_once(calls).await;
    let stored = store.tasks(&ids()).await.unwrap();
    for (at, task) in stored.iter().enumerate() {
        let who = usize::try_from(task.nonce).unwrap() - 1;
        assert!(who / 2 == at && won[who] && !won[who ^ 1], "{at}: {who}");
    }
}

/// One element that can never be stored takes no other with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_long_is_refused_alone() {
    let (store, _proxy, _database) = filled().await;
    let mut state = SEED;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        33 + (state >> 56) as u8 % 94
    };
    // even compressed it is longer than 16 MiB
    let noise = String::from_utf8((0..24 << 20).map(|_| next()).collect()).unwrap();
    let mut long = Some(json!(noise));
    let calls = (0..40_u64).map(|at| {
        let store = Arc::clone(&store);
        let body = if at == 20 { long.take().unwrap() } else { json!(at) };
        async move { store.doc_insert(DocKind::Command, &format!("{at:02}"), Doc::of(1, &body).unwrap()).await }
    });
    for (at, told) in at_once(calls).await.into_iter().enumerate() {
        match told {
            Ok(inserted) => assert!(inserted && at != 20, "{at}"),
            Err(StoreError::Corrupt { .. }) => assert_eq!(at, 20),
            Err(error) => panic!("{at}: {error}"),
        }
    }
    assert_eq!(store.docs(DocKind::Command, "", "", 100).await.unwrap().len(), 39);
}

/// After its end in order a store answers no more, and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_was_closed_does_not_answer() {
    let database = Database::new();
    let options = if database.url.contains('?') { "&" } else { "?" };
    let url = format!("{}{options}serverSelectionTimeoutMS=500", database.url);
    let store: Arc<MongoStore> = Arc::new(connect(&url, &MongoSettings::default()).await.unwrap());
    assert!(store.doc_insert(DocKind::Run, "r", Doc::of(1, &json!(1)).unwrap()).await.unwrap());
    store.close().await;
    let store: Arc<dyn StateStore> = store;
    let error = store.doc(DocKind::Run, "r").await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
}
