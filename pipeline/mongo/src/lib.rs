//! The state store on a server that speaks MongoDB's protocol.
//!
//! Every write is an insert if absent or a compare-and-set on one document, acknowledged by a majority and its journal;
//! every read is of what a majority has, on the primary. Nothing needs a transaction, a change stream or a partial index,
//! so a standalone server does, and so do servers that only speak the protocol. What a write did is told by its answer;
//! where the answer cannot tell (a bulk that applied in part, an answer that was lost), the random numbers that writes
//! carry are read back. What tasks that are worked on at the same time ask for shares requests.

mod batches;
mod bulk;
mod call;
mod codec;
mod connect;
mod dead;
mod docs;
mod fault;
mod group;
mod heads;
mod key;
mod lanes;
#[cfg(test)]
mod plans;
mod read;
mod rows;
mod schema;
mod seen;
#[cfg(test)]
#[path = "../tests/server/mod.rs"]
mod server;
mod stats;
mod tasks;

pub use connect::{MongoSettings, MongoStore, connect};
pub use stats::MongoStats;
