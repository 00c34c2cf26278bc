use super::*;
use jobpipe_core::{Doc, DocKind, DocStore};
use serde_json::json;
use std::sync::mpsc as blocking;
use tempfile::TempDir;

fn store() -> (TempDir, Arc<SqliteStore>) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("state.db")).unwrap();
    (folder, Arc::new(store))
}

fn doc(version: u64) -> Doc {
    Doc::of(version, &json!({ "text": "x".repeat(400), "version": version })).unwrap()
}

/// Holds the writer until the answer is dropped, so that what is sent meanwhile waits.
async fn hold(store: &Arc<SqliteStore>) -> blocking::Sender<()> {
    let (release, held) = blocking::channel::<()>();
    let (started, start) = tokio::sync::oneshot::channel();
    let started = std::sync::Mutex::new(Some(started));
    let held = std::sync::Mutex::new(held);
    let holder = Arc::clone(store);
    tokio::spawn(async move {
        holder
            .write(move |_| {
                if let Some(started) = started.lock().unwrap().take() {
                    started.send(()).unwrap();
                }
                assert!(held.lock().unwrap().recv().is_err(), "released by dropping");
                Ok(())
            })
            .await
    });
    start.await.unwrap();
    release
}

/// Starts `count` writes and waits until all of them are in the queue.
async fn queue_up(store: &Arc<SqliteStore>, count: u64) -> Vec<tokio::task::JoinHandle<StoreResult<bool>>> {
    let mut writes = Vec::new();
    for version in 1..=count {
        let writing = Arc::clone(store);
        writes.push(tokio::spawn(async move {
            writing.doc_insert(DocKind::Run, &format!("run {version}"), doc(version)).await
        }));
    }
    let queue = store.writer.as_ref().unwrap();
    while queue.max_capacity() - queue.capacity() < usize::try_from(count).unwrap() {
        tokio::task::yield_now().await;
    }
    writes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_shares_one_commit() {
    let (_folder, store) = store();
    let release = hold(&store).await;
    let writes = queue_up(&store, 200).await;
    drop(release);
    for write in writes {
        assert!(write.await.unwrap().unwrap());
    }
    let stats = store.stats();
    assert_eq!((stats.writes, stats.commits, stats.largest_group), (201, 2, 200), "{stats}");
    assert_eq!(store.docs(DocKind::Run, "", "", 999).await.unwrap().len(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_failing_request_undoes_itself_alone() {
    let (_folder, store) = store();
    let release = hold(&store).await;
    let before = queue_up(&store, 3).await;
    let failing = Arc::clone(&store);
    let failing = tokio::spawn(async move {
        failing
            .write(|conn| {
                conn.execute("INSERT INTO doc VALUES ('run', 'half', 1, x'7b7d', NULL)", [])?;
                conn.execute("INSERT INTO doc VALUES ('run', 'half', 1, x'7b7d', NULL)", [])?;
                Ok(())
            })
            .await
    });
    let queue = store.writer.as_ref().unwrap();
    while queue.max_capacity() - queue.capacity() < 4 {
        tokio::task::yield_now().await;
    }
    let after = Arc::clone(&store);
    let after = tokio::spawn(async move { after.doc_insert(DocKind::Run, "after", doc(9)).await });
    while queue.max_capacity() - queue.capacity() < 5 {
        tokio::task::yield_now().await;
    }
    drop(release);
    let error = failing.await.unwrap().unwrap_err();
    assert!(matches!(error, StoreError::Unusable { .. }), "{error}");
    for write in before {
        assert!(write.await.unwrap().unwrap());
    }
    assert!(after.await.unwrap().unwrap());
    assert_eq!(store.doc(DocKind::Run, "half").await.unwrap(), None);
    assert_eq!(store.docs(DocKind::Run, "", "", 99).await.unwrap().len(), 4);
    assert_eq!(
        (store.stats().commits, store.stats().refused),
        (5, 1),
        "who shared its transaction has one of their own"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_and_nothing_is_lost() {
    let (_folder, store) = store();
    store.doc_insert(DocKind::Run, "first", doc(1)).await.unwrap();
    let cap = |pages: i64| {
        move |conn: &Connection| -> Result<i64, Fault> {
            let used: i64 = conn.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            let sql = format!("PRAGMA max_page_count = {}", used + pages);
            Ok(conn.query_row(&sql, [], |row| row.get(0))?)
        }
    };
    store.write(cap(4)).await.unwrap();
    let (mut written, mut refused) = (Vec::new(), None);
    for version in 2..200 {
        let id = format!("run {version:03}");
        match store.doc_insert(DocKind::Run, &id, doc(version)).await {
            Ok(inserted) => {
                assert!(inserted);
                written.push(id);
            }
            Err(error) => {
                refused = Some((id, error));
                break;
            }
        }
    }
    let (id, error) = refused.expect("four pages do not hold 200 documents");
    assert!(matches!(&error, StoreError::NoSpace { path, .. } if path.ends_with("state.db")), "{error}");
    assert!(error.to_string().contains("64 MiB"), "it says how much room is needed: {error}");
    assert!(!written.is_empty());
    // The store goes on: it reads, and it writes as soon as there is room.
    for id in written.iter().map(String::as_str).chain(["first"]) {
        assert!(store.doc(DocKind::Run, id).await.unwrap().is_some(), "{id}");
    }
    assert_eq!(store.doc(DocKind::Run, &id).await.unwrap(), None);
    store.write(cap(1_000)).await.unwrap();
    assert!(store.doc_insert(DocKind::Run, &id, doc(1)).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_group_on_a_full_disk_is_refused_or_written_each_for_itself() {
    let (_folder, store) = store();
    store
        .write(|conn| {
            let used: i64 = conn.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            Ok(conn.query_row(&format!("PRAGMA max_page_count = {}", used + 5), [], |row| row.get::<_, i64>(0))?)
        })
        .await
        .unwrap();
    let release = hold(&store).await;
    let writes = queue_up(&store, 100).await;
    drop(release);
    let mut acknowledged = 0;
    for (version, write) in (1..).zip(writes) {
        let there = store.doc(DocKind::Run, &format!("run {version}")).await;
        match write.await.unwrap() {
            Ok(inserted) => {
                assert!(inserted && store.doc(DocKind::Run, &format!("run {version}")).await.unwrap().is_some());
                acknowledged += 1;
            }
            Err(StoreError::NoSpace { .. }) => assert_eq!(there.unwrap(), None),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(store.docs(DocKind::Run, "", "", 999).await.unwrap().len(), acknowledged);
    assert!(acknowledged < 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_begun_after_a_write_ended_sees_it() {
    let (_folder, store) = store();
    let pairs: Vec<_> = (0..8_u64)
        .map(|pair| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for step in 1..=50 {
                    let id = format!("run {pair} {step}");
                    assert!(store.doc_insert(DocKind::Run, &id, doc(step)).await.unwrap());
                    assert_eq!(store.doc(DocKind::Run, &id).await.unwrap(), Some(doc(step)));
                }
            })
        })
        .collect();
    for pair in pairs {
        pair.await.unwrap();
    }
}

#[tokio::test]
async fn a_stored_document_of_another_form_is_named() {
    let (_folder, store) = store();
    store.write(|conn| Ok(conn.execute("INSERT INTO doc VALUES ('run', 'r', 1, x'ff', NULL)", [])?)).await.unwrap();
    let error = store.doc(DocKind::Run, "r").await.unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt { what, .. } if what == "run r"), "{error}");
    store.write(|conn| Ok(conn.execute("INSERT INTO dead VALUES ('l', 'jobs', 'r', x'7b7d')", [])?)).await.unwrap();
    let error = jobpipe_core::RowStore::dead_one(store.as_ref(), "l").await.unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt { what, .. } if what == "dead letter l"), "{error}");
}

#[tokio::test]
async fn a_write_goes_on_when_its_caller_has_gone() {
    let (_folder, store) = store();
    let release = hold(&store).await;
    let writes = queue_up(&store, 1).await;
    writes.iter().for_each(tokio::task::JoinHandle::abort);
    drop(release);
    store.doc_insert(DocKind::Run, "next", doc(2)).await.unwrap();
    assert!(store.doc(DocKind::Run, "run 1").await.unwrap().is_some(), "the port says: repeat what was not answered");
}

/// No kill of a process can show what only a power cut does.
#[tokio::test]
async fn every_commit_reaches_the_disk() {
    let (_folder, store) = store();
    let settings = store
        .write(|conn| {
            let text =
                |name: &str| conn.query_row(&format!("SELECT * FROM pragma_{name}"), [], |row| row.get::<_, String>(0));
            let number = |name: &str| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
            Ok((text("journal_mode")?, number("synchronous")?, number("fullfsync")?, number("checkpoint_fullfsync")?))
        })
        .await
        .unwrap();
    assert_eq!(settings, ("wal".to_owned(), 2, 1, 1), "2 is FULL");
}
