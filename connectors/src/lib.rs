//! Connectors: how jobpipe speaks to the outside. Each knows one protocol or format and nothing of stages or runs.

pub mod facebook;
pub mod file;
pub mod formats;
pub mod http;
