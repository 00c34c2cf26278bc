//! What every adapter of the store and of the broker must do, as test suites; and adapters in memory that do it.
//!
//! [`store_suite!`] and [`broker_suite!`] make one test of each case, so that each shows by its name. A new behaviour of
//! a port goes into the suite first. [`MemoryStore`] and [`MemoryBroker`] are deterministic, need no thread and no time,
//! and so can stand behind a simulation.

mod broker;
mod memory;
#[expect(clippy::unwrap_used, reason = "these are the bodies of tests")]
pub mod suite;

pub use broker::MemoryBroker;
pub use memory::MemoryStore;
