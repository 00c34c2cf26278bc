//! The targets of an export: names become pages, once, when a run starts.

use super::{SecretRef, Settings};
use crate::diagnostic::{codes, nearest};
use crate::spec::{InlinePage, Ordered, TargetSpec, ValueText};
use jobpipe_expr::{Lookup, Setting, SettingError};
use secrecy::ExposeSecret;
use serde_json::{Map, Value as Json};

/// A Facebook page that an export keeps in step.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Its id at Facebook.
    pub id: String,
    /// The name that people gave it.
    pub name: String,
    /// Its access token, not yet read.
    pub token: SecretRef,
    /// The values of its own.
    pub vars: Ordered<String>,
}

impl Page {
    /// `facebook:1001`.
    #[must_use]
    pub fn target_id(&self) -> String {
        format!("facebook:{}", self.id)
    }

    /// What expressions see as `$page`: id, name and the values of its own. Never the token.
    #[must_use]
    pub fn variable(&self) -> Json {
        let mut out: Map<String, Json> =
            self.vars.iter().map(|(name, value)| (name.clone(), Json::from(value.as_str()))).collect();
        out.insert("id".to_owned(), Json::from(self.id.as_str()));
        out.insert("name".to_owned(), Json::from(self.name.as_str()));
        Json::Object(out)
    }
}

/// Why the targets of an export cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum PagesError {
    /// No such page.
    #[error("there is no page `{name}` in the settings{hint}")]
    Unknown {
        /// The name.
        name: String,
        /// What to do, with punctuation before it.
        hint: String,
    },
    /// The list is empty.
    #[error("{reference} names no page: an export to nowhere is surely a mistake")]
    Empty {
        /// The reference, as written.
        reference: String,
    },
    /// A setting is missing.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// Not a setting at all.
    #[error("`{reference}` cannot be read as a list of pages: {reason}")]
    Unreadable {
        /// As written; never what it stands for.
        reference: String,
        /// Why.
        reason: String,
    },
}

impl PagesError {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => codes::UNKNOWN_PAGE,
            Self::Empty { .. } => codes::NO_TARGETS,
            Self::Setting(error) => error.code(),
            Self::Unreadable { .. } => codes::BAD_VARIABLE,
        }
    }
}

impl Settings {
    /// The pages of an export's `facebook:`, each once (by id), in the order in which they are named. Reads late lists
    /// (`$PAGES`: names by comma, blank or line), but no token. Never empty.
    pub fn resolve_pages(&self, targets: &[TargetSpec], lookup: &dyn Lookup) -> Result<Vec<Page>, PagesError> {
        let mut pages: Vec<Page> = Vec::new();
        for target in targets {
            let found = match target {
                TargetSpec::Inline(page) => vec![inline(page)?],
                TargetSpec::Named(text) => self.named(text, lookup)?,
            };
            for page in found {
                if pages.iter().all(|known| known.id != page.id) {
                    pages.push(page);
                }
            }
        }
        if pages.is_empty() {
            return Err(PagesError::Empty { reference: "the list of pages".to_owned() });
        }
        Ok(pages)
    }

    fn named(&self, text: &ValueText, lookup: &dyn Lookup) -> Result<Vec<Page>, PagesError> {
        let setting = Setting::parse(text.as_str()).map_err(|error| unreadable(text, &error.message))?;
        if setting.is_plain() {
            return self.page(text.as_str()).map(|page| vec![page]);
        }
        let list = setting.resolve(lookup)?;
        let names =
            list.expose_secret().split([',', '\n', ' ', '\t', '\r']).map(str::trim).filter(|name| !name.is_empty());
        let pages = names.map(|name| self.page(name)).collect::<Result<Vec<_>, _>>()?;
        if pages.is_empty() {
            return Err(PagesError::Empty { reference: text.to_string() });
        }
        Ok(pages)
    }

    fn page(&self, name: &str) -> Result<Page, PagesError> {
        if let Some(page) = self.pages.get(name) {
            let page = page.clone();
            return Ok(Page { id: page.id, name: name.to_owned(), token: page.token, vars: page.vars });
        }
        let hint = match nearest(name, self.pages.keys().map(String::as_str)) {
            Some(near) => format!("; did you mean `{near}`?"),
            None if self.pages.is_empty() => {
                format!(": add it to `pages` of jobpipe.yml: `{name}: {{ id: \"...\", token: $FB_TOKEN }}`")
            }
            None => format!(": it has {}", self.pages.keys().cloned().collect::<Vec<_>>().join(", ")),
        };
        Err(PagesError::Unknown { name: name.to_owned(), hint })
    }
}

fn unreadable(text: &ValueText, reason: &str) -> PagesError {
    PagesError::Unreadable { reference: text.to_string(), reason: reason.to_owned() }
}

fn inline(page: &InlinePage) -> Result<Page, PagesError> {
    let token = SecretRef::parse(page.token.as_str()).map_err(|error| PagesError::Unreadable {
        reference: format!("the token of page {}", page.id),
        reason: error.message,
    })?;
    let name = page.name.clone().unwrap_or_else(|| page.id.clone());
    Ok(Page { id: page.id.clone(), name, token, vars: page.vars.clone() })
}
