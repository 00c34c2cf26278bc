//! The stages of simulated imports.

use crate::process::Gate;
use crate::world::World;
use async_trait::async_trait;
use jobpipe_core::{
    Answer, DeadLetter, ErrorClass, Fate, FileExport, Gathered, Millis, Origin, Outcome, Record, RecordReader, Request,
    RunFacts, Stage, StageCx, StageInput, StoreError, TaskError, Written,
};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Duration;

/// How a crawl asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Listing pages that link to detail pages.
    Details,
    /// Listing pages that hold the records.
    Flat,
    /// Like flat, only what changed since the cursor.
    Since,
    /// Detail pages of the records that it is given.
    Lookup,
}

impl Ask {
    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "details" => Self::Details,
            "since" => Self::Since,
            "lookup" => Self::Lookup,
            _ => Self::Flat,
        }
    }
}

pub(crate) struct Crawl {
    pub world: Arc<World>,
    pub gate: Arc<Gate>,
    pub name: String,
    pub source: String,
    pub ask: Ask,
}

impl Crawl {
    fn request(&self, kind: &str, argument: &str, facts: &RunFacts) -> Request {
        let since = facts.since.get(&self.name).and_then(Json::as_str).filter(|_| self.ask == Ask::Since);
        let since = since.map_or(String::new(), |since| format!("?since={since}"));
        let url = format!("{}/{kind}/{argument}{since}", self.source);
        Request {
            id: format!("{kind}/{argument}"),
            group: self.source.clone(),
            url,
            listing: kind == "list",
            attempts: 0,
            body: Json::Null,
        }
    }

    fn listing(&self, answer: &Json, at: Millis, url: &str, facts: &RunFacts, outcome: &mut Outcome) {
        if let Some(next) = answer["next"].as_u64() {
            outcome.follow.push(self.request("list", &next.to_string(), facts));
        }
        if self.ask == Ask::Details {
            let links = answer["links"].as_array().into_iter().flatten().filter_map(Json::as_str);
            outcome.follow.extend(links.map(|link| self.request("item", link, facts)));
            return;
        }
        for body in answer["items"].as_array().into_iter().flatten() {
            let origin = Origin { url: url.to_owned(), fetched_at: at, rank: 0 };
            outcome.records.push(Record::new(body.clone(), origin));
            if self.ask == Ask::Since {
                let seen = Json::from(body["modified"].as_str().unwrap_or_default());
                let higher = outcome.cursor.as_ref().is_none_or(|old| old.as_str() < seen.as_str());
                if higher {
                    outcome.cursor = Some(seen);
                }
            }
        }
    }
}

#[async_trait]
impl Stage for Crawl {
    fn roots(&self, facts: &RunFacts) -> Result<Vec<Request>, TaskError> {
        Ok(if self.ask == Ask::Lookup { Vec::new() } else { vec![self.request("list", "0", facts)] })
    }

    async fn gather(&self, input: StageInput, _cx: &StageCx) -> Result<Gathered, TaskError> {
        let requests = match input {
            StageInput::Requests(requests) => requests,
            StageInput::Records(records) => return Ok(Gathered::Records(records)),
        };
        let mut answers = Vec::new();
        for request in requests {
            tokio::time::sleep(Duration::from_millis(self.world.chance.between(1, 30))).await;
            self.gate.pass().await;
            let result = self.world.source().get(&self.world, &request.url);
            answers.push(Answer { request, result, body: Vec::new(), at: self.world.now() });
        }
        Ok(Gathered::Answers(answers))
    }

    fn compute(&self, gathered: Gathered, facts: &RunFacts) -> Result<Outcome, TaskError> {
        let mut outcome = Outcome::default();
        let answers = match gathered {
            Gathered::Answers(answers) => answers,
            Gathered::Records(records) => {
                outcome.taken = u64::try_from(records.len()).unwrap_or(0);
                for record in records {
                    let id = record.body["id"].as_str().unwrap_or_default();
                    outcome.follow.push(self.request("item", id, facts));
                }
                return Ok(outcome);
            }
        };
        for answer in answers {
            match answer.result {
                Err(error) => outcome.failed.push((answer.request, error)),
                Ok(body) => {
                    outcome.taken += 1;
                    if answer.request.listing {
                        self.listing(&body, answer.at, &answer.request.url, facts, &mut outcome);
                    } else {
                        let origin = Origin { url: answer.request.url, fetched_at: answer.at, rank: 0 };
                        outcome.records.push(Record::new(body, origin));
                    }
                }
            }
        }
        Ok(outcome)
    }
}

/// What a transform takes: the records as they were given.
fn handed_on(input: StageInput) -> Gathered {
    Gathered::Records(match input {
        StageInput::Records(records) => records,
        StageInput::Requests(_) => Vec::new(),
    })
}

/// Gives keys, withdraws what is closed, and sets aside what fails its contract.
pub(crate) struct Keyed;

#[async_trait]
impl Stage for Keyed {
    fn roots(&self, _facts: &RunFacts) -> Result<Vec<Request>, TaskError> {
        Ok(Vec::new())
    }

    async fn gather(&self, input: StageInput, _cx: &StageCx) -> Result<Gathered, TaskError> {
        Ok(handed_on(input))
    }

    fn compute(&self, gathered: Gathered, _facts: &RunFacts) -> Result<Outcome, TaskError> {
        let Gathered::Records(records) = gathered else { return Ok(Outcome::default()) };
        let error = |message: &str| TaskError {
            class: ErrorClass::Permanent,
            code: "JP201".into(),
            message: message.into(),
            retry_after_ms: None,
        };
        if records.iter().any(|record| record.body["toxic"] == json!(true)) {
            return Err(error("a toxic record"));
        }
        let mut outcome = Outcome { taken: u64::try_from(records.len()).unwrap_or(0), ..Outcome::default() };
        for mut record in records {
            record.key = record.body["id"].as_str().unwrap_or_default().to_owned();
            if record.body["bad"] == json!(true) {
                outcome.dead.push(DeadLetter {
                    id: String::new(),
                    import: String::new(),
                    run: String::new(),
                    stage: String::new(),
                    task: String::new(),
                    url: record.origin.url.clone(),
                    key: record.key.clone(),
                    error: error("a bad record"),
                    at: 0,
                    input: record.body.clone(),
                });
                outcome.records.push(record.with_fate(Fate::Held));
            } else if record.body["open"] == json!(false) {
                outcome.records.push(record.with_fate(Fate::Withdrawn));
            } else {
                // when it was changed is the source's business: the record is the same
                if let Some(body) = record.body.as_object_mut() {
                    body.remove("modified");
                }
                outcome.records.push(record);
            }
        }
        Ok(outcome)
    }
}

/// Hands on what it is given.
pub(crate) struct Pass;

#[async_trait]
impl Stage for Pass {
    fn roots(&self, _facts: &RunFacts) -> Result<Vec<Request>, TaskError> {
        Ok(Vec::new())
    }

    async fn gather(&self, input: StageInput, _cx: &StageCx) -> Result<Gathered, TaskError> {
        Ok(handed_on(input))
    }

    fn compute(&self, gathered: Gathered, _facts: &RunFacts) -> Result<Outcome, TaskError> {
        let Gathered::Records(records) = gathered else { return Ok(Outcome::default()) };
        Ok(Outcome { taken: u64::try_from(records.len()).unwrap_or(0), records, ..Outcome::default() })
    }
}

/// A file, kept by the monitor.
pub(crate) struct SimFile {
    pub world: Arc<World>,
    pub gate: Arc<Gate>,
    pub name: String,
}

#[async_trait]
impl FileExport for SimFile {
    fn path(&self, _facts: &RunFacts) -> Result<String, TaskError> {
        Ok(self.name.clone())
    }

    async fn write(&self, records: &mut dyn RecordReader, cx: &StageCx) -> Result<Written, TaskError> {
        let failed = |error: StoreError| TaskError {
            class: ErrorClass::Transient,
            code: "JP504".into(),
            message: error.to_string(),
            retry_after_ms: None,
        };
        let mut lines = Vec::new();
        loop {
            let chunk = records.next().await.map_err(failed)?;
            if chunk.is_empty() {
                break;
            }
            for record in chunk {
                let body = record.body().unwrap_or_default();
                let title = body["title"].as_str().unwrap_or_default().to_owned();
                lines.push((record.key, record.change.unwrap_or_default().to_owned(), title));
            }
        }
        let count = u64::try_from(lines.len()).unwrap_or(0);
        crate::monitor::file_written(&self.world, &self.gate, &self.name, &cx.facts, &lines);
        Ok(Written { path: self.name.clone(), records: count, bytes: 0, digest: String::new() })
    }
}
