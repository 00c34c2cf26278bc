//! The suite of the store on this adapter.

#![expect(clippy::unwrap_used, reason = "a test")]

mod server;

use jobpipe_core::StateStore;
use jobpipe_mongo::{MongoSettings, connect};
use server::Database;
use std::sync::Arc;

async fn store() -> (Arc<dyn StateStore>, Database) {
    let database = Database::new();
    let store = connect(&database.url, &MongoSettings::default()).await.unwrap();
    (Arc::new(store), database)
}

jobpipe_conformance::store_suite!(store);
