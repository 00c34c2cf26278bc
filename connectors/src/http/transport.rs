//! One request over the wire, no redirects: guarded connections, and what went wrong told apart.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Proxy, Response, redirect};
use secrecy::ExposeSecret;
use tokio::time::timeout;
use url::Url;

use super::resolver::ResolveError;
use super::{Guard, GuardedResolver, HttpCall, HttpError, HttpSettings, shown_url};

/// Clients kept, one for each port (the resolver must know it to judge an address).
const CLIENTS: usize = 64;

/// Headers that belong to the connection or are the client's own.
const OWN_HEADERS: [&str; 6] =
    ["host", "content-length", "transfer-encoding", "connection", "upgrade", "accept-encoding"];

/// Sends requests.
pub(crate) struct Transport {
    settings: HttpSettings,
    guard: Arc<Guard>,
    clients: Mutex<BTreeMap<u16, Client>>,
}

impl Transport {
    pub(crate) fn new(settings: HttpSettings) -> Result<Self, HttpError> {
        // Fails only where a provider is installed already, which then is used.
        rustls::crypto::ring::default_provider().install_default().ok();
        let guard = Guard::new(settings.allow_private.clone(), settings.ports.clone(), settings.hosts.clone());
        let transport = Self { settings, guard: Arc::new(guard), clients: Mutex::default() };
        transport.client(443).map_err(|cause| HttpError::Invalid { url: "settings".to_owned(), cause })?;
        Ok(transport)
    }

    pub(crate) fn settings(&self) -> &HttpSettings {
        &self.settings
    }

    /// Judges a URL before anything is sent to it.
    pub(crate) fn check(&self, url: &Url) -> Result<(), HttpError> {
        self.guard.check_url(url).map_err(|refusal| HttpError::Refused { url: shown_url(url), refusal })
    }

    /// Sends `call` to `url` and waits for the head of the answer. `own` = the origin is the one that the import
    /// named, so its headers and credentials go along.
    pub(crate) async fn send(
        &self,
        call: &HttpCall,
        method: &Method,
        url: &Url,
        own: bool,
    ) -> Result<Response, HttpError> {
        self.check(url)?;
        let invalid = |cause: String| HttpError::Invalid { url: shown_url(url), cause };
        let port = url.port_or_known_default().unwrap_or(0);
        let client = self.client(port).map_err(invalid)?;
        let mut request = client.request(method.clone(), url.clone());
        if own {
            request = request.headers(own_headers(call).map_err(invalid)?);
        }
        if let Some((kind, body)) = call.body.as_ref().filter(|_| method == call.method) {
            request = request.header(CONTENT_TYPE, kind).body(body.clone());
        }
        let limit = call.timeout.unwrap_or(self.settings.limits.header);
        match timeout(limit, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(self.explain(url, &error)),
            Err(_) => Err(HttpError::Timeout { url: shown_url(url), what: "the head of the answer", limit }),
        }
    }

    fn client(&self, port: u16) -> Result<Client, String> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&port) {
            return Ok(client.clone());
        }
        let mut builder = Client::builder()
            .user_agent(&self.settings.user_agent)
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(self.settings.limits.connect)
            .pool_max_idle_per_host(16)
            .pool_idle_timeout(Duration::from_secs(30))
            .dns_resolver(GuardedResolver::new(self.guard.clone(), port))
            .no_proxy();
        if let Some(proxy) = &self.settings.proxy {
            builder =
                builder.proxy(Proxy::all(proxy).map_err(|_| "the proxy of the settings is not a URL".to_owned())?);
        }
        let client = builder.build().map_err(|error| reason(&error))?;
        if clients.len() >= CLIENTS {
            clients.clear();
        }
        clients.insert(port, client.clone());
        Ok(client)
    }

    /// Tells a failure before the body apart.
    fn explain(&self, url: &Url, error: &reqwest::Error) -> HttpError {
        let shown = shown_url(url);
        let cause = reason(error);
        match find_cause(error) {
            Some(Cause::Refused(refusal)) => return HttpError::Refused { url: shown, refusal },
            Some(Cause::Dns) => {
                let host = url.host_str().unwrap_or_default().to_owned();
                return HttpError::Dns { url: shown, host, cause };
            }
            Some(Cause::Tls { certificate }) => return HttpError::Tls { url: shown, cause, certificate },
            None => {}
        }
        let limits = &self.settings.limits;
        if error.is_timeout() {
            let (what, limit) = if error.is_connect() {
                ("connecting", limits.connect)
            } else {
                ("the head of the answer", limits.header)
            };
            HttpError::Timeout { url: shown, what, limit }
        } else if error.is_connect() {
            HttpError::Unreachable { url: shown, cause }
        } else if error.is_builder() {
            HttpError::Invalid { url: shown, cause }
        } else {
            HttpError::Broken { url: shown, cause }
        }
    }
}

/// The import's own headers and credentials.
fn own_headers(call: &HttpCall) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in &call.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is not a header's name"))?;
        if OWN_HEADERS.contains(&name.as_str()) || name == ACCEPT_ENCODING {
            return Err(format!("the header `{name}` is set by jobpipe itself: take it out of `headers:`"));
        }
        let mut value = HeaderValue::from_str(value.expose_secret())
            .map_err(|_| format!("the value of the header `{name}` has characters that no header may hold"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    if let Some(auth) = &call.auth {
        let value = auth
            .header()
            .ok_or_else(|| "the credential of `auth:` has a line break or control character".to_owned())?;
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

enum Cause {
    Refused(super::Refusal),
    Dns,
    Tls { certificate: bool },
}

/// Looks down the chain of causes for one of ours or of TLS.
fn find_cause(error: &(dyn StdError + 'static)) -> Option<Cause> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = cause_of(error) {
            return Some(found);
        }
        let inside = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(found) = inside.and_then(|inside| find_cause(inside)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn cause_of(error: &(dyn StdError + 'static)) -> Option<Cause> {
    if let Some(error) = error.downcast_ref::<ResolveError>() {
        return Some(match error {
            ResolveError::Refused(refusal) => Cause::Refused(refusal.clone()),
            ResolveError::Failed(_) | ResolveError::Empty => Cause::Dns,
        });
    }
    let tls = error.downcast_ref::<rustls::Error>()?;
    Some(Cause::Tls { certificate: matches!(tls, rustls::Error::InvalidCertificate(_)) })
}

/// The innermost cause in words; the layers above it only repeat URLs.
pub(crate) fn reason(error: &(dyn StdError + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let text = innermost.to_string();
    text.split(" for url (").next().unwrap_or_default().to_owned()
}
