//! The file of the state store. What is garbled must be told or must not matter; batches inside it are decoded by the
//! engine alone, and tests of its own garble them.

use jobpipe_core::{Doc, DocKind, DocStore, StateStore, StoreResult};
use jobpipe_embedded::SqliteStore;
use serde_json::json;

use crate::formats::Ended;

const FILE: &str = "state.db";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// One store with a few documents.
pub fn corpus() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let store = SqliteStore::open(&path).unwrap();
    runtime().block_on(async {
        for kind in DocKind::ALL {
            for number in 0..20 {
                // every fourth is long enough to be compressed
                let words = if number % 4 == 0 { 500 } else { 50 };
                let body = json!({ "n": number, "text": "word ".repeat(words), "nested": [[[number]]] });
                store.doc_insert(kind, &format!("d{number}"), Doc::of(1, &body).unwrap()).await.unwrap();
            }
        }
    });
    drop(store);
    vec![std::fs::read(&path).unwrap()]
}

pub fn opened() -> impl FnMut(&[u8]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let runtime = runtime();
    move |input| {
        for name in [FILE, "state.db-wal", "state.db-shm"] {
            let _absent = std::fs::remove_file(folder.path().join(name));
        }
        let path = folder.path().join(FILE);
        std::fs::write(&path, input).unwrap();
        let read = SqliteStore::open(&path).and_then(|store| runtime.block_on(read_all(&store)));
        match read {
            Ok(()) => Ended::Result,
            Err(error) if error.to_string().contains("(JP5") => Ended::Error,
            Err(error) => Ended::Wrong(error.to_string()),
        }
    }
}

async fn read_all(store: &impl StateStore) -> StoreResult<()> {
    for kind in DocKind::ALL {
        store.docs(kind, "", "", 1_000).await?;
        store.doc(kind, "d7").await?;
    }
    store.tasks_count("r").await?;
    store.dead_one("x").await?;
    Ok(())
}
