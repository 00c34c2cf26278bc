//! Stages: what a crawl, a transform and a file export do with their input. They see records, never the store.

pub mod export;
pub mod registry;
pub mod run_value;
