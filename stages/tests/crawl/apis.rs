//! JSON: paging, queries, credentials, `since`.

use std::collections::BTreeMap;
use std::path::Path as Folder;

use axum::extract::Query;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json as Body, Router};
use serde_json::{Value as Json, json};

use crate::drive::{Crawl, Site, bodies, reasons};

fn here() -> &'static Folder {
    Folder::new("/nowhere")
}

/// Two jobs a page, three pages, `next` relative; only with the bearer token.
fn api() -> Router {
    let jobs = |headers: HeaderMap, Query(query): Query<BTreeMap<String, String>>| async move {
        if headers.get("authorization").is_none_or(|value| value != "Bearer t0ken") {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        let page: u32 = query.get("page").map_or(1, |page| page.parse().unwrap());
        let job = |n: u32| json!({"id": n, "title": format!("Job {n}"), "updated_at": format!("2020-01-0{n}T00:00:00Z"), "extra": {"n": n}});
        let next = (page < 3).then(|| format!("?page={}", page + 1));
        Body(json!({"data": [job(page * 2 - 1), job(page * 2)], "next": next})).into_response()
    };
    Router::new().route("/v1/jobs", get(jobs))
}

#[tokio::test]
async fn a_paged_api_with_a_bearer_token() {
    let site = Site::serve(api()).await;
    let import = format!(
        "crawl:\n  json: {}\n  auth: {{ bearer: $TOKEN }}\n  query: {{ per_page: 2, updated_since: $since, tags: [a, \"b c\"], on: true }}\n  items: .data\n  pages: .next\n  since: .updated_at\n",
        site.url("/v1/jobs")
    );
    let crawl = Crawl::new(&import, &[&site], here());
    let outcome = crawl.run().await;
    assert_eq!(outcome.records.len(), 6);
    assert_eq!(
        bodies(&outcome)[0],
        json!({"id": 1, "title": "Job 1", "updated_at": "2020-01-01T00:00:00Z", "extra": {"n": 1}}).to_string()
    );
    assert_eq!(outcome.cursor, Some(json!("2020-01-06T00:00:00Z")));
    assert_eq!(reasons(&outcome), Vec::<String>::new(), "the first run asks for everything");
    assert_eq!(
        site.log(),
        [
            "GET /v1/jobs?per_page=2&tags=a&tags=b+c&on=true Bearer t0ken",
            "GET /v1/jobs?page=2 Bearer t0ken",
            "GET /v1/jobs?page=3 Bearer t0ken"
        ]
    );
    let stored = serde_json::to_string(&(&outcome, crawl.stage("crawl").roots_for_test(&crawl))).unwrap();
    assert!(!stored.contains("t0ken"), "what is stored holds no secret");
}

trait Roots {
    fn roots_for_test(&self, crawl: &Crawl) -> Vec<jobpipe_core::Request>;
}

impl Roots for jobpipe_stages::crawl::CrawlStage {
    fn roots_for_test(&self, crawl: &Crawl) -> Vec<jobpipe_core::Request> {
        jobpipe_core::Stage::roots(self, &crawl.facts).unwrap()
    }
}

#[tokio::test]
async fn the_second_run_asks_for_what_is_newer() {
    let site = Site::serve(api()).await;
    let import = format!(
        "crawl:\n  json: {}\n  auth: {{ bearer: $TOKEN }}\n  query: {{ updated_since: $since }}\n  items: .data\n  since: {{ field: .updated_at, start: 2020-01-01, lookback: 1d }}\n",
        site.url("/v1/jobs")
    );
    let mut crawl = Crawl::new(&import, &[&site], here());
    crawl.run().await;
    crawl.facts.since.insert("crawl".to_owned(), json!("2020-01-06T00:00:00Z"));
    let outcome = crawl.run().await;
    assert_eq!(
        site.log(),
        [
            "GET /v1/jobs?updated_since=2020-01-01 Bearer t0ken",
            "GET /v1/jobs?updated_since=2020-01-05T00%3A00%3A00Z Bearer t0ken"
        ]
    );
    assert_eq!(reasons(&outcome), ["`since` asks only for what is newer [E]"]);
}

/// Two pages of a source whose clock is behind: what changes while they are read may lie on the first one.
#[tokio::test]
async fn the_cursor_does_not_pass_the_sources_own_time_at_the_first_page() {
    let page = |Query(query): Query<BTreeMap<String, String>>| async move {
        let first = !query.contains_key("page");
        let minute = if first { 0 } else { 9 };
        let job = json!({"id": minute, "updated_at": format!("2020-01-05T00:0{minute}:30Z")});
        let date = format!("Sun, 05 Jan 2020 00:{:02}:00 GMT", minute + 1);
        ([("date", date)], Body(json!({"data": [job], "next": first.then_some("?page=2")})))
    };
    let site = Site::serve(Router::new().route("/jobs", get(page))).await;
    let import =
        format!("crawl:\n  json: {}\n  items: .data\n  pages: .next\n  since: .updated_at\n", site.url("/jobs"));
    let outcome = Crawl::new(&import, &[&site], here()).run().await;
    assert_eq!(outcome.records.len(), 2);
    assert_eq!(outcome.cursor, Some(json!("2020-01-05T00:01:00Z")), "and not 00:09:30, which the second page has");
}

#[tokio::test]
async fn a_token_is_sent_to_the_written_host_only() {
    let stranger =
        Site::serve(Router::new().route("/", get(|| async { Body(json!({"data": [{"id": 2}], "next": null})) }))).await;
    let leads_away = stranger.url("/");
    let own = Site::serve(
        Router::new().route("/", get(move || async move { Body(json!({"data": [{"id": 1}], "next": leads_away})) })),
    )
    .await;
    let import = format!(
        "crawl:\n  json: {}\n  auth: {{ bearer: $TOKEN }}\n  headers: {{ x-key: $TOKEN, authorization: open to $run.import }}\n  items: .data\n  pages: .next\n",
        own.url("/")
    );
    let outcome = Crawl::new(&import, &[&own, &stranger], here()).run().await;
    assert_eq!(outcome.records.len(), 2);
    assert_eq!(own.log(), ["GET / Bearer t0ken"]);
    assert_eq!(stranger.log(), ["GET / open to t"]);
}

#[tokio::test]
async fn a_post_with_a_body_is_asked_once_for_each_body() {
    let search = |Body(asked): Body<Json>| async move { Body(json!({"hits": [asked], "next": "/search"})) };
    let site = Site::serve(Router::new().route("/search", post(search))).await;
    let import = format!(
        "crawl:\n  json: {}\n  body: {{ q: nurse, size: 10, run: $run.import, deep: {{ list: [1, two] }} }}\n  items: .hits\n  pages: .next\n",
        site.url("/search")
    );
    let outcome = Crawl::new(&import, &[&site], here()).run().await;
    assert_eq!(
        bodies(&outcome),
        [json!({"q": "nurse", "size": 10, "run": "t", "deep": {"list": [1, "two"]}}).to_string()]
    );
    assert_eq!(site.log(), ["POST /search -"], "the same page with the same body is the same request");
}

#[tokio::test]
async fn fields_are_extracted_from_items() {
    let answer = json!([{"id": 1, "loc": {"city": "Lyon"}, "tags": ["a", "b"]}, {"id": 2}]);
    let site = Site::serve(Router::new().route("/", get(move || async move { Body(answer) }))).await;
    let import = format!(
        "crawl:\n  json: {}\n  extract: {{ ref: .id, city: .loc.city // empty, place: {{ tag: '.tags[0]' }} }}\n",
        site.url("/")
    );
    let outcome = Crawl::new(&import, &[&site], here()).run().await;
    assert_eq!(
        bodies(&outcome),
        [
            json!({"ref": 1, "city": "Lyon", "place": {"tag": "a"}}).to_string(),
            json!({"ref": 2, "place": {"tag": null}}).to_string()
        ]
    );
}

#[tokio::test]
async fn answers_that_changed_their_shape() {
    let cases = [
        (json!({"items": []}), "`items` finds no list in the answer", "[E]"),
        (json!({"data": null}), "`items` finds no list in the answer", "[E]"),
        (json!({"data": ["a", {"id": 1}]}), "items that could not be read", "[EC]"),
        (json!({"data": [{"id": 1}], "next": 7}), "`pages` gives a number, not the URL of the next page", "[EC]"),
        (
            json!({"data": [{"id": 1}], "next": "ftp://x.test/"}),
            "`pages` gives text that is no URL of a next page",
            "[EC]",
        ),
    ];
    for (answer, expected, flags) in cases {
        let shown = answer.to_string();
        let site = Site::serve(Router::new().route("/", get(move || async move { Body(answer) }))).await;
        let import = format!("crawl:\n  json: {}\n  items: .data\n  pages: .next\n", site.url("/"));
        let outcome = Crawl::new(&import, &[&site], here()).run().await;
        let [reason] =
            reasons(&outcome).try_into().unwrap_or_else(|reasons: Vec<String>| panic!("{shown}: {reasons:?}"));
        assert!(reason.contains(expected) && reason.ends_with(flags), "{shown}: {reason}");
    }
    let site = Site::serve(Router::new().route("/", get(|| async { Body(json!({"data": []})) }))).await;
    let import = format!("crawl:\n  json: {}\n  items: .data\n", site.url("/"));
    let outcome = Crawl::new(&import, &[&site], here()).run().await;
    assert_eq!(outcome.reasons, [], "an empty list is an answer");
}
