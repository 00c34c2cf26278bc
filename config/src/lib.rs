//! What a user writes: import files and settings, checked, with diagnostics that point at line and column.

pub mod diagnostic;
pub mod grammar;
pub mod spec;
pub mod tree;
