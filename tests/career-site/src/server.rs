//! Starting, answering and stopping.

use crate::answers::{self, Answer, Rule, Target};
use crate::conditional::Validators;
use crate::log::{Entry, Report};
use crate::offers::Offer;
use crate::resource::Resource;
use crate::site::{ChangeError, Site};
use crate::{api, clock, control, feed, html};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long running requests may take to end when the site is shut down.
const PATIENCE: Duration = Duration::from_secs(5);
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";

/// What a site is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// A loopback address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How many offers there are at the start.
    pub offers: u32,
    /// The same seed gives the same offers.
    pub seed: u64,
    /// Offers on a listing page, at least 1.
    pub listing_size: usize,
    /// `Crawl-delay` of robots.txt, in seconds.
    pub crawl_delay: Option<f64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            offers: 500,
            seed: 1,
            listing_size: 20,
            crawl_delay: Some(0.005),
        }
    }
}

/// Why the site did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Anyone who reaches the site may change it.
    #[error("the sample site listens on loopback only, not on {0}: use 127.0.0.1:PORT")]
    NotLoopback(SocketAddr),
    /// The address is taken, or not of this machine.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
}

/// What all handlers share.
pub(crate) struct Shared {
    site: Mutex<Site>,
    stop: watch::Receiver<bool>,
}

impl Shared {
    /// The site, locked: never keep it over an await.
    pub(crate) fn site(&self) -> MutexGuard<'_, Site> {
        self.site.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn stopped(&self) {
        drop(self.stop.clone().wait_for(|stop| *stop).await);
    }
}

/// The site, not yet running.
#[derive(Debug)]
pub struct CareerSite;

impl CareerSite {
    /// Starts a site on the current runtime. It stops when the handle is dropped.
    pub async fn start(options: Options) -> Result<Handle, StartError> {
        if !options.listen.ip().is_loopback() {
            return Err(StartError::NotLoopback(options.listen));
        }
        let failed = |source| StartError::Listen { address: options.listen, source };
        let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        let (stop, stopped) = watch::channel(false);
        let site = Site::new(options.seed, options.offers, options.listing_size.max(1), options.crawl_delay);
        let shared = Arc::new(Shared { site: Mutex::new(site), stop: stopped });
        let router = Router::new().nest("/__site", control::router()).fallback(serve).with_state(Arc::clone(&shared));
        let until = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            axum::serve(listener, router).with_graceful_shutdown(async move { until.stopped().await }).await
        });
        Ok(Handle { addr, base_url: format!("http://{addr}"), shared, stop, task })
    }
}

/// A running site.
pub struct Handle {
    /// Where it listens.
    pub addr: SocketAddr,
    /// `http://127.0.0.1:PORT`
    pub base_url: String,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    task: JoinHandle<io::Result<()>>,
}

impl Handle {
    /// All offers as they are now, newest first.
    #[must_use]
    pub fn offers(&self) -> Vec<Offer> {
        self.shared.site().newest_first().cloned().collect()
    }

    /// Edits so many open offers that no change by count has taken yet; gives their references.
    pub fn edit(&self, count: usize) -> Result<Vec<String>, ChangeError> {
        self.change(count, Site::edit)
    }

    /// Closes so many such offers: they are still listed, and say so.
    pub fn withdraw(&self, count: usize) -> Result<Vec<String>, ChangeError> {
        self.change(count, Site::withdraw)
    }

    /// Takes so many such offers away: their pages are 404.
    pub fn remove(&self, count: usize) -> Result<Vec<String>, ChangeError> {
        self.change(count, Site::remove)
    }

    /// Edits these offers.
    pub fn edit_refs(&self, references: &[String]) -> Result<(), ChangeError> {
        self.shared.site().edit(references)
    }

    /// Closes these offers.
    pub fn withdraw_refs(&self, references: &[String]) -> Result<(), ChangeError> {
        self.shared.site().withdraw(references)
    }

    /// Takes these offers away.
    pub fn remove_refs(&self, references: &[String]) -> Result<(), ChangeError> {
        self.shared.site().remove(references)
    }

    /// Adds this text to the description of an offer.
    pub fn describe(&self, reference: &str, text: &str) -> Result<(), ChangeError> {
        self.shared.site().describe(reference, text)
    }

    /// Opens these offers again: what was withdrawn returns.
    pub fn reopen_refs(&self, references: &[String]) -> Result<(), ChangeError> {
        self.shared.site().reopen(references)
    }

    /// Posts so many new offers; gives their references.
    pub fn add(&self, count: u32) -> Vec<String> {
        self.shared.site().add(count)
    }

    /// Makes pages misbehave, so many times or for ever.
    pub fn answer(&self, target: Target, answer: Answer, times: Option<u32>) {
        self.shared.site().rules.push(Rule { target, answer, times });
    }

    /// Ends all misbehaviour.
    pub fn clear_answers(&self) {
        self.shared.site().rules.clear();
    }

    /// Brings back the offers of the start, and ends all misbehaviour.
    pub fn reset(&self) {
        self.shared.site().restore();
    }

    /// Counts of all requests.
    #[must_use]
    pub fn report(&self) -> Report {
        self.shared.site().log.report()
    }

    /// The newest requests, up to 50,000, oldest first.
    #[must_use]
    pub fn log(&self) -> Vec<Entry> {
        self.shared.site().log.entries()
    }

    /// Starts counting again.
    pub fn clear_log(&self) {
        self.shared.site().log.clear();
    }

    /// Ends the running requests and closes the port.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        let mut task = self.task;
        if tokio::time::timeout(PATIENCE, &mut task).await.is_err() {
            task.abort();
        }
    }

    fn change(
        &self,
        count: usize,
        apply: fn(&mut Site, &[String]) -> Result<(), ChangeError>,
    ) -> Result<Vec<String>, ChangeError> {
        let mut site = self.shared.site();
        let picked = site.pick(count)?;
        apply(&mut site, &picked).map(|()| picked)
    }
}

/// Counts a request as ended also when its client goes away in the middle.
struct InFlight {
    shared: Arc<Shared>,
    entry: Option<Entry>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.shared.site().log.end(self.entry.take());
    }
}

async fn serve(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let time_ms = clock::now_ms();
    let resource = Resource::find(request.uri());
    let headers = request.headers();
    let (slow_ms, ordered) = {
        let mut site = shared.site();
        site.log.begin();
        answers::take(&mut site.rules, &resource)
    };
    let mut in_flight = InFlight { shared: Arc::clone(&shared), entry: None };
    if slow_ms > 0 {
        tokio::select! {
            () = shared.stopped() => {}
            () = tokio::time::sleep(Duration::from_millis(slow_ms)) => {}
        }
    }
    let response = respond(&shared.site(), &resource, headers, ordered);
    in_flight.entry = Some(Entry {
        time_ms,
        path: request.uri().path_and_query().map_or_else(String::new, ToString::to_string),
        status: response.status().as_u16(),
        agent: text(headers, &header::USER_AGENT).unwrap_or_default().to_owned(),
    });
    response
}

/// An answer before its validators.
struct Page {
    status: StatusCode,
    kind: &'static str,
    body: String,
    changed_ms: i64,
}

fn respond(site: &Site, resource: &Resource, headers: &HeaderMap, ordered: Option<Answer>) -> Response {
    let host = text(headers, &header::HOST).unwrap_or("127.0.0.1");
    let page = match ordered {
        Some(Answer::Status(status)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let body = html::message(&status.to_string(), "The sample site was told to answer so.");
            return (status, [(header::CONTENT_TYPE, HTML)], body).into_response();
        }
        Some(Answer::NotHtml) => {
            let pdf = b"%PDF-1.4\n%\xE2\xE3\xCF\xD3\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n".to_vec();
            return ([(header::CONTENT_TYPE, "application/pdf")], pdf).into_response();
        }
        Some(Answer::Empty) => empty(site, resource, host),
        Some(Answer::Truncated) => {
            let mut page = page(site, resource, host);
            let half = (0..=page.body.len() / 2).rev().find(|at| page.body.is_char_boundary(*at)).unwrap_or(0);
            page.body.truncate(half);
            page
        }
        Some(Answer::SlowMs(_)) | None => page(site, resource, host),
    };
    if page.status != StatusCode::OK {
        return (page.status, [(header::CONTENT_TYPE, page.kind)], page.body).into_response();
    }
    let validators = Validators::of(&page.body, page.changed_ms);
    let known = validators.known_to(headers);
    let kept_by = [(header::ETAG, validators.etag), (header::LAST_MODIFIED, validators.last_modified)];
    if known {
        (StatusCode::NOT_MODIFIED, kept_by).into_response()
    } else {
        (kept_by, [(header::CONTENT_TYPE, page.kind)], page.body).into_response()
    }
}

fn page(site: &Site, resource: &Resource, host: &str) -> Page {
    let page = |kind, body| Page { status: StatusCode::OK, kind, body, changed_ms: site.changed_ms() };
    let absent = |kind, body| Page { status: StatusCode::NOT_FOUND, ..page(kind, body) };
    match resource {
        Resource::Home => page(HTML, html::home(site)),
        Resource::Listing(number) => page(HTML, html::listing(site, *number)),
        Resource::Detail(reference) => match site.find(reference) {
            Some(offer) => Page { changed_ms: offer.updated_ms, ..page(HTML, html::detail(offer, host)) },
            None => absent(HTML, html::message("Not found", "This offer does not exist (any more).")),
        },
        Resource::Api(query) => page(JSON, api::list(site, query, host)),
        Resource::ApiDetail(reference) => match site.find(reference) {
            Some(offer) => Page { changed_ms: offer.updated_ms, ..page(JSON, api::detail(offer, host)) },
            None => absent(JSON, api::error("there is no such offer")),
        },
        Resource::Feed => page("application/rss+xml; charset=utf-8", feed::rss(site, host)),
        Resource::Robots => page("text/plain; charset=utf-8", robots(site)),
        Resource::Style => page("text/css; charset=utf-8", html::STYLE.to_owned()),
        Resource::Private => {
            page(HTML, html::message("Staff only", "robots.txt keeps crawlers out of here: a polite one is not here."))
        }
        Resource::Bad(reason) => Page { status: StatusCode::BAD_REQUEST, ..page(JSON, api::error(reason)) },
        Resource::Unknown => absent(HTML, html::message("Not found", "There is no such page.")),
    }
}

/// The same page without its offers.
fn empty(site: &Site, resource: &Resource, host: &str) -> Page {
    let whole = page(site, resource, host);
    let body = match resource {
        Resource::Listing(number) => html::empty_listing(*number),
        Resource::Api(query) => api::empty(query),
        Resource::Feed => feed::empty(site, host),
        Resource::Detail(_) => html::message("", ""),
        _ => String::new(),
    };
    Page { body, ..whole }
}

fn robots(site: &Site) -> String {
    let delay = site.crawl_delay.map(|seconds| format!("Crawl-delay: {seconds}\n")).unwrap_or_default();
    format!("User-agent: *\n{delay}Disallow: /private/\n")
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
