//! robots.txt, rates and servers' own words.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse as _;
use axum::routing::get;
use jobpipe_connectors::http::{HttpCall, HttpClient, HttpError, HttpLimits, HttpSettings, LocalLimiter};
use jobpipe_core::{Clock, ErrorClass, Millis, Rate, SystemClock, TaskError};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::site::{Site, client, limits, settings};

const RULES: &str = "User-agent: testbot\nDisallow: /private\nAllow: /private/open\n\nUser-agent: *\nDisallow: /\n";

fn page() -> axum::routing::MethodRouter {
    get(|| async { "page" })
}

#[tokio::test]
async fn robots_txt_is_obeyed_and_fetched_once() {
    let fetched = Arc::new(AtomicUsize::new(0));
    let counter = fetched.clone();
    let robots = get(move || async move {
        counter.fetch_add(1, Ordering::SeqCst);
        RULES
    });
    let site = Site::serve(Router::new().route("/robots.txt", robots).fallback(|| async { "page" })).await;
    let client = client(&[&site]);
    let calls = ["/jobs", "/private/x", "/private/open", "/a?b=1"].map(|path| HttpCall::get(site.url(path)));
    let [a, b, c, d] = &calls;
    let (a, b, c, d) = tokio::join!(client.fetch(a), client.fetch(b), client.fetch(c), client.fetch(d));
    assert!(a.is_ok() && c.is_ok() && d.is_ok());
    let error = b.unwrap_err();
    assert_eq!((error.code(), error.class()), ("JP114", ErrorClass::Permanent));
    assert!(error.to_string().contains("`testbot`") && error.to_string().contains("robots: ignore"), "{error}");
    assert_eq!(fetched.load(Ordering::SeqCst), 1);
    let ignoring = HttpCall { robots: false, ..HttpCall::get(site.url("/private/x")) };
    assert!(client.fetch(&ignoring).await.is_ok());
}

#[tokio::test]
async fn a_missing_robots_txt_allows_and_a_broken_one_waits() {
    for (status, allowed) in [(404, true), (403, true), (410, true), (500, false), (503, false), (429, false)] {
        let robots = get(move || async move { StatusCode::from_u16(status).unwrap() });
        let site = Site::serve(Router::new().route("/robots.txt", robots).route("/", page())).await;
        let answer = client(&[&site]).fetch(&HttpCall::get(site.url("/"))).await;
        assert_eq!(answer.is_ok(), allowed, "{status}: {answer:?}");
        if let Err(error) = answer {
            assert_eq!((error.code(), error.class()), ("JP115", ErrorClass::Transient), "{error}");
            assert_eq!(site.hits(), 1, "the page is not asked for");
        }
    }
}

#[tokio::test]
async fn of_a_robots_txt_without_end_the_beginning_counts() {
    let rules = "User-agent: *\nDisallow: /private\n".to_owned() + &"# and so on\n".repeat(200_000);
    let site =
        Site::serve(Router::new().route("/robots.txt", get(|| async { rules })).fallback(|| async { "page" })).await;
    let client = client(&[&site]);
    assert!(rules_are_longer_than_a_page(&site).await, "else this test shows nothing");
    client.fetch(&HttpCall::get(site.url("/jobs"))).await.unwrap();
    assert_eq!(client.fetch(&HttpCall::get(site.url("/private"))).await.unwrap_err().code(), "JP114");
}

async fn rules_are_longer_than_a_page(site: &Site) -> bool {
    let call = HttpCall { robots: false, ..HttpCall::get(site.url("/robots.txt")) };
    client(&[site]).fetch(&call).await.is_err_and(|error| error.code() == "JP111")
}

#[tokio::test]
async fn crawl_delay_slows_the_rate() {
    let robots = get(|| async { "User-agent: *\nCrawl-delay: 60\n" });
    let site = Site::serve(Router::new().route("/robots.txt", robots).fallback(|| async { "page" })).await;
    let client = client(&[&site]);
    let call =
        |path: &str| HttpCall { rate: Some(Rate { count: 100, per_ms: 1_000 }), ..HttpCall::get(site.url(path)) };
    client.fetch(&call("/1")).await.unwrap();
    let error = client.fetch(&call("/2")).await.unwrap_err();
    assert!(matches!(error, HttpError::NoPermit { after, .. } if after > Duration::from_secs(50)), "{error}");
}

/// When a site was asked for what.
type Asked = Arc<Mutex<Vec<(Instant, String)>>>;

fn noted(asked: &Asked) -> Router {
    let asked = Arc::clone(asked);
    Router::new().fallback(move |uri: Uri| async move {
        asked.lock().unwrap().push((Instant::now(), uri.path().to_owned()));
        "User-agent: *\nDisallow: /private\n"
    })
}

#[tokio::test]
async fn robots_txt_is_asked_for_at_the_rate_of_the_pages() {
    let asked = Asked::default();
    let site = Site::serve(noted(&asked)).await;
    // as many processes that know nothing of the host, under one limit
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let limiter = Arc::new(LocalLimiter::new(clock.clone()));
    let patient =
        HttpSettings { limits: HttpLimits { patience: Duration::from_secs(4), ..limits() }, ..settings(&[&site]) };
    let client = || Arc::new(HttpClient::new(patient.clone(), limiter.clone(), clock.clone()).unwrap());
    let rate = Some(Rate { count: 20, per_ms: 1_000 });
    let mut fetching = JoinSet::new();
    for _ in 0..4 {
        let client = client();
        for page in 0..6 {
            let (client, call) = (client.clone(), HttpCall { rate, ..HttpCall::get(site.url(&format!("/{page}"))) });
            fetching.spawn(async move { client.fetch(&call).await.unwrap() });
        }
    }
    fetching.join_all().await;
    let mut asked = asked.lock().unwrap().clone();
    asked.sort();
    assert_eq!(asked.iter().filter(|(_, path)| path == "/robots.txt").count(), 4);
    assert_eq!(asked.len(), 4 + 4 * 6);
    // a permit each: what comes late comes late, and nothing comes early
    let (first, last) = (asked[0].0, asked[asked.len() - 1].0);
    assert!(last - first >= Duration::from_millis(27 * 50 - 60), "{:?}", last - first);
    for window in asked.windows(12) {
        assert!(window[11].0 - window[0].0 >= Duration::from_millis(450), "12 requests within 9 permits: {window:?}");
    }
}

/// A clock that moves when told to: however long a call takes, no permit comes of it.
#[derive(Default)]
struct Hand(Mutex<Duration>);

impl Hand {
    fn forward(&self, time: Duration) {
        *self.0.lock().unwrap() += time;
    }
}

#[async_trait::async_trait]
impl Clock for Hand {
    fn now(&self) -> Millis {
        0
    }

    fn monotonic(&self) -> Duration {
        *self.0.lock().unwrap()
    }

    async fn sleep(&self, time: Duration) {
        self.forward(time);
    }
}

#[tokio::test]
async fn a_robots_txt_that_had_to_wait_for_its_permit_is_asked_for_again() {
    let asked = Asked::default();
    let site = Site::serve(noted(&asked)).await;
    let clock = Arc::new(Hand::default());
    let limiter = Arc::new(LocalLimiter::new(clock.clone()));
    let client = HttpClient::new(settings(&[&site]), limiter, clock.clone()).unwrap();
    let slow = |path: &str| HttpCall { rate: Some(Rate { count: 1, per_ms: 700 }), ..HttpCall::get(site.url(path)) };
    let first = HttpCall { robots: false, ..slow("/first") };
    client.fetch(&first).await.unwrap();
    let error = client.fetch(&slow("/next")).await.unwrap_err();
    assert_eq!((error.code(), error.class()), ("JP116", ErrorClass::Throttled), "{error}");
    let wait = error.retry_after().unwrap();
    assert!(error.to_string().contains("/next") && wait == Duration::from_millis(700), "{error}: {wait:?}");
    assert_eq!(asked.lock().unwrap().len(), 1, "nobody asked the host for its rules");
    clock.forward(wait);
    // it has the permit for the rules now, and none for the page
    assert_eq!(client.fetch(&slow("/next")).await.unwrap_err().code(), "JP116");
    let paths: Vec<String> = asked.lock().unwrap().iter().map(|(_, path)| path.clone()).collect();
    assert_eq!(paths, ["/first", "/robots.txt"]);
    clock.forward(wait);
    client.fetch(&slow("/next")).await.unwrap();
    let error = client.fetch(&slow("/private")).await.unwrap_err();
    assert_eq!(error.code(), "JP114", "the rules are known and need no permit: {error}");
}

#[tokio::test]
async fn the_rate_is_waited_for_with_patience_and_then_put_back() {
    let site = Site::serve(Router::new().fallback(|| async { "page" })).await;
    let client = client(&[&site]);
    let call = |rate| HttpCall { rate: Some(rate), robots: false, ..HttpCall::get(site.url("/")) };
    let quick = Rate { count: 20, per_ms: 1_000 };
    let begun = tokio::time::Instant::now();
    for _ in 0..5 {
        client.fetch(&call(quick)).await.unwrap();
    }
    assert!(begun.elapsed() >= Duration::from_millis(200), "five calls at 20/s need four intervals of 50 ms");
    let slow = Rate { count: 1, per_ms: 60_000 };
    client.fetch(&call(slow)).await.unwrap();
    let error = TaskError::from(client.fetch(&call(slow)).await.unwrap_err());
    assert_eq!(error.class, ErrorClass::Throttled);
    assert!(error.retry_after_ms.is_some_and(|ms| (50_000..=60_000).contains(&ms)), "{error:?}");
    assert_eq!(site.hits(), 6);
}

#[tokio::test]
async fn a_redirect_on_one_host_does_not_starve_behind_its_own_permit() {
    let moved = get(|| async { (StatusCode::FOUND, [("location", "/new")]) });
    let site = Site::serve(Router::new().route("/old", moved).route("/new", page())).await;
    let call =
        HttpCall { rate: Some(Rate { count: 1, per_ms: 60_000 }), robots: false, ..HttpCall::get(site.url("/old")) };
    assert_eq!(client(&[&site]).fetch(&call).await.unwrap().body, b"page");
}

#[tokio::test]
async fn retry_after_pauses_the_host_for_everybody() {
    let busy = get(|| async { (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "120")]).into_response() });
    let site = Site::serve(Router::new().route("/busy", busy).route("/", page())).await;
    let client = client(&[&site]);
    let call = |path: &str| HttpCall { robots: false, ..HttpCall::get(site.url(path)) };
    let error = TaskError::from(client.fetch(&call("/busy")).await.unwrap_err());
    // it was told when to come again, so no attempt is charged
    assert_eq!((error.class, error.retry_after_ms), (ErrorClass::Throttled, Some(120_000)));
    let next = TaskError::from(client.fetch(&call("/")).await.unwrap_err());
    assert_eq!(next.class, ErrorClass::Throttled);
    assert!(next.retry_after_ms.is_some_and(|ms| ms > 110_000), "{next:?}");
    assert_eq!(site.hits(), 1);
}

#[tokio::test]
async fn who_says_come_again_at_once_is_not_asked_for_ever() {
    for again in ["0", "Sun, 22 Nov 2020 06:00:30 GMT"] {
        let busy = get(move || async move { (StatusCode::TOO_MANY_REQUESTS, [("retry-after", again)]) });
        let site = Site::serve(Router::new().route("/", busy)).await;
        let client = client(&[&site]);
        let call = HttpCall { robots: false, ..HttpCall::get(site.url("/")) };
        let error = TaskError::from(client.fetch(&call).await.unwrap_err());
        assert_eq!((error.code.as_str(), error.class), ("JP108", ErrorClass::Transient), "an attempt is charged");
        assert_eq!(client.fetch(&call).await.unwrap_err().code(), "JP116", "and the host is left alone for a while");
        assert_eq!(site.hits(), 1);
    }
}

#[tokio::test]
async fn an_empty_quota_pauses_the_host() {
    let last = get(|| async { ([("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "90")], "last") });
    let site = Site::serve(Router::new().route("/", last)).await;
    let client = client(&[&site]);
    let call = HttpCall { robots: false, ..HttpCall::get(site.url("/")) };
    assert!(client.fetch(&call).await.is_ok());
    assert_eq!(client.fetch(&call).await.unwrap_err().code(), "JP116");
}
