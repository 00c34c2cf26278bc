//! Where the store and the broker are: in this process and the project's folder, or on servers.
//!
//! The URL of a server may hold a password, so it is treated as one: named or written out, it is read when it is used,
//! and no way of printing settings prints more of it than the names of its references.

use super::{SecretRef, Settings};
use crate::diagnostic::codes;
use jobpipe_expr::{ExprError, Lookup, SettingError};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// The word for "no server".
const EMBEDDED: &str = "embedded";

/// What is said of a server's URL.
const URL: &str = "The URL of a server, best as a secret: `$MONGODB_URL`, `${file:PATH}`.";

/// Where the store or the broker is.
#[derive(Clone, PartialEq, Eq)]
pub enum Engine {
    /// In this process, with one SQLite file in the project's folder.
    Embedded,
    /// On servers, by URL: one for a store, the members of one cluster for a broker.
    Servers(Vec<SecretRef>),
}

/// Which of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The state: MongoDB's protocol.
    Store,
    /// Hints: AMQP.
    Broker,
}

impl Role {
    /// Its key in settings.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Broker => "broker",
        }
    }

    /// What may stand there, for who wrote something else.
    #[must_use]
    pub const fn expected(self) -> &'static str {
        match self {
            Self::Store => {
                "`embedded`, or a URL such as mongodb://db.acme.test/jobpipe (with a password: named, `$MONGODB_URL`)"
            }
            Self::Broker => {
                "`embedded`, or a URL such as amqps://mq.acme.test/jobpipe (with a password: named, `$AMQP_URL`)"
            }
        }
    }

    fn is_url(self, text: &str) -> bool {
        let schemes: &[&str] = match self {
            Self::Store => &["mongodb://", "mongodb+srv://"],
            Self::Broker => &["amqp://", "amqps://"],
        };
        schemes.iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme))
    }
}

/// Servers to work with. No way of printing it prints a URL.
#[derive(Debug, Clone)]
pub struct Servers {
    /// The store: one MongoDB URL.
    pub store: SecretString,
    /// The broker: the AMQP URLs of one cluster. Empty = hints stay in the process, which then is the only worker.
    pub brokers: Vec<SecretString>,
}

/// Why it cannot be told which servers to work with. Never holds what was given.
#[derive(Debug, thiserror::Error)]
pub enum ServersError {
    /// A reference cannot be read.
    #[error("`{key}` of the settings: {source}")]
    Unread {
        /// `store` or `broker`.
        key: &'static str,
        /// Why.
        source: SettingError,
    },
    /// What was read is no URL of that kind.
    #[error("`{key}` of the settings is not what it should be: expected {expected}")]
    NoUrl {
        /// `store` or `broker`.
        key: &'static str,
        /// What would have been right.
        expected: &'static str,
    },
    /// Hints for several machines, and a state that only one of them has.
    #[error(
        "`broker` names a server and `store` is embedded: several machines can share work only when they share the state; \
         set `store: $MONGODB_URL` too, or leave `broker` out"
    )]
    BrokerAlone,
}

impl ServersError {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unread { source, .. } => source.code(),
            Self::NoUrl { .. } => codes::WORD,
            Self::BrokerAlone => codes::BROKER_ALONE,
        }
    }
}

impl Settings {
    /// The servers that hold the state and carry the hints, their URLs read now; `None` when the state is embedded.
    ///
    /// # Errors
    /// [`ServersError`] when a URL cannot be read or is none, or when there is a broker without a store.
    pub fn servers(&self, lookup: &dyn Lookup) -> Result<Option<Servers>, ServersError> {
        let mut stores = self.store.urls(Role::Store, lookup)?;
        let brokers = self.broker.urls(Role::Broker, lookup)?;
        match stores.pop() {
            Some(store) => Ok(Some(Servers { store, brokers })),
            None if brokers.is_empty() => Ok(None),
            None => Err(ServersError::BrokerAlone),
        }
    }
}

impl Engine {
    /// What one text says, which may name what it does not hold. What is written out must be of the right kind; of what is
    /// named that is seen when it is read.
    pub(super) fn parse(text: &str, role: Role) -> Result<Self, EngineError> {
        if text.trim() == EMBEDDED {
            return Ok(Self::Embedded);
        }
        let url = SecretRef::parse(text.trim()).map_err(EngineError::Reference)?;
        if url.is_plain() && !role.is_url(text.trim()) {
            return Err(EngineError::NoUrl);
        }
        Ok(Self::Servers(vec![url]))
    }

    /// Whether a password is written out.
    pub(super) fn holds_password(&self) -> bool {
        match self {
            Self::Embedded => false,
            Self::Servers(urls) => urls.iter().any(|url| url.is_plain() && url.source().contains('@')),
        }
    }

    fn urls(&self, role: Role, lookup: &dyn Lookup) -> Result<Vec<SecretString>, ServersError> {
        let Self::Servers(references) = self else { return Ok(Vec::new()) };
        let key = role.key();
        let mut urls = Vec::new();
        for reference in references {
            let text = reference.resolve(lookup).map_err(|source| ServersError::Unread { key, source })?;
            urls.extend(listed(text.expose_secret(), role).into_iter().map(SecretString::from));
        }
        if let [one] = urls.as_slice()
            && one.expose_secret() == EMBEDDED
        {
            return Ok(Vec::new());
        }
        let most = if role == Role::Store { 1 } else { usize::MAX };
        let right = (1..=most).contains(&urls.len()) && urls.iter().all(|url| role.is_url(url.expose_secret()));
        if right { Ok(urls) } else { Err(ServersError::NoUrl { key, expected: role.expected() }) }
    }

    /// What may be shown: never a URL.
    fn shown(&self) -> String {
        match self {
            Self::Embedded => EMBEDDED.to_owned(),
            Self::Servers(urls) => urls.iter().map(SecretRef::references).collect::<Vec<_>>().join(", "),
        }
    }
}

/// Why one text is no place of a store or broker.
#[derive(Debug)]
pub(super) enum EngineError {
    /// A malformed reference.
    Reference(ExprError),
    /// Neither `embedded` nor a URL of that kind.
    NoUrl,
}

/// The URLs of one text: brokers are separated by commas, which inside of a URL no `amqp` follows.
fn listed(text: &str, role: Role) -> Vec<String> {
    let mut urls: Vec<String> = Vec::new();
    for part in text.split(',') {
        match urls.last_mut() {
            Some(last) if role == Role::Store || !role.is_url(part.trim()) => {
                last.push(',');
                last.push_str(part);
            }
            _ => urls.push(part.to_owned()),
        }
    }
    urls.into_iter().map(|url| url.trim().to_owned()).collect()
}

impl fmt::Debug for Engine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Engine({})", self.shown())
    }
}

impl Serialize for Engine {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&self.shown())
    }
}

/// Where the store is: one server, or one cluster by one URL.
pub(super) fn store_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [
            { "type": "string", "const": EMBEDDED },
            { "type": "string", "description": URL }
        ]
    })
}

impl JsonSchema for Engine {
    fn schema_name() -> Cow<'static, str> {
        "Engine".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Where the store or the broker is.",
            "anyOf": [
                { "type": "string", "const": EMBEDDED },
                { "type": "string", "description": URL },
                { "type": "array", "items": { "type": "string" }, "minItems": 1 }
            ]
        })
    }
}
