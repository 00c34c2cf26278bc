//! From the parser's events to a tree; what cannot be in an import is noted on the way.

use super::{Entry, Kind, MAX_DEPTH, MAX_NODES, Node, Notation, Scalar};
use crate::diagnostic::{MOST, Problem, codes};
use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StructureStyle};
use std::collections::HashMap;
use std::ops::Range;

/// What one reading of a text gave.
#[derive(Debug, Default)]
pub(super) struct Built {
    /// The tree, when the text was read to its end.
    pub(super) root: Option<Node>,
    /// What is wrong in it.
    pub(super) problems: Vec<Problem>,
    /// The bytes of each comment, `#` included.
    pub(super) comments: Vec<Range<usize>>,
    /// The bytes of each scalar.
    pub(super) scalars: Vec<Range<usize>>,
    /// Where the reading stopped.
    pub(super) stopped: Option<Stopped>,
}

/// Where and why the reading stopped.
#[derive(Debug)]
pub(super) struct Stopped {
    /// The byte.
    pub(super) at: usize,
    /// The parser's reason; `None` = a budget.
    pub(super) error: Option<ScanError>,
    /// Whether a flow collection (`{`, `[`) is open there, and where the outermost one begins.
    pub(super) flow: Option<usize>,
    /// Where the last scalar before it begins.
    pub(super) last_scalar: usize,
}

/// A collection that is being read.
struct Open {
    start: usize,
    flow: bool,
    /// `Some` in a map.
    keys: Option<HashMap<String, Range<usize>>>,
    /// The key whose value comes next.
    pending: Option<Pending>,
    entries: Vec<Entry>,
    items: Vec<Node>,
}

/// A key that waits for its value.
struct Pending {
    key: String,
    span: Range<usize>,
    /// False for a doubled or merged key: it was reported, and the first one counts.
    counts: bool,
}

/// Reads `text`. Scalars that begin at one of `broken` become [`Kind::Broken`].
pub(super) fn build(text: &str, broken: &[usize]) -> Built {
    let mut builder = Builder { out: Built::default(), stack: Vec::new(), broken, nodes: 0, last: 0, documents: 0 };
    let options = granit_parser::options! {
        emit_unresolved_aliases: true,
        emit_anchor_events: true,
        emit_comments: true,
        disallow_directives: true,
        // Above our own limit, which is told with its own words.
        flow_nesting_limit: 2 * MAX_DEPTH,
        block_nesting_limit: 2 * MAX_DEPTH,
        max_buffered_comment_events: 4_096,
    };
    for event in Parser::new_from_str_with_options(text, options) {
        let stopped = match event {
            Ok((event, span)) => builder.take(event, &span),
            Err(error) => {
                let at = error.marker().byte_offset().unwrap_or(builder.last);
                Some(builder.stopped(at, Some(error)))
            }
        };
        if let Some(stopped) = stopped {
            builder.out.stopped = Some(stopped);
            builder.out.root = None;
            break;
        }
    }
    builder.out
}

struct Builder<'b> {
    out: Built,
    stack: Vec<Open>,
    broken: &'b [usize],
    nodes: usize,
    last: usize,
    documents: usize,
}

impl Builder<'_> {
    /// Takes one event; `Some` = the reading ends here.
    fn take(&mut self, event: Event<'_>, span: &Span) -> Option<Stopped> {
        let bytes = span.byte_range().unwrap_or(self.last..self.last);
        match event {
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents == 2 {
                    let message = "a second document begins here, and a file is one document";
                    let problem = Problem::new(codes::SHAPE, bytes.clone(), "", message);
                    self.problem(problem.help("put it into a file of its own"));
                    return Some(self.stopped(bytes.start, None));
                }
            }
            Event::Comment(..) => self.out.comments.push(bytes),
            Event::Anchor(_, name) => self.anchor(bytes, &format!("`&{name}` is a YAML anchor")),
            Event::UnresolvedAlias(name) => {
                self.anchor(bytes.clone(), &format!("`*{name}` is a YAML alias"));
                return self.push(Node { span: bytes, kind: Kind::Broken });
            }
            Event::Alias(_) => {
                self.anchor(bytes.clone(), "a YAML alias repeats a value from elsewhere");
                return self.push(Node { span: bytes, kind: Kind::Broken });
            }
            Event::Scalar(text, style, _, tag) => {
                self.tag(tag.is_some(), span, &bytes);
                self.out.scalars.push(bytes.clone());
                self.last = bytes.start;
                return self.scalar(text.into_owned(), style, bytes);
            }
            Event::SequenceStart(style, _, tag) => {
                self.tag(tag.is_some(), span, &bytes);
                return self.open(bytes.start, style == StructureStyle::Flow, false);
            }
            Event::MappingStart(style, _, tag) => {
                self.tag(tag.is_some(), span, &bytes);
                return self.open(bytes.start, style == StructureStyle::Flow, true);
            }
            Event::SequenceEnd | Event::MappingEnd => return self.close(bytes.end),
            // What else the parser may tell some day is no node.
            _ => {}
        }
        None
    }

    /// Notes a problem; a file that is full of them needs no more than are told.
    fn problem(&mut self, problem: Problem) {
        if self.out.problems.len() < MOST {
            self.out.problems.push(problem);
        }
    }

    fn stopped(&self, at: usize, error: Option<ScanError>) -> Stopped {
        let flow = self.stack.iter().find(|open| open.flow).map(|open| open.start);
        Stopped { at, error, flow, last_scalar: self.last }
    }

    fn too_large(&mut self, at: usize, what: &str) -> Stopped {
        self.out.problems.push(Problem::new(codes::TOO_LARGE, at..at, "", what.to_owned()).help(super::SMALLER));
        self.stopped(at, None)
    }

    fn anchor(&mut self, span: Range<usize>, message: &str) {
        let problem = Problem::new(codes::ANCHOR, span, "", format!("{message}, and imports have none"))
            .help("write the value out; text that begins with `*` or `&` goes in quotes");
        self.problem(problem);
    }

    fn tag(&mut self, tagged: bool, span: &Span, bytes: &Range<usize>) {
        if tagged {
            let at = span.tag_span().and_then(|tag| tag.byte_range()).unwrap_or_else(|| bytes.clone());
            let problem = Problem::new(codes::TAG, at, "", "a YAML tag, and imports have none")
                .help("remove it; text that begins with `!` goes in quotes");
            self.problem(problem);
        }
    }

    fn scalar(&mut self, text: String, style: ScalarStyle, span: Range<usize>) -> Option<Stopped> {
        let is_key = self.stack.last().is_some_and(|open| open.keys.is_some() && open.pending.is_none());
        if is_key {
            self.key(text, span);
            return None;
        }
        let notation = match style {
            ScalarStyle::SingleQuoted => Notation::Single,
            ScalarStyle::DoubleQuoted => Notation::Double,
            ScalarStyle::Literal | ScalarStyle::Folded => Notation::Block,
            ScalarStyle::Plain => Notation::Plain,
        };
        let kind =
            if self.broken.contains(&span.start) { Kind::Broken } else { Kind::Scalar(Scalar { text, notation }) };
        self.push(Node { span, kind })
    }

    fn key(&mut self, text: String, span: Range<usize>) {
        let Some(open) = self.stack.last_mut() else { return };
        let first = open.keys.as_ref().and_then(|keys| keys.get(&text)).cloned();
        let counts = first.is_none() && text != "<<";
        match first {
            Some(first) => {
                let problem = Problem::new(codes::DUPLICATE, span.clone(), "", format!("`{text}` is here twice"))
                    .help("remove one of the two")
                    .related(first, "the first one");
                self.out.problems.push(problem);
            }
            None if text == "<<" => {
                let problem =
                    Problem::new(codes::MERGE, span.clone(), "", "`<<` is a YAML merge key, and imports have none")
                        .help("write the keys out");
                self.out.problems.push(problem);
            }
            None => {
                if let Some(keys) = &mut open.keys {
                    keys.insert(text.clone(), span.clone());
                }
            }
        }
        open.pending = Some(Pending { key: text, span, counts });
    }

    fn open(&mut self, start: usize, flow: bool, map: bool) -> Option<Stopped> {
        if self.stack.len() >= MAX_DEPTH {
            return Some(self.too_large(start, super::TOO_DEEP));
        }
        let keyless = self.stack.last().is_some_and(|open| open.keys.is_some() && open.pending.is_none());
        if keyless {
            let problem = Problem::new(codes::SHAPE, start..start + 1, "", "a key must be text, not a list or map")
                .help("text that begins with `[` or `{` goes in quotes; jq gets a `=` before it");
            self.problem(problem);
            return Some(self.stopped(start, None));
        }
        let keys = map.then(HashMap::new);
        self.stack.push(Open { start, flow, keys, pending: None, entries: Vec::new(), items: Vec::new() });
        None
    }

    fn close(&mut self, end: usize) -> Option<Stopped> {
        let open = self.stack.pop()?;
        let map = open.keys.is_some();
        let inside = if map {
            open.entries.last().map(|entry| entry.value.span.end.max(entry.key_span.end))
        } else {
            open.items.last().map(|item| item.span.end)
        };
        // A block ends, for the parser, where the next token begins; for people it ends with its last value.
        let end = if open.flow { end } else { inside.unwrap_or(end) };
        let kind = if map { Kind::Map(open.entries) } else { Kind::List(open.items) };
        self.push(Node { span: open.start..end.max(open.start), kind })
    }

    fn push(&mut self, node: Node) -> Option<Stopped> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Some(self.too_large(node.span.start, "the file holds more than 50,000 values"));
        }
        match self.stack.last_mut() {
            None => self.out.root = Some(node),
            Some(open) if open.keys.is_none() => open.items.push(node),
            Some(open) => {
                if let Some(Pending { key, span, counts: true }) = open.pending.take() {
                    open.entries.push(Entry { key, key_span: span, value: node });
                }
            }
        }
        None
    }
}
