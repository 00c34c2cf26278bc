//! What a user writes: import files and settings, checked, with diagnostics that point at line and column.

mod compile;
mod explain;
mod reader;
mod schema;

pub mod diagnostic;
pub mod grammar;
pub mod reference;
pub mod settings;
pub mod spec;
pub mod tree;

pub use compile::{Checked, check};
pub use explain::to_long_form;
pub use schema::{import_schema, settings_schema};
