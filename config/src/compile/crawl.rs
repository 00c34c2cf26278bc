//! `crawl:`.

use super::draft::{Body, Crawl};
use super::source::{self, REQUEST_VARS, Source};
use super::{extract, paging};
use crate::diagnostic::{Problem, Severity, codes};
use crate::grammar::{Period, Speed};
use crate::reader::{At, Cx, Fields, holds_secret, is_credential, is_secret_parameter};
use crate::spec::{
    AuthSpec, BasicAuth, CrawlSpec, FieldValue, MaxSpec, Method, RetrySpec, Robots, SourceKind, TaskSpec,
};
use jobpipe_expr::{Form, Place, classify};

/// Keys that later versions bring.
const LATER: [&str; 9] = ["each", "form", "graphql", "variables", "stop", "files", "done", "cache", "parallel"];

/// Reads a crawl; `None` when it was reported as a whole.
pub(super) fn read(cx: &mut Cx<'_>, at: At<'_>) -> Option<Body> {
    let mut keys = Fields::open(cx, at, "a crawl: `{ json: URL }` or `{ html: URL }`")?;
    let mut crawl = Crawl { spec: CrawlSpec::default(), requests: Vec::new() };
    let source = source::read(cx, &mut keys, &mut crawl);
    keys.later(cx, &LATER);
    requests(cx, &mut keys, &mut crawl);
    limits(cx, &mut keys, &mut crawl.spec);
    match source {
        Source::Known(kind, address) => {
            finding(cx, &mut keys, kind, &mut crawl.spec);
            keys.finish(cx);
            match kind {
                SourceKind::Html => crawl.spec.html = Some(address?),
                SourceKind::Json => crawl.spec.json = Some(address?),
            }
            Some(Body::Crawl(Box::new(crawl)))
        }
        Source::Later | Source::Missing => {
            keys.know(&["items", "pages", "links", "extract", "since"]);
            keys.finish(cx);
            None
        }
    }
}

/// What is sent.
fn requests(cx: &mut Cx<'_>, keys: &mut Fields<'_>, crawl: &mut Crawl) {
    if let Some(at) = keys.take("query") {
        query(cx, at, crawl);
    }
    if let Some(at) = keys.take("headers") {
        headers(cx, at, crawl);
    }
    let body = keys.take("body");
    if let Some(at) = &body {
        crawl.spec.method = Method::Post;
        crawl.spec.body = cx.field_value(at, REQUEST_VARS, &mut crawl.requests);
    }
    if let Some(at) = keys.take("method") {
        let method = cx.word(&at, &[("GET", Method::Get), ("POST", Method::Post)]);
        if method == Some(Method::Get) && body.is_some() {
            let problem = Problem::new(codes::CONFLICT, at.node.span.clone(), &at.path, "a GET has no body");
            cx.add(problem.help("write `method: POST`, or remove `body`"));
        }
        crawl.spec.method = method.unwrap_or(crawl.spec.method);
    }
    if let Some(at) = keys.take("auth") {
        crawl.spec.auth = auth(cx, at);
    }
}

fn query(cx: &mut Cx<'_>, at: At<'_>, crawl: &mut Crawl) {
    let Some(fields) = Fields::open(cx, at, "parameters by name: `{ per_page: 100 }`") else { return };
    for (name, at) in fields.all() {
        let Some(value) = cx.field_value(&at, REQUEST_VARS, &mut crawl.requests) else { continue };
        if is_secret_parameter(name) && is_written_out(&value) {
            cx.secret_in_query(&at, at.node.span.clone(), name);
        }
        let nested = match &value {
            FieldValue::Fields(_) => true,
            FieldValue::List(items) => {
                items.iter().any(|item| !matches!(item, FieldValue::Value(_) | FieldValue::Scalar(_)))
            }
            FieldValue::Value(_) | FieldValue::Scalar(_) => false,
        };
        if nested {
            let problem = Problem::new(codes::TYPE, at.node.span.clone(), &at.path, "a map in a query parameter");
            cx.add(problem.expected("a value, or a list of values (the parameter is repeated)"));
        }
        crawl.spec.query.insert(name.to_owned(), value);
    }
}

/// Whether a parameter is the same for every record, though not a mere yes or no.
fn is_written_out(value: &FieldValue) -> bool {
    match value {
        FieldValue::Value(text) => !text.as_str().is_empty() && classify(text.as_str()) == Form::Literal,
        FieldValue::Scalar(scalar) => !scalar.0.is_boolean(),
        FieldValue::List(items) => items.iter().any(is_written_out),
        FieldValue::Fields(fields) => fields.values().any(is_written_out),
    }
}

fn headers(cx: &mut Cx<'_>, at: At<'_>, crawl: &mut Crawl) {
    let Some(fields) = Fields::open(cx, at, "headers by name: `{ accept: text/html }`") else { return };
    for (name, at) in fields.all() {
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(token) {
            let problem = Problem::new(
                codes::WORD,
                at.key_span.clone(),
                &at.path,
                format!("`{name}` cannot be the name of a header"),
            );
            cx.add(problem.expected("letters, digits and `-`"));
        }
        if let Some(value) = cx.value(&at, Place::Header, REQUEST_VARS) {
            if is_credential(name) && holds_secret(&value.value) {
                cx.plain_secret(&at, Severity::Error);
            }
            crawl.requests.push(cx.used(&at, &value.value));
            crawl.spec.headers.insert(name.to_owned(), value.text);
        }
    }
}

fn auth(cx: &mut Cx<'_>, at: At<'_>) -> Option<AuthSpec> {
    let mut keys = Fields::open(cx, at, "`{ bearer: $TOKEN }` or `{ basic: [$USER, $PASSWORD] }`")?;
    let bearer = keys.take("bearer");
    let basic = keys.take("basic");
    let later = keys.later(cx, &["header", "query", "oauth2", "login"]);
    if let (Some(first), Some(second)) = (&bearer, &basic) {
        let problem = Problem::new(
            codes::CONFLICT,
            second.key_span.clone(),
            &second.path,
            "`bearer` and `basic` exclude each other",
        );
        cx.add(problem.related(first.key_span.clone(), "the first one"));
    }
    if bearer.is_none() && basic.is_none() && !later {
        keys.missing(&["bearer", "basic"], "write `{ bearer: $TOKEN }` or `{ basic: [$USER, $PASSWORD] }`");
    }
    keys.finish(cx);
    if let Some(at) = bearer {
        return Some(AuthSpec::Bearer(cx.secret(&at)?));
    }
    let at = basic?;
    let (user, password) = match at.items().as_deref() {
        Some([user, password]) => (cx.beside_secret(user), cx.secret(password)),
        Some(_) => {
            let problem = Problem::new(codes::TYPE, at.node.span.clone(), &at.path, "`basic` has two parts");
            cx.add(problem.expected("`[$USER, $PASSWORD]`"));
            return None;
        }
        None => {
            let mut keys = Fields::open(cx, at, "`[$USER, $PASSWORD]` or `{ user: ..., password: ... }`")?;
            let user = keys.need(&["user"], "write `{ user: $USER, password: $PASSWORD }`");
            let password = keys.need(&["password"], "write `{ user: $USER, password: $PASSWORD }`");
            keys.finish(cx);
            (user.and_then(|at| cx.beside_secret(&at)), password.and_then(|at| cx.secret(&at)))
        }
    };
    Some(AuthSpec::Basic(BasicAuth { user: user?, password: password? }))
}

/// What is found in the answers.
fn finding(cx: &mut Cx<'_>, keys: &mut Fields<'_>, kind: SourceKind, spec: &mut CrawlSpec) {
    let items = keys.take("items");
    if let Some(at) = &items {
        spec.items = paging::items(cx, at, kind);
    }
    if let Some(at) = keys.take("pages") {
        spec.pages = paging::pages(cx, &at, kind);
    }
    if let Some(at) = keys.take("links") {
        if kind == SourceKind::Json {
            let problem =
                Problem::new(codes::CONFLICT, at.key_span.clone(), &at.path, "`links` are found in HTML only");
            cx.add(
                problem
                    .help("make a second crawl that is `from` this one: `{ from: listings, crawl: { json: .url } }`"),
            );
        } else if let Some(items) = &items {
            let problem =
                Problem::new(codes::CONFLICT, at.key_span.clone(), &at.path, "`items` and `links` exclude each other");
            let help = "`items`: the records are on the listing page; `links`: each has a page of its own. For both, make two crawls, the second `from` the first";
            cx.add(problem.help(help).related(items.key_span.clone(), "the first one"));
        }
        spec.links = paging::links(cx, &at);
    }
    if let Some(at) = keys.take("extract") {
        spec.extract = extract::read(cx, at, kind);
    }
    if let Some(at) = keys.take("since") {
        spec.since = paging::since(cx, &at);
    }
}

/// How fast, how often, how much.
fn limits(cx: &mut Cx<'_>, keys: &mut Fields<'_>, spec: &mut CrawlSpec) {
    if let Some(at) = keys.take("rate") {
        spec.rate = cx.parsed::<Speed>(&at, "a rate such as 5/s");
    }
    if let Some(at) = keys.take("concurrency") {
        spec.concurrency = cx.small_count(&at, 1);
    }
    if let Some(at) = keys.take("task") {
        spec.task = task(cx, at);
    }
    if let Some(at) = keys.take("retry") {
        spec.retry = retry(cx, at);
    }
    if let Some(at) = keys.take("robots") {
        spec.robots = cx.word(&at, &[("obey", Robots::Obey), ("ignore", Robots::Ignore)]).unwrap_or_default();
    }
    if let Some(at) = keys.take("max") {
        spec.max = max(cx, at);
    }
    if let Some(at) = keys.take("timeout") {
        spec.timeout = cx.parsed::<Period>(&at, "a duration such as 30s");
    }
}

/// `20m`, or `{ soft, hard }`.
fn task(cx: &mut Cx<'_>, at: At<'_>) -> Option<TaskSpec> {
    if let crate::tree::Kind::Scalar(_) = &at.node.kind {
        return task_time(cx, &at).map(TaskSpec::of);
    }
    let mut keys = Fields::open(cx, at, "a duration such as 20m, or `{ soft: 20m, hard: 25m }`")?;
    let soft = keys.need(&["soft"], "say when the task is told to end: `soft: 20m`");
    let hard = keys.take("hard");
    keys.finish(cx);
    let soft_at = soft?;
    let soft = task_time(cx, &soft_at)?;
    let Some(at) = hard else { return Some(TaskSpec::of(soft)) };
    let hard = task_time(cx, &at)?;
    if hard < soft {
        let problem = Problem::new(codes::CONFLICT, at.node.span.clone(), &at.path, "`hard` comes before `soft`");
        let help = "both count from the beginning of the task: `soft` tells it to end, `hard` breaks it off";
        cx.add(problem.help(help).related(soft_at.node.span.clone(), "told to end after this"));
        return None;
    }
    Some(TaskSpec { soft, hard: Some(hard) })
}

/// A duration in which a task can do something.
fn task_time(cx: &mut Cx<'_>, at: &At<'_>) -> Option<Period> {
    const EXPECTED: &str = "a duration of at least 1s, such as 20m";
    let time: Period = cx.parsed(at, EXPECTED)?;
    if time.ms() < 1_000 {
        return cx.bad_word(at, &time.to_string(), EXPECTED);
    }
    Some(time)
}

/// `5`, `none`, or `{ times, base, max }`.
pub(crate) fn retry(cx: &mut Cx<'_>, at: At<'_>) -> RetrySpec {
    let mut spec = RetrySpec::default();
    if let crate::tree::Kind::Scalar(scalar) = &at.node.kind {
        spec.times = if scalar.text == "none" { 0 } else { cx.small_count(&at, 0).unwrap_or_default() };
        return spec;
    }
    let Some(mut keys) = Fields::open(cx, at, "a number, or `{ times: 5, base: 1s, max: 10m }`") else { return spec };
    if let Some(at) = keys.take("times") {
        spec.times = cx.small_count(&at, 0).unwrap_or_default();
    }
    if let Some(at) = keys.take("base") {
        spec.base = cx.parsed(&at, "a duration such as 1s").unwrap_or(spec.base);
    }
    if let Some(at) = keys.take("max") {
        spec.max = cx.parsed(&at, "a duration such as 10m").unwrap_or(spec.max);
    }
    keys.later(cx, &["on"]);
    keys.finish(cx);
    spec
}

/// `20_000` (records), or `{ pages, items, time }`.
fn max(cx: &mut Cx<'_>, at: At<'_>) -> MaxSpec {
    let mut spec = MaxSpec::default();
    if let crate::tree::Kind::Scalar(_) = &at.node.kind {
        spec.items = cx.count(&at, 1);
        return spec;
    }
    let Some(mut keys) = Fields::open(cx, at, "`{ pages: 200, items: 20_000, time: 1h }`") else { return spec };
    if let Some(at) = keys.take("pages") {
        spec.pages = cx.count(&at, 1);
    }
    if let Some(at) = keys.take("items") {
        spec.items = cx.count(&at, 1);
    }
    if let Some(at) = keys.take("time") {
        spec.time = cx.parsed(&at, "a duration such as 1h");
    }
    keys.finish(cx);
    spec
}
