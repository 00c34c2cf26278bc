//! `extract:`: one line a field.

use super::selector;
use crate::diagnostic::{Problem, codes};
use crate::reader::{At, Cx, Fields};
use crate::spec::{ExtractSpec, Ordered, SourceKind};
use crate::tree::{Kind, Node};
use jobpipe_expr::Place;
use std::ops::Range;

/// Variables that have a value where records are found.
pub(super) const FIND_VARS: &[&str] = &["since"];

/// Reads the fields of a record.
pub(super) fn read(cx: &mut Cx<'_>, at: At<'_>, kind: SourceKind) -> Ordered<ExtractSpec> {
    let expected = match kind {
        SourceKind::Html => "fields by name: `{ title: h1, city: dd.location }`",
        SourceKind::Json => "fields by name: `{ title: .title, city: .location.city }`",
    };
    let mut out = Ordered::new();
    let Some(fields) = Fields::open(cx, at, expected) else { return out };
    for (name, at) in fields.all() {
        if let Some(spec) = field(cx, at, kind) {
            out.insert(name.to_owned(), spec);
        }
    }
    out
}

fn field(cx: &mut Cx<'_>, at: At<'_>, kind: SourceKind) -> Option<ExtractSpec> {
    match (&at.node.kind, kind) {
        (Kind::Map(_), _) => {
            let fields = read(cx, at, kind);
            Some(ExtractSpec { fields, ..ExtractSpec::default() })
        }
        (_, SourceKind::Json) => {
            let text = cx.value_text(&at, "jq such as `.title`")?;
            if is_bare_path(text) {
                let message = format!("`{text}` is a function of jq here, not a field");
                let problem = Problem::new(codes::WORD, at.node.span.clone(), &at.path, message);
                cx.add(problem.expected("jq over the item").help(format!("write `.{text}` for the field")));
                return None;
            }
            cx.value(&at, Place::Expression, FIND_VARS)?;
            let jq = text.strip_prefix('=').unwrap_or(text).trim().to_owned();
            Some(ExtractSpec { jq: Some(jq), ..ExtractSpec::default() })
        }
        (Kind::List(items), SourceKind::Html) => match items.as_slice() {
            // `[li.tag]` is a list for YAML, and means all matches.
            [item @ Node { kind: Kind::Scalar(_), .. }] => {
                let inner = At { node: item, path: at.path.clone(), key_span: at.key_span.clone() };
                let text = cx.text(&inner, "a CSS selector")?;
                let good = selector::check(cx, &inner, text, 0..text.len());
                good.then(|| ExtractSpec { selector: Some(text.to_owned()), all: true, ..ExtractSpec::default() })
            }
            _ => {
                let problem =
                    Problem::new(codes::TYPE, at.node.span.clone(), &at.path, "a list where a selector is needed");
                cx.add(problem.expected("`selector @attribute | jq`; `[selector]` for all matches"));
                None
            }
        },
        (Kind::Scalar(_) | Kind::Broken, SourceKind::Html) => line(cx, &at),
    }
}

/// `title`: a word that jq would take for a function, though nobody calls one on a whole record.
fn is_bare_path(text: &str) -> bool {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
    plain && !text.starts_with(['.', '=']) && jobpipe_expr::Expr::compile(text).is_err()
}

fn line(cx: &mut Cx<'_>, at: &At<'_>) -> Option<ExtractSpec> {
    let text = cx.text(at, "`selector @attribute | jq`")?;
    let parts = split(text);
    let part = |range: &Range<usize>| text.get(range.clone()).unwrap_or_default();
    let selector = part(&parts.selector);
    let source = cx.source();
    if selector.is_empty() {
        let help = if part(&parts.attribute).is_empty() {
            "write `. | jq` for the text of the item itself"
        } else {
            "write `. @name` for an attribute of the item itself"
        };
        let problem = Problem::new(codes::SELECTOR, at.node.span.clone(), &at.path, "no selector before it");
        cx.add(problem.help(help));
        return None;
    }
    let mut good = selector == "." || selector::check(cx, at, selector, parts.selector.clone());
    let attribute = part(&parts.attribute);
    let named = attribute.chars().all(|c| c.is_ascii_alphanumeric() || "-_:.".contains(c));
    if !named {
        let span = at.node.locate(source, parts.attribute.start)..at.node.locate(source, parts.attribute.end);
        let problem =
            Problem::new(codes::SELECTOR, span, &at.path, format!("`{attribute}` cannot be the name of an attribute"));
        cx.add(problem.help("the order is `selector @attribute | jq`"));
        good = false;
    }
    let jq = part(&parts.jq);
    if parts.has_jq && cx.jq(at, jq, parts.jq.start, FIND_VARS).is_none() {
        good = false;
    }
    good.then(|| ExtractSpec {
        selector: Some(selector.to_owned()),
        attribute: (!attribute.is_empty()).then(|| attribute.to_owned()),
        all: parts.all,
        jq: parts.has_jq.then(|| jq.to_owned()),
        fields: Ordered::new(),
    })
}

/// The parts of a line, as bytes of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) selector: Range<usize>,
    /// Whether the selector stood in brackets.
    pub(super) all: bool,
    /// Empty when there is none.
    pub(super) attribute: Range<usize>,
    pub(super) jq: Range<usize>,
    pub(super) has_jq: bool,
}

/// Splits `[selector] @attribute | jq` at ` | ` and ` @name` outside of brackets and quotes.
pub(super) fn split(text: &str) -> Parts {
    let mut depth = 0_usize;
    let mut quote: Option<char> = None;
    let mut attribute = None;
    let mut pipe = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(mark), c) if c == mark => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '(') => depth += 1,
            (None, ']' | ')') => depth = depth.saturating_sub(1),
            (None, '@') if depth == 0 && attribute.is_none() && starts_word(text, at) => attribute = Some(at),
            (None, '|') if depth == 0 && is_pipe(text, at) => {
                pipe = Some(at);
                break;
            }
            _ => {}
        }
    }
    let head = pipe.unwrap_or(text.len());
    let attribute = attribute.map(|at| trimmed(text, at + 1..head));
    let before = attribute.as_ref().map_or(head, |range| range.start.saturating_sub(1));
    let selector = trimmed(text, 0..before);
    let (selector, all) = all_matches(text, selector);
    let jq = pipe.map_or(text.len()..text.len(), |at| trimmed(text, at + 1..text.len()));
    Parts { selector, all, attribute: attribute.unwrap_or(head..head), jq, has_jq: pipe.is_some() }
}

/// `[li.tag]` as a whole, unless what is in it is no selector (`[rel=canonical]` is CSS).
fn all_matches(text: &str, range: Range<usize>) -> (Range<usize>, bool) {
    let whole = text.get(range.clone()).unwrap_or_default();
    let inner = whole.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match inner {
        Some(inner) if scraper::Selector::parse(inner).is_ok() => (trimmed(text, range.start + 1..range.end - 1), true),
        _ => (range, false),
    }
}

fn starts_word(text: &str, at: usize) -> bool {
    text.get(..at).is_some_and(|before| before.is_empty() || before.ends_with(' '))
}

fn is_pipe(text: &str, at: usize) -> bool {
    let blank = |c: char| c == ' ' || c == '\n';
    let before = text.get(..at).is_some_and(|before| before.is_empty() || before.ends_with(blank));
    let after = text.get(at + 1..).is_some_and(|after| after.is_empty() || after.starts_with(blank));
    before && after
}

fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let part = text.get(range.clone()).unwrap_or_default();
    let start = range.start + part.len() - part.trim_start().len();
    start..start + part.trim().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_outside_of_brackets_and_quotes() {
        for (text, selector, all, attribute, jq) in [
            ("h1", "h1", false, "", None),
            ("a @href", "a", false, "href", None),
            (". @href", ".", false, "href", None),
            ("link[rel=canonical] @href", "link[rel=canonical]", false, "href", None),
            ("dd.salary span | number", "dd.salary span", false, "", Some("number")),
            ("div @html | html_to_text | trim", "div", false, "html", Some("html_to_text | trim")),
            ("[li.tag]", "li.tag", true, "", None),
            ("[li.tag] @title | map(trim)", "li.tag", true, "title", Some("map(trim)")),
            ("[rel=next] @href", "[rel=next]", false, "href", None),
            ("a[title=\"x | y @z\"] | trim", "a[title=\"x | y @z\"]", false, "", Some("trim")),
            ("@href", "", false, "href", None),
            ("| trim", "", false, "", Some("trim")),
            ("h1 | \"@x\"", "h1", false, "", Some("\"@x\"")),
            ("svg|a", "svg|a", false, "", None),
            ("é @ü | x", "é", false, "ü", Some("x")),
        ] {
            let parts = split(text);
            let part = |range: &Range<usize>| text.get(range.clone()).unwrap();
            assert_eq!(part(&parts.selector), selector, "{text}");
            assert_eq!(parts.all, all, "{text}");
            assert_eq!(part(&parts.attribute), attribute, "{text}");
            assert_eq!(parts.has_jq.then(|| part(&parts.jq)), jq, "{text}");
        }
    }
}
