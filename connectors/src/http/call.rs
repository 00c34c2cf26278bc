//! One call and its answer.

use jobpipe_core::{Millis, Rate};
use reqwest::Method;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::time::Duration;
use url::Url;

use super::Auth;

/// What to ask.
#[derive(Debug, Clone)]
pub struct HttpCall {
    /// `GET`, `POST`, ...
    pub method: Method,
    /// Where.
    pub url: Url,
    /// Headers beside those that the client sets itself. Values may be secret; none is ever printed.
    pub headers: Vec<(String, SecretString)>,
    /// Who asks.
    pub auth: Option<Auth>,
    /// The body and its `Content-Type`.
    pub body: Option<(String, Vec<u8>)>,
    /// How fast the host may be asked; `None` = as fast as it answers. robots.txt can only slow it down.
    pub rate: Option<Rate>,
    /// Whether robots.txt is obeyed.
    pub robots: bool,
    /// The longest that the call may take, for its head and as a whole; `None` = the settings' limits.
    pub timeout: Option<Duration>,
}

impl HttpCall {
    /// A `GET` without headers, unlimited, that obeys robots.txt.
    #[must_use]
    pub fn get(url: Url) -> Self {
        Self {
            method: Method::GET,
            url,
            headers: Vec::new(),
            auth: None,
            body: None,
            rate: None,
            robots: true,
            timeout: None,
        }
    }
}

/// A 2xx answer, whole.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpAnswer {
    /// Where it came from in the end, redirects followed.
    pub url: Url,
    /// The status.
    pub status: u16,
    /// `content-type`, `etag`, `last-modified`, `link` and `date`, where the answer has them and they are text.
    pub headers: BTreeMap<String, String>,
    /// The body, decompressed.
    pub body: Vec<u8>,
    /// When its last byte came.
    pub at: Millis,
}

impl HttpAnswer {
    /// The `Content-Type`, empty where there is none.
    #[must_use]
    pub fn content_type(&self) -> &str {
        self.headers.get("content-type").map_or("", String::as_str)
    }
}
