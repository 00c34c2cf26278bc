//! HTML: listings, links, items, budgets.

use axum::Router;
use axum::extract::Path;
use axum::response::Html;
use axum::routing::get;
use serde_json::json;
use std::path::Path as Folder;

use crate::drive::{Crawl, Site, bodies, reasons};

/// Three listing pages of four jobs each; the last one names itself as its next.
fn careers() -> Router {
    let listing = |Path(page): Path<u32>| async move {
        let jobs: String = (1..=4)
            .map(|n| {
                let id = (page - 1) * 4 + n;
                format!("<li class=job id=j{id}><a class=job-link href='../job/{id}?from=list#top'>Job {id}</a><span class=city>City {id}</span></li>")
            })
            .collect();
        let next = if page < 3 { page + 1 } else { page };
        Html(format!(
            "<ul>{jobs}<li class=job><a class=job-link href='../job/1?from=list'>again</a></ul><p class=next><a href='{next}'>Next</a>"
        ))
    };
    let job = |Path(id): Path<u32>| async move {
        Html(format!(
            "<base href=/site/><h1>Job {id}</h1><dd class=pay>{id} 000</dd><link rel=canonical href='job/{id}'><time datetime='2026-01-{id:02}'>"
        ))
    };
    Router::new().route("/jobs/{page}", get(listing)).route("/job/{id}", get(job))
}

fn here() -> &'static Folder {
    Folder::new("/nowhere")
}

#[tokio::test]
async fn listing_to_detail_to_records_and_a_loop_ends() {
    let site = Site::serve(careers()).await;
    let import = format!(
        "crawl:\n  html: {}\n  pages: .next\n  links: a.job-link\n  extract:\n    title: h1\n    pay: dd.pay | split(\" \") | join(\"\") | tonumber\n    url: link[rel=canonical] @href\n    none: dd.none\n",
        site.url("/jobs/1")
    );
    let outcome = Crawl::new(&import, &[&site], here()).run().await;
    assert_eq!(outcome.records.len(), 12);
    let first = outcome.records.iter().find(|record| record.body["title"] == "Job 1").unwrap();
    assert_eq!(first.body, json!({"title": "Job 1", "pay": 1000, "url": site.url("/site/job/1")}));
    assert_eq!(first.origin.url, site.url("/job/1?from=list"));
    assert_eq!(reasons(&outcome), Vec::<String>::new());
    assert!(outcome.failed.is_empty() && outcome.dead.is_empty());
    let log = site.log();
    assert_eq!(log.len(), 15, "three listings, twelve jobs, each once: {log:#?}");
    assert_eq!(outcome.taken, 15);
}

#[tokio::test]
async fn items_of_listing_pages_are_records() {
    let site = Site::serve(careers()).await;
    let import = format!(
        "crawl:\n  html: {}\n  pages: p.next a\n  items: li.job:not(:last-child)\n  extract: {{ id: . @id, city: .city, url: a @href }}\n",
        site.url("/jobs/1")
    );
    let outcome = Crawl::new(&import, &[&site], here()).run().await;
    assert_eq!(outcome.records.len(), 12);
    let expected = json!({"id": "j1", "city": "City 1", "url": site.url("/job/1?from=list#top")}).to_string();
    assert!(bodies(&outcome).contains(&expected), "{:#?}", bodies(&outcome));
    assert!(outcome.records.iter().all(|record| record.origin.url.contains("/jobs/")));
}

#[tokio::test]
async fn budgets_and_limits_cut_the_same_way_every_time() {
    let site = Site::serve(careers()).await;
    let import = |max: &str| {
        format!(
            "crawl:\n  html: {}\n  pages: .next\n  links: a.job-link\n  extract: {{ t: h1 }}\n  max: {max}\n",
            site.url("/jobs/1")
        )
    };
    let run = async |max: &str, limit| {
        let mut crawl = Crawl::new(&import(max), &[&site], here());
        crawl.facts.limit = limit;
        let outcome = crawl.run().await;
        (outcome.records.len(), reasons(&outcome))
    };
    let cut = |by: &str| vec![format!("`max: {{ {by} }}` ended the crawl [EC]")];
    assert_eq!(run("{ items: 6 }", None).await, (6, cut("items")));
    // the link back to the first job counts on each page that has it
    assert_eq!(run("{ items: 14 }", None).await, (12, Vec::new()));
    assert_eq!(run("{ pages: 2 }", None).await, (8, cut("pages")));
    assert_eq!(run("{ pages: 3 }", None).await, (12, Vec::new()));
    assert_eq!(run("{ items: 1000 }", Some(5)).await, (5, Vec::new()));
    let mut late = Crawl::new(&import("{ time: 1s }"), &[&site], here());
    late.facts.started_at -= 5_000;
    let asked = site.log().len();
    let outcome = late.run().await;
    assert_eq!((outcome.records.len(), reasons(&outcome)), (0, cut("time")));
    assert_eq!((site.log().len(), outcome.failed.len()), (asked, 0), "nothing is asked after the time is up");
}

#[tokio::test]
async fn a_changed_page_is_told_with_the_nearest_match() {
    let site = Site::serve(careers()).await;
    for (finding, selector) in [("links: a.job-card", "a.job-card"), ("items: tr.job", "tr.job")] {
        let import = format!("crawl:\n  html: {}\n  {finding}\n  extract: {{ t: h1 }}\n", site.url("/jobs/1"));
        let outcome = Crawl::new(&import, &[&site], here()).run().await;
        let [reason] = outcome.reasons.as_slice() else { panic!("{:?}", outcome.reasons) };
        assert!(reason.not_exhaustive && !reason.not_clean);
        assert!(
            reason.what.contains(&format!("`{selector}` matches nothing, so nothing is taken for gone (nearest: `")),
            "{}",
            reason.what
        );
        assert!(reason.what.contains(&site.url("/jobs/1")), "{}", reason.what);
        assert!(outcome.records.is_empty() && outcome.failed.is_empty());
    }
}

#[tokio::test]
async fn an_expression_of_extract_that_fails_is_told_with_its_page() {
    let site = Site::serve(careers()).await;
    let import = format!("crawl:\n  html: {}\n  extract: {{ n: h1 | tonumber }}\n", site.url("/job/1"));
    let outcome = Crawl::new(&import, &[&site], here()).run().await;
    let [(request, error)] = outcome.failed.as_slice() else { panic!("{outcome:?}") };
    assert!(
        request.listing && error.message.starts_with(&format!("{}: `extract`: ", site.url("/job/1"))),
        "{}",
        error.message
    );
}

#[tokio::test]
async fn a_page_that_lies_about_its_charset_is_read() {
    let (latin, _, _) = encoding_rs::WINDOWS_1252.encode("<h1>Infirmier diplômé d'État à l'hôpital de Besançon</h1>");
    let latin = latin.into_owned();
    let page = get(move || async move { ([("content-type", "text/html; charset=utf-8")], latin) });
    let site = Site::serve(Router::new().route("/", page)).await;
    let outcome = Crawl::new(&format!("crawl:\n  html: {}\n  extract: {{ t: h1 }}\n", site.url("/")), &[&site], here())
        .run()
        .await;
    assert_eq!(bodies(&outcome), [json!({"t": "Infirmier diplômé d'État à l'hôpital de Besançon"}).to_string()]);
}
