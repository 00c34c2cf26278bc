//! Diagnostics for people (with the line they are about) and for machines (JSON).

use super::conceal::masked;
use super::{Diagnostic, Severity, codes};
use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use std::ops::Range;

/// With colours or without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// For files and pipes.
    Plain,
    /// For terminals.
    Colour,
}

/// Renders one, with a piece of `source` (the file's text) that is not wider than `width` characters, if that is known.
#[must_use]
pub fn render(diagnostic: &Diagnostic, source: &str, style: Style, width: Option<usize>) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let span = within(source, &diagnostic.span);
    let label = diagnostic.expected.as_ref().map(|expected| format!("expected {expected}"));
    let shown = masked(source, &diagnostic.hidden);
    let mut snippet = Snippet::source(shown.as_ref())
        .path(diagnostic.file.as_str())
        .fold(true)
        .annotation(AnnotationKind::Primary.span(span).label(label.as_deref()));
    if let Some((other, word)) = &diagnostic.related {
        snippet = snippet.annotation(AnnotationKind::Context.span(within(source, other)).label(word.as_str()));
    }
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code);
    let mut group = if diagnostic.code == codes::PLAIN_SECRET || source.is_empty() {
        // The line holds the secret, or there is none.
        title.element(Origin::path(diagnostic.file.as_str()).line(diagnostic.line).char_column(diagnostic.column))
    } else {
        title.element(snippet)
    };
    if !diagnostic.key_path.is_empty() {
        group = group.element(Level::NOTE.with_name(Some("at")).message(diagnostic.key_path.as_str()));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Colour => Renderer::styled(),
    };
    let renderer = match width {
        Some(width) => renderer.term_width(width),
        None => renderer,
    };
    renderer.render(&[group])
}

/// Renders all of them, a blank line between two.
#[must_use]
pub fn render_all(diagnostics: &[Diagnostic], source: &str, style: Style) -> String {
    render_within(diagnostics, source, style, None)
}

/// The same for a terminal of so many columns.
#[must_use]
pub fn render_within(diagnostics: &[Diagnostic], source: &str, style: Style, width: Option<usize>) -> String {
    let each: Vec<String> = diagnostics.iter().map(|diagnostic| render(diagnostic, source, style, width)).collect();
    each.join("\n\n")
}

/// One JSON object, on one line.
#[must_use]
pub fn to_json(diagnostic: &Diagnostic) -> serde_json::Value {
    serde_json::to_value(diagnostic).unwrap_or_default()
}

/// The span, brought inside the text and to borders of characters.
fn within(source: &str, span: &Range<usize>) -> Range<usize> {
    let floor = |at: usize| (0..=at.min(source.len())).rev().find(|at| source.is_char_boundary(*at)).unwrap_or(0);
    let start = floor(span.start);
    start..floor(span.end).max(start)
}
