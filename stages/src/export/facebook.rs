//! The export `facebook`: from what an import says to a sink of the connector.

use jobpipe_config::settings::{Page as NamedPage, PagesError, Settings};
use jobpipe_config::spec::{FacebookSpec, OnChanged, OnGone, OnNew, TargetSpec, ValueText};
use jobpipe_connectors::facebook::{FacebookSink, Graph, Page, Pages, PostExport, code};
use jobpipe_core::{EffectPolicy, ErrorClass, TaskError};
use jobpipe_expr::{Lookup, Place, Value};
use std::sync::Arc;

/// Reads late references, from any thread.
pub type SharedLookup = Arc<dyn Lookup + Send + Sync>;

/// What exports to pages share.
pub struct FacebookTools {
    /// The Graph API.
    pub graph: Arc<Graph>,
    /// The pages of the settings; those that an import writes out come to them.
    pub pages: Arc<Pages>,
    /// Finds pages by name.
    pub settings: Arc<Settings>,
    /// Reads late lists of pages.
    pub lookup: SharedLookup,
}

/// The sink of the export `stage`.
pub fn facebook_sink(stage: &str, spec: FacebookSpec, tools: FacebookTools) -> Result<FacebookSink, TaskError> {
    let FacebookTools { graph, pages, settings, lookup } = tools;
    let FacebookSpec { pages: targets, where_, message, link, new, changed, gone, pace: _ } = spec;
    let compile = |key: &str, text: &ValueText, place| {
        Value::compile(text.as_str(), place)
            .map_err(|error| refusal(stage, error.code, &format!("`{key}` cannot be read: {error}")))
    };
    let wanted = where_.map(|text| compile("where", &text, Place::Expression)).transpose()?;
    let message = Some(compile("message", &message, Place::Field)?);
    let link = link.map(|text| compile("link", &text, Place::Url)).transpose()?;
    let no_pages = |error: PagesError| refusal(stage, error.code(), &error.to_string());
    let written_out: Vec<TargetSpec> =
        targets.iter().filter(|target| matches!(target, TargetSpec::Inline(_))).cloned().collect();
    let pages = if written_out.is_empty() {
        pages
    } else {
        let named = settings.resolve_pages(&written_out, lookup.as_ref()).map_err(no_pages)?;
        let more = named.into_iter().map(|named| page_with_token(named, lookup.as_ref())).collect();
        Arc::new(pages.with(more).map_err(|error| refusal(stage, code::PAGE, &error.to_string()))?)
    };
    let policy = EffectPolicy {
        create: new == OnNew::Post,
        update: changed == OnChanged::Update,
        delete: gone == OnGone::Delete,
    };
    let stage = stage.to_owned();
    let names = Box::new(move || {
        let found = settings.resolve_pages(&targets, lookup.as_ref());
        let found = found.map_err(|error| refusal(&stage, error.code(), &error.to_string()))?;
        Ok(found.into_iter().map(|page| page.name).collect())
    });
    Ok(FacebookSink::new(graph, pages, PostExport { pages: names, wanted, message, link, policy }))
}

/// A page and its token. A token that cannot be read is told when its page is used, and by that page alone.
pub(crate) fn page_with_token(named: NamedPage, lookup: &dyn Lookup) -> Page {
    let NamedPage { id, name, token, vars } = named;
    let token = token.resolve(lookup).map_err(|error| error.to_string());
    let facts = vars.into_iter().map(|(name, value)| (name, value.into())).collect();
    Page { name, id, token, facts }
}

fn refusal(stage: &str, code: &str, what: &str) -> TaskError {
    let message = format!("export `{stage}`: {what}");
    TaskError { class: ErrorClass::Permanent, code: code.to_owned(), message, retry_after_ms: None }
}
