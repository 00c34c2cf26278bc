//! What can go wrong with a call, as a reader meets it: what, where, what to do. No message holds a secret.

use std::time::Duration;

use jobpipe_core::{ErrorClass, TaskError};

use super::Refusal;

/// Why a call gave no answer. URLs are those of [`super::shown_url`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// No connection.
    #[error("{url}: the host cannot be reached ({cause}): check that it is up and that this machine may connect to it")]
    Unreachable {
        /// Where.
        url: String,
        /// What the system said.
        cause: String,
    },
    /// The name has no address.
    #[error("{url}: the name `{host}` cannot be looked up ({cause}): check its spelling and this machine's DNS")]
    Dns {
        /// Where.
        url: String,
        /// The name.
        host: String,
        /// What the system said.
        cause: String,
    },
    /// No secure connection.
    #[error(
        "{url}: no secure connection ({cause}): the certificate must be valid for this host and TLS 1.2 or newer; jobpipe never skips that check"
    )]
    Tls {
        /// Where.
        url: String,
        /// What was wrong.
        cause: String,
        /// A certificate does not mend itself between two attempts.
        certificate: bool,
    },
    /// Too slow.
    #[error("{url}: {what} took longer than {}: the host is slow or overloaded; lower `rate:` or try later", seconds(*.limit))]
    Timeout {
        /// Where.
        url: String,
        /// Which part.
        what: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// The body comes too slowly.
    #[error(
        "{url}: the answer comes with less than {least} bytes a second: the host is slow or holds the connection; try later"
    )]
    TooSlow {
        /// Where.
        url: String,
        /// Bytes a second.
        least: u64,
    },
    /// The connection ended inside an answer.
    #[error(
        "{url}: the connection broke before the answer was whole ({cause}): it is asked for again; if it stays so, ask the source's operator"
    )]
    Broken {
        /// Where.
        url: String,
        /// What the connection said.
        cause: String,
    },
    /// 404 or 410.
    #[error("{url}: the source says {status}: the page is not there; check the link or path that leads to it")]
    Missing {
        /// Where.
        url: String,
        /// The status.
        status: u16,
    },
    /// 401, or 403 with credentials.
    #[error(
        "{url}: the source refused the credentials ({status}): check `auth:` and that the token is set and still valid"
    )]
    Credentials {
        /// Where.
        url: String,
        /// The status.
        status: u16,
    },
    /// 401 or 403 without credentials.
    #[error(
        "{url}: the source refuses to answer ({status}): it may need `auth:`, or another `user_agent` in jobpipe.yml"
    )]
    Forbidden {
        /// Where.
        url: String,
        /// The status.
        status: u16,
    },
    /// 429, or 503 with `Retry-After`.
    #[error("{url}: the source asks to slow down ({status}){}: lower `rate:`", again(*.after))]
    SlowDown {
        /// Where.
        url: String,
        /// The status.
        status: u16,
        /// What `Retry-After` said.
        after: Option<Duration>,
    },
    /// 5xx, 408, 425.
    #[error("{url}: the source failed ({status}): it is tried again; if it stays so, ask the source's operator")]
    Failed {
        /// Where.
        url: String,
        /// The status.
        status: u16,
    },
    /// Any other status.
    #[error("{url}: the source answered {status}: check method, `query:` and `headers:` of the request")]
    Status {
        /// Where.
        url: String,
        /// The status.
        status: u16,
    },
    /// Over [`super::HttpLimits::body`].
    #[error("{url}: the answer is larger than {limit} bytes (counted after decompression): ask for smaller pages")]
    TooLarge {
        /// Where.
        url: String,
        /// Bytes.
        limit: usize,
    },
    /// A redirect that is not followed.
    #[error("{url}: the redirect to {to} is not followed: {why}")]
    Redirect {
        /// Where.
        url: String,
        /// Where to.
        to: String,
        /// Why.
        why: &'static str,
    },
    /// An address that may not be asked.
    #[error(
        "{url} is refused: {refusal}; the operator can open a network with JOBPIPE_ALLOW_PRIVATE or `allow_private:` in the environment's settings"
    )]
    Refused {
        /// Where.
        url: String,
        /// Why.
        refusal: Refusal,
    },
    /// robots.txt says no.
    #[error(
        "{url}: robots.txt of the site does not allow `{agent}` to read it: leave it out, or write `robots: ignore` if the site's owner agrees"
    )]
    Robots {
        /// Where.
        url: String,
        /// The name it was read for.
        agent: String,
    },
    /// robots.txt cannot be had, so nothing may be read.
    #[error("{url}: not asked, as the site's robots.txt cannot be read: {cause}")]
    RobotsUnknown {
        /// Where.
        url: String,
        /// Why not.
        cause: String,
    },
    /// No permit within patience.
    #[error("{url}: waiting for the rate limit of its host")]
    NoPermit {
        /// Where.
        url: String,
        /// When to ask again.
        after: Duration,
    },
    /// The request cannot be built.
    #[error("{url}: the request cannot be made: {cause}")]
    Invalid {
        /// Where.
        url: String,
        /// Why; never a value of a header.
        cause: String,
    },
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_millis() as f64 / 1_000.0)
}

fn again(after: Option<Duration>) -> String {
    after.map_or_else(String::new, |time| format!(" and to come back in {}", seconds(time)))
}

impl HttpError {
    /// The stable code, `JP101` to `JP119`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "JP101",
            Self::Dns { .. } => "JP102",
            Self::Tls { .. } => "JP103",
            Self::Timeout { .. } | Self::TooSlow { .. } => "JP104",
            Self::Missing { .. } => "JP105",
            Self::Credentials { .. } => "JP106",
            Self::Forbidden { .. } => "JP107",
            Self::SlowDown { .. } => "JP108",
            Self::Failed { .. } => "JP109",
            Self::Status { .. } => "JP110",
            Self::TooLarge { .. } => "JP111",
            Self::Redirect { .. } => "JP112",
            Self::Refused { .. } => "JP113",
            Self::Robots { .. } => "JP114",
            Self::RobotsUnknown { .. } => "JP115",
            Self::NoPermit { .. } => "JP116",
            Self::Broken { .. } => "JP117",
            Self::Invalid { .. } => "JP118",
        }
    }

    /// What is done about it.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            // it says when to come again: no attempt is charged, as for a permit of our own limit
            Self::SlowDown { status: 429, after: Some(_), .. } | Self::NoPermit { .. } => ErrorClass::Throttled,
            Self::Unreachable { .. }
            | Self::Dns { .. }
            | Self::Tls { certificate: false, .. }
            | Self::Timeout { .. }
            | Self::TooSlow { .. }
            | Self::Broken { .. }
            | Self::SlowDown { .. }
            | Self::Failed { .. }
            | Self::RobotsUnknown { .. } => ErrorClass::Transient,
            Self::Missing { .. } => ErrorClass::Missing,
            Self::Credentials { .. } => ErrorClass::Auth,
            Self::Tls { certificate: true, .. }
            | Self::Forbidden { .. }
            | Self::Status { .. }
            | Self::TooLarge { .. }
            | Self::Redirect { .. }
            | Self::Refused { .. }
            | Self::Robots { .. }
            | Self::Invalid { .. } => ErrorClass::Permanent,
        }
    }

    /// When it is worth asking again, where the source or a limit said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::SlowDown { after, .. } => *after,
            Self::NoPermit { after, .. } => Some(*after),
            _ => None,
        }
    }
}

impl From<HttpError> for TaskError {
    fn from(error: HttpError) -> Self {
        TaskError {
            class: error.class(),
            code: error.code().to_owned(),
            message: error.to_string(),
            retry_after_ms: error.retry_after().map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

impl HttpError {
    /// The same failure, of robots.txt, as it concerns a page of its host: a host that cannot be reached, or may not be
    /// asked yet, is told as such for the page; anything else means that the rules are not known.
    pub(crate) fn about(self, page: &url::Url) -> Self {
        let at = super::shown_url(page);
        match self {
            Self::Unreachable { cause, .. } => Self::Unreachable { url: at, cause },
            Self::Dns { host, cause, .. } => Self::Dns { url: at, host, cause },
            Self::Tls { cause, certificate, .. } => Self::Tls { url: at, cause, certificate },
            Self::Refused { refusal, .. } => Self::Refused { url: at, refusal },
            Self::NoPermit { after, .. } => Self::NoPermit { url: at, after },
            Self::Invalid { cause, .. } => Self::Invalid { url: at, cause },
            other => Self::RobotsUnknown { url: at, cause: other.to_string() },
        }
    }
}
