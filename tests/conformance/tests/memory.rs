//! The suites on the adapters in memory, and a check that no case is left out.

use jobpipe_conformance::{MemoryBroker, MemoryStore};
use jobpipe_core::{Broker, StateStore};
use std::sync::Arc;

async fn store() -> (Arc<dyn StateStore>, ()) {
    (Arc::new(MemoryStore::new()), ())
}

async fn broker() -> (Arc<dyn Broker>, ()) {
    (Arc::new(MemoryBroker::new()), ())
}

mod on_store {
    use super::store;
    jobpipe_conformance::store_suite!(store);
}

mod on_broker {
    use super::broker;
    jobpipe_conformance::broker_suite!(broker);
}

/// A case that is written and not named in the macros would never run.
#[test]
fn every_case_is_named() {
    let macros = include_str!("../src/suite.rs");
    let parts = [
        include_str!("../src/suite/broker.rs"),
        include_str!("../src/suite/claims.rs"),
        include_str!("../src/suite/dead.rs"),
        include_str!("../src/suite/docs.rs"),
        include_str!("../src/suite/head_pages.rs"),
        include_str!("../src/suite/heads.rs"),
        include_str!("../src/suite/rows.rs"),
        include_str!("../src/suite/seen.rs"),
        include_str!("../src/suite/task_pages.rs"),
        include_str!("../src/suite/tasks.rs"),
        include_str!("../src/suite/values.rs"),
    ];
    let mut cases = 0;
    for name in parts.iter().flat_map(|part| part.split("pub async fn ").skip(1)) {
        let name = name.split('(').next().unwrap();
        let named = macros.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        assert!(named.into_iter().any(|word| word == name), "{name} is in no suite");
        cases += 1;
    }
    assert!(cases >= 70, "{cases} cases");
}
