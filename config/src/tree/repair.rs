//! Reads a file to its end though it is broken in places: a value that stops the parser is reported and taken out, and
//! the text is read again, so that all problems are told at once.

use super::build::{Built, Stopped, build};
use super::{MAX_BYTES, Node, checks, quoted};
use crate::diagnostic::{Problem, Problems, codes};
use granit_parser::ErrorKind;
use std::ops::Range;

/// How many values are taken out before the rest of the file is given up.
const MOST: usize = 20;

/// Reads `problems.source()`. `None` when not even its broken places could be told from the rest.
pub fn parse(problems: &mut Problems<'_>) -> Option<Node> {
    let source = problems.source();
    if source.len() > MAX_BYTES {
        let problem = Problem::new(codes::TOO_LARGE, 0..0, "", "the file is larger than 1 MiB");
        problems.add(problem.help(super::SMALLER));
        return None;
    }
    if let Some((at, found)) = source.char_indices().find(|(_, c)| is_no_text(*c)) {
        let message = format!("a character that no text holds: U+{:04X}", u32::from(found));
        let problem = Problem::new(codes::SYNTAX, at..at + found.len_utf8(), "", message);
        problems.add(problem.help("save the file as plain UTF-8 text; inside double quotes it is written `\\u....`"));
        return None;
    }
    let mut text = source.to_owned();
    let mut broken: Vec<usize> = Vec::new();
    loop {
        let mut built = build(&text, &broken);
        let Some(stopped) = built.stopped.take() else {
            return finish(source, built, problems);
        };
        if stopped.error.is_none() {
            add_all(built.problems, problems);
            return None;
        }
        let Diagnosis { problem, value } = diagnose(&text, &stopped);
        problems.add(problem);
        let Some(value) = value.filter(|value| broken.len() < MOST && !broken.contains(&value.start)) else {
            add_all(built.problems, problems);
            return None;
        };
        broken.push(value.start);
        text.replace_range(value.clone(), &filler(value.len()));
    }
}

/// Control characters other than white space: YAML has none, and a file full of them is UTF-16 or no text at all.
fn is_no_text(c: char) -> bool {
    c.is_ascii_control() && !matches!(c, '\t' | '\n' | '\r') || matches!(c, '\u{fffe}' | '\u{ffff}')
}

fn finish(source: &str, mut built: Built, problems: &mut Problems<'_>) -> Option<Node> {
    let mut root = built.root.take();
    match &mut root {
        Some(root) => checks::check(source, root, &mut built),
        None => {
            let problem = Problem::new(codes::SHAPE, 0..0, "", "the file is empty");
            built.problems.push(problem.help("`jobpipe init` writes a first import and its settings"));
        }
    }
    add_all(built.problems, problems);
    root
}

fn add_all(found: Vec<Problem>, problems: &mut Problems<'_>) {
    found.into_iter().for_each(|problem| problems.add(problem));
}

/// A quoted text of so many bytes.
fn filler(len: usize) -> String {
    if len < 2 { "x".repeat(len) } else { format!("\"{}\"", "x".repeat(len - 2)) }
}

/// What stopped the parser, and the value to take out so that it can go on.
struct Diagnosis {
    problem: Problem,
    value: Option<Range<usize>>,
}

/// A line of the form `key: value` or `- value`.
struct Line<'t> {
    key: Option<&'t str>,
    /// Column of the key.
    indent: usize,
    value: Range<usize>,
    text: &'t str,
}

fn diagnose(text: &str, stopped: &Stopped) -> Diagnosis {
    let Some(error) = &stopped.error else {
        return Diagnosis { problem: syntax(stopped.at, "a budget"), value: None };
    };
    let at = stopped.at.min(text.len());
    let kind = error.kind();
    if matches!(kind, ErrorKind::RecursionLimitExceeded) {
        let problem = Problem::new(codes::TOO_LARGE, at..at, "", super::TOO_DEEP).help(super::SMALLER);
        return Diagnosis { problem, value: None };
    }
    let bounds = line_bounds(text, at);
    let indent =
        text.get(bounds.clone()).map_or("", |line| line.get(..line.len() - line.trim_start().len()).unwrap_or(""));
    let in_indent = indent.find('\t').map(|tab| bounds.start + tab);
    if let Some(tab) = in_indent.or_else(|| is_tab(kind).then_some(at)) {
        let problem =
            Problem::new(codes::TAB, tab..tab + 1, "", "a tab, where YAML wants spaces").help("indent with spaces");
        return Diagnosis { problem, value: None };
    }
    if matches!(kind, ErrorKind::DirectiveDisallowed) {
        let problem = Problem::new(codes::TAG, at..bounds.end, "", "a YAML directive, and imports have none");
        return Diagnosis { problem: problem.help("remove the line"), value: None };
    }
    let Some(line) = read_line(text, bounds.clone()) else {
        return Diagnosis { problem: unread(text, stopped, &bounds, &error.info()), value: None };
    };
    let continued = stopped.last_scalar < bounds.start && matches!(kind, ErrorKind::MappingValueNotAllowed);
    if continued {
        return Diagnosis { problem: indentation(text, stopped.last_scalar, &bounds), value: None };
    }
    let inside = at >= line.value.start && at <= line.value.end;
    let problem = if inside { value_problem(&line, stopped, kind, &error.info()) } else { None };
    let known = problem.is_some();
    let problem = problem.unwrap_or_else(|| unread(text, stopped, &bounds, &error.info()));
    let alone = stopped.flow.is_none_or(|flow| flow >= line.value.start) && ends_on_its_line(text, &line, bounds.end);
    Diagnosis { problem, value: (known && alone).then_some(line.value) }
}

fn is_tab(kind: &ErrorKind) -> bool {
    use ErrorKind::{TabAtBlockScalarStart, TabInBlockIndentation, TabInIndentation, TabInPlainScalar, TabNotAllowed};
    matches!(kind, TabAtBlockScalarStart | TabInBlockIndentation | TabInIndentation | TabInPlainScalar | TabNotAllowed)
}

fn syntax(at: usize, info: &str) -> Problem {
    Problem::new(codes::SYNTAX, at..at, "", format!("not YAML: {info}"))
}

/// A mistake that is not inside the value of a line.
fn unread(text: &str, stopped: &Stopped, bounds: &Range<usize>, info: &str) -> Problem {
    if stopped.flow.is_some_and(|flow| flow < bounds.start) {
        let problem = syntax(stopped.at, info);
        return problem.help("it is inside brackets that were opened above: write them in block form, one key a line");
    }
    let content = text.get(bounds.clone()).unwrap_or_default();
    let indented = bounds.start + content.len() - content.trim_start().len();
    if let Some(problem) = spaceless(content, indented..bounds.end) {
        return problem;
    }
    if !content.contains(':') && !content.trim_start().starts_with('-') && !content.trim().is_empty() {
        let message = format!("`{}` is neither `key: value` nor `- item`", content.trim());
        return Problem::new(codes::SYNTAX, indented..bounds.end, "", message)
            .help("write a colon and a space after a key; text of several lines begins with `|`");
    }
    if matches!(stopped.at.checked_sub(indented), Some(0)) {
        let message = "this line is indented differently from the lines that it belongs to";
        return Problem::new(codes::INDENTATION, indented..bounds.end, "", message)
            .help("keys of one map begin in the same column");
    }
    syntax(stopped.at, info)
}

/// `name:acme`: no space after the colon.
fn spaceless(content: &str, span: Range<usize>) -> Option<Problem> {
    let right = super::with_space(content)?;
    let message = format!("no space after the colon of `{}`", content.trim());
    Some(Problem::new(codes::SYNTAX, span, "", message).help(format!("write `{right}`")))
}

fn indentation(text: &str, scalar: usize, bounds: &Range<usize>) -> Problem {
    let content = text.get(bounds.clone()).unwrap_or_default();
    let start = bounds.start + content.len() - content.trim_start().len();
    let above = line_bounds(text, scalar);
    let before = text.get(above.clone()).unwrap_or_default();
    let first = above.start + before.len() - before.trim_start().len();
    if let Some(problem) = spaceless(before, first..above.end) {
        return problem;
    }
    let key = read_line(text, above).and_then(|line| line.key).unwrap_or("the value above");
    let message = format!("this line is indented deeper than `{key}`, which has its value already");
    Problem::new(codes::INDENTATION, start..bounds.end, "", message)
        .help(format!("begin it in the same column as `{key}`, or quote the text of several lines"))
}

/// A mistake inside the value of a line, when it is one of the known traps.
fn value_problem(line: &Line<'_>, stopped: &Stopped, kind: &ErrorKind, info: &str) -> Option<Problem> {
    let value = line.text;
    let first = value.chars().next()?;
    let key = line.key.map_or("- ".to_owned(), |key| format!("{key}: "));
    let span = line.value.clone();
    if matches!(kind, ErrorKind::UnclosedQuotedScalar) {
        // `[title, join(", ")]`: the quotes are closed; the comma between them has torn the value in two.
        if matches!(first, '[' | '{') && closes(value).is_some() {
            return Some(flow_problem(stopped.at, info, line));
        }
        let problem = Problem::new(codes::SYNTAX, stopped.at..span.end, "", "the quote is not closed on this line");
        return Some(problem.help("close it"));
    }
    if matches!(kind, ErrorKind::UnknownQuotedScalarEscape | ErrorKind::InvalidQuotedScalarHexEscape) {
        let problem = Problem::new(codes::SYNTAX, stopped.at..stopped.at + 1, "", format!("not YAML: {info}"));
        return Some(problem.help("in double quotes `\\` begins an escape: use single quotes, or write `\\\\`"));
    }
    match first {
        '"' | '\'' if closes(value).is_some_and(|end| end < value.len()) => Some(
            Problem::new(codes::FIRST_CHARACTER, span, "", "the value begins with a quote and goes on after it closes")
                .help(format!("quote the whole value: {key}{}", quoted(value))),
        ),
        '[' | '{' => match closes(value) {
            Some(end) if end < value.len() => Some(bracket_problem(line, first, &key)),
            Some(_) => Some(flow_problem(stopped.at, info, line)),
            None => Some(unclosed_problem(span, first, value, &key)),
        },
        '@' | '`' | '%' | '*' | '&' | '!' | '|' | '>' | '?' | ',' | ']' | '}' => Some(
            Problem::new(codes::FIRST_CHARACTER, span, "", format!("a value may not begin with `{first}` in YAML"))
                .help(format!("quote it: {key}{}", quoted(value))),
        ),
        '-' if matches!(kind, ErrorKind::BlockSequenceEntryNotAllowed) => Some(
            Problem::new(codes::FIRST_CHARACTER, span, "", "a list begins on a line of its own")
                .help(format!("put `{value}` on the next line, or quote it: {key}{}", quoted(value))),
        ),
        _ if value.contains(": ") || value.ends_with(':') => Some(
            Problem::new(codes::COLON, stopped.at..stopped.at + 1, "", "a colon and a space inside a value")
                .help(format!("quote the value: {key}{}", quoted(value))),
        ),
        _ => None,
    }
}

fn bracket_problem(line: &Line<'_>, first: char, key: &str) -> Problem {
    let value = line.text;
    let message = format!("the value begins with `{first}` and goes on after the bracket closes");
    let jq = format!("={value}");
    let jq = if super::plain_is_safe(&jq) { jq } else { quoted(&jq) };
    let help = format!("if it is jq, write {key}{jq}\nif it is text or a selector, quote it: {key}{}", quoted(value));
    Problem::new(codes::FIRST_CHARACTER, line.value.clone(), "", message).help(help)
}

fn flow_problem(at: usize, info: &str, line: &Line<'_>) -> Problem {
    let at = at.clamp(line.value.start, line.value.end);
    let message = format!("a colon, comma or bracket breaks a value inside these brackets ({info})");
    Problem::new(codes::FLOW, at..at + 1, "", message)
        .help("use block form, one key a line; or quote the value that holds the colon or comma")
}

fn unclosed_problem(span: Range<usize>, first: char, value: &str, key: &str) -> Problem {
    Problem::new(codes::SYNTAX, span, "", format!("`{first}` is not closed on this line"))
        .help(format!("close it, or quote the text: {key}{}", quoted(value)))
}

/// Just after the bracket or quote that closes the first character of `value`.
fn closes(value: &str) -> Option<usize> {
    let mut open: Vec<char> = Vec::new();
    let mut quote = None;
    for (at, c) in value.char_indices() {
        match (quote, c) {
            (Some(mark), _) if c == mark => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => open.push(c),
            (None, ']' | '}') => {
                open.pop();
            }
            _ => {}
        }
        if open.is_empty() && quote.is_none() {
            return Some(at + c.len_utf8());
        }
    }
    None
}

/// The line that holds `at`, without its line break.
fn line_bounds(text: &str, at: usize) -> Range<usize> {
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |found| found + 1);
    let rest = text.get(start..).unwrap_or_default();
    let len = rest.find('\n').unwrap_or(rest.len());
    let line = text.get(start..start + len).unwrap_or_default();
    start..start + line.trim_end_matches('\r').len()
}

fn read_line(text: &str, bounds: Range<usize>) -> Option<Line<'_>> {
    let content = text.get(bounds.clone())?;
    let mut at = content.len() - content.trim_start().len();
    let mut item = false;
    while content.get(at..)?.starts_with("- ") {
        item = true;
        at += 1;
        at += content.get(at..)?.len() - content.get(at..)?.trim_start().len();
    }
    let indent = at;
    let rest = content.get(at..)?;
    let colon = key_end(rest);
    let key = match colon {
        Some(colon) => Some(rest.get(..colon)?.trim_end()),
        None if item => None,
        None => return None,
    };
    let after = colon.map_or(0, |colon| colon + 1);
    let value = rest.get(after..)?;
    let start = at + after + value.len() - value.trim_start().len();
    let value = without_comment(content.get(start..)?);
    let value_start = bounds.start + start;
    Some(Line { key, indent, value: value_start..value_start + value.len(), text: value })
}

/// The colon after a key that begins `text`.
fn key_end(text: &str) -> Option<usize> {
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let close = text.get(1..)?.find(quote)? + 2;
        let rest = text.get(close..)?;
        return rest.trim_start().starts_with(':').then(|| close + rest.len() - rest.trim_start().len());
    }
    if text.starts_with(['[', '{']) {
        return None;
    }
    text.match_indices(':').map(|(at, _)| at).find(|at| {
        let after = text.get(at + 1..).unwrap_or_default();
        after.is_empty() || after.starts_with([' ', '\t'])
    })
}

/// The value without a comment (` # ...`) and blanks at its end.
fn without_comment(value: &str) -> &str {
    let end = value.find(" # ").unwrap_or(value.len());
    value.get(..end).unwrap_or(value).trim_end()
}

/// Whether nothing on the lines below belongs to the value of `line`.
fn ends_on_its_line(text: &str, line: &Line<'_>, end: usize) -> bool {
    let below = text.get(end..).unwrap_or_default();
    let next = below.lines().find(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    next.is_none_or(|next| next.len() - next.trim_start().len() <= line.indent)
}
