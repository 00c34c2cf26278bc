//! `transform:`.

use super::draft::{Body, Transform};
use crate::diagnostic::{Problem, codes};
use crate::grammar::{GrammarError, parse_count};
use crate::reader::{At, Cx, Fields, Used};
use crate::spec::{FieldValue, GoneSpec, Keep, Ordered, TransformSpec};
use crate::tree::Kind;
use std::ops::Range;

/// Variables that have a value in a transform. `$now` and `$run` are judged with the exports in view.
const VARS: &[&str] = &["now", "run", "key"];

/// Keys that later versions bring.
const LATER: [&str; 9] = ["join", "lookup", "enrich", "expire", "dedupe", "changed_when", "sort", "split", "cache"];

/// Reads a transform; `None` when it was reported as a whole.
pub(super) fn read(cx: &mut Cx<'_>, at: At<'_>) -> Option<Body> {
    let mut keys = Fields::open(cx, at, "a transform: `{ key: .id, map: { title: .title } }`")?;
    let mut compared: Vec<Used> = Vec::new();
    let where_ = keys.take("where").and_then(|at| cx.condition(&at, VARS)).map(|value| value.text);
    let key = keys.take("key");
    let has_key = key.is_some();
    let key = key.and_then(|at| {
        let value = cx.reading(&at, &["now", "run"], ".id")?;
        compared.push(cx.used(&at, &value.value));
        Some(value.text)
    });
    let map = keys.take("map");
    let has_map = map.is_some();
    let map = map.map(|at| read_map(cx, at, &mut compared)).unwrap_or_default();
    let keep = keys.take("keep").and_then(|at| read_keep(cx, &at));
    let keep = keep.unwrap_or(if has_map { Keep::Fields(Vec::new()) } else { Keep::All });
    let require = keys.take("require").map(|at| read_names(cx, &at)).unwrap_or_default();
    let gone = keys.take("gone");
    let gone_span = gone.as_ref().map(|at| at.key_span.clone());
    let gone = gone.and_then(|at| read_gone(cx, &at)).unwrap_or_default();
    keys.later(cx, &LATER);
    keys.finish(cx);
    let names = require.iter().map(|(name, _)| name.clone()).collect();
    let spec = TransformSpec { where_, key, map, keep, require: names, gone };
    Some(Body::Transform(Box::new(Transform { spec, has_key, gone_span, compared, require })))
}

fn read_map(cx: &mut Cx<'_>, at: At<'_>, compared: &mut Vec<Used>) -> Ordered<FieldValue> {
    let mut out = Ordered::new();
    let Some(fields) = Fields::open(cx, at, "fields by name: `{ title: .title | trim }`") else { return out };
    for (name, at) in fields.all() {
        if let Some(value) = cx.field_value(&at, VARS, compared) {
            out.insert(name.to_owned(), value);
        }
    }
    out
}

fn read_keep(cx: &mut Cx<'_>, at: &At<'_>) -> Option<Keep> {
    if let Kind::Scalar(_) = &at.node.kind {
        return cx.word(at, &[("all", ())]).map(|()| Keep::All);
    }
    Some(Keep::Fields(read_names(cx, at).into_iter().map(|(name, _)| name).collect()))
}

/// Names of fields, each with its bytes; a dot before one is a slip.
pub(super) fn read_names(cx: &mut Cx<'_>, at: &At<'_>) -> Vec<(String, Range<usize>)> {
    let mut names = Vec::new();
    for (name, at) in cx.names(at, "names of fields: `[title, city]`").unwrap_or_default() {
        let span = at.node.span.clone();
        if name.starts_with(['.', '$']) {
            let bare = name.trim_start_matches(['.', '$']);
            let problem = Problem::new(
                codes::WORD,
                span.clone(),
                &at.path,
                format!("`{name}` is a value, and names of fields stand here"),
            );
            cx.add(problem.help(format!("write `{bare}`")));
        }
        names.push((name.to_owned(), span));
    }
    names
}

/// `none`, an expression, or `{ after, limit, when }`.
fn read_gone(cx: &mut Cx<'_>, at: &At<'_>) -> Option<GoneSpec> {
    match &at.node.kind {
        Kind::Scalar(scalar) if scalar.text == "none" => Some(GoneSpec::default()),
        Kind::Map(_) => {
            let mut keys = Fields::open(cx, at.clone(), "gone")?;
            let mut spec = GoneSpec::default();
            if let Some(at) = keys.take("after") {
                spec.after = read_runs(cx, &at);
            }
            if let Some(at) = keys.take("limit") {
                spec.limit = cx.parsed(&at, "a share such as 30%").unwrap_or(spec.limit);
            }
            if let Some(at) = keys.take("when") {
                spec.when = cx.condition(&at, VARS).map(|value| value.text);
            }
            keys.finish(cx);
            Some(spec)
        }
        Kind::Scalar(_) | Kind::List(_) | Kind::Broken => {
            let when = cx.condition(at, VARS)?.text;
            Some(GoneSpec { when: Some(when), ..GoneSpec::default() })
        }
    }
}

/// `2`, `1 run`, `2 runs`.
fn read_runs(cx: &mut Cx<'_>, at: &At<'_>) -> Option<u32> {
    let expected = "a number of runs such as `2 runs`";
    let text = &cx.scalar(at, expected)?.text;
    let number = text.trim().trim_end_matches('s').trim_end_matches("run").trim();
    match parse_count(number) {
        Ok(runs) if runs >= 1 => u32::try_from(runs).ok().or_else(|| cx.bad_word(at, text, expected)),
        Ok(_) | Err(GrammarError { .. }) => cx.bad_word(at, text, expected),
    }
}
