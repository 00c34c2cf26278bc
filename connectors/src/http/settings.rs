//! What the operator decides about HTTP.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use jobpipe_config::settings::{PrivateRange, Settings};

/// Settings of an [`super::HttpClient`]. They come from the project and the environment, never from an import.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// The `User-Agent`; its first word (up to `/` or a space) is the name that robots.txt is read for.
    pub user_agent: String,
    /// Private networks that may be asked.
    pub allow_private: Vec<PrivateRange>,
    /// Ports opened beside 80, 443, 8080 and 8443.
    pub ports: Vec<u16>,
    /// Fixed names and where they are: the resolver answers with this address and its port, and asks nobody.
    pub hosts: BTreeMap<String, SocketAddr>,
    /// A proxy for every call. `None` = none: the environment's proxy variables are never read, as a proxy would
    /// look up names past the guard.
    pub proxy: Option<String>,
    /// What one call may cost.
    pub limits: HttpLimits,
}

/// What one call may cost.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// Bytes of a body after decompression.
    pub body: usize,
    /// Until a connection stands, name look-up included.
    pub connect: Duration,
    /// From sending until the head of the answer is there.
    pub header: Duration,
    /// Between two pieces of a body.
    pub idle: Duration,
    /// For everything, redirects included.
    pub total: Duration,
    /// Bytes a second that a body must come with, judged after [`HttpLimits::rate_grace`].
    pub min_rate: u64,
    /// How long a body may be slow.
    pub rate_grace: Duration,
    /// How long a call waits for a permit of its host before it is put back.
    pub patience: Duration,
    /// Redirects followed.
    pub redirects: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            body: 10 << 20,
            connect: Duration::from_secs(10),
            header: Duration::from_secs(30),
            idle: Duration::from_secs(15),
            total: Duration::from_secs(60),
            min_rate: 1_000,
            rate_grace: Duration::from_secs(10),
            patience: Duration::from_secs(2),
            redirects: 5,
        }
    }
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            user_agent: concat!("jobpipe/", env!("CARGO_PKG_VERSION")).to_owned(),
            allow_private: Vec::new(),
            ports: Vec::new(),
            hosts: BTreeMap::new(),
            proxy: None,
            limits: HttpLimits::default(),
        }
    }
}

impl HttpSettings {
    /// What the project and the environment set. Fixed names and a proxy are no settings: the caller adds them.
    #[must_use]
    pub fn from_settings(settings: &Settings) -> Self {
        let limits = HttpLimits {
            body: usize::try_from(settings.limits.body.bytes()).unwrap_or(usize::MAX),
            total: settings.defaults.timeout.duration(),
            ..HttpLimits::default()
        };
        Self {
            user_agent: settings.defaults.user_agent.clone(),
            allow_private: settings.allow_private.clone(),
            limits,
            ..Self::default()
        }
    }

    /// The name that robots.txt is read for: `acme-bot` of `acme-bot/2 (+https://acme.test/bot)`.
    #[must_use]
    pub fn robots_name(&self) -> &str {
        self.user_agent.split(['/', ' ']).next().unwrap_or_default()
    }
}
