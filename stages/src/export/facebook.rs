//! The export `facebook`: from what an import says to a sink of the connector.

use jobpipe_config::spec::{FacebookSpec, InlinePage, OnChanged, OnGone, OnNew, TargetSpec, ValueText};
use jobpipe_connectors::facebook::{FacebookSink, Graph, Page, Pages, PostExport, code};
use jobpipe_core::{EffectPolicy, ErrorClass, TaskError};
use jobpipe_expr::{Lookup, Place, Setting, Value, ValueKind};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;

/// Most pages that one late list may name.
const MOST_PAGES: usize = 100_000;

/// Reads late references, from any thread.
pub type SharedLookup = Arc<dyn Lookup + Send + Sync>;

/// The sink of the export `stage`. `pages` are those of the settings; pages that the import writes out come to them.
pub fn facebook_sink(
    stage: &str,
    spec: FacebookSpec,
    graph: Arc<Graph>,
    pages: &Arc<Pages>,
    lookup: SharedLookup,
) -> Result<FacebookSink, TaskError> {
    let FacebookSpec { pages: targets, where_, message, link, new, changed, gone, pace: _ } = spec;
    let compile = |key: &str, text: &ValueText, place| {
        Value::compile(text.as_str(), place)
            .map_err(|error| refusal(stage, error.code, &format!("`{key}` cannot be read: {error}")))
    };
    let wanted = where_.map(|text| compile("where", &text, Place::Expression)).transpose()?;
    let message = Some(compile("message", &message, Place::Field)?);
    let link = link.map(|text| compile("link", &text, Place::Url)).transpose()?;
    let (mut names, mut written_out) = (Vec::new(), Vec::new());
    for target in targets {
        match target {
            TargetSpec::Inline(page) => {
                let page = inline(page, lookup.as_ref(), &compile)?;
                names.push(Names::One(page.name.clone()));
                written_out.push(page);
            }
            TargetSpec::Named(text) => match compile("facebook", &text, Place::Target)?.kind() {
                ValueKind::Literal(name) => names.push(Names::One(name.clone())),
                ValueKind::Setting(setting) => names.push(Names::Late(setting.clone())),
                ValueKind::Expr(_) | ValueKind::Text(_) => {
                    let what = format!("`{text}` is a value of a record, and pages cannot come from one");
                    return Err(refusal(stage, code::PAGE, &what));
                }
            },
        }
    }
    let pages = match written_out.as_slice() {
        [] => Arc::clone(pages),
        _ => Arc::new(pages.with(written_out).map_err(|error| refusal(stage, code::PAGE, &error.to_string()))?),
    };
    let policy = EffectPolicy {
        create: new == OnNew::Post,
        update: changed == OnChanged::Update,
        delete: gone == OnGone::Delete,
    };
    let stage = stage.to_owned();
    let names = Box::new(move || resolve(&stage, &names, lookup.as_ref()));
    Ok(FacebookSink::new(graph, pages, PostExport { pages: names, wanted, message, link, policy }))
}

/// Names of pages: one as it is, or a list that is read when a run starts.
enum Names {
    One(String),
    Late(Setting),
}

fn resolve(stage: &str, names: &[Names], lookup: &dyn Lookup) -> Result<Vec<String>, TaskError> {
    let mut all = Vec::new();
    for name in names {
        match name {
            Names::One(name) => all.push(name.clone()),
            Names::Late(setting) => {
                let list = setting.resolve(lookup).map_err(|error| refusal(stage, error.code(), &error.to_string()))?;
                let list = list.expose_secret().split([',', '\n']).map(str::trim).filter(|name| !name.is_empty());
                all.extend(list.take(MOST_PAGES + 1).map(str::to_owned));
            }
        }
        if all.len() > MOST_PAGES {
            return Err(refusal(stage, code::PAGE, &format!("more than {MOST_PAGES} pages are named")));
        }
    }
    Ok(all)
}

/// A page that the import writes out. A token that cannot be read is told when the page is used.
fn inline(
    page: InlinePage,
    lookup: &dyn Lookup,
    compile: &dyn Fn(&str, &ValueText, Place) -> Result<Value, TaskError>,
) -> Result<Page, TaskError> {
    let InlinePage { id, token, name, vars } = page;
    let token = match compile("token", &token, Place::Target)?.kind() {
        ValueKind::Setting(setting) => setting.resolve(lookup).map_err(|error| error.to_string()),
        ValueKind::Literal(_) | ValueKind::Expr(_) | ValueKind::Text(_) => {
            Err::<SecretString, _>("it must be a secret such as $FB_ACME, not written into the import".to_owned())
        }
    };
    let facts = vars.into_iter().map(|(name, value)| (name, value.into())).collect();
    Ok(Page { name: name.unwrap_or_else(|| id.clone()), id, token, facts })
}

fn refusal(stage: &str, code: &str, what: &str) -> TaskError {
    let message = format!("export `{stage}`: {what}");
    TaskError { class: ErrorClass::Permanent, code: code.to_owned(), message, retry_after_ms: None }
}
