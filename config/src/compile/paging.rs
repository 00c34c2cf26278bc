//! `items:`, `pages:`, `links:` and `since:`.

use super::extract::{FIND_VARS, split};
use super::selector;
use crate::diagnostic::{Problem, codes};
use crate::reader::{At, Cx, Fields};
use crate::spec::{LinksSpec, PagesSpec, SinceSpec, SourceKind, ValueText};
use crate::tree::Kind;

/// Where the records are.
pub(super) fn items(cx: &mut Cx<'_>, at: &At<'_>, kind: SourceKind) -> Option<ValueText> {
    finder(cx, at, kind, ".data")
}

/// jq in JSON, a selector in HTML.
fn finder(cx: &mut Cx<'_>, at: &At<'_>, kind: SourceKind, such_as: &str) -> Option<ValueText> {
    match kind {
        SourceKind::Json => cx.reading(at, FIND_VARS, such_as).map(|value| value.text),
        SourceKind::Html => {
            let text = cx.text(at, "a CSS selector")?;
            let parts = split(text);
            if parts.has_jq || !parts.attribute.is_empty() {
                let source = cx.source();
                let cut = parts.selector.end;
                let span = at.node.locate(source, cut)..at.node.locate(source, text.len());
                let problem = Problem::new(codes::SELECTOR, span, &at.path, "only a CSS selector stands here");
                cx.add(problem.help("leave out ` @attribute` and ` | jq`"));
                return None;
            }
            selector::check(cx, at, text, 0..text.len()).then(|| ValueText(text.to_owned()))
        }
    }
}

/// How the next listing page is found.
pub(super) fn pages(cx: &mut Cx<'_>, at: &At<'_>, kind: SourceKind) -> Option<PagesSpec> {
    match &at.node.kind {
        Kind::Scalar(scalar) if matches!(scalar.text.as_str(), "link-header" | "auto") => {
            cx.later(at, at.node.span.clone(), &scalar.text);
            None
        }
        Kind::Map(_) => {
            let mut keys = Fields::open(cx, at.clone(), "how the next page is found")?;
            let next = keys.take("next");
            let later = keys.later(cx, &["page", "offset", "cursor", "limit", "while", "start", "auto"]);
            if next.is_none() && !later {
                keys.missing(&["next"], "write `pages: .next` (jq) or `pages: a.next` (CSS)");
            }
            keys.finish(cx);
            Some(PagesSpec { next: finder(cx, &next?, kind, ".next")? })
        }
        Kind::Scalar(_) | Kind::List(_) | Kind::Broken => Some(PagesSpec { next: finder(cx, at, kind, ".next")? }),
    }
}

/// `a.job-link`, `a.job-link @data-url`, or `{ selector, attribute }`.
pub(super) fn links(cx: &mut Cx<'_>, at: &At<'_>) -> Option<LinksSpec> {
    if let Kind::Map(_) = &at.node.kind {
        let mut keys = Fields::open(cx, at.clone(), "links")?;
        let found = keys.need(&["selector"], "a CSS selector: each match is a link");
        let attribute = keys.take("attribute");
        keys.finish(cx);
        let found = found?;
        let text = cx.text(&found, "a CSS selector")?;
        let good = selector::check(cx, &found, text, 0..text.len());
        let attribute = attribute.and_then(|at| cx.text(&at, "the name of an attribute"));
        return good.then(|| LinksSpec { selector: text.to_owned(), attribute: attribute.map(ToOwned::to_owned) });
    }
    let text = cx.text(at, "a CSS selector")?;
    let parts = split(text);
    let part = |range: &std::ops::Range<usize>| text.get(range.clone()).unwrap_or_default();
    if parts.has_jq {
        let source = cx.source();
        let span = at.node.locate(source, parts.jq.start)..at.node.locate(source, parts.jq.end);
        let problem = Problem::new(codes::SELECTOR, span, &at.path, "jq cannot change a link");
        cx.add(problem.help(
            "`selector @attribute` is all that stands here; for more, make two crawls, the second with `html: .url`",
        ));
        return None;
    }
    let chosen = part(&parts.selector);
    let attribute = part(&parts.attribute);
    selector::check(cx, at, chosen, parts.selector.clone()).then(|| LinksSpec {
        selector: chosen.to_owned(),
        attribute: (!attribute.is_empty()).then(|| attribute.to_owned()),
    })
}

/// `.updated_at`, or `{ field, start, lookback }`.
pub(super) fn since(cx: &mut Cx<'_>, at: &At<'_>) -> Option<SinceSpec> {
    let Kind::Map(_) = &at.node.kind else {
        let field = cx.reading(at, &["now"], ".updated_at")?.text;
        return Some(SinceSpec { field, start: None, lookback: None });
    };
    let mut keys = Fields::open(cx, at.clone(), "since")?;
    let field = keys.need(&["field"], "jq over a record: `.updated_at`");
    let start = keys.take("start").and_then(|at| cx.text(&at, "a value such as 2026-01-01").map(ToOwned::to_owned));
    let lookback = keys.take("lookback").and_then(|at| cx.parsed(&at, "a duration such as 1d"));
    keys.later(cx, &["step", "until"]);
    keys.finish(cx);
    let field = cx.reading(&field?, &["now"], ".updated_at")?.text;
    Some(SinceSpec { field, start, lookback })
}
