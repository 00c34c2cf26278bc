//! The site as a crawler sees it.

#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use career_site::{Answer, CareerSite, Handle, Options, Status, Target};
use reqwest::header::{HOST, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;

struct Site {
    handle: Handle,
    http: Client,
}

impl Site {
    async fn start() -> Self {
        // The client is built for TLS too and wants a provider, though nothing here speaks it. A second call is
        // refused, and that is fine.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = Client::builder().no_proxy().build().unwrap();
        Self { handle: CareerSite::start(Options::default()).await.unwrap(), http }
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("{}{path}", self.handle.base_url)).header(HOST, "careers.acme.test")
    }

    async fn fetch(&self, path: &str) -> Response {
        self.get(path).send().await.unwrap()
    }

    async fn text(&self, path: &str) -> String {
        self.fetch(path).await.text().await.unwrap()
    }

    async fn json(&self, path: &str) -> Value {
        self.fetch(path).await.json().await.unwrap()
    }

    async fn control(&self, path: &str, body: Value) -> (u16, Value) {
        let call = self.http.post(format!("{}/__site/{path}", self.handle.base_url)).json(&body);
        let response = call.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// Follows the listing to its end; gives the addresses of all offers.
    async fn crawl(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut next = Some("/jobs".to_owned());
        while let Some(path) = next {
            let page = self.text(&path).await;
            found.extend(hrefs(&page, "<a class=\"job-link\" href=\""));
            next = hrefs(&page, "<a class=\"next\" rel=\"next\" href=\"").pop();
        }
        found
    }
}

fn hrefs(page: &str, before: &str) -> Vec<String> {
    page.split(before).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_listing_leads_to_every_offer_once() {
    let site = Site::start().await;
    let found = site.crawl().await;
    assert_eq!(found.len(), 500);
    assert_eq!(found.iter().collect::<HashSet<_>>().len(), 500);
    assert_eq!(site.handle.report().requests, 25);
    let first = site.text("/jobs").await;
    assert_eq!(first.matches("<li class=\"job\">").count(), 20);
    assert_eq!(site.text("/jobs?page=1").await, first);
    assert!(site.text("/jobs?page=26").await.contains("no offers here"));
    assert_eq!(site.fetch("/jobs?page=0").await.status(), 400);
}

#[tokio::test]
async fn a_detail_page_carries_everything_with_an_address_from_the_host_header() {
    let site = Site::start().await;
    let offer = site.handle.offers().into_iter().find(|offer| offer.title.contains('&')).unwrap();
    let page = site.text(&offer.path()).await;
    let title = offer.title.replace('&', "&amp;");
    for part in [
        format!("<link rel=\"canonical\" href=\"http://careers.acme.test{}\">", offer.path()),
        format!("<h1 class=\"job-title\">{title}</h1>"),
        format!("<dd class=\"location\">{}</dd>", offer.city),
        format!("<dd class=\"salary\"><span>{}</span>", offer.salary),
        "<span class=\"status\">open</span>".to_owned(),
        "<time class=\"posted\" datetime=\"2026-".to_owned(),
        format!("<div class=\"description\">\n{}", offer.description),
    ] {
        assert!(page.contains(&part), "{part} is not in {page}");
    }
    assert_eq!(site.fetch("/jobs/acm-99999").await.status(), 404);
}

#[tokio::test]
async fn the_api_gives_the_same_offers_page_by_page() {
    let site = Site::start().await;
    let mut references = Vec::new();
    let mut next = Some("/api/v1/jobs?per_page=80".to_owned());
    while let Some(path) = next {
        let page = site.json(&path).await;
        assert_eq!(page["meta"]["total"], 500);
        let of = |offer: &Value| offer["ref"].as_str().unwrap().to_owned();
        references.extend(page["data"].as_array().unwrap().iter().map(of));
        next = page["next"].as_str().map(|url| url.strip_prefix("http://careers.acme.test").unwrap().to_owned());
    }
    let offers: Vec<String> = site.handle.offers().into_iter().map(|offer| offer.reference).collect();
    assert_eq!(references, offers);
    let one = site.json(&format!("/api/v1/jobs/{}", offers[0])).await;
    assert_eq!(one["data"]["url"], format!("http://careers.acme.test/jobs/{}", offers[0]));
    for query in ["page=0", "per_page=101", "per_page=x", "updated_since=yesterday"] {
        assert_eq!(site.fetch(&format!("/api/v1/jobs?{query}")).await.status(), 400, "{query}");
    }
}

#[tokio::test]
async fn updated_since_gives_what_was_changed_since() {
    let site = Site::start().await;
    let newest = site.handle.offers()[0].updated_ms;
    let mut changed = site.handle.edit(7).unwrap();
    changed.extend(site.handle.add(2));
    let since = site.handle.offers().iter().map(|offer| offer.updated_ms).filter(|at| *at > newest).min().unwrap();
    let since = jiff::Timestamp::from_millisecond(since).unwrap().to_string();
    let first = site.json(&format!("/api/v1/jobs?per_page=5&updated_since={since}")).await;
    assert_eq!(first["meta"]["total"], 9);
    let second = site.json(first["next"].as_str().unwrap().strip_prefix("http://careers.acme.test").unwrap()).await;
    let of = |page: &Value| -> Vec<String> {
        page["data"].as_array().unwrap().iter().map(|offer| offer["ref"].as_str().unwrap().to_owned()).collect()
    };
    let got: HashSet<String> = of(&first).into_iter().chain(of(&second)).collect();
    assert_eq!(got, changed.into_iter().collect());
    assert_eq!(first["data"][0]["status"], "open");
}

#[tokio::test]
async fn the_feed_holds_the_open_offers_and_robots_says_what_it_should() {
    let site = Site::start().await;
    let response = site.fetch("/feed.xml").await;
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("application/rss+xml"));
    assert_eq!(response.text().await.unwrap().matches("<item>").count(), 500);
    site.handle.withdraw(30).unwrap();
    assert_eq!(site.text("/feed.xml").await.matches("<item>").count(), 470);
    assert_eq!(site.text("/robots.txt").await, "User-agent: *\nCrawl-delay: 0.005\nDisallow: /private/\n");
    assert!(site.text("/jobs").await.contains("href=\"/private/staff\""), "a polite crawler has something to avoid");
}

#[tokio::test]
async fn unchanged_pages_are_answered_304_and_changed_ones_are_not() {
    let site = Site::start().await;
    let [kept, edited] = [0, 1].map(|index| site.handle.offers()[index].clone());
    let seen = async |path: &str| {
        let headers = site.fetch(path).await.headers().clone();
        (headers["etag"].clone(), headers["last-modified"].clone())
    };
    let (kept_tag, kept_date) = seen(&kept.path()).await;
    let (edited_tag, edited_date) = seen(&edited.path()).await;
    let (list_tag, list_date) = seen("/jobs").await;
    site.handle.edit_refs(std::slice::from_ref(&edited.reference)).unwrap();
    let by_tag = async |path: &str, tag| site.get(path).header(IF_NONE_MATCH, tag).send().await.unwrap().status();
    let by_date =
        async |path: &str, date| site.get(path).header(IF_MODIFIED_SINCE, date).send().await.unwrap().status();
    assert_eq!(by_tag(&kept.path(), kept_tag).await, 304);
    assert_eq!(by_date(&kept.path(), kept_date).await, 304);
    assert_eq!(by_tag(&edited.path(), edited_tag).await, 200);
    assert_eq!(by_date(&edited.path(), edited_date).await, 200);
    assert_eq!(by_tag("/jobs", list_tag).await, 200);
    assert_eq!(by_date("/jobs", list_date).await, 200);
    assert_eq!(site.handle.report().not_modified, 2);
}

#[tokio::test]
async fn the_source_changes_as_the_tests_of_an_import_need_it() {
    let site = Site::start().await;
    let before = site.handle.offers();
    let (_, edited) = site.control("edit", json!({ "count": 50 })).await;
    let (_, withdrawn) = site.control("withdraw", json!({ "count": 30 })).await;
    let (_, removed) = site.control("remove", json!({ "count": 20 })).await;
    let (_, added) = site.control("add", json!({ "count": 10 })).await;
    let refs = |answer: &Value| -> HashSet<String> { serde_json::from_value(answer["refs"].clone()).unwrap() };
    let [edited, withdrawn, removed, added] = [&edited, &withdrawn, &removed, &added].map(refs);
    let sizes = [&edited, &withdrawn, &removed, &added].map(HashSet::len);
    assert_eq!(sizes, [50, 30, 20, 10]);
    let all: HashSet<_> = [&edited, &withdrawn, &removed, &added].into_iter().flatten().collect();
    assert_eq!(all.len(), 110, "no offer is changed twice");

    let after = site.handle.offers();
    assert_eq!(after.len(), 490);
    for offer in &after {
        let old = before.iter().find(|old| old.reference == offer.reference);
        assert_eq!(old.is_none(), added.contains(&offer.reference));
        assert_eq!(offer.status == Status::Closed, withdrawn.contains(&offer.reference));
        let retitled = old.is_some_and(|old| old.title != offer.title);
        assert_eq!(retitled, edited.contains(&offer.reference));
    }
    assert_eq!(site.crawl().await.len(), 490);
    let closed = withdrawn.iter().next().unwrap();
    assert!(site.text(&format!("/jobs/{closed}")).await.contains("<span class=\"status\">closed</span>"));
    let gone = removed.iter().next().unwrap();
    assert_eq!(site.fetch(&format!("/jobs/{gone}")).await.status(), 404);

    let (status, body) = site.control("edit", json!({ "count": 1000 })).await;
    assert_eq!(status, 400, "{body}");
    assert_eq!(site.control("remove", json!({ "refs": [gone] })).await.0, 400);
    site.control("reset", json!({})).await;
    assert_eq!(site.handle.offers(), before);
}

#[tokio::test]
async fn pages_misbehave_on_request() {
    let site = Site::start().await;
    let reference = site.handle.offers()[0].reference.clone();
    site.handle.answer(Target::Listing(3), Answer::Status(500), Some(1));
    assert_eq!(site.fetch("/jobs?page=3").await.status(), 500);
    assert_eq!(site.fetch("/jobs?page=3").await.status(), 200);
    site.handle.answer(Target::Listing(2), Answer::Empty, None);
    assert!(site.text("/jobs?page=2").await.contains("no offers here"));
    assert_eq!(site.crawl().await.len(), 20, "an empty page has no next one");
    site.handle.answer(Target::Detail(reference.clone()), Answer::NotHtml, None);
    let pdf = site.fetch(&format!("/jobs/{reference}")).await;
    assert_eq!((pdf.status().as_u16(), pdf.headers()["content-type"].as_bytes()), (200, &b"application/pdf"[..]));
    let order = json!({ "target": { "api": 1 }, "answer": "truncated", "times": 1 });
    assert_eq!(site.control("answers", order).await.0, 200);
    assert!(serde_json::from_str::<Value>(&site.text("/api/v1/jobs").await).is_err());
    site.handle.answer(Target::Api(1), Answer::Empty, Some(1));
    let empty = site.json("/api/v1/jobs").await;
    assert_eq!((&empty["data"], &empty["next"]), (&json!([]), &Value::Null));
    assert_eq!(site.json("/api/v1/jobs").await["data"].as_array().unwrap().len(), 50);
    site.handle.answer(Target::Feed, Answer::Status(404), None);
    assert_eq!(site.fetch("/feed.xml").await.status(), 404);
    let refused = json!({ "target": "feed", "answer": { "status": 200 } });
    assert_eq!(site.control("answers", refused).await.0, 400);
    site.handle.clear_answers();
    assert_eq!(site.crawl().await.len(), 500);
}

#[tokio::test]
async fn a_slow_page_is_right_but_late_and_a_shutdown_does_not_wait_for_it() {
    let site = Site::start().await;
    site.handle.answer(Target::All, Answer::SlowMs(3_600_000), None);
    let gave_up = site.get("/jobs").timeout(Duration::from_millis(200)).send().await;
    assert!(gave_up.unwrap_err().is_timeout());
    site.handle.clear_log();
    let call = site.get("/jobs");
    let waiting = tokio::spawn(async move { call.send().await.unwrap().status() });
    while site.handle.report().most_in_flight == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::timeout(Duration::from_secs(4), site.handle.shutdown()).await.unwrap();
    assert_eq!(waiting.await.unwrap(), 200);
}

#[tokio::test]
async fn the_report_counts_each_path_status_and_client() {
    let site = Site::start().await;
    site.fetch("/jobs").await;
    site.fetch("/jobs").await;
    site.get("/nowhere?x=1").header("user-agent", "jobpipe-test").send().await.unwrap();
    let report: Value = serde_json::from_str(&site.text("/__site/report").await).unwrap();
    assert_eq!(report["requests"], 3, "asking for the report is not counted: {report}");
    assert_eq!(report["paths"]["/jobs"]["requests"], 2);
    assert_eq!(report["paths"]["/nowhere?x=1"]["statuses"], json!({ "404": 1 }));
    assert_eq!(site.handle.log()[2].agent, "jobpipe-test");
    let times: Vec<i64> = site.handle.log().iter().map(|entry| entry.time_ms).collect();
    assert!(times.is_sorted());
    site.handle.clear_log();
    assert_eq!(site.handle.report().requests, 0);
}

#[tokio::test]
async fn every_page_for_people_is_a_document_with_language_title_heading_and_main() {
    let site = Site::start().await;
    let detail = site.handle.offers()[0].path();
    for path in ["/", "/jobs", "/jobs?page=25", &detail, "/nowhere", "/private/staff"] {
        let page = site.text(path).await;
        for part in ["<html lang=\"en\">", "<title>", "<h1", "<main id=\"main\">", "</html>"] {
            assert_eq!(page.matches(part).count(), 1, "{part} in {path}");
        }
    }
    assert!(site.fetch("/style.css").await.headers()["content-type"].to_str().unwrap().starts_with("text/css"));
}

#[tokio::test]
async fn it_listens_on_loopback_only() {
    let everywhere = Options { listen: "0.0.0.0:0".parse().unwrap(), ..Options::default() };
    let refused = CareerSite::start(everywhere).await.err().unwrap().to_string();
    assert!(refused.contains("loopback"), "{refused}");
}
