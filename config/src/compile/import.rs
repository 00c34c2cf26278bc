//! The keys of an import file: short form and long form become the same drafts.

use super::draft::{Body, Draft};
use super::{contract, crawl, export, graph, schedule, transform};
use crate::diagnostic::{Problem, Severity, codes};
use crate::reader::{At, Cx, Fields};
use crate::tree::Kind;
use jobpipe_core::{Plan, StageKind};
use std::ops::Range;

/// The longest name of an import or stage.
const NAME_LIMIT: usize = 100;

/// Whoever works on this queue keeps targets in step.
const DRAINS: &str = "export";

/// Reads a whole import.
pub(super) fn read(cx: &mut Cx<'_>, root: &At<'_>) -> Option<Plan> {
    let mut keys = Fields::open(cx, root.clone(), "the keys of an import: name, crawl, transform, export")?;
    let name = keys.need(&["name"], "give the import a name: it is its identity, whatever the file is called");
    let name = name.and_then(|at| read_name(cx, &at));
    let schedule = keys.take("schedule").and_then(|at| schedule::read(cx, &at, name.as_deref()));
    if let Some(tests) = keys.take("tests") {
        let problem = Problem::new(
            codes::LATER,
            tests.key_span.clone(),
            &tests.path,
            "`tests` are not run by this version of jobpipe",
        );
        cx.add(
            problem.severity(Severity::Note).help("they are left alone; what the import does is not changed by them"),
        );
    }
    let drafts = read_stages(cx, &mut keys);
    keys.later(cx, &["extends", "with", "after", "timeout", "notify"]);
    keys.finish(cx);
    let mut drafts = drafts?;
    let order = graph::order(cx, &drafts)?;
    contract::check(cx, &mut drafts, &order);
    let mut waiting: Vec<Option<Draft>> = drafts.into_iter().map(Some).collect();
    let sorted = order.into_iter().filter_map(|index| waiting.get_mut(index).and_then(Option::take));
    let mut stages = Vec::new();
    for draft in sorted {
        stages.push(draft.into_plan(&stages)?);
    }
    Some(Plan { name: name?, stages, schedule })
}

fn read_stages(cx: &mut Cx<'_>, keys: &mut Fields<'_>) -> Option<Vec<Draft>> {
    let stages = keys.take("stages");
    let short = ["crawl", "transform", "export"].map(|key| keys.take(key));
    match stages {
        Some(stages) => {
            for at in short.iter().flatten() {
                let message = "the short form and `stages` cannot stand together";
                let problem = Problem::new(codes::CONFLICT, at.key_span.clone(), &at.path, message);
                cx.add(
                    problem
                        .help("put it under `stages`, with a name of its own")
                        .related(stages.key_span.clone(), "the long form"),
                );
            }
            long_form(cx, stages)
        }
        None => short_form(cx, keys, short),
    }
}

/// `stages: { NAME: { from, crawl | transform | export } }`.
fn long_form(cx: &mut Cx<'_>, at: At<'_>) -> Option<Vec<Draft>> {
    let (span, path) = (at.key_span.clone(), at.path.clone());
    let stages = Fields::open(cx, at, "stages by name: `offers: { crawl: ... }`")?;
    let mut drafts = Vec::new();
    for (name, at) in stages.all() {
        check_name(cx, name, at.key_span.clone(), &at.path);
        if let Some(draft) = long_stage(cx, name, at) {
            drafts.push(draft);
        }
    }
    if drafts.is_empty() {
        let problem = Problem::new(codes::MISSING, span, &path, "`stages` has no stage");
        cx.add(problem.help("an import needs a crawl: `listings: { crawl: { json: URL } }`"));
    }
    Some(drafts)
}

fn long_stage(cx: &mut Cx<'_>, name: &str, at: At<'_>) -> Option<Draft> {
    let (span, path) = (at.key_span.clone(), at.path.clone());
    // A stage that was reported already still has its name: those that are from it are not to be blamed.
    let blank = |kind| Draft {
        name: name.to_owned(),
        span: span.clone(),
        path: path.clone(),
        from: Vec::new(),
        kind,
        queue: None,
        body: None,
    };
    if at.is_broken() {
        return Some(blank(StageKind::Crawl));
    }
    let Some(mut keys) = Fields::open(cx, at, "a stage: `{ from: NAME, crawl | transform | export: ... }`") else {
        return Some(blank(StageKind::Crawl));
    };
    let from = keys.take("from").map_or_else(Vec::new, |at| read_from(cx, &at));
    let queued = keys.take("queue");
    let queue = queued.as_ref().and_then(|at| {
        let text = cx.text(at, "the name of a queue")?;
        check_name(cx, text, at.node.span.clone(), &at.path).then(|| text.to_owned())
    });
    keys.later(cx, &["keep_raw", "each"]);
    let works =
        [StageKind::Crawl, StageKind::Transform, StageKind::Export].map(|kind| (kind, keys.take(kind_key(kind))));
    let mut found = works.into_iter().filter_map(|(kind, at)| at.map(|at| (kind, at)));
    let first = found.next();
    for (_, other) in found {
        let problem = Problem::new(codes::CONFLICT, other.key_span.clone(), &other.path, "a stage does one thing");
        cx.add(problem.help("make it a stage of its own, with `from`"));
    }
    let Some((kind, work)) = first else {
        keys.missing(&["crawl"], "a stage is one of `crawl`, `transform` or `export`");
        keys.finish(cx);
        return Some(blank(StageKind::Crawl));
    };
    keys.finish(cx);
    let body = match kind {
        StageKind::Crawl => crawl::read(cx, work),
        StageKind::Transform => transform::read(cx, work),
        StageKind::Export => export::read_one(cx, work, Some(name)).and_then(|export| export.body),
    };
    if let (Some(at), Some(Body::Facebook(_))) = (queued.filter(|_| queue.as_deref() != Some(DRAINS)), &body) {
        let message = "an export to pages has no tasks that could wait in a queue";
        let problem = Problem::new(codes::CONFLICT, at.key_span, &at.path, message);
        cx.add(problem.help(format!("remove it: whoever works on the queue `{DRAINS}` keeps pages in step")));
    }
    Some(Draft { from, queue, body, ..blank(kind) })
}

/// `crawl`, `transform` and `export` at the top level: a chain.
fn short_form(cx: &mut Cx<'_>, keys: &mut Fields<'_>, parts: [Option<At<'_>>; 3]) -> Option<Vec<Draft>> {
    let [crawl, transform, export] = parts;
    let Some(crawl) = crawl else {
        keys.missing(&["crawl"], "an import needs a source: `crawl: { json: URL }` or `crawl: { html: URL }`");
        // The others are read all the same, so that their problems are told too.
        transform.and_then(|at| transform::read(cx, at));
        export.map(|at| export::read_all(cx, at));
        return None;
    };
    let draft = |name: &str, span: Range<usize>, path: &str, from: &[&Draft], kind, body| Draft {
        name: name.to_owned(),
        path: path.to_owned(),
        from: from.iter().map(|stage| (stage.name.clone(), span.clone())).collect(),
        span,
        kind,
        queue: None,
        body,
    };
    let mut drafts: Vec<Draft> = Vec::new();
    let span = crawl.key_span.clone();
    let body = crawl::read(cx, crawl);
    drafts.push(draft("crawl", span, "crawl", &[], StageKind::Crawl, body));
    if let Some(at) = transform {
        let span = at.key_span.clone();
        let body = transform::read(cx, at);
        drafts.push(draft("transform", span, "transform", &[drafts.first()?], StageKind::Transform, body));
    }
    let exports = export.map(|at| export::read_all(cx, at)).unwrap_or_default();
    let last = drafts.len() - 1;
    for export in exports {
        let from = drafts.get(last)?;
        let next = draft(&export.name, export.span, &export.path, &[from], StageKind::Export, export.body);
        if let Some(first) = drafts.iter().find(|other| other.name == next.name) {
            let message = format!("two stages are named `{}`", next.name);
            let problem = Problem::new(codes::SAME_NAME, next.span.clone(), &next.path, message)
                .help("give this one a name of its own: `as: NAME`")
                .related(first.span.clone(), "the first one");
            cx.add(problem);
        }
        drafts.push(next);
    }
    Some(drafts)
}

fn kind_key(kind: StageKind) -> &'static str {
    match kind {
        StageKind::Crawl => "crawl",
        StageKind::Transform => "transform",
        StageKind::Export => "export",
    }
}

fn read_from(cx: &mut Cx<'_>, at: &At<'_>) -> Vec<(String, Range<usize>)> {
    let names = cx.names(at, "the name of a stage, or a list of names").unwrap_or_default();
    if names.is_empty() && matches!(at.node.kind, Kind::List(_)) {
        let problem = Problem::new(codes::FEEDLESS, at.node.span.clone(), &at.path, "`from` names no stage");
        cx.add(problem.help("name one, or remove the key"));
    }
    names.into_iter().map(|(name, at)| (name.to_owned(), at.node.span.clone())).collect()
}

fn read_name(cx: &mut Cx<'_>, at: &At<'_>) -> Option<String> {
    let text = cx.text(at, "a name such as acme-jobs")?;
    check_name(cx, text, at.node.span.clone(), &at.path).then(|| text.to_owned())
}

/// Whether `name` may be the name of an import, stage or queue; reported when not.
pub(super) fn check_name(cx: &mut Cx<'_>, name: &str, span: Range<usize>, path: &str) -> bool {
    let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let good =
        starts && name.len() <= NAME_LIMIT && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if !good {
        let clean: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect();
        let clean = clean.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_lowercase();
        let mut problem = Problem::new(codes::NAME, span, path, format!("`{name}` cannot be a name"))
            .expected("letters, digits, `-`, `_` and `.`, beginning with a letter or digit");
        if !clean.is_empty() {
            problem =
                problem.help(format!("for example `{}`", clean.get(..clean.len().min(NAME_LIMIT)).unwrap_or("acme")));
        }
        cx.add(problem);
    }
    good
}

impl Body {
    /// The crawl, if it is one.
    pub(super) fn crawl(&self) -> Option<&super::draft::Crawl> {
        match self {
            Self::Crawl(crawl) => Some(crawl),
            Self::Transform(_) | Self::Jsonl(_) | Self::Facebook(_) => None,
        }
    }
}
