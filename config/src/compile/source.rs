//! Where a crawl begins: a URL, the path of a file, or a value of each record.

use super::draft::Crawl;
use crate::diagnostic::{Problem, codes};
use crate::reader::{At, Cx, Fields, secret_parameters};
use crate::spec::{SourceKind, ValueText, source_place};
use jobpipe_expr::Place;

/// Variables that have a value in requests.
pub(super) const REQUEST_VARS: &[&str] = &["since", "now", "run"];

/// Sources that later versions bring.
const LATER: [&str; 5] = ["xml", "csv", "feed", "sitemap", "jsonld"];

/// What a crawl's source is.
pub(super) enum Source {
    /// One of this version; the value is missing when it was reported.
    Known(SourceKind, Option<ValueText>),
    /// One of a later version, reported: what stands beside it cannot be judged.
    Later,
    /// None; reported.
    Missing,
}

/// Takes the source out of the keys of a crawl.
pub(super) fn read(cx: &mut Cx<'_>, keys: &mut Fields<'_>, crawl: &mut Crawl) -> Source {
    let found = [SourceKind::Html, SourceKind::Json].map(|kind| keys.take(kind.name()).map(|at| (kind, at)));
    if keys.later(cx, &LATER) {
        return Source::Later;
    }
    match found {
        [None, None] => {
            keys.missing(&["html", "json"], "say what is fetched: `html: URL` or `json: URL`");
            Source::Missing
        }
        [Some((_, first)), Some((_, second))] => {
            let problem =
                Problem::new(codes::CONFLICT, second.key_span.clone(), &second.path, "a crawl has one source");
            cx.add(
                problem.help("make the other one a stage of its own").related(first.key_span.clone(), "the first one"),
            );
            Source::Missing
        }
        [Some((kind, at)), None] | [None, Some((kind, at))] => Source::Known(kind, address(cx, &at, crawl)),
    }
}

/// Checks a URL, path or value.
fn address(cx: &mut Cx<'_>, at: &At<'_>, crawl: &mut Crawl) -> Option<ValueText> {
    let text = cx.value_text(at, "a URL, a path or a value such as `.url`")?;
    let place = source_place(text);
    if place == Place::Url {
        for (name, _) in secret_parameters(text) {
            let span = at.node.locate(cx.source(), name.start)..at.node.locate(cx.source(), name.end);
            cx.secret_in_query(at, span, text.get(name).unwrap_or_default());
        }
    }
    let compiled = cx.value(at, place, REQUEST_VARS)?;
    crawl.requests.push(cx.used(at, &compiled.value));
    if let Some(literal) = compiled.value.literal() {
        literal_address(cx, at, literal)?;
    }
    Some(compiled.text)
}

fn literal_address(cx: &mut Cx<'_>, at: &At<'_>, text: &str) -> Option<()> {
    let wrong = |message: String, help: &str| {
        Problem::new(codes::ADDRESS, at.node.span.clone(), &at.path, message)
            .expected("an http:// or https:// URL, or the path of a file")
            .help(help)
    };
    let problem = match text.split_once("://") {
        Some(("http" | "https", _)) => match url::Url::parse(text) {
            Ok(url) if url.username().is_empty() && url.password().is_none() => return Some(()),
            Ok(_) => {
                wrong("a URL may not hold a user or password".to_owned(), "use `auth: { basic: [$USER, $PASSWORD] }`")
            }
            Err(error) => wrong(format!("`{text}` is not a URL: {error}"), "write it as the browser shows it"),
        },
        Some(("file", path)) => wrong("files are named by their path".to_owned(), &format!("write `{path}`")),
        Some((scheme, _)) => wrong(format!("`{scheme}://` is not fetched by jobpipe"), "use http or https"),
        None if text.contains(['*', '?']) => {
            cx.later(at, at.node.span.clone(), "a pattern of file names (`*`, `?`)");
            return None;
        }
        None if looks_like_host(text) => wrong(
            format!("`{text}` is the path of a file, and looks like a URL"),
            &format!("write `https://{text}` for the URL, `./{text}` for the file"),
        ),
        None => return Some(()),
    };
    cx.add(problem);
    None
}

/// `www.acme.test/jobs`: a host without its scheme.
fn looks_like_host(text: &str) -> bool {
    let host = text.split('/').next().unwrap_or_default();
    let labels = host.split('.').count();
    text.starts_with("www.") || (labels >= 2 && text.contains('/') && !host.starts_with('.'))
}
