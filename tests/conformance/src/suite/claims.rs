//! Tasks: claims, fences, renewals, commits.

use super::Store;
use super::groups::group;
use super::samples::{commit, task, texts};
use jobpipe_core::{Commit, Task, TaskInput, TaskState};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use std::collections::BTreeMap;

async fn one(store: &Store, id: &str) -> Task {
    store.tasks(&texts(&[id])).await.unwrap().pop().unwrap()
}

/// A task `a`, claimed `times` times.
async fn claimed(store: &Store, times: u64) {
    store.tasks_insert(vec![task("r", "crawl", "a")]).await.unwrap();
    for fence in 1..=times {
        assert_eq!(store.tasks_claim(&texts(&["a"]), "w", 0).await.unwrap().len(), 1);
        if fence < times {
            let back = commit("a", fence, TaskState::Ready, fence);
            assert_eq!(store.tasks_commit(vec![back]).await.unwrap(), [true]);
        }
    }
}

pub async fn takes_what_is_ready_and_due(store: Store) {
    let mut later = task("r", "crawl", "later");
    later.not_before = 500;
    store.tasks_insert(vec![task("r", "crawl", "a"), later, task("r", "crawl", "b")]).await.unwrap();
    let ids = texts(&["b", "later", "nobody", "a", "a"]);
    let claimed = store.tasks_claim(&ids, "worker 1", 499).await.unwrap();
    let names: Vec<&str> = claimed.iter().map(|task| task.task.id.as_str()).collect();
    assert_eq!(names, ["b", "a"]);
    for task in &claimed {
        assert_eq!((task.state, task.fence, task.owner.as_str()), (TaskState::Running, 1, "worker 1"));
        assert_eq!(*task, one(&store, &task.task.id).await, "what is given is what is stored");
    }
    assert!(store.tasks_claim(&texts(&["a", "b"]), "worker 2", 499).await.unwrap().is_empty());
    assert_eq!(one(&store, "a").await.owner, "worker 1");
    assert_eq!(store.tasks_claim(&ids, "worker 2", 500).await.unwrap().len(), 1, "due at its time, not after it");
}

pub async fn takes_each_task_once_under_eight_claimers(store: Store) {
    const SEED: u64 = 20_261_122;
    let ids: Vec<String> = (0..300).map(|at| format!("task {at:03}")).collect();
    store.tasks_insert(ids.iter().map(|id| task("r", "crawl", id)).collect()).await.unwrap();
    let claim = async |store: Store, claimer: u64, mut ids: Vec<String>| {
        ids.shuffle(&mut rand::rngs::StdRng::seed_from_u64(SEED + claimer));
        let mut mine = Vec::new();
        for few in ids.chunks(7) {
            mine.extend(store.tasks_claim(few, &format!("worker {claimer}"), 0).await.unwrap());
        }
        mine
    };
    let claimers: Vec<_> = (0..8).map(|claimer| tokio::spawn(claim(store.clone(), claimer, ids.clone()))).collect();
    let mut times: BTreeMap<String, u32> = BTreeMap::new();
    for claimer in claimers {
        for task in claimer.await.unwrap() {
            assert_eq!(task.fence, 1, "seed {SEED}");
            *times.entry(task.task.id).or_default() += 1;
        }
    }
    assert_eq!(times.len(), 300, "seed {SEED}");
    assert!(times.values().all(|times| *times == 1), "seed {SEED}: {times:?}");
}

pub async fn raises_the_fence(store: Store) {
    claimed(&store, 1).await;
    store.tasks_renew(&[("a".to_owned(), 1)]).await.unwrap();
    store.tasks_commit(vec![commit("a", 1, TaskState::Ready, 5)]).await.unwrap();
    let again = store.tasks_claim(&texts(&["a"]), "worker 2", 0).await.unwrap().pop().unwrap();
    assert_eq!((again.fence, again.renewal, again.owner.as_str()), (2, 0, "worker 2"));
}

pub async fn renews_only_under_the_fence(store: Store) {
    claimed(&store, 2).await;
    store.tasks_renew(&[("a".to_owned(), 1), ("a".to_owned(), 3), ("nobody".to_owned(), 1)]).await.unwrap();
    assert_eq!(one(&store, "a").await.renewal, 0);
    store.tasks_renew(&[("a".to_owned(), 2)]).await.unwrap();
    assert_ne!(one(&store, "a").await.renewal, 0, "an observer must see that it moved");
    let seen = one(&store, "a").await.renewal;
    store.tasks_renew(&[("a".to_owned(), 2)]).await.unwrap();
    assert_ne!(one(&store, "a").await.renewal, seen);
    store.tasks_commit(vec![commit("a", 2, TaskState::Done, 9)]).await.unwrap();
    let done = one(&store, "a").await.renewal;
    store.tasks_renew(&[("a".to_owned(), 2)]).await.unwrap();
    assert_eq!(one(&store, "a").await.renewal, done, "only a running task is renewed");
}

pub async fn commits_only_under_the_fence(store: Store) {
    claimed(&store, 2).await;
    for stale in [0, 1, 3] {
        assert_eq!(store.tasks_commit(vec![commit("a", stale, TaskState::Done, 99)]).await.unwrap(), [false]);
    }
    assert_eq!(one(&store, "a").await.state, TaskState::Running);
    assert_ne!(one(&store, "a").await.nonce, 99);
    assert_eq!(store.tasks_commit(vec![commit("a", 2, TaskState::Done, 7)]).await.unwrap(), [true]);
    let done = one(&store, "a").await;
    assert_eq!((done.state, done.nonce, done.fence, done.open), (TaskState::Done, 7, 2, true));
    assert_eq!(store.tasks_commit(vec![commit("a", 2, TaskState::Ready, 8)]).await.unwrap(), [false]);
    assert!(store.tasks_claim(&texts(&["a"]), "w", i64::MAX).await.unwrap().is_empty(), "done is final");
}

pub async fn commits_only_with_the_renewal(store: Store) {
    claimed(&store, 1).await;
    let seen = one(&store, "a").await.renewal;
    store.tasks_renew(&[("a".to_owned(), 1)]).await.unwrap();
    let moved = one(&store, "a").await.renewal;
    let take = |renewal| Commit { renewal: Some(renewal), crashes: 1, ..commit("a", 1, TaskState::Ready, 3) };
    assert_eq!(store.tasks_commit(vec![take(seen)]).await.unwrap(), [false], "its owner lives");
    assert_eq!(one(&store, "a").await.state, TaskState::Running);
    assert_eq!(store.tasks_commit(vec![take(moved)]).await.unwrap(), [true]);
    let free = one(&store, "a").await;
    assert_eq!((free.state, free.task.crashes), (TaskState::Ready, 1));
}

pub async fn says_which_commits_applied(store: Store) {
    store.tasks_insert(["a", "b", "c"].map(|id| task("r", "crawl", id)).into()).await.unwrap();
    store.tasks_claim(&texts(&["a", "c"]), "w", 0).await.unwrap();
    let commits = [("nobody", 1), ("a", 1), ("b", 0), ("c", 2), ("a", 1), ("c", 1)];
    let commits = (1..).zip(commits).map(|(nonce, (id, fence))| commit(id, fence, TaskState::Done, nonce));
    let applied = store.tasks_commit(commits.collect()).await.unwrap();
    assert_eq!(applied, [false, true, false, false, false, true]);
    let nonces: Vec<u64> = store.tasks(&texts(&["a", "b", "c"])).await.unwrap().iter().map(|task| task.nonce).collect();
    assert_eq!(nonces, [2, 0, 6]);
}

pub async fn keeps_the_nonce_of_the_commit_that_won(store: Store) {
    claimed(&store, 1).await;
    let mine = commit("a", 1, TaskState::Done, 41);
    assert_eq!(store.tasks_commit(vec![mine.clone()]).await.unwrap(), [true]);
    // Its answer was lost: the same commit again does not apply, and the nonce tells that it had.
    assert_eq!(store.tasks_commit(vec![mine]).await.unwrap(), [false]);
    assert_eq!(store.tasks_commit(vec![commit("a", 1, TaskState::Done, 42)]).await.unwrap(), [false]);
    assert_eq!(one(&store, "a").await.nonce, 41);
}

pub async fn leaves_or_replaces_the_input(store: Store) {
    claimed(&store, 1).await;
    let before = one(&store, "a").await.task;
    let retry = Commit { not_before: 900, ..commit("a", 1, TaskState::Ready, 1) };
    store.tasks_commit(vec![retry]).await.unwrap();
    let kept = one(&store, "a").await.task;
    assert_eq!((kept.input, kept.not_before), (before.input, 900));
    store.tasks_claim(&texts(&["a"]), "w", 900).await.unwrap();
    let input = TaskInput::Batch("r/b/1/0".to_owned());
    let replace = Commit { input: Some(input.clone()), ..commit("a", 2, TaskState::Ready, 2) };
    store.tasks_commit(vec![replace]).await.unwrap();
    assert_eq!(one(&store, "a").await.task.input, input);
    let claimed = store.tasks_claim(&texts(&["a"]), "w", 900).await.unwrap();
    assert_eq!(claimed.into_iter().map(|task| task.task.input).collect::<Vec<_>>(), [input]);
}

pub async fn lets_one_of_eight_committers_win(store: Store) {
    claimed(&store, 1).await;
    let committers: Vec<_> = (1..=8)
        .map(|nonce| {
            let store = store.clone();
            tokio::spawn(async move { (nonce, store.tasks_commit(vec![commit("a", 1, TaskState::Done, nonce)]).await) })
        })
        .collect();
    let mut winners = Vec::new();
    for committer in committers {
        let (nonce, applied) = committer.await.unwrap();
        if applied.unwrap() == [true] {
            winners.push(nonce);
        }
    }
    assert_eq!(winners, [one(&store, "a").await.nonce]);
}

pub async fn goes_from_retry_to_a_new_claim(store: Store) {
    claimed(&store, 1).await;
    let retry = Commit { not_before: 1_000, crashes: 2, ..commit("a", 1, TaskState::Ready, 1) };
    assert_eq!(store.tasks_commit(vec![retry]).await.unwrap(), [true]);
    assert!(store.tasks_ready(&group("r"), 999, "", 10).await.unwrap().is_empty());
    assert!(store.tasks_claim(&texts(&["a"]), "w", 999).await.unwrap().is_empty());
    let ready = store.tasks_ready(&group("r"), 1_000, "", 10).await.unwrap();
    assert_eq!(ready.iter().map(|task| (task.id.as_str(), task.fence)).collect::<Vec<_>>(), [("a", 1)]);
    store.tasks_close(&texts(&["a"])).await.unwrap();
    assert!(store.tasks_any_open("r", "crawl").await.unwrap(), "a task to be tried again is open");
    let claimed = store.tasks_claim(&texts(&["a"]), "w", 1_000).await.unwrap();
    assert_eq!(claimed.iter().map(|task| task.task.crashes).collect::<Vec<_>>(), [2]);
}
