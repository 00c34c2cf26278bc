//! Small documents.

use super::Store;
use jobpipe_core::{Doc, DocKind};
use serde_json::json;

fn doc(version: u64, name: &str) -> Doc {
    Doc::of(version, &json!({ "name": name, "seq": version })).unwrap()
}

pub async fn inserts_if_absent(store: Store) {
    assert_eq!(store.doc(DocKind::Run, "r").await.unwrap(), None);
    assert!(store.doc_insert(DocKind::Run, "r", doc(1, "first")).await.unwrap());
    assert!(!store.doc_insert(DocKind::Run, "r", doc(2, "second")).await.unwrap());
    assert_eq!(store.doc(DocKind::Run, "r").await.unwrap(), Some(doc(1, "first")));
}

pub async fn replaces_where_the_version_holds(store: Store) {
    assert!(!store.doc_replace(DocKind::Import, "i", 1, doc(2, "nothing there")).await.unwrap());
    assert_eq!(store.doc(DocKind::Import, "i").await.unwrap(), None, "a replacement must not insert");
    store.doc_insert(DocKind::Import, "i", doc(1, "one")).await.unwrap();
    assert!(!store.doc_replace(DocKind::Import, "i", 9, doc(2, "stale")).await.unwrap());
    assert!(store.doc_replace(DocKind::Import, "i", 1, doc(5, "two")).await.unwrap());
    assert!(!store.doc_replace(DocKind::Import, "i", 1, doc(6, "repeated")).await.unwrap());
    assert_eq!(store.doc(DocKind::Import, "i").await.unwrap(), Some(doc(5, "two")));
}

pub async fn deletes(store: Store) {
    store.doc_insert(DocKind::Command, "c", doc(1, "stop")).await.unwrap();
    store.doc_delete(DocKind::Command, "c").await.unwrap();
    store.doc_delete(DocKind::Command, "c").await.unwrap();
    assert_eq!(store.doc(DocKind::Command, "c").await.unwrap(), None);
    assert!(store.doc_insert(DocKind::Command, "c", doc(2, "again")).await.unwrap());
}

pub async fn keeps_kinds_apart(store: Store) {
    for (version, kind) in (1..).zip(DocKind::ALL) {
        assert!(store.doc_insert(kind, "same id", doc(version, kind.as_str())).await.unwrap());
    }
    for (version, kind) in (1..).zip(DocKind::ALL) {
        let page = store.docs(kind, "", "", 10).await.unwrap();
        assert_eq!(page, [("same id".to_owned(), doc(version, kind.as_str()))]);
    }
}

pub async fn pages_by_prefix(store: Store) {
    for id in ["jobs@2", "jobs@1", "jobs@10", "job", "jobs", "joba@1", "k", "jobs@1/x"] {
        store.doc_insert(DocKind::Run, id, doc(1, id)).await.unwrap();
    }
    let ids = async |prefix: &str, after: &str, limit: usize| -> Vec<String> {
        let page = store.docs(DocKind::Run, prefix, after, limit).await.unwrap();
        assert!(page.iter().all(|(id, stored)| *stored == doc(1, id)));
        page.into_iter().map(|(id, _)| id).collect()
    };
    assert_eq!(ids("jobs@", "", 10).await, ["jobs@1", "jobs@1/x", "jobs@10", "jobs@2"]);
    assert_eq!(ids("jobs@", "", 2).await, ["jobs@1", "jobs@1/x"]);
    assert_eq!(ids("jobs@", "jobs@1/x", 10).await, ["jobs@10", "jobs@2"]);
    assert_eq!(ids("jobs@", "a", 1).await, ["jobs@1"], "after may lie before the prefix");
    assert!(ids("jobs@", "jobs@2", 10).await.is_empty());
    assert!(ids("jobs@", "z", 10).await.is_empty(), "after may lie behind the prefix");
    assert_eq!(ids("jobs@1/x", "", 10).await, ["jobs@1/x"], "the prefix may be a whole id");
    assert_eq!(ids("", "", 3).await, ["job", "joba@1", "jobs"]);
    assert_eq!(ids("", "jobs@2", 10).await, ["k"]);
    assert!(ids("jobs@", "", 0).await.is_empty());
}

pub async fn lists_what_is_due(store: Store) {
    let due = |at: Option<i64>| Doc { due: at, ..doc(1, "due") };
    for (id, at) in [("b", Some(20)), ("a", Some(20)), ("late", Some(30)), ("never", None), ("zero", Some(0))] {
        assert!(store.doc_insert(DocKind::Schedule, id, due(at)).await.unwrap());
    }
    store.doc_insert(DocKind::Import, "other kind", due(Some(5))).await.unwrap();
    let ids = async |until: i64, after: (i64, &str), limit: usize| -> Vec<String> {
        let page = store.docs_due(DocKind::Schedule, until, after, limit).await.unwrap();
        page.into_iter().map(|(id, _)| id).collect()
    };
    let start = (i64::MIN, "");
    assert_eq!(ids(29, start, 10).await, ["zero", "a", "b"]);
    assert_eq!(ids(i64::MAX, start, 10).await, ["zero", "a", "b", "late"]);
    assert_eq!(ids(i64::MAX, start, 2).await, ["zero", "a"]);
    assert_eq!(ids(i64::MAX, (20, "a"), 10).await, ["b", "late"]);
    assert_eq!(ids(i64::MAX, (20, "a"), 1).await, ["b"]);
    assert_eq!(ids(19, (20, "a"), 10).await, [""; 0], "after may lie behind the end");
    assert!(ids(i64::MAX, start, 0).await.is_empty());
    assert_eq!(store.doc(DocKind::Schedule, "late").await.unwrap(), Some(due(Some(30))));
    assert_eq!(store.docs(DocKind::Schedule, "late", "", 1).await.unwrap(), [("late".to_owned(), due(Some(30)))]);
    // what is written anew is due as it says now
    assert!(store.doc_replace(DocKind::Schedule, "late", 1, Doc { version: 2, ..due(Some(1)) }).await.unwrap());
    assert!(store.doc_replace(DocKind::Schedule, "a", 1, Doc { version: 2, ..due(None) }).await.unwrap());
    assert_eq!(ids(25, start, 10).await, ["zero", "late", "b"]);
    assert!(store.doc_replace(DocKind::Schedule, "never", 1, Doc { version: 2, ..due(Some(25)) }).await.unwrap());
    assert_eq!(ids(25, start, 10).await, ["zero", "late", "b", "never"]);
}

pub async fn tells_the_time(store: Store) {
    let first = store.time().await.unwrap();
    assert!(first > 1_600_000_000_000, "milliseconds since the epoch: {first}");
    assert!(store.time().await.unwrap() >= first);
}

pub async fn loses_no_update_under_eight_writers(store: Store) {
    store.doc_insert(DocKind::Target, "t", Doc::of(1, &json!(0)).unwrap()).await.unwrap();
    let add = async |store: Store, writer: u64| {
        for step in 0..20_u64 {
            loop {
                let read = store.doc(DocKind::Target, "t").await.unwrap().unwrap();
                let next = Doc::of(1_000 + writer * 1_000 + step, &(read.read::<u64>().unwrap() + 1)).unwrap();
                if store.doc_replace(DocKind::Target, "t", read.version, next).await.unwrap() {
                    break;
                }
            }
        }
    };
    let writers: Vec<_> = (0..8).map(|writer| tokio::spawn(add(store.clone(), writer))).collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(store.doc(DocKind::Target, "t").await.unwrap().unwrap().read::<u64>().unwrap(), 160);
}
