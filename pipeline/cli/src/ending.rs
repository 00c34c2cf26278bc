//! The end of the process, in order: connections to stores go before the runtime that they live on.

use jobpipe_mongo::MongoStore;
use std::sync::{Arc, Mutex, PoisonError};

/// Stores on servers that this process has opened, whatever verb it was for.
static STORES: Mutex<Vec<Arc<MongoStore>>> = Mutex::new(Vec::new());

/// Closes `store` when the process ends.
pub(crate) fn keep(store: MongoStore) -> Arc<MongoStore> {
    let store = Arc::new(store);
    STORES.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&store));
    store
}

/// Nothing asks a store any more.
pub(crate) async fn close() {
    let stores = std::mem::take(&mut *STORES.lock().unwrap_or_else(PoisonError::into_inner));
    for store in stores {
        store.close().await;
    }
}
