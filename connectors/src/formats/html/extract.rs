//! `extract` of HTML: fields taken from an element, compiled once for a definition.

use jobpipe_config::spec::{ExtractSpec, Ordered};
use jobpipe_expr::{EvalError, Expr, ExprError, Subject, Vars};
use scraper::{ElementRef, Selector};
use serde_json::{Map, Value as Json};

use super::Page;
use super::text::folded_text;

/// Matches of one selector that are taken; more would not fit into a record.
const MOST_MATCHES: usize = 10_000;
/// Bytes that one selector takes: matches inside each other hold the same text again and again.
const MOST_BYTES: usize = 16 << 20;

/// A selector or expression that cannot be compiled. `check` reports these first, with line and column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// Not CSS.
    #[error("`{selector}` is not a CSS selector: {why}")]
    Css {
        /// As written.
        selector: String,
        /// What the parser says.
        why: String,
    },
    /// Not jq.
    #[error("`{source_text}`: {error}")]
    Jq {
        /// As written.
        source_text: String,
        /// What is wrong.
        error: ExprError,
    },
}

/// Compiles a CSS selector.
pub fn compile_selector(text: &str) -> Result<Selector, SelectorError> {
    Selector::parse(text).map_err(|error| SelectorError::Css { selector: text.to_owned(), why: error.to_string() })
}

/// The fields of a record, ready to be taken from a page.
#[derive(Debug)]
pub struct Extractor {
    fields: Vec<(String, Field)>,
}

#[derive(Debug)]
enum Field {
    Taken { selector: Option<Selector>, what: What, all: bool, jq: Option<Expr> },
    Nested(Extractor),
}

/// What is taken of an element.
#[derive(Debug)]
enum What {
    Text,
    Html,
    Attribute(String),
}

impl Extractor {
    /// Compiles the fields of `extract:`.
    pub fn compile(specs: &Ordered<ExtractSpec>) -> Result<Self, SelectorError> {
        let compile = |(name, spec): (&String, &ExtractSpec)| Ok((name.clone(), Field::compile(spec)?));
        Ok(Self { fields: specs.iter().map(compile).collect::<Result<_, _>>()? })
    }

    /// Whether it takes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Takes the fields from `item` and puts them into `record`. A field without a match is left as it is there.
    pub fn take(
        &self,
        page: &Page,
        item: ElementRef<'_>,
        vars: &Vars,
        record: &mut Map<String, Json>,
    ) -> Result<(), EvalError> {
        for (name, field) in &self.fields {
            if let Some(value) = field.take(page, item, vars)? {
                record.insert(name.clone(), value);
            }
        }
        Ok(())
    }
}

impl Field {
    fn compile(spec: &ExtractSpec) -> Result<Self, SelectorError> {
        if !spec.fields.is_empty() {
            return Ok(Self::Nested(Extractor::compile(&spec.fields)?));
        }
        let selector = spec.selector.as_deref().filter(|text| text.trim() != ".");
        let jq =
            |text: &String| Expr::compile(text).map_err(|error| SelectorError::Jq { source_text: text.clone(), error });
        Ok(Self::Taken {
            selector: selector.map(compile_selector).transpose()?,
            what: match spec.attribute.as_deref() {
                None | Some("text") => What::Text,
                Some("html") => What::Html,
                Some(name) => What::Attribute(name.to_ascii_lowercase()),
            },
            all: spec.all,
            jq: spec.jq.as_ref().map(jq).transpose()?,
        })
    }

    /// The field's value: absent where nothing matches, or what matches is empty.
    fn take(&self, page: &Page, item: ElementRef<'_>, vars: &Vars) -> Result<Option<Json>, EvalError> {
        let (selector, what, all, jq) = match self {
            Self::Taken { selector, what, all, jq } => (selector, what, *all, jq),
            Self::Nested(nested) => {
                let mut record = Map::new();
                nested.take(page, item, vars, &mut record)?;
                return Ok((!record.is_empty()).then_some(Json::Object(record)));
            }
        };
        let elements: Vec<ElementRef<'_>> = match selector {
            None => vec![item],
            Some(selector) => item.select(selector).take(if all { MOST_MATCHES } else { 1 }).collect(),
        };
        let mut left = MOST_BYTES;
        let fits = |text: &String| {
            let fits = text.len() <= left;
            left = left.saturating_sub(text.len());
            fits
        };
        let found = elements.into_iter().filter_map(|element| what.of(page, element));
        let mut taken = found.take_while(fits).map(Json::String);
        let value = if all { Some(Json::Array(taken.collect())) } else { taken.next() };
        match (value, jq) {
            (Some(value), Some(jq)) => jq.eval(&Subject::new(&value), vars),
            (value, _) => Ok(value),
        }
    }
}

impl What {
    fn of(&self, page: &Page, element: ElementRef<'_>) -> Option<String> {
        let value = match self {
            Self::Text => folded_text(element),
            Self::Html => element.inner_html().trim().to_owned(),
            Self::Attribute(name) => page.attribute(element, name)?,
        };
        (!value.is_empty()).then_some(value)
    }
}

#[cfg(test)]
mod tests;
