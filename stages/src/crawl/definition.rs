//! A crawl, compiled once for a definition.

use std::error::Error;

use jobpipe_config::spec::{AuthSpec, CrawlSpec, ExtractSpec, Method, Ordered, SourceKind, ValueText, source_place};
use jobpipe_connectors::formats::html::{Extractor, Selector, compile_selector};
use jobpipe_expr::{Expr, ExprError, Place, Setting, Value};

use super::path::Path;
use crate::field::{Field, compile_fields};

/// The compiled parts of a [`CrawlSpec`].
pub(super) struct Definition {
    pub(super) spec: CrawlSpec,
    pub(super) source: Value,
    pub(super) query: Vec<(String, Field)>,
    pub(super) headers: Vec<(String, Value)>,
    pub(super) body: Option<Field>,
    pub(super) auth: Option<AuthSettings>,
    pub(super) since: Option<Expr>,
    pub(super) finding: Finding,
}

/// Credentials, as references.
pub(super) enum AuthSettings {
    Bearer(Setting),
    Basic { user: Setting, password: Setting },
}

/// What is found in an answer.
pub(super) enum Finding {
    Html(HtmlFinding),
    Json(JsonFinding),
}

pub(super) struct HtmlFinding {
    pub(super) items: Option<Css>,
    pub(super) links: Option<(Css, String)>,
    pub(super) next: Option<Css>,
    pub(super) extract: Extractor,
}

pub(super) struct JsonFinding {
    pub(super) items: Option<Path>,
    pub(super) next: Option<Path>,
    pub(super) extract: Vec<(String, JsonField)>,
}

/// A selector, with its text for messages.
pub(super) struct Css {
    pub(super) text: String,
    pub(super) selector: Selector,
}

/// A field of a JSON item.
pub(super) enum JsonField {
    Value(Expr),
    Nested(Vec<(String, JsonField)>),
}

/// What `check` would have said.
type Failed = Box<dyn Error + Send + Sync>;

impl Definition {
    pub(super) fn compile(spec: CrawlSpec) -> Result<Self, Failed> {
        let (kind, source) = spec.source().ok_or("it names no source")?;
        let header = |(name, text): (&String, &ValueText)| {
            Ok::<_, ExprError>((name.clone(), Value::compile(text.as_str(), Place::Header)?))
        };
        Ok(Self {
            source: Value::compile(source.as_str(), source_place(source.as_str()))?,
            query: compile_fields(&spec.query)?,
            headers: spec.headers.iter().map(header).collect::<Result<_, _>>()?,
            body: spec.body.as_ref().map(Field::compile).transpose()?,
            auth: spec.auth.as_ref().map(auth).transpose()?,
            since: spec.since.as_ref().map(|since| expr(since.field.as_str())).transpose()?,
            finding: match kind {
                SourceKind::Html => Finding::Html(html(&spec)?),
                SourceKind::Json => Finding::Json(json(&spec)?),
            },
            spec,
        })
    }

    /// `GET` or `POST`.
    pub(super) fn method(&self) -> &'static str {
        match self.spec.method {
            Method::Get => "GET",
            Method::Post => "POST",
        }
    }

    /// Whether the crawl's own pages list more than one record each.
    pub(super) fn lists(&self) -> bool {
        self.spec.items.is_some() || self.spec.links.is_some() || self.spec.pages.is_some()
    }
}

fn expr(text: &str) -> Result<Expr, ExprError> {
    Expr::compile(text.strip_prefix('=').unwrap_or(text))
}

fn auth(spec: &AuthSpec) -> Result<AuthSettings, ExprError> {
    let setting = |text: &ValueText| Setting::parse(text.as_str());
    Ok(match spec {
        AuthSpec::Bearer(token) => AuthSettings::Bearer(setting(token)?),
        AuthSpec::Basic(basic) => {
            AuthSettings::Basic { user: setting(&basic.user)?, password: setting(&basic.password)? }
        }
    })
}

fn html(spec: &CrawlSpec) -> Result<HtmlFinding, Failed> {
    let links = spec.links.as_ref().map(|links| {
        let attribute = links.attribute.clone().unwrap_or_else(|| "href".to_owned());
        css(&links.selector).map(|css| (css, attribute))
    });
    Ok(HtmlFinding {
        items: spec.items.as_ref().map(|items| css(items.as_str())).transpose()?,
        links: links.transpose()?,
        next: spec.pages.as_ref().map(|pages| css(pages.next.as_str())).transpose()?,
        extract: Extractor::compile(&spec.extract)?,
    })
}

fn css(text: &str) -> Result<Css, Failed> {
    Ok(Css { text: text.to_owned(), selector: compile_selector(text)? })
}

fn json(spec: &CrawlSpec) -> Result<JsonFinding, Failed> {
    Ok(JsonFinding {
        items: spec.items.as_ref().map(|items| Path::compile(items.as_str())).transpose()?,
        next: spec.pages.as_ref().map(|pages| Path::compile(pages.next.as_str())).transpose()?,
        extract: json_fields(&spec.extract)?,
    })
}

fn json_fields(specs: &Ordered<ExtractSpec>) -> Result<Vec<(String, JsonField)>, ExprError> {
    let field = |(name, spec): (&String, &ExtractSpec)| {
        let field = match &spec.jq {
            Some(jq) => JsonField::Value(expr(jq)?),
            None => JsonField::Nested(json_fields(&spec.fields)?),
        };
        Ok((name.clone(), field))
    };
    specs.iter().map(field).collect()
}
