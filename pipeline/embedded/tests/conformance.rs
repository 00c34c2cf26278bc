//! The suites of the ports on this adapter.

#![expect(clippy::unwrap_used, reason = "a test")]

use jobpipe_core::{Broker, StateStore};
use jobpipe_embedded::{LocalBroker, SqliteStore};
use std::sync::Arc;
use tempfile::TempDir;

async fn store() -> (Arc<dyn StateStore>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("state.db")).unwrap();
    (Arc::new(store), folder)
}

async fn broker() -> (Arc<dyn Broker>, ()) {
    (Arc::new(LocalBroker::new()), ())
}

mod on_store {
    use super::store;
    jobpipe_conformance::store_suite!(store);
}

mod on_broker {
    use super::broker;
    jobpipe_conformance::broker_suite!(broker);
}
