//! Crawls against real servers on loopback: the whole of a crawl, as the engine would drive it.

#![expect(clippy::unwrap_used, reason = "what serves a test may fail it")]

mod apis;
mod career;
mod drive;
mod failures;
mod files;
mod hostile;
mod pages;
mod records;
