//! A source with listing pages and detail pages, the stages that read it, and the registry.

use super::page::{Pages, TestSink};
use async_trait::async_trait;
use jobpipe_core::{
    Answer, Clock, ErrorClass, Fate, FileExport, Gathered, Origin, Outcome, Plan, Record, RecordReader, Request,
    RunFacts, Sink, Stage, StageCx, StageInput, Stages, TaskError, Written,
};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

const LISTED: usize = 5;

#[derive(Debug, Clone)]
pub struct Offer {
    pub title: String,
    pub open: bool,
}

/// What the outside has.
#[derive(Debug, Default)]
pub struct Source {
    pub offers: BTreeMap<String, Offer>,
    /// URLs that answer an error of this class: for ever.
    pub failing: BTreeMap<String, ErrorClass>,
    /// URLs that answer a transient error so many times.
    pub flaky: BTreeMap<String, u32>,
    /// URLs that answer late, once.
    pub slow: BTreeMap<String, std::time::Duration>,
    /// Requests made.
    pub asked: Vec<String>,
    /// The listing is empty.
    pub empty: bool,
}

impl Source {
    pub fn new(offers: u32) -> Self {
        let offers =
            (0..offers).map(|n| (format!("o{n:03}"), Offer { title: format!("offer {n:03}"), open: true })).collect();
        Self { offers, ..Self::default() }
    }

    fn get(&mut self, url: &str) -> Result<Json, TaskError> {
        self.asked.push(url.to_owned());
        let error = |class| {
            Err(TaskError { class, code: "JP101".into(), message: format!("{url} failed"), retry_after_ms: None })
        };
        if let Some(class) = self.failing.get(url) {
            return error(*class);
        }
        if let Some(left) = self.flaky.get_mut(url).filter(|left| **left > 0) {
            *left -= 1;
            return error(ErrorClass::Transient);
        }
        if let Some(page) = url.strip_prefix("list/") {
            let page: usize = page.parse().unwrap();
            let ids: Vec<&String> = if self.empty { Vec::new() } else { self.offers.keys().collect() };
            let listed: Vec<&&String> = ids.iter().skip(page * LISTED).take(LISTED).collect();
            let more = ids.len() > (page + 1) * LISTED;
            return Ok(json!({ "links": listed, "next": more.then(|| format!("list/{}", page + 1)) }));
        }
        let id = url.trim_start_matches("offer/");
        match self.offers.get(id) {
            Some(offer) => Ok(json!({ "id": id, "title": offer.title, "open": offer.open })),
            None => error(ErrorClass::Missing),
        }
    }
}

fn request(url: &str, listing: bool) -> Request {
    Request {
        id: url.to_owned(),
        group: "host".to_owned(),
        url: url.to_owned(),
        listing,
        attempts: 0,
        body: Json::Null,
    }
}

struct Crawl {
    source: Arc<Mutex<Source>>,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Stage for Crawl {
    fn roots(&self, _facts: &RunFacts) -> Result<Vec<Request>, TaskError> {
        Ok(vec![request("list/0", true)])
    }

    async fn gather(&self, input: StageInput, _cx: &StageCx) -> Result<Gathered, TaskError> {
        let StageInput::Requests(requests) = input else { return Ok(Gathered::Records(Vec::new())) };
        let mut answers = Vec::new();
        for request in requests {
            self.clock.sleep(std::time::Duration::from_millis(3)).await;
            let late = self.source.lock().unwrap().slow.remove(&request.url);
            if let Some(late) = late {
                self.clock.sleep(late).await;
            }
            let result = self.source.lock().unwrap().get(&request.url);
            answers.push(Answer { request, result, body: Vec::new(), at: self.clock.now() });
        }
        Ok(Gathered::Answers(answers))
    }

    fn compute(&self, gathered: Gathered, _facts: &RunFacts) -> Result<Outcome, TaskError> {
        let mut outcome = Outcome::default();
        let Gathered::Answers(answers) = gathered else { return Ok(outcome) };
        for answer in answers {
            let body = match answer.result {
                Ok(body) => body,
                Err(error) => {
                    outcome.failed.push((answer.request, error));
                    continue;
                }
            };
            outcome.taken += 1;
            if answer.request.listing {
                for link in body["links"].as_array().unwrap() {
                    outcome.follow.push(request(&format!("offer/{}", link.as_str().unwrap()), false));
                }
                if let Some(next) = body["next"].as_str() {
                    outcome.follow.push(request(next, true));
                }
            } else {
                let origin = Origin { url: answer.request.url.clone(), fetched_at: answer.at, rank: 0 };
                outcome.records.push(Record::new(body, origin));
            }
        }
        Ok(outcome)
    }
}

struct Transform;

#[async_trait]
impl Stage for Transform {
    fn roots(&self, _facts: &RunFacts) -> Result<Vec<Request>, TaskError> {
        Ok(Vec::new())
    }

    async fn gather(&self, input: StageInput, _cx: &StageCx) -> Result<Gathered, TaskError> {
        let StageInput::Records(records) = input else { return Ok(Gathered::Records(Vec::new())) };
        Ok(Gathered::Records(records))
    }

    fn compute(&self, gathered: Gathered, _facts: &RunFacts) -> Result<Outcome, TaskError> {
        let Gathered::Records(records) = gathered else { return Ok(Outcome::default()) };
        let taken = u64::try_from(records.len()).unwrap();
        let records = records
            .into_iter()
            .map(|mut record| {
                record.key = record.body["id"].as_str().unwrap().to_owned();
                if record.body["open"] == json!(true) { record } else { record.with_fate(Fate::Withdrawn) }
            })
            .collect();
        Ok(Outcome { records, taken, ..Outcome::default() })
    }
}

struct File {
    name: String,
    files: Arc<Mutex<BTreeMap<String, Vec<String>>>>,
}

#[async_trait]
impl FileExport for File {
    fn path(&self, _facts: &RunFacts) -> Result<String, TaskError> {
        Ok(self.name.clone())
    }

    async fn write(&self, records: &mut dyn RecordReader, _cx: &StageCx) -> Result<Written, TaskError> {
        let mut lines = Vec::new();
        loop {
            let chunk = records.next().await.map_err(|error| TaskError {
                class: ErrorClass::Transient,
                code: "JP504".into(),
                message: error.to_string(),
                retry_after_ms: None,
            })?;
            if chunk.is_empty() {
                break;
            }
            lines.extend(chunk.into_iter().map(|record| match record.change {
                Some(change) => format!("{change} {}", record.key),
                None => record.key,
            }));
        }
        let keys: BTreeSet<&String> = lines.iter().collect();
        assert_eq!(keys.len(), lines.len(), "each record once");
        let records = u64::try_from(lines.len()).unwrap();
        self.files.lock().unwrap().insert(self.name.clone(), lines);
        Ok(Written { path: self.name.clone(), records, bytes: 0, digest: String::new() })
    }
}

pub struct Registry {
    pub source: Arc<Mutex<Source>>,
    pub pages: Arc<Mutex<Pages>>,
    pub files: Arc<Mutex<BTreeMap<String, Vec<String>>>>,
    pub clock: Arc<dyn Clock>,
}

impl Stages for Registry {
    fn stage(&self, _plan: &Plan, name: &str) -> Result<Arc<dyn Stage>, TaskError> {
        Ok(if name == "crawl" {
            Arc::new(Crawl { source: Arc::clone(&self.source), clock: Arc::clone(&self.clock) })
        } else {
            Arc::new(Transform)
        })
    }

    fn file(&self, _plan: &Plan, name: &str) -> Result<Arc<dyn FileExport>, TaskError> {
        Ok(Arc::new(File { name: name.to_owned(), files: Arc::clone(&self.files) }))
    }

    fn sink(&self, plan: &Plan, name: &str) -> Result<Arc<dyn Sink>, TaskError> {
        let body = &plan.stage(name).unwrap().body;
        let targets = body["targets"].as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect();
        Ok(Arc::new(TestSink {
            targets,
            template: body["template"].as_str().unwrap().to_owned(),
            keeps: body["gone"] == "keep",
            pages: Arc::clone(&self.pages),
            clock: Arc::clone(&self.clock),
        }))
    }
}
