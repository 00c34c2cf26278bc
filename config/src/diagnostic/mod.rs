//! What is wrong with a file, told so that it can be mended: where, what, what instead.

pub mod codes;
mod conceal;
mod lines;
mod nearest;
mod problems;
mod render;

pub use lines::{Lines, Position};
pub use nearest::nearest;
pub(crate) use problems::MOST;
pub use problems::{Problem, Problems};
pub use render::{Style, render, render_all, render_within, to_json};

use serde::Serialize;
use std::ops::Range;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For information; nothing is in the way.
    Note,
    /// It works, but hardly as meant.
    Warning,
    /// It cannot be run.
    Error,
}

/// One thing wrong with one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Stable code, `JP0xx`: see [`codes::TABLE`].
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in lower case.
    pub message: String,
    /// The file, as it was named.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Just after the last character of it.
    pub end: Position,
    /// The key's path: `stages.offers.crawl.rate`; empty for the file as a whole.
    pub key_path: String,
    /// What was expected there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What to write instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The bytes of the file that it is about.
    #[serde(skip)]
    pub span: Range<usize>,
    /// Another place that matters (the first of two equal keys), with a word about it.
    #[serde(skip)]
    pub related: Option<(Range<usize>, String)>,
    /// Bytes of the file that hold secrets: they are shown as asterisks.
    #[serde(skip)]
    pub hidden: Vec<Range<usize>>,
}

impl Diagnostic {
    /// `JP020:3:5`: code, line, column.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{}:{}", self.code, self.line, self.column)
    }
}

/// Whether any of them is an error.
#[must_use]
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
}
