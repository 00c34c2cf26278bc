//! Tells the four looks of a value apart, and cuts text at its `$`.

use crate::{ExprError, Scope, error::code};

/// What a string is, by its look alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form<'a> {
    /// jq over the record; without the `=`.
    Expr(&'a str),
    /// Text with `$name`, `${jq}` or `$$`.
    Text,
    /// Text with `$NAME`, `${NAME:-default}` or `${file:PATH}`.
    Setting,
    /// Itself.
    Literal,
}

/// Tells what `text` is: see the table of the import language, section 1.
pub fn classify(text: &str) -> Form<'_> {
    if let Some(source) = text.strip_prefix('=') {
        return Form::Expr(source);
    }
    if let Some(rest) = text.strip_prefix('.') {
        let next = rest.chars().next();
        if next.is_none_or(|c| c.is_whitespace() || c.is_ascii_alphabetic() || matches!(c, '_' | '"' | '[')) {
            return Form::Expr(text);
        }
    }
    let mut form = Form::Literal;
    for mark in Marks::new(text) {
        match mark.kind {
            MarkKind::Env | MarkKind::EnvBraced | MarkKind::File => return Form::Setting,
            MarkKind::Name | MarkKind::Jq | MarkKind::Dollar | MarkKind::Unclosed | MarkKind::Mixed => {
                form = Form::Text;
            }
        }
    }
    form
}

/// What a `$` in text begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MarkKind {
    /// `$name`
    Name,
    /// `$NAME`
    Env,
    /// `$Name`, `$nameX`: neither.
    Mixed,
    /// `${NAME}`, `${NAME:-default}`
    EnvBraced,
    /// `${file:PATH}`
    File,
    /// `${jq}`
    Jq,
    /// `$$`
    Dollar,
    /// `${` without its `}`
    Unclosed,
}

/// A `$` that means something, with the bytes it covers and, inside them, its name or its jq.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark<'a> {
    pub(crate) kind: MarkKind,
    /// Byte offset of the `$`.
    pub(crate) start: usize,
    /// Byte offset after it.
    pub(crate) end: usize,
    /// The name, the jq, or what stands between the braces.
    pub(crate) inner: &'a str,
}

/// Every meaningful `$` of a text, from left to right. A lone `$` (before a digit, a space, punctuation or the end)
/// is a dollar and is passed over.
pub(crate) struct Marks<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Marks<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Marks { text, at: 0 }
    }

    fn mark_at(&self, start: usize) -> Option<Mark<'a>> {
        let rest = self.text.get(start + 1..)?;
        let first = rest.chars().next()?;
        let mark = |kind, len: usize, inner| Some(Mark { kind, start, end: start + 1 + len, inner });
        match first {
            '$' => mark(MarkKind::Dollar, 1, ""),
            '{' => match closing_brace(rest) {
                None => mark(MarkKind::Unclosed, rest.len(), ""),
                Some(close) => {
                    let inner = rest.get(1..close).unwrap_or_default();
                    mark(braced_kind(inner), close + 1, inner)
                }
            },
            c if c.is_ascii_alphabetic() || c == '_' => {
                let name = identifier(rest);
                mark(name_kind(name), name.len(), name)
            }
            _ => None,
        }
    }
}

impl<'a> Iterator for Marks<'a> {
    type Item = Mark<'a>;

    fn next(&mut self) -> Option<Mark<'a>> {
        loop {
            let start = self.at + self.text.get(self.at..)?.find('$')?;
            match self.mark_at(start) {
                Some(mark) => {
                    self.at = mark.end;
                    return Some(mark);
                }
                None => self.at = start + 1,
            }
        }
    }
}

/// The longest `[A-Za-z0-9_]*` at the start of `text`.
pub(crate) fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

fn name_kind(name: &str) -> MarkKind {
    let lower = name.chars().any(|c| c.is_ascii_lowercase());
    let upper = name.chars().any(|c| c.is_ascii_uppercase());
    match (lower, upper) {
        (true, true) => MarkKind::Mixed,
        (false, true) => MarkKind::Env,
        (_, false) => MarkKind::Name,
    }
}

fn braced_kind(inner: &str) -> MarkKind {
    if inner.starts_with("file:") {
        return MarkKind::File;
    }
    let name = identifier(inner);
    let rest = inner.get(name.len()..).unwrap_or_default();
    let starts_well = name.starts_with(|c: char| c.is_ascii_uppercase());
    if starts_well && name_kind(name) == MarkKind::Env && (rest.is_empty() || rest.starts_with(":-")) {
        return MarkKind::EnvBraced;
    }
    MarkKind::Jq
}

/// Where the brace that opens `text` closes: brackets and jq strings (with their `\( )`) are skipped.
fn closing_brace(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut open: Vec<u8> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if open.last() == Some(&b'"') {
            match (byte, bytes.get(at + 1)) {
                (b'\\', Some(b'(')) => {
                    open.push(b')');
                    at += 1;
                }
                (b'\\', _) => at += 1,
                (b'"', _) => {
                    open.pop();
                }
                _ => {}
            }
        } else {
            match byte {
                b'"' => open.push(b'"'),
                b'{' => open.push(b'}'),
                b'(' => open.push(b')'),
                b'[' => open.push(b']'),
                b'}' | b')' | b']' => {
                    let expected = open.pop();
                    if open.is_empty() || (byte == b'}' && expected != Some(b'}')) {
                        return Some(at);
                    }
                }
                _ => {}
            }
        }
        at += 1;
    }
    None
}

/// One part of text with values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Text that stands as it is.
    Plain(String),
    /// `$name` or `$run.date`: the name, its member, whether it is a variable.
    Name { name: &'a str, member: Option<&'a str>, variable: bool },
    /// `${jq}`: the jq and its byte offset in the text.
    Jq { source: &'a str, offset: usize },
    /// `$NAME`, `${NAME:-default}`
    Env { name: &'a str, default: Option<&'a str> },
    /// `${file:PATH}`
    File { path: &'a str },
}

/// A piece and the bytes it came from.
pub(crate) type Placed<'a> = (Piece<'a>, std::ops::Range<usize>);

/// Cuts `text` into its pieces; neighbouring plain pieces are one.
pub(crate) fn cut<'a>(text: &'a str, scope: &Scope) -> Result<Vec<Placed<'a>>, ExprError> {
    let mut pieces: Vec<Placed<'a>> = Vec::new();
    let mut done = 0;
    let mut marks = Marks::new(text);
    while let Some(mark) = marks.next() {
        plain(&mut pieces, text.get(done..mark.start).unwrap_or_default(), done);
        let mut end = mark.end;
        match mark.kind {
            MarkKind::Dollar => plain(&mut pieces, "$", mark.start),
            MarkKind::Name => {
                let rest = text.get(mark.end..).unwrap_or_default();
                let variable = scope.has(mark.inner);
                let member = if variable { member(mark.inner, rest, scope) } else { None };
                end += member.map_or(0, |m| m.len() + 1);
                pieces.push((Piece::Name { name: mark.inner, member, variable }, mark.start..end));
            }
            MarkKind::Env => pieces.push((Piece::Env { name: mark.inner, default: None }, mark.start..end)),
            MarkKind::EnvBraced => {
                let (name, default) = match mark.inner.split_once(":-") {
                    Some((name, default)) => (name, Some(default)),
                    None => (mark.inner, None),
                };
                pieces.push((Piece::Env { name, default }, mark.start..end));
            }
            MarkKind::File => {
                let path = mark.inner.strip_prefix("file:").unwrap_or_default();
                pieces.push((Piece::File { path }, mark.start..end));
            }
            MarkKind::Jq => pieces.push((Piece::Jq { source: mark.inner, offset: mark.start + 2 }, mark.start..end)),
            MarkKind::Mixed => return Err(mixed_name(&mark)),
            MarkKind::Unclosed => {
                return Err(ExprError::new(code::PLACEHOLDER, mark.start, 2, "`${` has no closing `}`")
                    .help("close it, or write `$${` for the text `${`"));
            }
        }
        marks.at = end;
        done = end;
    }
    plain(&mut pieces, text.get(done..).unwrap_or_default(), done);
    Ok(pieces)
}

fn plain(pieces: &mut Vec<Placed<'_>>, text: &str, start: usize) {
    if text.is_empty() {
        return;
    }
    if let Some((Piece::Plain(before), range)) = pieces.last_mut() {
        before.push_str(text);
        range.end = start + text.len();
        return;
    }
    pieces.push((Piece::Plain(text.to_string()), start..start + text.len()));
}

/// The member that follows `$variable`, when it is a known one.
fn member<'a>(variable: &str, rest: &'a str, scope: &Scope) -> Option<&'a str> {
    let name = identifier(rest.strip_prefix('.')?);
    scope.members(variable).any(|known| known == name).then_some(name)
}

fn mixed_name(mark: &Mark<'_>) -> ExprError {
    let name = mark.inner;
    let len = mark.end - mark.start;
    ExprError::new(code::PLACEHOLDER, mark.start, len, format!("`${name}` mixes capitals and small letters"))
        .help(format!("write ${{.{name}}} for the field, or `$${name}` for the text"))
}
