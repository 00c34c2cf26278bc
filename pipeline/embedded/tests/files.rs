//! The file and its folder: who may open it, and what is said of a damaged, foreign, newer or read-only one.

#![expect(clippy::unwrap_used, reason = "a test")]

use jobpipe_core::{Doc, DocKind, DocStore, RowStore, StoreError, TaskStore};
use jobpipe_embedded::{EngineLock, SqliteStore};
use rusqlite::Connection;
use serde_json::json;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What happens to the bytes of a file.
type Harm = fn(&mut Vec<u8>);

fn doc(version: u64) -> Doc {
    Doc::of(version, &json!({ "version": version, "text": "x".repeat(300) })).unwrap()
}

fn beside(store: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", store.display()))
}

/// A closed store with `count` runs in it.
async fn closed_store(count: u64) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = SqliteStore::open(&path).unwrap();
    for version in 1..=count {
        assert!(store.doc_insert(DocKind::Run, &format!("run {version:04}"), doc(version)).await.unwrap());
    }
    (folder, path)
}

async fn runs(store: &SqliteStore) -> usize {
    store.docs(DocKind::Run, "", "", usize::MAX).await.unwrap().len()
}

fn message(error: &StoreError) -> String {
    assert!(matches!(error, StoreError::Unusable { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("state.db") && text.contains("JP503"), "{text}");
    text
}

#[tokio::test]
async fn a_store_is_there_when_it_is_opened_again() {
    let (_folder, path) = closed_store(20).await;
    assert!(!beside(&path, "-wal").exists(), "closing empties the log");
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(runs(&store).await, 20);
    assert_eq!(store.stats().torn_frames, 0);
}

#[test]
fn the_engines_role_is_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("a/b/.jobpipe");
    let lock = EngineLock::acquire(&state).unwrap();
    let error = EngineLock::acquire(&state).unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error}");
    let text = error.to_string();
    let pid = format!("process {}", std::process::id());
    assert!(text.contains(&pid) && text.contains(", since 20") && text.contains("JP502"), "{text}");
    assert!(EngineLock::acquire(&folder.path().join("other")).is_ok(), "each folder has its own");
    drop(lock);
    let again = EngineLock::acquire(&state).unwrap();
    assert!(again.path().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_read_and_leave_commands_while_the_engine_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let engine = std::sync::Arc::new(SqliteStore::open(&path).unwrap());
    engine.doc_insert(DocKind::Run, "run 0", doc(1)).await.unwrap();
    let reader = SqliteStore::open_reader(&path).unwrap();
    let writing = tokio::spawn({
        let engine = engine.clone();
        async move {
            for at in 1..=200_u64 {
                engine.doc_insert(DocKind::Run, &format!("run {at}"), doc(at)).await.unwrap();
            }
        }
    });
    let mut seen = 0;
    for at in 0..20_u64 {
        let now = runs(&reader).await;
        assert!(now >= seen, "a reader never goes back");
        seen = now;
        assert!(reader.doc_insert(DocKind::Command, &format!("command {at}"), doc(at)).await.unwrap());
    }
    assert!(!reader.doc_insert(DocKind::Command, "command 0", doc(99)).await.unwrap(), "if absent");
    writing.await.unwrap();
    assert_eq!(runs(&reader).await, 201);
    assert_eq!(engine.docs(DocKind::Command, "", "", 99).await.unwrap().len(), 20);
    assert_eq!(reader.doc(DocKind::Command, "command 7").await.unwrap(), Some(doc(7)));
}

#[tokio::test]
async fn a_reader_writes_nothing_else() {
    let (_folder, path) = closed_store(1).await;
    let reader = SqliteStore::open_reader(&path).unwrap();
    let refused = [
        reader.doc_insert(DocKind::Run, "r", doc(1)).await.unwrap_err(),
        reader.doc_replace(DocKind::Run, "run 0001", 1, doc(2)).await.unwrap_err(),
        reader.doc_delete(DocKind::Run, "run 0001").await.unwrap_err(),
        reader.tasks_cancel("r").await.unwrap_err(),
        reader.dead_delete(&["l".to_owned()]).await.unwrap_err(),
    ];
    for error in refused {
        assert!(matches!(&error, StoreError::Busy { .. }), "{error}");
    }
    assert_eq!(runs(&reader).await, 1);
    assert!(reader.doc_insert(DocKind::Command, "stop", doc(1)).await.unwrap(), "commands, with no engine alive");
    drop(reader);
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.docs(DocKind::Command, "", "", 9).await.unwrap().len(), 1);
}

#[test]
fn a_reader_of_nothing_is_told_to_run_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    assert!(message(&SqliteStore::open_reader(&path).unwrap_err()).contains("jobpipe run"));
    assert!(!path.exists(), "and nothing was made");
    std::fs::write(&path, b"").unwrap();
    assert!(message(&SqliteStore::open_reader(&path).unwrap_err()).contains("jobpipe run"));
}

#[tokio::test]
async fn a_newer_store_is_refused_and_left_alone() {
    let (_folder, path) = closed_store(1).await;
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    for error in [SqliteStore::open(&path).unwrap_err(), SqliteStore::open_reader(&path).unwrap_err()] {
        let text = message(&error);
        assert!(text.contains("newer jobpipe") && text.contains("99"), "{text}");
    }
    let version: i64 = Connection::open(&path).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 99);
}

#[test]
fn another_programs_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)").unwrap();
    let before = std::fs::read(&path).unwrap();
    for error in [SqliteStore::open(&path).unwrap_err(), SqliteStore::open_reader(&path).unwrap_err()] {
        assert!(message(&error).contains("another program"), "{error}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_damaged_file_is_refused_with_a_way_out() {
    let (_folder, path) = closed_store(200).await;
    let whole = std::fs::read(&path).unwrap();
    let damage: [(&str, Harm); 4] = [
        ("a garbled first page", |file| file[..64].fill(0xAB)),
        ("text", |file| *file = b"hello, this is a text and no store at all".repeat(20)),
        ("half of the file", |file| file.truncate(file.len() / 2)),
        ("the schema's page", |file| file[100..4_000].fill(0x7F)),
    ];
    for (what, harm) in damage {
        let mut bytes = whole.clone();
        harm(&mut bytes);
        std::fs::write(&path, &bytes).unwrap();
        for error in [SqliteStore::open(&path).unwrap_err(), SqliteStore::open_reader(&path).unwrap_err()] {
            assert!(message(&error).contains("put back a copy"), "{what}: {error}");
        }
    }
}

#[tokio::test]
async fn a_page_damaged_inside_is_found_after_an_unclean_end() {
    let folder = tempfile::tempdir().unwrap();
    let live = folder.path().join("live.db");
    let store = SqliteStore::open(&live).unwrap();
    for version in 1..=50 {
        store.doc_insert(DocKind::Run, &format!("run {version}"), doc(version)).await.unwrap();
    }
    drop(store);
    let store = SqliteStore::open(&live).unwrap();
    store.doc_insert(DocKind::Run, "one more", doc(1)).await.unwrap();
    let path = folder.path().join("state.db");
    std::fs::copy(&live, &path).unwrap();
    std::fs::copy(beside(&live, "-wal"), beside(&path, "-wal")).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let pages = bytes.len() / 4_096;
    bytes[4_096 * (pages - 2)..4_096 * (pages - 1)].fill(0x5A);
    std::fs::write(&path, bytes).unwrap();
    assert!(message(&SqliteStore::open(&path).unwrap_err()).contains("damaged"));
}

/// The power-cut model: the end of the log is cut, garbled, or followed by rubbish.
#[tokio::test]
async fn a_torn_log_loses_whole_commits_from_its_end_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let live = folder.path().join("live.db");
    let store = SqliteStore::open(&live).unwrap();
    for version in 1..=60 {
        store.doc_insert(DocKind::Run, &format!("run {version:04}"), doc(version)).await.unwrap();
    }
    let log = std::fs::read(beside(&live, "-wal")).unwrap();
    let end = log.len();
    let mut cases: Vec<(String, Vec<u8>)> = vec![("whole".to_owned(), log.clone())];
    for cut in [1, 24, 2_000, 4_096, 20_000, 100_000] {
        cases.push((format!("cut by {cut}"), log[..end - cut].to_vec()));
    }
    for garbled in [1, 4_096, 30_000] {
        let mut bytes = log.clone();
        bytes[end - garbled..].fill(0xEE);
        cases.push((format!("garbled {garbled}"), bytes));
    }
    let rubbish: Vec<u8> = log.iter().copied().chain([0xEE; 9_000]).collect();
    cases.push(("followed by rubbish".to_owned(), rubbish));
    for (at, (what, bytes)) in cases.into_iter().enumerate() {
        let path = folder.path().join(format!("{at}.db"));
        std::fs::copy(&live, &path).unwrap();
        std::fs::write(beside(&path, "-wal"), &bytes).unwrap();
        let torn = SqliteStore::open(&path).unwrap();
        let found = torn.docs(DocKind::Run, "", "", 99).await.unwrap();
        for (version, (id, stored)) in (1..).zip(&found) {
            assert_eq!((id.as_str(), stored), (format!("run {version:04}").as_str(), &doc(version)), "{what}");
        }
        let whole = what == "whole" || what == "followed by rubbish";
        assert_eq!(found.len() == 60, whole, "{what}: {} left", found.len());
        if what.starts_with("garbled") {
            assert!(torn.stats().torn_frames > 0, "{what}: {}", torn.stats());
        }
        let next = u64::try_from(found.len()).unwrap() + 1;
        assert!(torn.doc_insert(DocKind::Run, &format!("run {next:04}"), doc(next)).await.unwrap(), "{what}");
    }
}

#[test]
fn what_may_not_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("nowhere/state.db");
    let sealed = sealed_folder(folder.path());
    let errors = [
        (SqliteStore::open(&missing).unwrap_err(), missing),
        (SqliteStore::open(&sealed.join("state.db")).unwrap_err(), sealed.join("state.db")),
        (EngineLock::acquire(&sealed.join("state")).unwrap_err(), sealed.join("state")),
    ];
    for (error, path) in errors {
        assert!(matches!(&error, StoreError::NoSpace { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(path.to_str().unwrap()) && text.contains("JP501"), "{text}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_read_only_file_is_refused_before_anything_runs() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = closed_store(1).await;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444)).unwrap();
    let root = std::fs::OpenOptions::new().append(true).open(&path).is_ok();
    match SqliteStore::open(&path) {
        Err(error) => assert!(matches!(&error, StoreError::NoSpace { .. }), "{error}"),
        // Root may write everything; then the store must work.
        Ok(store) => {
            assert!(root);
            assert!(store.doc_insert(DocKind::Run, "r", doc(1)).await.unwrap());
        }
    }
}

/// A folder in which this user may make nothing: for root, whom permissions do not bind, one of the system's.
fn sealed_folder(base: &Path) -> PathBuf {
    let folder = base.join("sealed");
    std::fs::create_dir(&folder).unwrap();
    let mut permissions = std::fs::metadata(&folder).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&folder, permissions).unwrap();
    if std::fs::write(folder.join("probe"), b"").is_ok() {
        return PathBuf::from("/proc");
    }
    folder
}
