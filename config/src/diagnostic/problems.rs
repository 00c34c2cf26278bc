//! Collects what is wrong while a file is read to its end.

use super::conceal::conceal;
use super::{Diagnostic, Lines, Severity};
use std::ops::Range;

/// At most so many are kept of one file: a file that is not an import at all would give thousands.
pub(crate) const MOST: usize = 200;

/// The most characters of a message or help: what a file holds is repeated in them.
const LONGEST: usize = 600;

/// `text`, cut when it is too long.
fn bounded(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// One problem as it is found, before it is placed in its file.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Code, `JP0xx`.
    pub code: &'static str,
    /// How bad.
    pub severity: Severity,
    /// The bytes it is about.
    pub span: Range<usize>,
    /// The key's path.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What was expected.
    pub expected: Option<String>,
    /// What to write instead.
    pub help: Option<String>,
    /// Another place that matters.
    pub related: Option<(Range<usize>, String)>,
}

impl Problem {
    /// An error at `span`.
    #[must_use]
    pub fn new(code: &'static str, span: Range<usize>, path: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            span,
            path: path.to_owned(),
            message: message.into(),
            expected: None,
            help: None,
            related: None,
        }
    }

    /// Adds what to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds what was expected.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// Another severity.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Adds another place that matters.
    #[must_use]
    pub fn related(mut self, span: Range<usize>, word: impl Into<String>) -> Self {
        self.related = Some((span, word.into()));
        self
    }
}

/// The problems of one file.
#[derive(Debug)]
pub struct Problems<'s> {
    source: &'s str,
    file: String,
    lines: Lines<'s>,
    found: Vec<Diagnostic>,
    hidden: Vec<Range<usize>>,
}

impl<'s> Problems<'s> {
    /// None yet.
    #[must_use]
    pub fn new(source: &'s str, file: &str) -> Self {
        Self { source, file: file.to_owned(), lines: Lines::new(source), found: Vec::new(), hidden: Vec::new() }
    }

    /// The text of the file.
    #[must_use]
    pub fn source(&self) -> &'s str {
        self.source
    }

    /// The lines of the file.
    #[must_use]
    pub fn lines(&self) -> &Lines<'s> {
        &self.lines
    }

    /// Adds one. The same code at the same place is told once.
    pub fn add(&mut self, problem: Problem) {
        if self.is_full() {
            return;
        }
        let start = self.lines.position(problem.span.start);
        let known = |old: &Diagnostic| old.code == problem.code && (old.line, old.column) == (start.line, start.column);
        if self.found.iter().any(known) {
            return;
        }
        self.found.push(Diagnostic {
            code: problem.code,
            severity: problem.severity,
            message: bounded(problem.message),
            file: self.file.clone(),
            line: start.line,
            column: start.column,
            end: self.lines.position(problem.span.end.max(problem.span.start)),
            key_path: problem.path,
            expected: problem.expected,
            help: problem.help.map(bounded),
            span: problem.span,
            related: problem.related,
            hidden: Vec::new(),
        });
    }

    /// Whether no more is kept: what is found from now on need not be put into words.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.found.len() >= MOST
    }

    /// Gives each problem without a path the one that `path` tells for its first byte.
    pub fn fill_paths(&mut self, path: impl Fn(usize) -> String) {
        for found in self.found.iter_mut().filter(|found| found.key_path.is_empty()) {
            found.key_path = path(found.span.start);
        }
    }

    /// Nothing that is told shows the text at these bytes.
    pub fn hide(&mut self, ranges: Vec<Range<usize>>) {
        self.hidden.extend(ranges);
    }

    /// The bytes of what was told with this code.
    pub fn spans<'p>(&'p self, code: &'p str) -> impl Iterator<Item = &'p Range<usize>> {
        self.found.iter().filter(move |found| found.code == code).map(|found| &found.span)
    }

    /// Whether an error was found.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        super::has_errors(&self.found)
    }

    /// All of them, in the order of the file.
    #[must_use]
    pub fn finish(mut self) -> Vec<Diagnostic> {
        self.found.iter_mut().for_each(|found| conceal(found, self.source, &self.hidden));
        self.found.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column, diagnostic.code));
        self.found
    }
}
