//! Tasks: what is listed and counted.

use super::Store;
use super::groups::group;
use super::samples::{commit, task, texts};
use jobpipe_core::{NewTask, ReadyTask, Task, TaskCount, TaskGroup, TaskState};

fn due(id: &str, not_before: i64) -> NewTask {
    NewTask { not_before, ..task("r", "crawl", id) }
}

fn ids(tasks: &[Task]) -> Vec<&str> {
    tasks.iter().map(|task| task.task.id.as_str()).collect()
}

pub async fn lists_ready_ones_by_id(store: Store) {
    let other_queue = NewTask { queue: "slow".to_owned(), ..due("f", 0) };
    let other_group = NewTask { group: String::new(), ..due("g", 0) };
    let tasks = vec![due("d", 0), due("b", 100), due("a", 50), due("e", 101), due("c", 0), task("q", "crawl", "aa")];
    store.tasks_insert(tasks).await.unwrap();
    store.tasks_insert(vec![other_queue.clone(), other_group.clone()]).await.unwrap();
    store.tasks_claim(&texts(&["c", "d"]), "w", 0).await.unwrap();
    store.tasks_commit(vec![commit("d", 1, TaskState::Ready, 1)]).await.unwrap();
    let ready = store.tasks_ready(&group("r"), 100, "", 10).await.unwrap();
    let expected = [("a", 0), ("b", 0), ("d", 1)].map(|(id, fence)| ReadyTask { id: id.to_owned(), fence });
    assert_eq!(ready, expected);
    for odd in [other_queue, other_group] {
        let of = TaskGroup { queue: odd.queue.clone(), group: odd.group.clone(), ..group("r") };
        let ready = store.tasks_ready(&of, 100, "", 10).await.unwrap();
        assert_eq!(ready, [ReadyTask { id: odd.id.clone(), fence: 0 }], "queues and groups are apart");
    }
    assert!(store.tasks_ready(&group("nobody"), 100, "", 10).await.unwrap().is_empty());
}

pub async fn lists_ready_ones_page_by_page(store: Store) {
    let all: Vec<String> = (0..25).map(|at| format!("t{at:02}")).collect();
    store.tasks_insert(all.iter().rev().map(|id| task("r", "crawl", id)).collect()).await.unwrap();
    let (mut after, mut found) = (String::new(), Vec::new());
    loop {
        let page = store.tasks_ready(&group("r"), 0, &after, 10).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 10);
        after.clone_from(&last.id);
        found.extend(page.into_iter().map(|task| task.id));
    }
    assert_eq!(found, all);
}

pub async fn lists_open_ones_by_state(store: Store) {
    store.tasks_insert(["a", "b", "c", "d", "e", "f"].map(|id| task("r", "crawl", id)).into()).await.unwrap();
    store.tasks_insert(vec![task("q", "crawl", "g")]).await.unwrap();
    store.tasks_claim(&texts(&["a", "b", "c", "d", "g"]), "w", 0).await.unwrap();
    let ends = [("a", TaskState::Done), ("b", TaskState::Done), ("c", TaskState::Dead), ("g", TaskState::Done)];
    store.tasks_commit(ends.map(|(id, state)| commit(id, 1, state, 1)).into()).await.unwrap();
    store.tasks_close(&texts(&["a"])).await.unwrap();
    let open = async |state, after: &str, limit| store.tasks_open("r", state, after, limit).await.unwrap();
    assert_eq!(ids(&open(TaskState::Done, "", 10).await), ["b"], "what is closed needs no relay");
    assert_eq!(ids(&open(TaskState::Dead, "", 10).await), ["c"]);
    assert_eq!(ids(&open(TaskState::Running, "", 10).await), ["d"]);
    assert_eq!(ids(&open(TaskState::Ready, "", 10).await), ["e", "f"]);
    assert_eq!(ids(&open(TaskState::Ready, "", 1).await), ["e"]);
    assert_eq!(ids(&open(TaskState::Ready, "e", 10).await), ["f"]);
    assert!(open(TaskState::Cancelled, "", 10).await.is_empty());
}

pub async fn lists_a_run_and_a_stage(store: Store) {
    let tasks = [("d", "map"), ("b", "crawl"), ("a", "map"), ("c", "crawl")];
    store.tasks_insert(tasks.map(|(id, stage)| task("r", stage, id)).into()).await.unwrap();
    store.tasks_insert(vec![task("q", "crawl", "bb")]).await.unwrap();
    store.tasks_claim(&texts(&["b"]), "w", 0).await.unwrap();
    store.tasks_commit(vec![commit("b", 1, TaskState::Done, 1)]).await.unwrap();
    store.tasks_close(&texts(&["b"])).await.unwrap();
    let of = async |stage, after: &str, limit| store.tasks_of("r", stage, after, limit).await.unwrap();
    assert_eq!(ids(&of(None, "", 10).await), ["a", "b", "c", "d"], "closed ones too");
    assert_eq!(ids(&of(None, "a", 2).await), ["b", "c"]);
    assert_eq!(ids(&of(Some("crawl"), "", 10).await), ["b", "c"]);
    assert_eq!(ids(&of(Some("crawl"), "", 1).await), ["b"]);
    assert_eq!(ids(&of(Some("crawl"), "b", 10).await), ["c"]);
    assert!(of(Some("nothing"), "", 10).await.is_empty());
}

pub async fn counts_by_stage_and_state(store: Store) {
    assert!(store.tasks_count("r").await.unwrap().is_empty());
    store.tasks_insert(["a", "b", "c", "d"].map(|id| task("r", "crawl", id)).into()).await.unwrap();
    store.tasks_insert(vec![task("r", "apply", "e"), task("q", "crawl", "f")]).await.unwrap();
    store.tasks_claim(&texts(&["a", "b", "c"]), "w", 0).await.unwrap();
    let ends = vec![commit("a", 1, TaskState::Done, 1), commit("b", 1, TaskState::Done, 2)];
    store.tasks_commit(ends).await.unwrap();
    store.tasks_close(&texts(&["a"])).await.unwrap();
    let count = |stage: &str, state, tasks| TaskCount { stage: stage.to_owned(), state, tasks };
    let expected = [
        count("apply", TaskState::Ready, 1),
        count("crawl", TaskState::Ready, 1),
        count("crawl", TaskState::Running, 1),
        count("crawl", TaskState::Done, 2),
    ];
    assert_eq!(store.tasks_count("r").await.unwrap(), expected, "by stage, then state");
}
