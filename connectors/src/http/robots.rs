//! robots.txt: fetched once for each host and process, kept an hour.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jobpipe_core::{Clock, Rate};
use robotxt::Robots;
use tokio::sync::Mutex as AsyncMutex;
use url::Url;

use super::{HttpError, shown_url};

/// Hosts remembered at once.
const HOSTS: usize = 1_000;
/// How long rules are believed.
const KEPT: Duration = Duration::from_secs(3_600);
/// How long a failure to read them is.
const FAILED: Duration = Duration::from_secs(30);
/// No `Crawl-delay` counts for more than this.
const LONGEST_DELAY: Duration = Duration::from_secs(3_600);

/// Bytes of a robots.txt that are read: those that count (RFC 9309 wants 500 KiB at least), and one that tells that a line
/// was cut.
pub(crate) const LONGEST_RULES: usize = robotxt::BYTE_LIMIT + 1;

/// The rules of the hosts met so far.
pub(crate) struct RobotsCache {
    agent: String,
    clock: Arc<dyn Clock>,
    hosts: Mutex<HashMap<String, Arc<AsyncMutex<Option<Known>>>>>,
}

#[derive(Clone)]
struct Known {
    until: Duration,
    rules: Result<Arc<Robots>, HttpError>,
}

impl RobotsCache {
    /// Rules for the crawler named `agent`.
    pub(crate) fn new(agent: String, clock: Arc<dyn Clock>) -> Self {
        Self { agent, clock, hosts: Mutex::default() }
    }

    /// Whether `url` may be read, and how far apart requests must be. `fetch` gets the URL of robots.txt; it is asked
    /// once while others wait.
    pub(crate) async fn check<F>(&self, url: &Url, fetch: impl FnOnce(Url) -> F) -> Result<Option<Duration>, HttpError>
    where
        F: Future<Output = Result<Vec<u8>, HttpError>>,
    {
        let cell = self.cell(&url.origin().ascii_serialization());
        let mut known = cell.lock().await;
        let now = self.clock.monotonic();
        let rules = match &*known {
            Some(known) if known.until > now => known.rules.clone(),
            _ => {
                let rules = match robotxt_url(url) {
                    Some(robots) => self.read(fetch(robots).await),
                    None => Ok(Arc::new(Robots::allow_all())),
                };
                // the host was not asked at all: the next one asks it
                if let Err(error @ HttpError::NoPermit { .. }) = rules {
                    return Err(error.about(url));
                }
                let kept = if rules.is_ok() { KEPT } else { FAILED };
                *known = Some(Known { until: self.clock.monotonic() + kept, rules: rules.clone() });
                rules
            }
        };
        drop(known);
        self.judge(url, rules)
    }

    fn judge(&self, url: &Url, rules: Result<Arc<Robots>, HttpError>) -> Result<Option<Duration>, HttpError> {
        let rules = rules.map_err(|error| error.about(url))?;
        if rules.is_url_allowed(url) {
            Ok(rules.crawl_delay().map(|delay| delay.min(LONGEST_DELAY)))
        } else {
            Err(HttpError::Robots { url: shown_url(url), agent: self.agent.clone() })
        }
    }

    /// RFC 9309: the file's rules; none where it is not there; nothing may be read where the host cannot say.
    fn read(&self, fetched: Result<Vec<u8>, HttpError>) -> Result<Arc<Robots>, HttpError> {
        match fetched {
            Ok(text) => Ok(Arc::new(Robots::parse(&text, self.agent.as_str()))),
            Err(
                HttpError::Missing { .. }
                | HttpError::Credentials { .. }
                | HttpError::Forbidden { .. }
                | HttpError::Status { .. }
                | HttpError::Redirect { .. },
            ) => Ok(Arc::new(Robots::allow_all())),
            Err(error) => Err(error),
        }
    }

    fn cell(&self, origin: &str) -> Arc<AsyncMutex<Option<Known>>> {
        let now = self.clock.monotonic();
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= HOSTS && !hosts.contains_key(origin) {
            let stale = |cell: &Arc<AsyncMutex<Option<Known>>>| {
                cell.try_lock().is_ok_and(|known| known.as_ref().is_none_or(|known| known.until <= now))
            };
            hosts.retain(|_, cell| !stale(cell));
            if hosts.len() >= HOSTS {
                hosts.clear();
            }
        }
        hosts.entry(origin.to_owned()).or_default().clone()
    }
}

fn robotxt_url(url: &Url) -> Option<Url> {
    robotxt::robots_url(url).ok()
}

/// The slower of a rate and a delay between requests.
pub(crate) fn slower(rate: Option<Rate>, delay: Option<Duration>) -> Option<Rate> {
    let delayed = delay.filter(|delay| !delay.is_zero()).map(|delay| {
        let per_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        Rate { count: 1, per_ms: per_ms.max(1) }
    });
    match (rate, delayed) {
        (Some(rate), Some(delayed)) if rate.interval() >= delayed.interval() => Some(rate),
        (rate, delayed) => delayed.or(rate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slower_of_rate_and_delay_counts() {
        let two = Some(Rate { count: 2, per_ms: 1_000 });
        let of = |delay_ms| slower(two, Some(Duration::from_millis(delay_ms))).map(Rate::interval);
        assert_eq!(of(100), Some(Duration::from_millis(500)));
        assert_eq!(of(2_000), Some(Duration::from_secs(2)));
        assert_eq!(slower(None, Some(Duration::from_secs(1))).map(Rate::interval), Some(Duration::from_secs(1)));
        assert_eq!(slower(None, None), None);
        assert_eq!(slower(two, Some(Duration::ZERO)), two);
    }
}
