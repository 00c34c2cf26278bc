//! Crawls: from URLs and files to records and to further requests.
//!
//! `gather` does all the asking, each URL with an outcome of its own; `compute` is pure and only reads what came.

mod ask;
mod budget;
mod definition;
mod gather;
mod harvest;
mod html;
mod json;
mod location;
mod path;
mod since;
mod stage;
mod tools;
mod trust;

pub use stage::CrawlStage;
pub use tools::CrawlTools;
