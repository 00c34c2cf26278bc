//! A file of an older schema is brought up to date with all that is in it; a reader leaves it as it is.

#![expect(clippy::unwrap_used, reason = "a test")]

use jobpipe_core::{Doc, DocKind, DocStore, HeadStore, RowStore, StoreError, TaskGroup, TaskState, TaskStore};
use jobpipe_embedded::SqliteStore;
use rusqlite::Connection;
use serde_json::json;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The schemas there are, as they were released.
const STEPS: [&str; 4] = [
    include_str!("../migrations/001.sql"),
    include_str!("../migrations/002.sql"),
    include_str!("../migrations/003.sql"),
    include_str!("../migrations/004.sql"),
];

/// What every schema can hold: a run, an import, a task that waits, a head with its body and its source.
const CONTENT: &str = r#"
    INSERT INTO doc (kind, id, version, body) VALUES ('run', 'acme@1', 7, CAST('{"n":1}' AS BLOB)),
        ('import', 'acme', 8, CAST('{"n":2}' AS BLOB)), ('target', 'facebook:1', 9, CAST('{"n":3}' AS BLOB));
    INSERT INTO task VALUES (1, 't1', 'acme@1', 'crawl', 'q', 'host', 0, 1, 3, 'old', 0, 1, 50, 9);
    INSERT INTO task_body VALUES (1, CAST('{"batch":"b1"}' AS BLOB), NULL);
    INSERT INTO seen VALUES ('acme@1', 'crawl', 'print', 't1');
    INSERT INTO batch VALUES ('acme@1/t0/1/0', x'0102');
    INSERT INTO head VALUES (1, 'acme/clean', 'k1', 4, 'h', 0, 1, 1, NULL, NULL, NULL, 0, 1, 0, 0, 0);
    INSERT INTO head_body VALUES (1, 'https://acme.test/1', 60, CAST('{"title":"Nurse"}' AS BLOB));
    INSERT INTO head_url VALUES ('u1', 1);
"#;

/// A store as the release with `schema` steps left it.
fn old_store(schema: usize) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobpipe.db");
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    conn.execute_batch(STEPS[0]).unwrap();
    conn.execute_batch(CONTENT).unwrap();
    STEPS[1..schema].iter().for_each(|step| conn.execute_batch(step).unwrap());
    conn.execute_batch(&format!("PRAGMA application_id = 0x6A6F6270; PRAGMA user_version = {schema}")).unwrap();
    (folder, path)
}

fn version(path: &Path) -> usize {
    let version: i64 = Connection::open(path).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    usize::try_from(version).unwrap()
}

/// Everything is there and found by the ways of today.
async fn holds_its_content(store: &SqliteStore) {
    assert_eq!(store.doc(DocKind::Run, "acme@1").await.unwrap(), Some(Doc::of(7, &json!({"n": 1})).unwrap()));
    // whatever was to be looked at is, though who wrote it did not say so in a way that is asked for now
    for (kind, id, version) in [(DocKind::Import, "acme", 8), (DocKind::Target, "facebook:1", 9)] {
        let due = store.docs_due(kind, 0, (i64::MIN, ""), 9).await.unwrap();
        assert_eq!(due.iter().map(|(id, doc)| (id.as_str(), doc.version)).collect::<Vec<_>>(), [(id, version)]);
    }
    let group = TaskGroup { run: "acme@1".into(), queue: "q".into(), group: "host".into() };
    assert_eq!(store.tasks_groups("acme@1", "q", None, 9).await.unwrap(), ["host"]);
    let ready = store.tasks_ready(&group, 50, "", 9).await.unwrap();
    assert_eq!(ready.iter().map(|task| (task.id.as_str(), task.fence)).collect::<Vec<_>>(), [("t1", 3)]);
    let claimed = store.tasks_claim(&["t1".to_owned()], "new", 50).await.unwrap();
    assert_eq!((claimed[0].state, claimed[0].fence, claimed[0].task.crashes), (TaskState::Running, 4, 1));
    assert_eq!(store.seen_claim("acme@1", "crawl", &["print".to_owned()], "t2").await.unwrap(), [false]);
    assert_eq!(store.batch("acme@1/t0/1/0").await.unwrap(), Some(vec![1, 2]));
    let heads = store.heads("acme/clean", &["k1".to_owned()]).await.unwrap();
    assert_eq!((&heads[0].body, heads[0].stamps.version), (&json!({"title": "Nurse"}), 4));
    assert_eq!(store.heads_by_url("acme/clean", &["u1".to_owned()]).await.unwrap(), ["k1"]);
    assert!(store.rows_attention("facebook:1", None, 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn each_older_schema_is_brought_up_to_date_with_its_content() {
    for schema in 1..STEPS.len() {
        let (_folder, path) = old_store(schema);
        let store = SqliteStore::open(&path).unwrap();
        holds_its_content(&store).await;
        drop(store);
        assert_eq!(version(&path), STEPS.len(), "from schema {schema}");
        // and is no older than a new one: the same tables and indexes
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("new.db");
        drop(SqliteStore::open(&new).unwrap());
        assert_eq!(schema_of(&path), schema_of(&new), "from schema {schema}");
    }
}

fn schema_of(path: &Path) -> Vec<(String, String)> {
    let conn = Connection::open(path).unwrap();
    let mut all = conn.prepare("SELECT name, coalesce(sql, '') FROM sqlite_schema ORDER BY name").unwrap();
    let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_reader_leaves_an_older_schema_to_the_next_run() {
    for schema in 1..STEPS.len() {
        let (_folder, path) = old_store(schema);
        let error = SqliteStore::open_reader(&path).unwrap_err();
        assert!(matches!(&error, StoreError::Unusable { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("older jobpipe") && text.contains("jobpipe run") && text.contains("JP503"), "{text}");
        assert_eq!(version(&path), schema, "and nothing was changed");
    }
}

#[tokio::test]
async fn a_step_that_fails_changes_nothing_and_is_done_later() {
    let (_folder, path) = old_store(1);
    // another's table is where the step would make an index: the step fails in its middle
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("CREATE TABLE task_ready (x)").unwrap();
    SqliteStore::open(&path).unwrap_err();
    assert_eq!(version(&path), 1);
    let dropped: i64 =
        conn.query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'task_due'", [], |row| row.get(0)).unwrap();
    assert_eq!(dropped, 1, "the first statement of the step was undone with the rest");
    conn.execute_batch("DROP TABLE task_ready").unwrap();
    drop(conn);
    holds_its_content(&SqliteStore::open(&path).unwrap()).await;
    assert_eq!(version(&path), STEPS.len());
}
