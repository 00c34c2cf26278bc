//! Tasks: insertion, closing, cancelling.

use super::Store;
use super::groups::group;
use super::samples::{commit, error, letter, task, texts};
use jobpipe_core::{Counts, Follow, Output, Reason, Request, Task, TaskInput, TaskResult, TaskState};
use serde_json::json;

async fn one(store: &Store, id: &str) -> Task {
    store.tasks(&texts(&[id])).await.unwrap().pop().unwrap()
}

pub async fn starts_ready_and_open(store: Store) {
    let mut new = task("r", "crawl", "a");
    new.not_before = 1_234;
    store.tasks_insert(vec![new.clone()]).await.unwrap();
    let expected = Task {
        task: new,
        state: TaskState::Ready,
        open: true,
        fence: 0,
        owner: String::new(),
        renewal: 0,
        result: None,
        nonce: 0,
    };
    assert_eq!(one(&store, "a").await, expected);
}

pub async fn inserts_if_absent(store: Store) {
    store.tasks_insert(vec![task("r", "crawl", "a"), task("r", "crawl", "a")]).await.unwrap();
    store.tasks_claim(&texts(&["a"]), "w", 0).await.unwrap();
    let mut other = task("other run", "other stage", "a");
    other.input = TaskInput::Closing;
    store.tasks_insert(vec![other, task("r", "crawl", "b")]).await.unwrap();
    let kept = one(&store, "a").await;
    assert_eq!((kept.task, kept.state, kept.fence), (task("r", "crawl", "a"), TaskState::Running, 1));
    assert_eq!(one(&store, "b").await.state, TaskState::Ready, "the rest of the bulk is inserted all the same");
    assert!(store.tasks_of("other run", None, "", 10).await.unwrap().is_empty());
}

pub async fn gives_them_in_the_order_asked(store: Store) {
    store.tasks_insert(["a", "b", "c"].map(|id| task("r", "crawl", id)).into()).await.unwrap();
    let found = store.tasks(&texts(&["c", "nobody", "a"])).await.unwrap();
    let ids: Vec<&str> = found.iter().map(|task| task.task.id.as_str()).collect();
    assert_eq!(ids, ["c", "a"]);
}

pub async fn keeps_inherited_crashes(store: Store) {
    let mut suspect = task("r", "crawl", "a");
    suspect.crashes = 2;
    store.tasks_insert(vec![suspect]).await.unwrap();
    let claimed = store.tasks_claim(&texts(&["a"]), "w", 0).await.unwrap();
    assert_eq!(claimed.iter().map(|task| task.task.crashes).collect::<Vec<_>>(), [2]);
}

pub async fn closes_only_what_is_terminal(store: Store) {
    store.tasks_insert(["ready", "running", "done", "dead"].map(|id| task("r", "crawl", id)).into()).await.unwrap();
    store.tasks_claim(&texts(&["running", "done", "dead"]), "w", 0).await.unwrap();
    let commits = vec![commit("done", 1, TaskState::Done, 1), commit("dead", 1, TaskState::Dead, 2)];
    assert_eq!(store.tasks_commit(commits).await.unwrap(), [true, true]);
    assert!(one(&store, "done").await.open, "a commit alone does not close");
    let all = texts(&["ready", "running", "done", "dead", "nobody"]);
    store.tasks_close(&all).await.unwrap();
    store.tasks_close(&all).await.unwrap();
    let open: Vec<bool> = store.tasks(&all).await.unwrap().iter().map(|task| task.open).collect();
    assert_eq!(open, [true, true, false, false]);
}

pub async fn finishes_in_one_write(store: Store) {
    store.tasks_insert(["ready", "done", "dead", "again"].map(|id| task("r", "crawl", id)).into()).await.unwrap();
    store.tasks_claim(&texts(&["done", "dead", "again"]), "w", 0).await.unwrap();
    let commits = vec![
        commit("ready", 1, TaskState::Done, 1),
        commit("done", 1, TaskState::Done, 2),
        commit("dead", 1, TaskState::Dead, 3),
        commit("again", 1, TaskState::Ready, 4),
    ];
    assert_eq!(store.tasks_finish(commits.clone()).await.unwrap(), [false, true, true, true]);
    let all = store.tasks(&texts(&["ready", "done", "dead", "again"])).await.unwrap();
    let open: Vec<(bool, TaskState)> = all.iter().map(|task| (task.open, task.state)).collect();
    let expected =
        [(true, TaskState::Ready), (false, TaskState::Done), (false, TaskState::Dead), (true, TaskState::Ready)];
    assert_eq!(open, expected, "what goes on stays open");
    assert_eq!(store.tasks_finish(commits).await.unwrap(), [false; 4], "a second time changes nothing");
}

pub async fn is_open_until_the_last_is_closed(store: Store) {
    let any = async |run: &str, stage: &str| store.tasks_any_open(run, stage).await.unwrap();
    assert!(!any("r", "crawl").await);
    let tasks = vec![task("r", "crawl", "a"), task("r", "crawl", "b"), task("r", "map", "c"), task("q", "crawl", "d")];
    store.tasks_insert(tasks).await.unwrap();
    assert!(any("r", "crawl").await && any("r", "map").await && any("q", "crawl").await && !any("q", "map").await);
    store.tasks_claim(&texts(&["a", "b"]), "w", 0).await.unwrap();
    assert!(any("r", "crawl").await, "a running task is open");
    let commits = vec![commit("a", 1, TaskState::Done, 1), commit("b", 1, TaskState::Dead, 2)];
    store.tasks_commit(commits).await.unwrap();
    store.tasks_close(&texts(&["a"])).await.unwrap();
    assert!(any("r", "crawl").await, "a dead task is open until it is relayed");
    store.tasks_close(&texts(&["b"])).await.unwrap();
    assert!(!any("r", "crawl").await);
    assert!(any("r", "map").await && any("q", "crawl").await);
}

pub async fn cancels_what_is_ready(store: Store) {
    let tasks = ["a", "b", "c", "d"].map(|id| task("r", "crawl", id));
    store.tasks_insert(tasks.into_iter().chain([task("q", "crawl", "e")]).collect()).await.unwrap();
    store.tasks_claim(&texts(&["a", "b"]), "w", 0).await.unwrap();
    store.tasks_commit(vec![commit("a", 1, TaskState::Done, 1)]).await.unwrap();
    assert_eq!(store.tasks_cancel("r").await.unwrap(), 2);
    assert_eq!(store.tasks_cancel("r").await.unwrap(), 0);
    let stand = store.tasks(&texts(&["a", "b", "c", "d", "e"])).await.unwrap();
    let stand: Vec<(TaskState, bool)> = stand.iter().map(|task| (task.state, task.open)).collect();
    let cancelled = (TaskState::Cancelled, false);
    let expected =
        [(TaskState::Done, true), (TaskState::Running, true), cancelled, cancelled, (TaskState::Ready, true)];
    assert_eq!(stand, expected);
    assert!(store.tasks_claim(&texts(&["c"]), "w", i64::MAX).await.unwrap().is_empty());
    assert!(store.tasks_ready(&group("r"), i64::MAX, "", 10).await.unwrap().is_empty());
}

pub async fn keeps_every_field_of_a_result(store: Store) {
    store.tasks_insert(vec![task("r", "crawl", "a")]).await.unwrap();
    store.tasks_claim(&texts(&["a"]), "w", 0).await.unwrap();
    let request = Request {
        id: "f".to_owned(),
        group: "g".to_owned(),
        url: "u".to_owned(),
        listing: true,
        attempts: 3,
        body: json!([1]),
    };
    let counts = Counts { taken: 1, given: 2, withdrawn: 3, dead: 4, retried: 5, micros: 6 };
    let result = TaskResult {
        outputs: vec![Output { stage: "crawl".to_owned(), batch: "r/a/1/0".to_owned(), records: 7 }],
        children: vec![task("r", "crawl", "child")],
        follow: vec![Follow { stage: "crawl".to_owned(), requests: vec![request] }],
        dead: vec![letter("l", "jobs", "r")],
        held: texts(&["https://example.org/held"]),
        reasons: vec![Reason {
            stage: "crawl".to_owned(),
            what: "a listing failed".to_owned(),
            not_exhaustive: true,
            not_clean: true,
        }],
        cursors: [("crawl".to_owned(), json!("2026-11-22"))].into(),
        counts: [("crawl".to_owned(), counts)].into(),
        error: Some(error()),
    };
    let full = jobpipe_core::Commit { result: result.clone(), ..commit("a", 1, TaskState::Done, (1 << 63) - 1) };
    assert_eq!(store.tasks_commit(vec![full]).await.unwrap(), [true]);
    let stored = one(&store, "a").await;
    assert_eq!((stored.result, stored.nonce), (Some(result), (1 << 63) - 1));
    assert_eq!(stored.owner, "w");
}
