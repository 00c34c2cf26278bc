//! What a dead process left in its store: where it was when it died.

use jobpipe_core::{DocKind, DocStore, RowState, RowStore, TaskState, TaskStore};
use jobpipe_embedded::SqliteStore;
use jobpipe_engine::docs::ImportDoc;
use std::path::Path;

/// More than any test has.
const ALL: usize = 1_000_000;

/// What was in flight.
#[derive(Debug, Default, Clone, Copy)]
pub struct InFlight {
    /// Tasks claimed and not committed.
    pub running: usize,
    /// Tasks committed whose relay was not done.
    pub relaying: usize,
    /// Rows armed and not confirmed.
    pub armed: usize,
    /// Rows whose end is unknown.
    pub unknown: usize,
    /// Rows that have a post.
    pub posted: usize,
}

/// Reads the store of a dead process, as `jobpipe runs list` does: nothing is changed.
pub async fn in_flight(path: &Path) -> InFlight {
    let mut found = InFlight::default();
    if !path.exists() {
        return found;
    }
    let Ok(store) = SqliteStore::open_reader(path) else { return found };
    for (_, doc) in store.docs(DocKind::Import, "", "", ALL).await.unwrap() {
        let import: ImportDoc = doc.read().unwrap();
        let Some(open) = import.open else { continue };
        let run = &open.facts.run;
        found.running += store.tasks_open(run, TaskState::Running, "", ALL).await.unwrap().len();
        for state in [TaskState::Done, TaskState::Dead] {
            found.relaying += store.tasks_open(run, state, "", ALL).await.unwrap().len();
        }
    }
    for (target, _) in store.docs(DocKind::Target, "", "", ALL).await.unwrap() {
        for row in store.rows_of(&target, None, ALL).await.unwrap() {
            found.armed += usize::from(row.state == RowState::Armed);
            found.unknown += usize::from(row.state == RowState::Unknown);
            found.posted += usize::from(row.post.is_some());
        }
    }
    found
}

/// Every dead letter.
pub async fn letters(path: &Path) -> Vec<jobpipe_core::DeadLetter> {
    let store = SqliteStore::open_reader(path).unwrap();
    store.dead(None, None, "", ALL).await.unwrap()
}

/// Everything in a store but the note that something is gone, as text. Opens it as its engine would.
pub async fn dump(path: &Path) -> String {
    let store = SqliteStore::open(path).unwrap();
    let mut text = String::new();
    for kind in DocKind::ALL {
        for (id, doc) in store.docs(kind, "", "", ALL).await.unwrap() {
            if id != jobpipe_embedded::LOST {
                text.push_str(&format!("{} {id} {} {}\n", kind.as_str(), doc.version, doc.body));
            }
            if kind == DocKind::Target {
                text.push_str(&format!("{:?}\n", store.rows_of(&id, None, ALL).await.unwrap()));
            }
            if kind == DocKind::Run {
                text.push_str(&format!("{:?}\n", store.tasks_of(&id, None, "", ALL).await.unwrap()));
            }
        }
    }
    text
}
