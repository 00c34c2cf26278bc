//! `export:`, of whatever kind.

use super::draft::{Body, Jsonl};
use super::{facebook, import, transform};
use crate::diagnostic::{Problem, codes};
use crate::reader::{At, Cx, Fields};
use crate::spec::{JsonlSpec, Write};
use crate::tree::Kind;
use jobpipe_expr::Place;
use std::ops::Range;

/// An export as read.
pub(super) struct Export {
    /// `as:`, else its kind.
    pub(super) name: String,
    /// The bytes that name it.
    pub(super) span: Range<usize>,
    /// The key's path.
    pub(super) path: String,
    /// `None` when it was reported.
    pub(super) body: Option<Body>,
}

/// Reads the exports of the short form: one, or a list.
pub(super) fn read_all(cx: &mut Cx<'_>, at: At<'_>) -> Vec<Export> {
    match at.items() {
        Some(items) => items.into_iter().filter_map(|item| read_one(cx, item, None)).collect(),
        None => read_one(cx, at, None).into_iter().collect(),
    }
}

/// Reads one export. In the long form the stage's name is the export's, and `as:` has no place.
pub(super) fn read_one(cx: &mut Cx<'_>, at: At<'_>, stage: Option<&str>) -> Option<Export> {
    if matches!(at.node.kind, Kind::List(_)) && stage.is_some() {
        let problem = Problem::new(codes::TYPE, at.node.span.clone(), &at.path, "a list of exports in one stage");
        cx.add(problem.expected("one export").help("make each of them a stage of its own"));
        return None;
    }
    let path = at.path.clone();
    let mut keys =
        Fields::open(cx, at, "an export: `{ jsonl: out/acme.jsonl }` or `{ facebook: [PAGE], message: $title }`")?;
    let jsonl = keys.take("jsonl");
    let facebook = keys.take("facebook");
    let named = keys.take("as").and_then(|at| read_as(cx, &at, stage));
    if keys.later(cx, &["mongodb", "http", "postgres", "csv"]) {
        // What stands beside a kind of a later version cannot be judged.
        return None;
    }
    let (kind, first) = match (jsonl, facebook) {
        (Some(first), Some(second)) => {
            let (first, second) =
                if first.key_span.start < second.key_span.start { (first, second) } else { (second, first) };
            let problem =
                Problem::new(codes::CONFLICT, second.key_span.clone(), &second.path, "an export goes to one place");
            cx.add(problem.help("write a list of two exports").related(first.key_span.clone(), "the first one"));
            return None;
        }
        (Some(at), None) => ("jsonl", at),
        (None, Some(at)) => ("facebook", at),
        (None, None) => {
            keys.missing(
                &["facebook", "jsonl"],
                "say where the records go: `jsonl: out/acme.jsonl` or `facebook: [PAGE]`",
            );
            keys.know(&["write", "fields", "where", "message", "link", "new", "changed", "gone", "pace"]);
            keys.finish(cx);
            return None;
        }
    };
    let fallback = (kind.to_owned(), first.key_span.clone());
    let body = match kind {
        "jsonl" => read_jsonl(cx, keys, &first),
        _ => facebook::read(cx, keys, &first),
    };
    let (name, span) = named.unwrap_or(fallback);
    Some(Export { name, span, path, body })
}

fn read_as(cx: &mut Cx<'_>, at: &At<'_>, stage: Option<&str>) -> Option<(String, Range<usize>)> {
    let text = cx.text(at, "a name such as french")?;
    if let Some(stage) = stage {
        if stage != text {
            let message = format!("the export is named `{stage}`, like its stage");
            let problem = Problem::new(codes::CONFLICT, at.key_span.clone(), &at.path, message);
            cx.add(problem.help(format!("remove `as`, or name the stage `{text}`")));
        }
        return None;
    }
    let span = at.node.span.clone();
    import::check_name(cx, text, span.clone(), &at.path).then(|| (text.to_owned(), span))
}

fn read_jsonl(cx: &mut Cx<'_>, mut keys: Fields<'_>, at: &At<'_>) -> Option<Body> {
    let path = cx.value(at, Place::Path, &["run", "now"]);
    if let Some(value) = &path
        && let Some((field, span)) = cx.used(at, &value.value).fields.into_iter().next()
    {
        let message = format!("one file holds all records, so its path cannot use `{field}` of one");
        let problem = Problem::new(codes::NO_VALUE_HERE, span, &at.path, message);
        cx.add(problem.help("`$run.date` and `$run.id` can be put in; a `$` that is meant is written `$$`"));
    }
    if path.as_ref().is_some_and(|path| path.text.0.ends_with(['/', '\\'])) {
        let problem = Problem::new(codes::ADDRESS, at.node.span.clone(), &at.path, "this is a folder, not a file");
        cx.add(problem.expected("the path of a file such as `out/jobs.jsonl`"));
    }
    let words = [("run", Write::Run), ("snapshot", Write::Snapshot), ("changes", Write::Changes)];
    let write = keys.take("write").and_then(|at| cx.word(&at, &words)).unwrap_or_default();
    let fields = keys.take("fields").map(|at| transform::read_names(cx, &at)).unwrap_or_default();
    keys.later(cx, &["compress", "where"]);
    keys.finish(cx);
    let names = fields.iter().map(|(name, _)| name.clone()).collect();
    Some(Body::Jsonl(Jsonl { spec: JsonlSpec { path: path?.text, write, fields: names }, fields }))
}
