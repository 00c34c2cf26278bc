//! What YAML lets pass and imports do not: no value, text cut by a comment, values broken by a comma, tabs.

use super::build::Built;
use super::{Entry, Kind, Node, Notation, Scalar, flaws, quoted, with_space};
use crate::diagnostic::{MOST, Problem, codes};
use std::ops::Range;

/// Checks the tree of `source`; what is reported becomes [`Kind::Broken`].
pub(super) fn check(source: &str, root: &mut Node, built: &mut Built) {
    let mut problems = std::mem::take(&mut built.problems);
    let mut checks = Checks { source, comments: &built.comments, problems: &mut problems };
    checks.node(root, None);
    tabs(source, built, &mut problems);
    built.problems = problems;
}

struct Checks<'c> {
    source: &'c str,
    comments: &'c [Range<usize>],
    problems: &'c mut Vec<Problem>,
}

impl Checks<'_> {
    /// `key` is the key that the node belongs to.
    fn node(&mut self, node: &mut Node, key: Option<(&str, &Range<usize>)>) {
        match &mut node.kind {
            Kind::Scalar(scalar) => {
                if let Some(problem) = self.scalar(scalar, &node.span, key) {
                    self.problems.push(problem);
                    node.kind = Kind::Broken;
                }
            }
            Kind::List(items) => {
                let flow = self.flow(&node.span);
                let torn = flow && items.iter().any(torn_in_flow);
                if torn {
                    self.problems.push(self.flow_problem(&node.span));
                    node.kind = Kind::Broken;
                } else {
                    items.iter_mut().for_each(|item| self.node(item, None));
                }
            }
            Kind::Map(entries) => {
                if self.flow(&node.span) {
                    self.flow_map(entries, &node.span);
                }
                for entry in entries {
                    self.node(&mut entry.value, Some((&entry.key, &entry.key_span)));
                }
            }
            Kind::Broken => {}
        }
    }

    fn flow(&self, span: &Range<usize>) -> bool {
        self.source.get(span.start..).is_some_and(|text| text.starts_with(['{', '[']))
    }

    fn flow_problem(&self, span: &Range<usize>) -> Problem {
        Problem::new(codes::FLOW, span.clone(), "", "a comma or colon breaks a value inside these brackets")
            .help("write it in block form, one value a line, or quote the value that holds the comma")
    }

    /// `{ title: h1, h2 }`: a key without value is the rest of the value before it.
    fn flow_map(&mut self, entries: &mut Vec<Entry>, map: &Range<usize>) {
        self.spaceless(entries);
        let torn = entries.iter().position(|entry| is_empty(&entry.value) || torn_in_flow(&entry.value));
        let Some(at) = torn else { return };
        let source = self.source;
        let value_less = entries.get(at).is_some_and(|entry| is_empty(&entry.value));
        let owner = if value_less { at.checked_sub(1) } else { Some(at) };
        let Some(owner) = owner.and_then(|owner| entries.get(owner)) else {
            let text = source.get(map.clone()).unwrap_or_default();
            let key = entries.first().map_or(map.clone(), |entry| entry.key_span.clone());
            let name = source.get(key.clone()).unwrap_or_default();
            let problem = Problem::new(codes::FLOW, key, "", format!("`{name}` has no value"))
                .help(format!("give it one, or quote the text: {}", quoted(text)));
            self.problems.push(problem);
            entries.clear();
            return;
        };
        // Everything up to the next proper entry belongs to the torn value.
        let after = entries.iter().skip(at + 1).find(|entry| !is_empty(&entry.value) && !torn_in_flow(&entry.value));
        let end = after.map_or(map.end.saturating_sub(1), |entry| entry.key_span.start);
        let whole = source.get(owner.value.span.start..end).unwrap_or_default().trim_end().trim_end_matches(',');
        let broken_at = entries
            .get(at)
            .map_or(map.clone(), |entry| if value_less { entry.key_span.clone() } else { entry.value.span.clone() });
        let message = format!("inside `{{ }}` a comma ends the value of `{}`", owner.key);
        let problem = Problem::new(codes::FLOW, broken_at, "", message)
            .help(format!("use block form, one key a line:\n{}: {whole}", owner.key));
        self.problems.push(problem);
        for entry in entries.iter_mut() {
            if torn_in_flow(&entry.value) {
                entry.value.kind = Kind::Broken;
            }
        }
        if value_less && let Some(owner) = entries.get_mut(at - 1) {
            owner.value.kind = Kind::Broken;
        }
        let mut kept = std::mem::take(entries);
        kept.retain(|entry| !is_empty(&entry.value) && !flaws::unbalanced(&entry.key));
        *entries = kept;
    }

    /// `{ json:./x.json }`: a key without its space is a key all the same.
    fn spaceless(&mut self, entries: &mut [Entry]) {
        for entry in entries.iter_mut().filter(|entry| is_empty(&entry.value)) {
            let Some(right) = with_space(&entry.key) else { continue };
            let message = format!("no space after the colon of `{}`", entry.key);
            let problem = Problem::new(codes::FLOW, entry.key_span.clone(), "", message);
            self.problems.push(problem.help(format!("write `{right}`")));
            entry.key = right.split(':').next().unwrap_or_default().to_owned();
            entry.value = Node { span: entry.key_span.clone(), kind: Kind::Broken };
        }
    }

    fn scalar(&self, scalar: &Scalar, span: &Range<usize>, key: Option<(&str, &Range<usize>)>) -> Option<Problem> {
        if scalar.notation != Notation::Plain {
            return None;
        }
        let null = matches!(scalar.text.as_str(), "~" | "null" | "Null" | "NULL");
        if null && span.is_empty() {
            return Some(self.no_value(span, key));
        }
        if null {
            let text = &scalar.text;
            let problem = Problem::new(codes::NULL, span.clone(), "", format!("`{text}` is no value in an import"));
            return Some(problem.help(format!("remove the key, or quote the text: \"{text}\"")));
        }
        self.dash(scalar, span).or_else(|| self.cut(scalar, span))
    }

    /// `-title` on a line of its own, which is text.
    fn dash(&self, scalar: &Scalar, span: &Range<usize>) -> Option<Problem> {
        let item = scalar.text.strip_prefix('-').filter(|rest| rest.starts_with(char::is_alphabetic))?;
        let first = item.split_whitespace().next()?;
        let before = self.source.get(..span.start)?.rsplit('\n').next()?;
        if !before.trim().is_empty() {
            return None;
        }
        let message = format!("`-{first}` is text, not an item of a list");
        let problem = Problem::new(codes::FIRST_CHARACTER, span.clone(), "", message);
        Some(problem.help(format!("put a space after the dash: `- {first}`; if the text is meant, quote it")))
    }

    fn no_value(&self, span: &Range<usize>, key: Option<(&str, &Range<usize>)>) -> Problem {
        let Some((name, key_span)) = key else {
            return Problem::new(codes::NULL, span.clone(), "", "an item of a list has no value")
                .help("remove the `-`, or give it a value");
        };
        if let Some(comment) = self.comment_after(key_span.end) {
            let text = self.source.get(comment.clone()).unwrap_or_default();
            if text.chars().nth(1).is_some_and(|c| !c.is_whitespace()) {
                let message = format!("`{text}` is a comment, so `{name}` has no value");
                return Problem::new(codes::COMMENT_VALUE, comment, "", message)
                    .help(format!("quote it: {name}: {}", quoted(text)));
            }
        }
        Problem::new(codes::NULL, key_span.clone(), "", format!("`{name}` has no value"))
            .help("remove the key or give it a value; what belongs to it is indented deeper than it")
    }

    /// Plain text that goes on behind a ` #`.
    fn cut(&self, scalar: &Scalar, span: &Range<usize>) -> Option<Problem> {
        let comment = self.comment_after(span.end)?;
        let text = self.source.get(comment.clone()).unwrap_or_default();
        let next = text.chars().nth(1)?;
        let meant = next.is_alphanumeric() || matches!(next, '$' | '{' | '.' | '_' | '[' | '"' | '\'' | '(');
        if !meant && !flaws::unbalanced(&scalar.text) {
            return None;
        }
        let whole = self.source.get(span.start..comment.end).unwrap_or_default();
        let message = "the value is cut here: ` #` begins a comment";
        let problem = Problem::new(codes::CUT, comment, "", message);
        Some(
            problem
                .help(format!("quote the value: {}\nor, if a comment is meant, put a space after `#`", quoted(whole))),
        )
    }

    /// The comment that stands on the same line after `at`, with nothing but a colon and blanks between.
    fn comment_after(&self, at: usize) -> Option<Range<usize>> {
        let next = self.comments.partition_point(|comment| comment.start < at);
        let comment = self.comments.get(next)?;
        let between = self.source.get(at..comment.start)?;
        between.chars().all(|c| c == ' ' || c == '\t' || c == ':').then(|| comment.clone())
    }
}

/// No value at all: `h2` in `{ title: h1, h2 }`.
fn is_empty(node: &Node) -> bool {
    node.span.is_empty() && matches!(&node.kind, Kind::Scalar(scalar) if scalar.notation == Notation::Plain)
}

/// Plain text inside brackets that lacks the other half of a quote or bracket: a comma cut it.
fn torn_in_flow(node: &Node) -> bool {
    matches!(&node.kind, Kind::Scalar(scalar) if scalar.notation == Notation::Plain && flaws::unbalanced(&scalar.text))
}

/// Tabs outside of values and comments.
fn tabs(source: &str, built: &Built, problems: &mut Vec<Problem>) {
    let mut last_line = None;
    let mut told = 0;
    for (at, _) in source.match_indices('\t') {
        let line = source.get(..at).and_then(|before| before.rfind('\n'));
        let inside = covered(&built.scalars, at) || covered(&built.comments, at);
        if inside || last_line == Some(line) {
            continue;
        }
        if told == MOST {
            return;
        }
        told += 1;
        last_line = Some(line);
        let problem =
            Problem::new(codes::TAB, at..at + 1, "", "a tab, where YAML wants spaces").help("indent with spaces");
        problems.push(problem);
    }
}

/// Whether one of the ranges, which are in order, holds `at`.
fn covered(ranges: &[Range<usize>], at: usize) -> bool {
    let next = ranges.partition_point(|range| range.start <= at);
    next.checked_sub(1).and_then(|last| ranges.get(last)).is_some_and(|range| range.contains(&at))
}
