//! The sample career site under its fixed name: listing to detail to the records that are wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use career_site::{Answer, CareerSite, Handle, Options, Target};
use jobpipe_core::{Fate, Gathered, Outcome, Record, Stage as _};
use jobpipe_stages::transform::TransformStage;

use crate::drive::{Crawl, reasons};

const HOST: &str = "careers.sandbox.test";

const IMPORT: &str = "crawl:
  html: http://careers.sandbox.test/jobs
  pages: a.next
  links: a.job-link
  extract:
    title: h1.job-title
    city: dd.location
    status: span.status
    salary: dd.salary span | tonumber
    posted: time.posted @datetime
    text: div.description @html | html_to_text
    url: link[rel=canonical] @href
transform:
  key: .url
  where: .status == \"open\"
  keep: all
  map: { country: FR, posted: .posted | to_date }
  require: [title, city, url]
export:
  - jsonl: out/x.jsonl
";

async fn site(offers: u32) -> Handle {
    CareerSite::start(Options { offers, listing_size: 10, ..Options::default() }).await.unwrap()
}

fn crawl(site: &Handle) -> Crawl {
    Crawl::with(IMPORT, &[], BTreeMap::from([(HOST.to_owned(), site.addr)]), Path::new("/nowhere"))
}

fn transform(crawl: &Crawl, records: Vec<Record>) -> Outcome {
    TransformStage::new(&crawl.plan, "transform", None)
        .unwrap()
        .compute(Gathered::Records(records), &crawl.facts)
        .unwrap()
}

#[tokio::test]
async fn every_offer_becomes_a_record_with_a_stable_key() {
    let site = site(45).await;
    site.withdraw(5).unwrap();
    let crawl = crawl(&site);
    let crawled = crawl.run().await;
    assert_eq!((crawled.records.len(), crawled.failed.len(), reasons(&crawled)), (45, 0, Vec::new()));
    let wanted = transform(&crawl, crawled.records);
    let count = |fate| wanted.records.iter().filter(|record| record.fate == fate).count();
    assert_eq!((count(Fate::Live), count(Fate::Withdrawn), wanted.dead.len()), (40, 5, 0), "{:#?}", wanted.dead);
    let keys: BTreeSet<&str> = wanted.records.iter().map(|record| record.key.as_str()).collect();
    assert_eq!(keys.len(), 45);
    assert!(keys.iter().all(|key| key.starts_with("http://careers.sandbox.test/")), "{keys:?}");
    let live = wanted.records.iter().find(|record| record.fate == Fate::Live).unwrap();
    assert!(
        live.body["salary"].is_number()
            && live.body["country"] == "FR"
            && live.body["posted"].as_str().unwrap().ends_with('Z')
    );
}

#[tokio::test]
async fn a_listing_that_came_empty_takes_nothing_for_gone() {
    for page in [1, 3] {
        let site = site(45).await;
        site.answer(Target::Listing(page), Answer::Empty, None);
        let crawled = crawl(&site).run().await;
        assert!(crawled.reasons.iter().any(|reason| reason.not_exhaustive), "page {page}: {:?}", crawled.reasons);
    }
}

#[tokio::test]
async fn a_page_without_its_fields_is_dead_with_the_selector() {
    let site = site(12).await;
    let reference = site.offers()[0].reference.clone();
    site.answer(Target::Detail(reference), Answer::Empty, None);
    let crawl = crawl(&site);
    let wanted = transform(&crawl, crawl.run().await.records);
    let [letter] = wanted.dead.as_slice() else { panic!("{:#?}", wanted.dead) };
    assert_eq!(letter.error.code, "JP150", "{}", letter.error.message);
    assert_eq!(wanted.records.len(), 11);
}
