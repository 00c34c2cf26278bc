//! The client: permits, robots.txt and redirects around the transport.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jobpipe_core::{Clock, Rate, RateLimiter};
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{Response, StatusCode};
use tokio::time::timeout;
use url::Url;

use super::body::{Bound, read_body};
use super::redirect::next_hop;
use super::robots::{LONGEST_RULES, RobotsCache, slower};
use super::server_words::{quota_pause, retry_after};
use super::transport::Transport;
use super::{HttpAnswer, HttpCall, HttpError, HttpSettings, shown_url};

/// Headers of an answer that are kept.
const KEPT_HEADERS: [&str; 5] = ["content-type", "etag", "last-modified", "link", "date"];
/// How long a host is left alone that says 429 without saying for how long.
const UNSAID_PAUSE: Duration = Duration::from_secs(5);

/// Asks hosts, one for the whole process: its connections, robots.txt and pauses are shared by all imports.
pub struct HttpClient {
    transport: Transport,
    limiter: Arc<dyn RateLimiter>,
    robots: RobotsCache,
    clock: Arc<dyn Clock>,
}

impl HttpClient {
    /// A client with `settings`; fails where TLS or the proxy cannot be set up.
    pub fn new(
        settings: HttpSettings,
        limiter: Arc<dyn RateLimiter>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, HttpError> {
        let robots = RobotsCache::new(settings.robots_name().to_owned(), clock.clone());
        Ok(Self { transport: Transport::new(settings)?, limiter, robots, clock })
    }

    /// Its limits, for others that keep them too.
    #[must_use]
    pub fn limits(&self) -> Arc<dyn RateLimiter> {
        Arc::clone(&self.limiter)
    }

    /// What shares a rate limit: the host, and the port where it is not the scheme's own.
    #[must_use]
    pub fn group(url: &Url) -> String {
        let host = url.host_str().unwrap_or_default();
        url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Makes one call, with at most [`super::HttpLimits::redirects`] redirects; repeats nothing.
    pub async fn fetch(&self, call: &HttpCall) -> Result<HttpAnswer, HttpError> {
        let limit = call.timeout.unwrap_or(self.transport.settings().limits.total);
        let bound = Bound::Whole(self.transport.settings().limits.body);
        let whole = Box::pin(self.follow(call, bound));
        timeout(limit, whole)
            .await
            .unwrap_or_else(|_| Err(HttpError::Timeout { url: shown_url(&call.url), what: "the whole answer", limit }))
    }

    async fn follow(&self, call: &HttpCall, bound: Bound) -> Result<HttpAnswer, HttpError> {
        let (mut url, mut method, mut own) = (call.url.clone(), call.method.clone(), true);
        for hop in 0..=self.transport.settings().limits.redirects {
            self.transport.check(&url)?;
            let rate = self.allowed_rate(call, &url).await?;
            self.permit(&url, rate, hop > 0 && url.host() == call.url.host()).await?;
            let response = self.transport.send(call, &method, &url, own).await?;
            let Some(location) = location_of(&response) else {
                return self.answer(call, url, response, bound).await;
            };
            let next = next_hop(&url, &method, response.status(), &location)?;
            own = own && !next.crosses_origin;
            (url, method) = (next.url, next.method);
        }
        let to = shown_url(&url);
        Err(HttpError::Redirect {
            url: shown_url(&call.url),
            to,
            why: "there were too many redirects, maybe in a circle",
        })
    }

    /// Obeys robots.txt, which is asked for at the same rate as the pages, and slows down by its `Crawl-delay`.
    async fn allowed_rate(&self, call: &HttpCall, url: &Url) -> Result<Option<Rate>, HttpError> {
        if !call.robots {
            return Ok(call.rate);
        }
        let fetch = |robots: Url| async move {
            let call = HttpCall { robots: false, rate: call.rate, timeout: call.timeout, ..HttpCall::get(robots) };
            Box::pin(self.follow(&call, Bound::Beginning(LONGEST_RULES))).await.map(|answer| answer.body)
        };
        let delay = self.robots.check(url, fetch).await?;
        Ok(slower(call.rate, delay))
    }

    /// Waits for a permit as long as patience lasts. `must_go` = the hop of a redirect, whose permit was taken already:
    /// putting it back would take that permit again and again.
    async fn permit(&self, url: &Url, rate: Option<Rate>, must_go: bool) -> Result<(), HttpError> {
        // A host without a rate can still be paused.
        let rate = rate.unwrap_or(Rate { count: 1_000_000, per_ms: 1_000 });
        let group = Self::group(url);
        let mut patience = self.transport.settings().limits.patience;
        while let Err(wait) = self.limiter.permit(&group, rate).await {
            if wait > patience && must_go {
                return Ok(());
            }
            if wait > patience {
                return Err(HttpError::NoPermit { url: shown_url(url), after: wait });
            }
            patience -= wait;
            self.clock.sleep(wait).await;
        }
        Ok(())
    }

    async fn answer(
        &self,
        call: &HttpCall,
        url: Url,
        mut response: Response,
        bound: Bound,
    ) -> Result<HttpAnswer, HttpError> {
        let status = response.status();
        self.heed(&url, status, response.headers()).await;
        if !status.is_success() {
            return Err(refusal(call, &url, status, self.asked_for(response.headers())));
        }
        let headers = kept_headers(response.headers());
        let body = read_body(&mut response, &url, &self.transport.settings().limits, bound).await?;
        Ok(HttpAnswer { url, status: status.as_u16(), headers, body, at: self.clock.now() })
    }

    /// The pause that the server asks for. "At once" is no pause: who took it for one would ask for ever, and as fast as
    /// the host refuses.
    fn asked_for(&self, headers: &HeaderMap) -> Option<Duration> {
        retry_after(headers, self.clock.now()).filter(|pause| !pause.is_zero())
    }

    /// A server's own word wins over the import's rate.
    async fn heed(&self, url: &Url, status: StatusCode, headers: &HeaderMap) {
        let pause = match status {
            StatusCode::TOO_MANY_REQUESTS => Some(self.asked_for(headers).unwrap_or(UNSAID_PAUSE)),
            StatusCode::SERVICE_UNAVAILABLE => self.asked_for(headers),
            _ => quota_pause(headers, self.clock.now()),
        };
        if let Some(pause) = pause {
            self.limiter.pause(&Self::group(url), pause).await;
        }
    }
}

fn location_of(response: &Response) -> Option<String> {
    let redirects = [301, 302, 303, 307, 308];
    if !redirects.contains(&response.status().as_u16()) {
        return None;
    }
    let location = response.headers().get(LOCATION)?;
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}

fn kept_headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let kept = KEPT_HEADERS.iter().filter_map(|name| {
        let value = headers.get(*name)?.to_str().ok()?;
        Some(((*name).to_owned(), value.to_owned()))
    });
    kept.collect()
}

/// What a status other than 2xx means.
fn refusal(call: &HttpCall, url: &Url, status: StatusCode, after: Option<Duration>) -> HttpError {
    let (url, status) = (shown_url(url), status.as_u16());
    match status {
        404 | 410 => HttpError::Missing { url, status },
        401 | 403 if call.auth.is_some() => HttpError::Credentials { url, status },
        401 | 403 => HttpError::Forbidden { url, status },
        429 => HttpError::SlowDown { url, status, after },
        503 if after.is_some() => HttpError::SlowDown { url, status, after },
        408 | 425 | 500..=599 => HttpError::Failed { url, status },
        _ => HttpError::Status { url, status },
    }
}
