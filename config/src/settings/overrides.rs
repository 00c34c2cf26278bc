//! Settings from the environment and from flags: one key, one text.

use super::servers::EngineError;
use super::{Engine, Role, SecretRef, Settings};
use crate::diagnostic::codes;
use crate::grammar::GrammarError;
use jobpipe_expr::Lookup;
use secrecy::ExposeSecret;
use std::path::PathBuf;
use std::str::FromStr;

/// A setting that a variable or a flag can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Override {
    /// `facebook.graph_url`.
    pub key: &'static str,
    /// `JOBPIPE_FACEBOOK_GRAPH_URL`.
    pub variable: &'static str,
}

/// All of them.
pub const OVERRIDES: &[Override] = &[
    Override { key: "defaults.user_agent", variable: "JOBPIPE_DEFAULTS_USER_AGENT" },
    Override { key: "defaults.rate", variable: "JOBPIPE_DEFAULTS_RATE" },
    Override { key: "defaults.timeout", variable: "JOBPIPE_DEFAULTS_TIMEOUT" },
    Override { key: "facebook.graph_url", variable: "JOBPIPE_FACEBOOK_GRAPH_URL" },
    Override { key: "facebook.api", variable: "JOBPIPE_FACEBOOK_API" },
    Override { key: "facebook.app_id", variable: "JOBPIPE_FACEBOOK_APP_ID" },
    Override { key: "facebook.app_secret", variable: "JOBPIPE_FACEBOOK_APP_SECRET" },
    Override { key: "facebook.settle", variable: "JOBPIPE_FACEBOOK_SETTLE" },
    Override { key: "facebook.read_lag", variable: "JOBPIPE_FACEBOOK_READ_LAG" },
    Override { key: "facebook.send_by", variable: "JOBPIPE_FACEBOOK_SEND_BY" },
    Override { key: "facebook.timeout", variable: "JOBPIPE_FACEBOOK_TIMEOUT" },
    Override { key: "broker", variable: "JOBPIPE_BROKER" },
    Override { key: "store", variable: "JOBPIPE_STORE" },
    Override { key: "limits.workers", variable: "JOBPIPE_LIMITS_WORKERS" },
    Override { key: "limits.task", variable: "JOBPIPE_LIMITS_TASK" },
    Override { key: "limits.body", variable: "JOBPIPE_LIMITS_BODY" },
    Override { key: "limits.file", variable: "JOBPIPE_LIMITS_FILE" },
    Override { key: "allow_private", variable: "JOBPIPE_ALLOW_PRIVATE" },
    Override { key: "file_roots", variable: "JOBPIPE_FILE_ROOTS" },
];

/// A setting that cannot be what it was given. Never holds what was given: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{from} cannot be read: expected {expected}")]
pub struct OverrideError {
    /// The variable or flag.
    pub from: String,
    /// What would have been right.
    pub expected: String,
}

impl OverrideError {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        codes::BAD_VARIABLE
    }
}

impl Settings {
    /// Takes every `JOBPIPE_*` that is set and not empty.
    pub fn apply_environment(&mut self, lookup: &dyn Lookup) -> Result<(), OverrideError> {
        for Override { key, variable } in OVERRIDES {
            let Some(value) = lookup.variable(variable) else { continue };
            if value.expose_secret().trim().is_empty() {
                continue;
            }
            let set = if matches!(*key, "facebook.app_secret" | "store" | "broker") {
                // The value stays where it is, for it may be or hold a secret: only its name is kept.
                self.set(key, &format!("${variable}"))
            } else {
                self.set(key, value.expose_secret())
            };
            set.map_err(|error| OverrideError { from: (*variable).to_owned(), ..error })?;
        }
        Ok(())
    }

    /// Sets one key of [`OVERRIDES`], as a flag does. Lists are separated by commas.
    pub fn set(&mut self, key: &str, text: &str) -> Result<(), OverrideError> {
        let text = text.trim();
        let wrong = |error: GrammarError| OverrideError { from: key.to_owned(), expected: error.expected };
        match key {
            "defaults.user_agent" => self.defaults.user_agent = text.to_owned(),
            "defaults.rate" => self.defaults.rate = text.parse().map_err(wrong)?,
            "defaults.timeout" => self.defaults.timeout = text.parse().map_err(wrong)?,
            "facebook.graph_url" => self.facebook.graph_url = http_url(text).map_err(wrong)?,
            "facebook.api" => self.facebook.api = text.to_owned(),
            "facebook.app_id" => self.facebook.app_id = Some(text.to_owned()),
            "facebook.app_secret" => {
                let secret = SecretRef::parse(text).map_err(|error| wrong(GrammarError::new(error.message)))?;
                self.facebook.app_secret = Some(secret);
            }
            "facebook.settle" => self.facebook.settle = text.parse().map_err(wrong)?,
            "facebook.read_lag" => self.facebook.read_lag = text.parse().map_err(wrong)?,
            "facebook.send_by" => self.facebook.send_by = text.parse().map_err(wrong)?,
            "facebook.timeout" => self.facebook.timeout = text.parse().map_err(wrong)?,
            "broker" => self.broker = engine(text, Role::Broker).map_err(wrong)?,
            "store" => self.store = engine(text, Role::Store).map_err(wrong)?,
            "limits.workers" => self.limits.workers = Some(workers(text).map_err(wrong)?),
            "limits.task" => self.limits.task = text.parse().map_err(wrong)?,
            "limits.body" => self.limits.body = text.parse().map_err(wrong)?,
            "limits.file" => self.limits.file = text.parse().map_err(wrong)?,
            "allow_private" => self.allow_private = list(text).map_err(wrong)?,
            "file_roots" => {
                let roots = text.split(',').map(str::trim).filter(|root| !root.is_empty());
                self.file_roots = roots.map(PathBuf::from).collect();
            }
            _ => {
                let known: Vec<&str> = OVERRIDES.iter().map(|known| known.key).collect();
                return Err(OverrideError { from: key.to_owned(), expected: format!("one of {}", known.join(", ")) });
            }
        }
        Ok(())
    }
}

fn list<T: FromStr<Err = GrammarError>>(text: &str) -> Result<Vec<T>, GrammarError> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::parse).collect()
}

/// `embedded`, or the URL of a server, which may be named.
fn engine(text: &str, role: Role) -> Result<Engine, GrammarError> {
    Engine::parse(text, role).map_err(|error| match error {
        EngineError::Reference(error) => GrammarError::new(error.message),
        EngineError::NoUrl => GrammarError::new(role.expected()),
    })
}

/// A number of tasks, at least one.
fn workers(text: &str) -> Result<u32, GrammarError> {
    let wrong = || GrammarError::new("a whole number of at least 1");
    let count = crate::grammar::parse_count(text)?;
    u32::try_from(count).ok().filter(|count| *count > 0).ok_or_else(wrong)
}

/// An http or https URL without user, query or fragment; a slash at its end is dropped.
pub(super) fn http_url(text: &str) -> Result<String, GrammarError> {
    let wrong = || GrammarError::new("a URL such as https://graph.facebook.com");
    let url = url::Url::parse(text).map_err(|_| wrong())?;
    let plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    let http = matches!(url.scheme(), "http" | "https") && url.has_host();
    if plain && http { Ok(text.trim_end_matches('/').to_owned()) } else { Err(wrong()) }
}
