//! Tasks: the groups they wait in.

use super::Store;
use super::samples::{commit, task, texts};
use jobpipe_core::{NewTask, TaskGroup, TaskState};

/// The group of the tasks that [`task`] makes.
pub(super) fn group(run: &str) -> TaskGroup {
    TaskGroup { run: run.to_owned(), queue: "default".to_owned(), group: "example.org".to_owned() }
}

fn of_group(id: &str, group: &str) -> NewTask {
    NewTask { group: group.to_owned(), ..task("r", "crawl", id) }
}

pub async fn lists_groups_that_wait(store: Store) {
    let groups = async |run: &str, queue: &str| {
        let mut groups = store.tasks_groups(run, queue, None, 10).await.unwrap();
        groups.sort_unstable();
        groups
    };
    assert!(groups("r", "default").await.is_empty());
    let tasks = vec![of_group("a", ""), of_group("b", "b.org"), of_group("c", "c.org"), of_group("d", "c.org")];
    store.tasks_insert(tasks).await.unwrap();
    let slow = NewTask { queue: "slow".to_owned(), ..of_group("e", "e.org") };
    store.tasks_insert(vec![slow, NewTask { run: "q".to_owned(), ..of_group("f", "f.org") }]).await.unwrap();
    store.tasks_insert(vec![NewTask { not_before: i64::MAX, ..of_group("g", "g.org") }]).await.unwrap();
    assert_eq!(groups("r", "default").await, ["", "b.org", "c.org", "g.org"], "each once, due or not");
    assert_eq!(groups("r", "slow").await, ["e.org"]);
    assert_eq!(groups("q", "default").await, ["f.org"]);
    store.tasks_claim(&texts(&["b", "c"]), "w", 0).await.unwrap();
    assert_eq!(groups("r", "default").await, ["", "c.org", "g.org"], "what is running does not wait");
    store.tasks_commit(vec![commit("b", 1, TaskState::Ready, 1)]).await.unwrap();
    assert_eq!(groups("r", "default").await, ["", "b.org", "c.org", "g.org"], "put back, it does");
    store.tasks_cancel("r").await.unwrap();
    assert!(groups("r", "default").await.is_empty());
}

pub async fn lists_each_of_many_groups_once(store: Store) {
    let names: Vec<String> = (0..10).map(|at| format!("{at}.org")).chain([String::new(), "é.org".to_owned()]).collect();
    let tasks = (0..60).map(|at| of_group(&format!("t{at:02}"), &names[at % names.len()])).collect();
    store.tasks_insert(tasks).await.unwrap();
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let page = store.tasks_groups("r", "default", after.as_deref(), 5).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 5);
        after = Some(last.clone());
        found.extend(page);
        assert!(found.len() <= names.len(), "{found:?}");
    }
    found.sort_unstable();
    let mut expected = names;
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert!(store.tasks_groups("r", "default", None, 0).await.unwrap().is_empty());
}
