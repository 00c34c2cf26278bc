//! `facebook:`.

use super::draft::{Body, Facebook};
use crate::diagnostic::{Problem, Severity, codes, nearest};
use crate::reader::{At, Compiled, Cx, Fields, Used};
use crate::spec::{DayCap, FacebookSpec, InlinePage, OnChanged, OnGone, OnNew, Ordered, PaceSpec, TargetSpec};
use crate::tree::Kind;
use jobpipe_expr::Place;

/// Variables that have a value in what is posted.
const POST_VARS: &[&str] = &["page", "key", "now", "run"];

/// Variables that have a value where records are chosen for a page.
const WHERE_VARS: &[&str] = &["page", "key", "now"];

/// Reads the keys beside `facebook:`.
pub(super) fn read(cx: &mut Cx<'_>, mut keys: Fields<'_>, at: &At<'_>) -> Option<Body> {
    let pages = targets(cx, at);
    let mut used = Vec::new();
    let where_ = keys.take("where").and_then(|at| {
        let value = cx.condition(&at, WHERE_VARS)?;
        let mut uses = cx.used(&at, &value.value);
        uses.variables.clear();
        used.push(uses);
        Some(value.text)
    });
    let message = keys.need(&["message"], "say what is posted: `message: $title in $city`");
    let message = message.and_then(|at| message_text(cx, &at, &mut used));
    let link = keys.take("link").and_then(|at| posted(cx, &at, Place::Url, &mut used));
    let new = keys.take("new").and_then(|at| cx.word(&at, &[("post", OnNew::Post), ("skip", OnNew::Skip)]));
    let changed =
        keys.take("changed").and_then(|at| cx.word(&at, &[("update", OnChanged::Update), ("skip", OnChanged::Skip)]));
    let gone = keys.take("gone").and_then(|at| cx.word(&at, &[("delete", OnGone::Delete), ("keep", OnGone::Keep)]));
    let pace = keys.take("pace").map(|at| pace(cx, at)).unwrap_or_default();
    keys.later(cx, &["photos", "top", "at", "video"]);
    keys.finish(cx);
    let spec = FacebookSpec {
        pages: pages?,
        where_,
        message: message?.text,
        link: link.map(|value| value.text),
        new: new.unwrap_or_default(),
        changed: changed.unwrap_or_default(),
        gone: gone.unwrap_or_default(),
        pace,
    };
    Some(Body::Facebook(Box::new(Facebook { spec, used })))
}

fn message_text(cx: &mut Cx<'_>, at: &At<'_>, used: &mut Vec<Used>) -> Option<Compiled> {
    if matches!(at.node.kind, Kind::Map(_)) {
        cx.later(at, at.key_span.clone(), "a message for each language");
        return None;
    }
    posted(cx, at, Place::Field, used)
}

/// A value that is posted: compared with what was posted before, and so the same in every run.
fn posted(cx: &mut Cx<'_>, at: &At<'_>, place: Place, used: &mut Vec<Used>) -> Option<Compiled> {
    let value = cx.value(at, place, POST_VARS)?;
    used.push(cx.used(at, &value.value));
    Some(value)
}

/// Pages by name, a late list, or pages written out.
fn targets(cx: &mut Cx<'_>, at: &At<'_>) -> Option<Vec<TargetSpec>> {
    let items = match &at.node.kind {
        Kind::List(_) => at.items().unwrap_or_default(),
        Kind::Scalar(_) | Kind::Map(_) => vec![at.clone()],
        Kind::Broken => return None,
    };
    if items.is_empty() {
        let problem = Problem::new(codes::NO_TARGETS, at.node.span.clone(), &at.path, "an export to no page");
        cx.add(problem.help("name the pages: `facebook: [acme-paris, acme-lyon]`, or `facebook: $PAGES`"));
        return None;
    }
    let mut out: Vec<TargetSpec> = Vec::new();
    let mut whole = true;
    for item in &items {
        match target(cx, item) {
            Some(target) if out.contains(&target) => {
                let name = cx.source().get(item.node.span.clone()).unwrap_or_default();
                let problem = Problem::new(
                    codes::CONFLICT,
                    item.node.span.clone(),
                    &item.path,
                    format!("`{name}` is named twice"),
                );
                cx.add(problem.help("remove one of the two"));
            }
            Some(target) => out.push(target),
            None => whole = false,
        }
    }
    whole.then_some(out)
}

fn target(cx: &mut Cx<'_>, at: &At<'_>) -> Option<TargetSpec> {
    if let Kind::Map(_) = &at.node.kind {
        return inline(cx, at).map(TargetSpec::Inline);
    }
    let value = cx.value(at, Place::Target, &[])?;
    if value.value.literal().is_none() && value.value.setting().is_none() {
        let problem = Problem::new(codes::WORD, at.node.span.clone(), &at.path, "pages cannot come from a record");
        let help = "name them, or write `$PAGES` (in capitals) for a list in the environment; a page's own part is chosen by `where: .state == $page.state`";
        cx.add(problem.expected("the name of a page, `$PAGES` or `${file:PATH}`").help(help));
        return None;
    }
    if let Some(name) = value.value.literal() {
        known_page(cx, at, name);
    }
    Some(TargetSpec::Named(value.text))
}

/// Warns of a page that the settings, where they have any, do not have.
fn known_page(cx: &mut Cx<'_>, at: &At<'_>, name: &str) {
    if cx.pages.is_empty() || cx.pages.iter().any(|page| page == name) {
        return;
    }
    let help = match nearest(name, cx.pages.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("`pages` of jobpipe.yml or of the environment has {}", cx.pages.join(", ")),
    };
    let message = format!("the settings have no page `{name}`");
    let problem = Problem::new(codes::UNKNOWN_PAGE, at.node.span.clone(), &at.path, message);
    cx.add(problem.severity(Severity::Warning).help(help));
}

fn inline(cx: &mut Cx<'_>, at: &At<'_>) -> Option<InlinePage> {
    let mut keys = Fields::open(cx, at.clone(), "a page")?;
    let id = keys.need(&["id"], "the page's id: `id: \"1001\"`");
    let token = keys.need(&["token"], "the page's access token, as a secret: `token: $FB_ACME`");
    keys.finish_open(cx);
    let name = keys.take("name").and_then(|at| cx.text(&at, "a name")).map(ToOwned::to_owned);
    let mut vars = Ordered::new();
    for (key, at) in keys.rest() {
        if let Some(text) = cx.text(&at, "a value, seen as `$page.NAME`") {
            vars.insert(key.to_owned(), text.to_owned());
        }
    }
    let id = id.and_then(|at| page_id(cx, &at));
    let token = token.and_then(|at| cx.secret(&at));
    Some(InlinePage { id: id?, token: token?, name, vars })
}

/// The digits of a page's id.
pub(crate) fn page_id(cx: &mut Cx<'_>, at: &At<'_>) -> Option<String> {
    let text = cx.text(at, "the page's id, digits in quotes")?;
    if text.chars().all(|c| c.is_ascii_digit()) {
        return Some(text.to_owned());
    }
    cx.bad_word(at, text, "the page's id, digits in quotes: `\"1001\"`")
}

/// `1/min`, `unlimited`, or `{ rate, per_day }`.
fn pace(cx: &mut Cx<'_>, at: At<'_>) -> PaceSpec {
    let mut spec = PaceSpec::default();
    if let Kind::Scalar(_) = &at.node.kind {
        spec.rate = cx.parsed(&at, "a rate such as 1/min").unwrap_or(spec.rate);
        if spec.rate == crate::grammar::Speed::Unlimited {
            spec.per_day = DayCap(None);
        }
        return spec;
    }
    let Some(mut keys) = Fields::open(cx, at, "a rate such as 1/min, or `{ rate: 1/min, per_day: 25 }`") else {
        return spec;
    };
    if let Some(at) = keys.take("rate") {
        spec.rate = cx.parsed(&at, "a rate such as 1/min").unwrap_or(spec.rate);
    }
    if let Some(at) = keys.take("per_day") {
        spec.per_day = match &at.node.kind {
            Kind::Scalar(scalar) if scalar.text == "unlimited" => DayCap(None),
            _ => DayCap(cx.small_count(&at, 1)),
        };
    }
    keys.finish(cx);
    spec
}
