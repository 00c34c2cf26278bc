//! Crawls that are `from` others: each record leads to a request.

use std::path::Path as Folder;

use axum::Router;
use axum::extract::Path;
use axum::response::Html;
use axum::routing::get;
use jobpipe_core::{Fate, Origin, Record};
use serde_json::{Value as Json, json};

use crate::drive::{Crawl, Site, bodies, reasons};

fn here() -> &'static Folder {
    Folder::new("/nowhere")
}

fn came(body: Json) -> Record {
    Record::new(body, Origin { url: "https://list.test/".to_owned(), fetched_at: 1, rank: 0 })
}

fn import(site: &Site, detail: &str) -> String {
    format!(
        "stages:\n  listings: {{ crawl: {{ html: \"{}\", items: li, extract: {{ url: a @href }} }} }}\n  offers:\n    from: listings\n    crawl:\n      {}\n",
        site.url("/list"),
        detail.replace('\n', "\n      ")
    )
}

async fn site() -> Site {
    let job = |Path(n): Path<String>| async move { Html(format!("<h1>Job {n}</h1><i>x</i><i>y</i>")) };
    Site::serve(Router::new().route("/job/{n}", get(job))).await
}

#[tokio::test]
async fn the_fields_that_came_stay_unless_extracted_anew() {
    let site = site().await;
    let crawl = Crawl::new(&import(&site, "html: .url\nextract: { title: h1, none: dd }"), &[&site], here());
    let keyed = Record {
        key: "k7".to_owned(),
        ..came(json!({"url": site.url("/job/7"), "title": "old", "none": 1, "extra": {"a": [1]}}))
    };
    let outcome = crawl.run_from("offers", vec![keyed]).await;
    let [record] = outcome.records.as_slice() else { panic!("{outcome:?}") };
    assert_eq!(record.body, json!({"url": site.url("/job/7"), "title": "Job 7", "none": 1, "extra": {"a": [1]}}));
    assert_eq!((record.key.as_str(), record.origin.url.as_str()), ("k7", site.url("/job/7").as_str()));
}

#[tokio::test]
async fn several_items_of_one_record_have_no_key_yet() {
    let site = site().await;
    let crawl = Crawl::new(&import(&site, "html: .url\nitems: i\nextract: { letter: . }"), &[&site], here());
    let keyed = Record { key: "k".to_owned(), ..came(json!({"url": site.url("/job/7")})) };
    let outcome = crawl.run_from("offers", vec![keyed]).await;
    assert_eq!(bodies(&outcome).len(), 2);
    assert!(outcome.records.iter().all(|record| record.key.is_empty()));
}

#[tokio::test]
async fn values_are_encoded_into_urls_and_requests_to_one_page_are_one() {
    let site = site().await;
    let detail = format!("html: \"{}/job/$ref\"\nquery: {{ q: .q }}\nextract: {{ title: h1 }}", site.url(""));
    let crawl = Crawl::new(&import(&site, &detail), &[&site], here());
    let records = vec![
        came(json!({"ref": "a/../b?c", "q": "x&y"})),
        came(json!({"ref": "7", "q": null})),
        came(json!({"ref": "7", "q": null})),
    ];
    let outcome = crawl.run_from("offers", records).await;
    let mut log = site.log();
    log.sort();
    assert_eq!(log[0], "GET /job/7 -");
    assert!(log.iter().any(|line| line.starts_with("GET /job/a%2F..%2Fb%3Fc?q=x%26y")), "{log:?}");
    assert!(outcome.dead.is_empty());
}

#[tokio::test]
async fn records_that_lead_nowhere_are_dead_and_their_posts_stay() {
    let site = site().await;
    let crawl = Crawl::new(&import(&site, "html: .url\nextract: { title: h1 }"), &[&site], here());
    let lost = [
        json!({}),
        json!({"url": ""}),
        json!({"url": 7}),
        json!({"url": "secrets.json"}),
        json!({"url": "./secrets.json"}),
        json!({"url": "file:///etc/passwd"}),
        json!({"url": "javascript:alert(1)"}),
    ];
    let keyed = lost.iter().map(|body| Record { key: "k".to_owned(), ..came(body.clone()) }).collect();
    let outcome = crawl.run_from("offers", keyed).await;
    assert_eq!(outcome.dead.len(), lost.len());
    assert!(
        outcome
            .dead
            .iter()
            .all(|letter| letter.error.code == "JP141" && letter.error.message.contains("stage `offers`: `.url`"))
    );
    assert!(outcome.records.iter().all(|record| record.fate == Fate::Held && record.key == "k"));
    assert!(outcome.reasons.is_empty());
    let unkeyed = crawl.run_from("offers", vec![came(json!({}))]).await;
    assert_eq!(reasons(&unkeyed), ["records that lead to no page [EC]"]);
}

#[tokio::test]
async fn a_records_url_gets_the_token_on_the_listings_own_host_only() {
    let (own, stranger) = (site().await, site().await);
    let import = format!(
        "stages:\n  listings: {{ crawl: {{ html: \"{}\", items: li, extract: {{ url: a @href }} }} }}\n  offers: {{ from: listings, crawl: {{ html: .url, auth: {{ bearer: $TOKEN }}, extract: {{ title: h1 }} }} }}\n",
        own.url("/list")
    );
    let crawl = Crawl::new(&import, &[&own, &stranger], here());
    let records = vec![came(json!({"url": own.url("/job/1")})), came(json!({"url": stranger.url("/job/2")}))];
    assert_eq!(crawl.run_from("offers", records).await.records.len(), 2);
    assert_eq!(
        (own.log(), stranger.log()),
        (vec!["GET /job/1 Bearer t0ken".to_owned()], vec!["GET /job/2 -".to_owned()])
    );
}

#[tokio::test]
async fn records_that_only_tell_their_key_pass() {
    let site = site().await;
    let crawl = Crawl::new(&import(&site, "html: .url\nextract: { title: h1 }"), &[&site], here());
    let told = Record { key: "k".to_owned(), ..came(json!({})) }.with_fate(Fate::Withdrawn);
    let outcome = crawl.run_from("offers", vec![told.clone()]).await;
    assert_eq!((outcome.records, outcome.taken), (vec![told], 0));
}
