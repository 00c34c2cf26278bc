//! Dead letters.

use super::Store;
use super::samples::{letter, texts};
use jobpipe_core::DeadLetter;
use serde_json::json;

pub async fn replaces_the_same_letter(store: Store) {
    let first = letter("l", "jobs", "jobs@1");
    assert_eq!(store.dead_one("l").await.unwrap(), None);
    store.dead_put(vec![first.clone(), first.clone()]).await.unwrap();
    assert_eq!(store.dead_one("l").await.unwrap(), Some(first.clone()));
    let mut second = DeadLetter { run: "jobs@2".to_owned(), at: 7, ..first };
    second.input = json!({ "title": "later" });
    store.dead_put(vec![second.clone()]).await.unwrap();
    assert_eq!(store.dead(None, None, "", 10).await.unwrap(), std::slice::from_ref(&second));
    assert!(store.dead(None, Some("jobs@1"), "", 10).await.unwrap().is_empty(), "it moved to the other run");
    assert_eq!(store.dead(None, Some("jobs@2"), "", 10).await.unwrap(), [second]);
}

pub async fn lists_by_import_and_run(store: Store) {
    let letters = [
        letter("d", "jobs", "jobs@1"),
        letter("b", "jobs", "jobs@2"),
        letter("a", "events", "events@1"),
        letter("c", "jobs", "jobs@1"),
    ];
    store.dead_put(letters.into()).await.unwrap();
    let list = async |import, run, after: &str, limit| -> Vec<String> {
        let page = store.dead(import, run, after, limit).await.unwrap();
        page.into_iter().map(|letter| letter.id).collect()
    };
    assert_eq!(list(None, None, "", 10).await, ["a", "b", "c", "d"]);
    assert_eq!(list(None, None, "b", 1).await, ["c"]);
    assert_eq!(list(Some("jobs"), None, "", 2).await, ["b", "c"]);
    assert_eq!(list(Some("jobs"), None, "c", 2).await, ["d"]);
    assert_eq!(list(None, Some("jobs@1"), "", 10).await, ["c", "d"]);
    assert_eq!(list(Some("jobs"), Some("jobs@1"), "c", 10).await, ["d"]);
    assert!(list(Some("events"), Some("jobs@1"), "", 10).await.is_empty());
}

pub async fn deletes(store: Store) {
    store.dead_put(["a", "b", "c"].map(|id| letter(id, "jobs", "jobs@1")).into()).await.unwrap();
    store.dead_delete(&texts(&["a", "nobody", "c"])).await.unwrap();
    store.dead_delete(&texts(&["a"])).await.unwrap();
    let left = store.dead(None, None, "", 10).await.unwrap();
    assert_eq!(left.iter().map(|letter| letter.id.as_str()).collect::<Vec<_>>(), ["b"]);
}
