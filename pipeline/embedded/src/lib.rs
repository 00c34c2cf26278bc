//! The state store and the broker of one machine: one SQLite file, and hints in memory.
//!
//! The lock ([`EngineLock`]) is for the engine's role, not for the file: while one process works, others open the same
//! file with [`SqliteStore::open_reader`] and may leave commands in it. Linux and macOS; elsewhere the CLI refuses.

mod at_rest;
mod broker;
mod codec;
mod docs;
mod fault;
mod heads;
mod job;
mod lock;
mod open;
#[cfg(test)]
mod plans;
mod readers;
mod rows;
mod stats;
mod store;
mod tasks;
mod wal;
mod writer;

pub use broker::LocalBroker;
pub use lock::EngineLock;
pub use open::LOST;
pub use stats::StoreStats;
pub use store::SqliteStore;
