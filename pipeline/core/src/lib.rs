//! The vocabulary of jobpipe and the ports of its engine.
//!
//! This crate holds no I/O and no policy: types that every other crate shares, and the traits that adapters implement.

pub mod json;
pub mod plan;

pub use plan::{Budget, Feed, GonePolicy, Pace, Plan, RetryPolicy, StageKind, StagePlan};
