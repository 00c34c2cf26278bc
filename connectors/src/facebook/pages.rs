//! The pages that the settings know.

use super::code;
use jobpipe_core::{ErrorClass, TaskError};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

/// What ids of targets begin with.
const KIND: &str = "facebook:";
/// Longest id of a page.
const LONGEST_ID: usize = 64;

/// One page of the settings. `Debug` shows no token.
#[derive(Debug, Clone)]
pub struct Page {
    /// The name that imports use.
    pub name: String,
    /// Facebook's id.
    pub id: String,
    /// Its token; or why it has none, in words for the reader (`$FB_ACME_PARIS is not set`).
    pub token: Result<SecretString, String>,
    /// What expressions see as `$page`, without `id` and `name`: `lang`, `state`, `tz`, ... Never a secret.
    pub facts: Map<String, Json>,
}

/// Why the pages of the settings are refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PagesError {
    /// An id that would not be one part of a path.
    #[error("page `{name}`: `{id}` is no page id: write the digits that facebook shows under About, Page ID")]
    Id {
        /// The page.
        name: String,
        /// What stands there.
        id: String,
    },
    /// Two pages under one name.
    #[error("there are two pages `{name}`: give one of them another name")]
    Name {
        /// The name.
        name: String,
    },
    /// One page under two names: each would post to it.
    #[error("pages `{first}` and `{second}` have the same id {id}: keep one of them")]
    Twice {
        /// The name that came first.
        first: String,
        /// The other one.
        second: String,
        /// Their id.
        id: String,
    },
}

/// All pages of the settings, by name and by id.
#[derive(Debug, Clone, Default)]
pub struct Pages {
    pages: Vec<Page>,
    by_name: BTreeMap<String, usize>,
    by_id: BTreeMap<String, usize>,
}

impl Page {
    /// `facebook:1001`.
    pub(super) fn target(&self) -> String {
        format!("{KIND}{}", self.id)
    }

    /// What expressions see as `$page`.
    pub(super) fn variable(&self) -> Json {
        let mut facts = self.facts.clone();
        facts.insert("id".to_owned(), self.id.clone().into());
        facts.entry("name").or_insert_with(|| self.name.clone().into());
        Json::Object(facts)
    }

    /// The token, or that there is none.
    pub(super) fn token(&self) -> Result<&SecretString, TaskError> {
        match &self.token {
            Ok(token) if !token.expose_secret().trim().is_empty() => Ok(token),
            Ok(_) => Err(self.error(ErrorClass::Auth, code::TOKEN, "its token is empty", TOKEN_REMEDY)),
            Err(why) => {
                Err(self.error(ErrorClass::Auth, code::TOKEN, &format!("it has no token: {why}"), TOKEN_REMEDY))
            }
        }
    }

    /// An error about this page: what happened, and what to do.
    pub(super) fn error(&self, class: ErrorClass, code: &str, what: &str, remedy: &str) -> TaskError {
        let message = format!("page `{}` ({}): {what}; {remedy}", self.name, self.id);
        TaskError { class, code: code.to_owned(), message, retry_after_ms: None }
    }
}

/// What to do about a token.
pub(super) const TOKEN_REMEDY: &str =
    "put a page token that is valid into `pages:` of jobpipe.yml (or the variable that it names), then run again";

impl Pages {
    /// Takes the pages of the settings.
    pub fn new(pages: Vec<Page>) -> Result<Self, PagesError> {
        Self::default().with(pages)
    }

    /// The same pages and more: those that an import writes out itself.
    pub fn with(&self, pages: Vec<Page>) -> Result<Self, PagesError> {
        let mut all = self.clone();
        for page in pages {
            let is_id = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
            let dots = page.id.bytes().all(|byte| byte == b'.');
            if dots || page.id.len() > LONGEST_ID || !page.id.bytes().all(is_id) {
                return Err(PagesError::Id { name: page.name, id: page.id });
            }
            if let Some(first) = all.by_id.get(&page.id).and_then(|index| all.pages.get(*index)) {
                return Err(PagesError::Twice { first: first.name.clone(), second: page.name, id: page.id });
            }
            if all.by_name.insert(page.name.clone(), all.pages.len()).is_some() {
                return Err(PagesError::Name { name: page.name });
            }
            all.by_id.insert(page.id.clone(), all.pages.len());
            all.pages.push(page);
        }
        Ok(all)
    }

    /// The page that imports call `name`.
    pub(super) fn named(&self, name: &str) -> Result<&Page, TaskError> {
        self.by_name.get(name).and_then(|index| self.pages.get(*index)).ok_or_else(|| {
            let known = self.pages.iter().map(|page| page.name.as_str()).take(20).collect::<Vec<_>>().join(", ");
            let known = if known.is_empty() { "none".to_owned() } else { known };
            unknown(format!(
                "there is no page `{name}` in the settings (known: {known}); add it under `pages:` of jobpipe.yml"
            ))
        })
    }

    /// The page of a target: `facebook:1001`.
    pub(super) fn of_target(&self, target: &str) -> Result<&Page, TaskError> {
        let index = target.strip_prefix(KIND).and_then(|id| self.by_id.get(id));
        index.and_then(|index| self.pages.get(*index)).ok_or_else(|| {
            unknown(format!(
                "the settings know no page for {target} any more; put it back under `pages:` of jobpipe.yml"
            ))
        })
    }
}

fn unknown(message: String) -> TaskError {
    TaskError { class: ErrorClass::Permanent, code: code::PAGE.to_owned(), message, retry_after_ms: None }
}
