//! The Graph API client: one call, one answer. It follows no redirect, repeats nothing, and puts the token nowhere but
//! into the `Authorization` header.

use super::gate::Gate;
use super::redact;
use super::usage::Usage;
use hmac::{Hmac, Mac};
use jobpipe_core::{Clock, EffectTimes, RateLimiter};
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value as Json;
use std::error::Error as _;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use url::{Host, Url};

/// The longest that connecting takes; nothing has been sent by then.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// An idle connection is closed before the server closes it under a call: that would leave the call's end unknown.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// How to reach the Graph API. Made from the settings of the project alone: an import cannot name another address.
#[derive(Clone)]
pub struct GraphSettings {
    /// `https://graph.facebook.com`, or a simulator's address.
    pub url: Url,
    /// The version: `v26.0`.
    pub api: String,
    /// The app's secret; with it every call carries `appsecret_proof`.
    pub app_secret: Option<SecretString>,
    /// Allows `http:` to a host that is not this machine. Tokens travel in the clear then.
    pub allow_http: bool,
    /// A proxy for every call. `None` = none: the environment's proxy variables are never read.
    pub proxy: Option<String>,
    /// The times of effects.
    pub times: EffectTimes,
}

impl std::fmt::Debug for GraphSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { url, api, allow_http, times, app_secret: _, proxy: _ } = self;
        let mut shown = f.debug_struct("GraphSettings");
        let url = shown_url(url);
        shown
            .field("url", &url)
            .field("api", api)
            .field("allow_http", allow_http)
            .field("times", times)
            .finish_non_exhaustive()
    }
}

impl GraphSettings {
    /// The times that Facebook needs: sent within 30 s, answered within 60 s, settled after 10 min, read
    /// back after 1 min.
    #[must_use]
    pub fn usual_times() -> EffectTimes {
        EffectTimes {
            send_by: Duration::from_secs(30),
            timeout: Duration::from_secs(60),
            settle: Duration::from_secs(600),
            read_lag: Duration::from_secs(60),
        }
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    /// Not an address of an API.
    #[error("facebook.graph_url `{url}` cannot be used: {why}")]
    Url {
        /// As given, without user and password.
        url: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Not a version.
    #[error("facebook.api `{api}` is no version of the graph API: write it like v26.0")]
    Api {
        /// As given.
        api: String,
    },
    /// Not a proxy. It is not shown: it may hold a password.
    #[error("the proxy of the settings cannot be used for facebook: write it like http://proxy.test:3128")]
    Proxy,
    /// The HTTP client cannot be made.
    #[error("the http client for facebook cannot be made: {0}")]
    Client(String),
}

/// The Graph API as this process sees it. One for all exports, so that all of them keep the silence that Facebook asks.
pub struct Graph {
    http: reqwest::Client,
    settings: GraphSettings,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) gate: Gate,
}

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Delete,
}

/// One call.
pub(super) struct Call<'a> {
    pub(super) verb: Verb,
    /// A page's or a post's id.
    pub(super) node: &'a str,
    /// `feed`, `published_posts`.
    pub(super) edge: Option<&'a str>,
    pub(super) params: Vec<(&'a str, String)>,
    pub(super) token: &'a SecretString,
    /// The id of the page whose quota it uses.
    pub(super) page: &'a str,
    /// The longest body that is read, in bytes.
    pub(super) most: usize,
}

/// What came of a call. Texts are clean of secrets.
#[derive(Debug)]
pub(super) enum Reply {
    /// It cannot be sent with this token, ever.
    Unsendable(String),
    /// Surely nothing was sent: no address, no connection, no TLS.
    NotSent(String),
    /// Something was sent and no whole answer came.
    Lost(String),
    /// An answer; the body is `None` where it is not JSON.
    Answer { status: u16, usage: Usage, body: Option<Json> },
}

impl Graph {
    /// Checks the settings and makes the client; connects to nothing.
    pub fn new(settings: GraphSettings, clock: Arc<dyn Clock>) -> Result<Self, GraphError> {
        check(&settings)?;
        // An error says that a provider is installed already, which is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut client = reqwest::Client::builder()
            .user_agent(concat!("jobpipe/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT.min(settings.times.timeout))
            .timeout(settings.times.timeout)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .no_proxy();
        if let Some(proxy) = settings.proxy.as_deref().filter(|_| !is_local(&settings.url)) {
            client = client.proxy(reqwest::Proxy::all(proxy).map_err(|_| GraphError::Proxy)?);
        }
        let http = client.build().map_err(|error| GraphError::Client(causes(error)))?;
        Ok(Self { http, settings, gate: Gate::new(clock.clone(), None), clock })
    }

    /// The same, with the silences that Facebook asks for kept by all who share `limits`.
    #[must_use]
    pub fn sharing(mut self, limits: Arc<dyn RateLimiter>) -> Self {
        self.gate = Gate::new(self.clock.clone(), Some(limits));
        self
    }

    /// The times of effects.
    pub(super) fn times(&self) -> EffectTimes {
        self.settings.times
    }

    /// A number that changes when what a call proves itself with changes.
    pub(super) fn credential(&self, token: &SecretString) -> u64 {
        let secret = self.settings.app_secret.as_ref().map_or("", |secret| secret.expose_secret());
        let hash = jobpipe_core::json::hash_parts(&[token.expose_secret(), secret]);
        hash.get(..15).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0)
    }

    /// A stranger's text, without credentials and not too long.
    pub(super) fn clean(&self, text: &str, token: &SecretString) -> String {
        let proof = self.proof(token).map(SecretString::from);
        let secrets = [Some(token), self.settings.app_secret.as_ref(), proof.as_ref()];
        redact::clean(text, &secrets.into_iter().flatten().collect::<Vec<_>>())
    }

    /// Makes one call.
    pub(super) async fn call(&self, call: &Call<'_>) -> Reply {
        let clean = |error: reqwest::Error| self.clean(&causes(error), call.token);
        let request = match self.request(call) {
            Ok(request) => request,
            Err(error) => return Reply::Unsendable(clean(error)),
        };
        let answer = match self.http.execute(request).await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => return Reply::NotSent(clean(error)),
            Err(error) => return Reply::Lost(clean(error)),
        };
        let status = answer.status().as_u16();
        let usage = Usage::of(answer.headers(), call.page);
        self.heed_version(answer.headers());
        match body(answer, call.most).await {
            Ok(Some(bytes)) => Reply::Answer { status, usage, body: serde_json::from_slice(&bytes).ok() },
            Ok(None) => Reply::Lost(format!("its answer is longer than {} bytes", call.most)),
            Err(error) => Reply::Lost(clean(error)),
        }
    }

    fn request(&self, call: &Call<'_>) -> Result<reqwest::Request, reqwest::Error> {
        let mut url = self.settings.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(&self.settings.api).push(call.node).extend(call.edge);
        }
        let mut params: Vec<(&str, &str)> = call.params.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let proof = self.proof(call.token);
        params.extend(proof.as_deref().map(|proof| ("appsecret_proof", proof)));
        let request = match call.verb {
            Verb::Get => self.http.get(url).query(&params),
            Verb::Delete => self.http.delete(url).query(&params),
            Verb::Post => self.http.post(url).form(&params),
        };
        request.bearer_auth(call.token.expose_secret().trim()).build()
    }

    /// HMAC-SHA256 of the token with the app's secret, in hex.
    fn proof(&self, token: &SecretString) -> Option<String> {
        let secret = self.settings.app_secret.as_ref()?.expose_secret();
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).ok()?;
        mac.update(token.expose_secret().trim().as_bytes());
        let mut hex = String::with_capacity(64);
        for byte in mac.finalize().into_bytes() {
            write!(hex, "{byte:02x}").ok()?;
        }
        Some(hex)
    }

    /// Facebook serves an expired version by another one; that is worth a line in the log.
    fn heed_version(&self, headers: &HeaderMap) {
        let served = headers.get("facebook-api-version").and_then(|value| value.to_str().ok());
        if let Some(served) = served.filter(|served| *served != self.settings.api) {
            tracing::warn!(asked = %self.settings.api, served, "facebook answers with another version of its API; set facebook.api");
        }
    }
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Graph").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The bytes of an answer; `None` where they are more than `most`.
async fn body(mut answer: reqwest::Response, most: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if bytes.len() + chunk.len() > most {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes))
}

fn check(settings: &GraphSettings) -> Result<(), GraphError> {
    let url = &settings.url;
    let refuse = |why| Err(GraphError::Url { url: shown_url(url), why });
    match url.scheme() {
        "https" => {}
        "http" if settings.allow_http || is_local(url) => {}
        "http" => return refuse("tokens would travel in the clear: write https"),
        _ => return refuse("write it like https://graph.facebook.com"),
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return refuse("it may hold scheme, host, port and path only");
    }
    let digits = |text: &str| !text.is_empty() && text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    let numbers = settings.api.strip_prefix('v').and_then(|rest| rest.split_once('.'));
    if numbers.is_some_and(|(major, minor)| digits(major) && digits(minor)) {
        Ok(())
    } else {
        Err(GraphError::Api { api: settings.api.clone() })
    }
}

/// An address without what may be secret in it.
fn shown_url(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

/// This machine itself.
fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// An error and what caused it, without the URL (its query holds the proof).
fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
