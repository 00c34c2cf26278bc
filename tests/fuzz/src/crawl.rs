//! Answers through a crawl and a transform, as a worker computes them; nothing is asked of any host.

use std::collections::BTreeMap;
use std::sync::Arc;

use jobpipe_config::settings::{Lookup, Settings};
use jobpipe_connectors::file::FileRoots;
use jobpipe_connectors::http::{HttpClient, HttpSettings, LocalLimiter};
use jobpipe_core::{Answer, Clock, Gathered, Outcome, Request, RunFacts, Stage, SystemClock};
use jobpipe_stages::crawl::{CrawlStage, CrawlTools};
use jobpipe_stages::transform::TransformStage;
use serde_json::{Value as Json, json};

use crate::formats::Ended;

struct Nobody;

impl Lookup for Nobody {
    fn variable(&self, _: &str) -> Option<secrecy::SecretString> {
        None
    }
    fn file(&self, _: &str) -> std::io::Result<secrecy::SecretString> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

/// A crawl with the transform behind it.
pub struct Crawls {
    crawl: CrawlStage,
    transform: TransformStage,
    request: Request,
    facts: RunFacts,
    /// What the answer is called, one after the other.
    content_types: &'static [&'static str],
    taken: usize,
}

impl Crawls {
    fn new(import: &str, content_types: &'static [&'static str]) -> Self {
        let checked = jobpipe_config::check(import, "t.yml");
        let plan = checked.plan.unwrap_or_else(|| panic!("{:#?}", checked.diagnostics));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let settings = Settings::default();
        let limiter = Arc::new(LocalLimiter::new(clock.clone()));
        let http = HttpClient::new(HttpSettings::from_settings(&settings), limiter, clock).unwrap();
        let tools = CrawlTools {
            http: Arc::new(http),
            files: FileRoots::new(std::env::temp_dir(), Vec::new(), 1 << 20),
            lookup: Arc::new(Nobody),
            settings: Arc::new(settings),
            env: None,
        };
        let facts = RunFacts {
            import: "t".into(),
            run: "t@1".into(),
            seq: 1,
            started_at: 1_795_327_200_000,
            since: BTreeMap::new(),
            limit: None,
        };
        let crawl = CrawlStage::new(&plan, "crawl", Arc::new(tools)).unwrap();
        let transform = TransformStage::new(&plan, "transform", None).unwrap();
        let request = crawl.roots(&facts).unwrap().remove(0);
        Self { crawl, transform, request, facts, content_types, taken: 0 }
    }

    pub fn html() -> impl FnMut(&[u8]) -> Ended {
        let import = "name: t\ncrawl:\n  html: https://acme.test/jobs\n  pages: a.next\n  items: li.job\n  extract:\n    url: a @href\n    \
                      title: h2 | trim\n    text: \". @html | html_to_text\"\n    tags: \"[span] | join(\\\", \\\")\"\n    price: .price | number\n    \
                      at: time @datetime | to_date\ntransform:\n  key: .url\n  map: { title: .title, text: .text | truncate(200), all: . }\n  require: [title]\n";
        let mut crawls = Self::new(
            import,
            &["text/html", "text/html; charset=utf-8", "", "text/html; charset=shift_jis", "application/xhtml+xml"],
        );
        move |input| crawls.take(input)
    }

    pub fn json() -> impl FnMut(&[u8]) -> Ended {
        let import = "name: t\ncrawl:\n  json: https://acme.test/jobs\n  pages: .next\n  items: .data\n  since: .updated_at\ntransform:\n  \
                      key: .id\n  where: .hidden != true\n  map: { title: .title | trim, at: .updated_at, all: ., n: \"=[.a, .b] | map(numbers) | add\" }\n";
        let mut crawls = Self::new(
            import,
            &["application/json", "application/json; charset=utf-16", "", "text/plain; charset=\"latin1\""],
        );
        move |input| crawls.take(input)
    }

    /// Links of answers: what JSON names as the next page, what pages link to.
    pub fn links() -> impl FnMut(&str) -> Ended {
        let json = "name: t\ncrawl:\n  json: https://acme.test/jobs\n  pages: .next\n  items: .data\ntransform: { key: .id }\n";
        let html = "name: t\ncrawl:\n  html: https://acme.test/jobs\n  links: a\ntransform: { key: .url }\n";
        let mut named = Self::new(json, &["application/json"]);
        let mut linked = Self::new(html, &["text/html"]);
        move |text| {
            let answer = json!({ "next": text, "data": [{ "id": text }] }).to_string();
            let first = named.take(answer.as_bytes());
            if matches!(first, Ended::Wrong(_)) {
                return first;
            }
            let escaped = text.replace('&', "&amp;").replace('"', "&quot;");
            linked.take(format!("<a href=\"{escaped}\">x</a>").as_bytes())
        }
    }

    fn take(&mut self, body: &[u8]) -> Ended {
        let content_type = self.content_types.get(self.taken % self.content_types.len()).copied().unwrap_or_default();
        self.taken += 1;
        let head = json!({ "url": "https://acme.test/jobs", "status": 200, "content_type": content_type });
        let answer = Answer { request: self.request.clone(), result: Ok(head), body: body.to_vec(), at: 1 };
        let gathered = Gathered::Answers(vec![answer]);
        let crawled = match self.crawl.compute(gathered, &self.facts) {
            Ok(crawled) => crawled,
            Err(error) => return Ended::Wrong(format!("the crawl itself failed: {}", error.message)),
        };
        let turned = match self.transform.compute(Gathered::Records(crawled.records.clone()), &self.facts) {
            Ok(turned) => turned,
            Err(error) => return Ended::Wrong(format!("the transform itself failed: {}", error.message)),
        };
        for outcome in [&crawled, &turned] {
            if let Some(wrong) = wrong(outcome) {
                return Ended::Wrong(wrong);
            }
        }
        let failed = crawled.failed.len() + crawled.dead.len() + turned.dead.len();
        if failed > 0 { Ended::Error } else { Ended::Result }
    }
}

/// What an outcome must not be: unreadable once it is written, an error without a URL, a request to a strange place.
fn wrong(outcome: &Outcome) -> Option<String> {
    let written = match serde_json::to_string(outcome) {
        Ok(written) => written,
        Err(error) => return Some(format!("the outcome cannot be written: {error}")),
    };
    match serde_json::from_str::<Outcome>(&written) {
        Ok(read) if read == *outcome => {}
        Ok(_) => return Some("the outcome is read back as another".to_owned()),
        Err(error) => return Some(format!("the outcome cannot be read back: {error}")),
    }
    let errors = outcome.failed.iter().map(|(_, error)| error).chain(outcome.dead.iter().map(|dead| &dead.error));
    for error in errors {
        if !error.code.starts_with("JP") || error.message.is_empty() || error.message.len() > 8_192 {
            return Some(format!("{error:?}"));
        }
    }
    let placed = outcome.dead.iter().all(|dead| dead.url.starts_with("https://acme.test/"));
    let web = outcome.follow.iter().all(|request| is_web(&request.body) && request.url.len() < 1 << 20);
    (!placed || !web).then(|| "a dead letter without a URL, or a request that is not for the web".to_owned())
}

fn is_web(ask: &Json) -> bool {
    let url = ask.pointer("/to/url").and_then(Json::as_str).unwrap_or_default();
    url.starts_with("http://") || url.starts_with("https://")
}
