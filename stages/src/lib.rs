//! Stages: what a crawl, a transform and a file export do with their input. They see records, never the store.

pub mod crawl;
pub mod export;
pub mod registry;
pub mod run_value;
pub mod transform;

mod depth;
mod failure;
mod field;
mod run_vars;
