//! What fails is told with URL and remedy, and the rest goes on.

use std::path::Path as Folder;
use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use jobpipe_core::{ErrorClass, Stage as _, StageInput, Stop};

use crate::drive::{Crawl, Site, reasons};

fn here() -> &'static Folder {
    Folder::new("/nowhere")
}

#[tokio::test]
async fn each_url_of_a_bundle_has_its_own_outcome() {
    let listing = || async { Html((1..=6).map(|n| format!("<a href=/job/{n}>x</a>")).collect::<String>()) };
    let job = |Path(n): Path<u32>| async move {
        match n {
            1 => StatusCode::NOT_FOUND.into_response(),
            2 => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            3 => ([("content-type", "application/pdf")], "%PDF-1.7").into_response(),
            4 => Html(vec![b'x'; 11 << 20]).into_response(),
            _ => Html("<h1>fine</h1>").into_response(),
        }
    };
    let site = Site::serve(Router::new().route("/", get(listing)).route("/job/{n}", get(job))).await;
    let import = format!("crawl:\n  html: {}\n  links: a\n  extract: {{ t: h1 }}\n", site.url("/"));
    let outcome = Crawl::new(&import, &[&site], here()).run().await;
    assert_eq!(outcome.records.len(), 2);
    let mut failed: Vec<(String, ErrorClass, String)> = outcome
        .failed
        .iter()
        .map(|(request, error)| {
            assert!(!request.listing && error.message.contains(&request.url), "{}", error.message);
            (request.url.clone(), error.class, error.code.clone())
        })
        .collect();
    failed.sort_by(|left, right| left.0.cmp(&right.0));
    let expected = [
        (1, ErrorClass::Missing, "JP105"),
        (2, ErrorClass::Transient, "JP109"),
        (3, ErrorClass::Permanent, "JP120"),
        (4, ErrorClass::Permanent, "JP111"),
    ];
    assert_eq!(failed, expected.map(|(n, class, code)| (site.url(&format!("/job/{n}")), class, code.to_owned())));
    assert_eq!(reasons(&outcome), Vec::<String>::new(), "what becomes of a failed request is the engine's");
}

#[tokio::test]
async fn json_that_is_cut_or_is_no_json() {
    for (body, class, code) in [
        (r#"{"data": [{"id": 1}, {"id"#, ErrorClass::Transient, "JP122"),
        ("", ErrorClass::Transient, "JP122"),
        ("<html>Please log in", ErrorClass::Permanent, "JP123"),
        ("OK", ErrorClass::Permanent, "JP124"),
    ] {
        let site = Site::serve(Router::new().route("/", get(move || async move { body }))).await;
        let import = format!("crawl:\n  json: {}\n  items: .data\n", site.url("/?token=hush&page=1"));
        let outcome = Crawl::new(&import, &[&site], here()).run().await;
        let [(request, error)] = outcome.failed.as_slice() else { panic!("{outcome:?}") };
        assert!(request.listing);
        assert_eq!((error.class, error.code.as_str()), (class, code));
        assert!(error.message.starts_with(&site.url("/?token=***&page=1: ")), "{}", error.message);
    }
}

#[tokio::test]
async fn robots_and_unreachable_hosts() {
    let robots = get(|| async { "User-agent: *\nDisallow: /" });
    let site =
        Site::serve(Router::new().route("/robots.txt", robots).route("/", get(|| async { Html("<h1>x") }))).await;
    let import = |extra: &str| format!("crawl:\n  html: {}\n  extract: {{ t: h1 }}\n{extra}", site.url("/"));
    let outcome = Crawl::new(&import(""), &[&site], here()).run().await;
    assert_eq!(outcome.failed[0].1.code, "JP114");
    let outcome = Crawl::new(&import("  robots: ignore\n"), &[&site], here()).run().await;
    assert_eq!(outcome.records.len(), 1);
    let outcome = Crawl::new(&import(""), &[], here()).run().await;
    assert_eq!(outcome.failed[0].1.code, "JP113", "a private address is refused unless the operator opens it");
}

#[tokio::test]
async fn a_missing_secret_is_told_before_anything_is_asked() {
    let site = Site::serve(Router::new()).await;
    let import = format!("crawl:\n  html: {}\n  auth: {{ bearer: $NOT_SET }}\n  extract: {{ t: h1 }}\n", site.url("/"));
    let outcome = Crawl::new(&import, &[&site], here()).run().await;
    let error = &outcome.failed[0].1;
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "JP142"));
    assert!(error.message.contains("stage `crawl`") && error.message.contains("NOT_SET"), "{}", error.message);
    assert!(site.log().is_empty());
}

struct Now;

impl Stop for Now {
    fn is_stopping(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn a_process_that_stops_puts_requests_back_uncharged() {
    let site = Site::serve(Router::new()).await;
    let mut crawl =
        Crawl::new(&format!("crawl:\n  html: {}\n  extract: {{ t: h1 }}\n", site.url("/")), &[&site], here());
    crawl.stop = Arc::new(Now);
    let stage = crawl.stage("crawl");
    let roots = stage.roots(&crawl.facts).unwrap();
    let outcome = crawl.once(&stage, StageInput::Requests(roots.clone())).await;
    let [(request, error)] = outcome.failed.as_slice() else { panic!("{outcome:?}") };
    assert_eq!((request, error.class), (&roots[0], ErrorClass::Throttled));
    assert!(site.log().is_empty());
}

#[tokio::test]
async fn the_rate_of_the_import_holds_and_what_waits_is_throttled() {
    let listing = || async { Html((1..=8).map(|n| format!("<a href=/job/{n}>x</a>")).collect::<String>()) };
    let site = Site::serve(Router::new().route("/", get(listing)).fallback(|| async { Html("<h1>x") })).await;
    let import = format!("crawl:\n  html: {}\n  links: a\n  extract: {{ t: h1 }}\n  rate: 1/min\n", site.url("/"));
    // robots.txt is the first of the host's requests, and nothing else is asked in this minute
    let first = Crawl::new(&import, &[&site], here()).run().await;
    assert_eq!((site.log().len(), first.failed.len()), (0, 1));
    assert_eq!(first.failed[0].1.class, ErrorClass::Throttled);
    let outcome = Crawl::new(&format!("{import}  robots: ignore\n"), &[&site], here()).run().await;
    assert_eq!(site.log(), ["GET / -"]);
    assert_eq!(outcome.failed.len(), 8);
    assert!(
        outcome
            .failed
            .iter()
            .all(|(_, error)| error.class == ErrorClass::Throttled && error.retry_after_ms > Some(50_000))
    );
}

#[tokio::test]
async fn items_inside_items_do_not_multiply_a_page_without_end() {
    let page = format!("{}{}", "<div><p>".repeat(200), "x".repeat(1 << 20));
    let site = Site::serve(Router::new().route("/", get(move || async move { Html(page) }))).await;
    let import = format!("crawl:\n  html: {}\n  items: div\n  extract: {{ text: . }}\n", site.url("/"));
    let outcome = Crawl::new(&import, &[&site], here()).run().await;
    let [(_, error)] = outcome.failed.as_slice() else { panic!("{} records", outcome.records.len()) };
    assert_eq!((error.class, error.code.as_str(), outcome.records.len()), (ErrorClass::Permanent, "JP147", 0));
}
