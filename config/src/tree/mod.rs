//! A YAML file as a tree in which every key and value knows its bytes.
//!
//! Built from the events of `granit-parser` (what serde-saphyr stands on): serde's way loses the spans of keys and the
//! notation of scalars, and stops at the first mistake. The traps of YAML are found here, each with its rewrite.

mod build;
mod checks;
mod flaws;
mod locate;
mod quote;
mod repair;
#[cfg(test)]
mod tests;

pub(crate) use flaws::with_space;
pub use quote::{plain_is_safe, quoted};
pub use repair::parse;

use std::ops::Range;

/// The largest file, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// The most values of a file.
pub const MAX_NODES: usize = 50_000;
/// The deepest nesting of a file.
pub const MAX_DEPTH: usize = 32;
/// What to do about a file beyond these.
const SMALLER: &str = "make it several imports; data belongs into files that they read";
/// What is said of a deeper one.
const TOO_DEEP: &str = "values are nested more than 32 levels deep";

/// A value of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its bytes.
    pub span: Range<usize>,
    /// What it is.
    pub kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Text, a number, a truth value: which one, the place decides.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file.
    Map(Vec<Entry>),
    /// Something that was reported already: nothing more is said about it.
    Broken,
}

/// A scalar as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// Its text, escapes resolved, spelling kept.
    pub text: String,
    /// How it is written.
    pub notation: Notation,
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notation {
    /// Without quotes.
    Plain,
    /// In single quotes.
    Single,
    /// In double quotes.
    Double,
    /// A block: `|` or `>`.
    Block,
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The key's bytes.
    pub key_span: Range<usize>,
    /// The value.
    pub value: Node,
}

impl Node {
    /// The entries of a map.
    #[must_use]
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.kind {
            Kind::Map(entries) => Some(entries),
            Kind::Scalar(_) | Kind::List(_) | Kind::Broken => None,
        }
    }

    /// What it is, for messages.
    #[must_use]
    pub fn describe(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar(_) => "a single value",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
            Kind::Broken => "nothing",
        }
    }
}

impl Scalar {
    /// `true` or `false` without quotes.
    #[must_use]
    pub fn truth(&self) -> Option<bool> {
        match (self.notation, self.text.as_str()) {
            (Notation::Plain, "true") => Some(true),
            (Notation::Plain, "false") => Some(false),
            _ => None,
        }
    }

    /// A number without quotes, in the one spelling that JSON would give it; `01234`, `+33`, `1e3` and more than 15
    /// digits are text.
    #[must_use]
    pub fn number(&self) -> Option<serde_json::Number> {
        let digits = self.text.bytes().filter(u8::is_ascii_digit).count();
        if self.notation != Notation::Plain || digits == 0 || digits > 15 {
            return None;
        }
        let number: serde_json::Number = self.text.parse().ok()?;
        (number.to_string() == self.text).then_some(number)
    }
}

impl Node {
    /// The byte of the file at which byte `offset` of this scalar's text stands.
    #[must_use]
    pub fn locate(&self, source: &str, offset: usize) -> usize {
        match &self.kind {
            Kind::Scalar(scalar) => locate::locate(source, &self.span, scalar, offset),
            Kind::List(_) | Kind::Map(_) | Kind::Broken => self.span.start,
        }
    }
}

impl Node {
    /// The path of the innermost key whose line or value holds the byte `at`: `stages.offers.crawl`.
    #[must_use]
    pub fn path_at(&self, at: usize) -> String {
        let mut path = String::new();
        let mut node = self;
        loop {
            let next = match &node.kind {
                Kind::Map(entries) => {
                    let entry = entries.iter().rev().find(|entry| entry.key_span.start <= at);
                    entry.map(|entry| {
                        (if path.is_empty() { entry.key.clone() } else { format!(".{}", entry.key) }, &entry.value)
                    })
                }
                Kind::List(items) => {
                    let found = items.iter().enumerate().rev().find(|(_, item)| item.span.start <= at);
                    found.map(|(number, item)| (format!("[{number}]"), item))
                }
                Kind::Scalar(_) | Kind::Broken => None,
            };
            let Some((step, inner)) = next else { return path };
            path.push_str(&step);
            node = inner;
        }
    }
}
