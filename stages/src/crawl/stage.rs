//! The stage: its roots, requests from records, and the two halves.

use std::sync::Arc;

use async_trait::async_trait;
use jobpipe_config::spec::{CrawlSpec, read_body};
use jobpipe_core::{
    Answer, Budget, Fate, Gathered, Outcome, Plan, Reason, Record, Request, RunFacts, Stage, StageCx, StageInput,
    TaskError,
};
use jobpipe_expr::{Place, Subject, Vars};
use serde_json::{Map, Value as Json};
use url::Url;

use super::ask::{Ask, Role};
use super::budget::Allowance;
use super::definition::{Definition, Finding};
use super::gather::gather;
use super::harvest::{Come, Found, Ground};
use super::location::Location;
use super::since::since_value;
use super::tools::CrawlTools;
use super::trust::Trusted;
use super::{html, json};
use crate::depth;
use crate::failure::{code, dead_record, definition, eval_failed, permanent};
use crate::run_vars::run_vars;

/// A crawl of HTML or JSON, over http(s) or in files, compiled once for a definition.
pub struct CrawlStage {
    pub(super) name: String,
    pub(super) definition: Definition,
    pub(super) trusted: Trusted,
    pub(super) tools: Arc<CrawlTools>,
    pub(super) budget: Budget,
    starts: bool,
}

impl CrawlStage {
    /// Compiles the stage `name` of `plan`.
    pub fn new(plan: &Plan, name: &str, tools: Arc<CrawlTools>) -> Result<Self, TaskError> {
        let stage = plan.stage(name).ok_or_else(|| definition(name, &"the definition has no such stage"))?;
        let spec: CrawlSpec = read_body(stage).map_err(|error| definition(name, &error))?;
        let (_, source) = spec.source().ok_or_else(|| definition(name, &"it names no source"))?;
        let trusted = Trusted::of(plan, stage, source);
        let budget = Budget::from(spec.max);
        let compiled = Definition::compile(spec).map_err(|error| definition(name, &error))?;
        let starts = stage.from.is_empty();
        Ok(Self { name: name.to_owned(), definition: compiled, trusted, tools, budget, starts })
    }

    /// `$now`, `$run` and `$since`.
    pub(super) fn vars(&self, facts: &RunFacts) -> Vars {
        let since = since_value(self.definition.spec.since.as_ref(), &self.name, facts);
        run_vars(facts, self.tools.env.as_deref()).with("since", since)
    }

    /// The request that begins the crawl, or the one that a record leads to. `base` = where the record came from.
    fn request(&self, record: &Json, base: &str, vars: &Vars) -> Result<Ask, TaskError> {
        let subject = Subject::new(record);
        let failed = |what: &str| {
            let what = format!("stage `{}`, `{what}`", self.name);
            move |error: jobpipe_expr::EvalError| eval_failed(&what, &error)
        };
        let mut to = self.location(&subject, vars, base)?;
        if let Location::Url(url) = &mut to {
            self.add_query(url, &subject, vars)?;
        }
        let mut ask = Ask::new(to, Role::Source);
        if let Some(body) = &self.definition.body {
            ask.body = body.eval(&subject, vars).map_err(failed("body"))?;
            depth::check(ask.body.as_ref().unwrap_or(&Json::Null), format_args!("stage `{}`, `body`", self.name))?;
        }
        Ok(ask)
    }

    fn location(&self, subject: &Subject<'_>, vars: &Vars, base: &str) -> Result<Location, TaskError> {
        let source = &self.definition.source;
        let named = format!("stage `{}`: `{}`", self.name, source.source());
        let address = |why: &str| permanent(code::ADDRESS, format!("{named} {why}"));
        match source.eval(subject, vars).map_err(|error| eval_failed(&named, &error))? {
            Some(Json::String(text)) if text.trim().is_empty() => Err(address("is empty: there is nothing to ask for")),
            Some(Json::String(text)) if source.place() == Place::Path => Ok(Location::File(text)),
            Some(Json::String(text)) => {
                Location::web(&text, base).map_err(|why| address(&format!("gives no URL: {why}")))
            }
            None | Some(Json::Null) => Err(address("gives nothing: there is nothing to ask for")),
            Some(_) => Err(address("gives something that is not text, and so no URL")),
        }
    }

    /// Appends the parameters of `query`; null and absent ones are left out, lists are repeated.
    fn add_query(&self, url: &mut Url, subject: &Subject<'_>, vars: &Vars) -> Result<(), TaskError> {
        let mut pairs: Vec<(&str, String)> = Vec::new();
        for (name, field) in &self.definition.query {
            let named = || format!("stage `{}`, `query.{name}`", self.name);
            let value = field.eval(subject, vars).map_err(|error| eval_failed(&named(), &error))?;
            let values = match value {
                Some(Json::Array(items)) => items,
                other => other.into_iter().collect(),
            };
            for value in values {
                match value {
                    Json::Null => {}
                    Json::String(text) => pairs.push((name, text)),
                    Json::Number(_) | Json::Bool(_) => pairs.push((name, value.to_string())),
                    Json::Array(_) | Json::Object(_) => {
                        let message = format!("{} gives a list or map, which no parameter can hold", named());
                        return Err(permanent(code::ADDRESS, message));
                    }
                }
            }
        }
        if !pairs.is_empty() {
            url.query_pairs_mut().extend_pairs(pairs);
        }
        Ok(())
    }

    /// Requests that records lead to.
    fn requests_of(&self, records: Vec<Record>, facts: &RunFacts) -> Outcome {
        let vars = self.vars(facts);
        let mut outcome = Outcome::default();
        for record in records {
            if record.fate != Fate::Live {
                outcome.records.push(record);
                continue;
            }
            outcome.taken += 1;
            match self.request(&record.body, &record.origin.url, &vars) {
                Ok(ask) => {
                    let fields = match record.body {
                        Json::Object(fields) => fields,
                        _ => Map::new(),
                    };
                    let ask = Ask { record: fields, key: record.key, ..ask };
                    outcome.follow.push(ask.request(self.definition.method(), self.definition.lists()));
                }
                Err(error) => self.strand(record, error, &mut outcome),
            }
        }
        outcome
    }

    /// A record that leads nowhere: held where it has a key, else nobody knows what is missing.
    fn strand(&self, record: Record, error: TaskError, outcome: &mut Outcome) {
        outcome.dead.push(dead_record(&record, &record.key, error));
        if record.key.is_empty() {
            let what = "records that lead to no page".to_owned();
            let reason = Reason { stage: self.name.clone(), what, not_exhaustive: true, not_clean: true };
            if !outcome.reasons.contains(&reason) {
                outcome.reasons.push(reason);
            }
        } else {
            outcome.records.push(record.with_fate(Fate::Held));
        }
    }

    fn read_all(&self, answers: Vec<Answer>, facts: &RunFacts) -> Outcome {
        let vars = self.vars(facts);
        let ground = Ground {
            stage: &self.name,
            definition: &self.definition,
            starts: self.starts,
            vars: &vars,
            allowance: Allowance::new(self.budget, facts),
        };
        let mut outcome = Outcome::default();
        for answer in answers {
            match self.read(&ground, &answer) {
                Ok(found) => {
                    outcome.taken += 1;
                    found.merge(&mut outcome);
                }
                Err(error) if error.code == code::TIME => {
                    let what = "`max: { time }` ended the crawl".to_owned();
                    Found { reasons: vec![ground.not_listed(what, true)], ..Found::default() }.merge(&mut outcome);
                }
                Err(error) => outcome.failed.push((answer.request, error)),
            }
        }
        outcome
    }

    fn read(&self, ground: &Ground<'_>, answer: &Answer) -> Result<Found, TaskError> {
        let head = answer.result.as_ref().map_err(Clone::clone)?;
        let ask = Ask::read(&answer.request)?;
        let come = Come {
            request: &answer.request,
            ask: &ask,
            body: &answer.body,
            content_type: head.get("content_type").and_then(Json::as_str).unwrap_or_default(),
            url: head.get("url").and_then(Json::as_str).and_then(|url| Url::parse(url).ok()),
            told_at: ask.told_at.clone().or_else(|| head.get("date").and_then(Json::as_str).map(str::to_owned)),
            at: answer.at,
        };
        let mut found = match &self.definition.finding {
            Finding::Html(finding) => html::read(ground, finding, &come)?,
            Finding::Json(finding) => json::read(ground, finding, &come)?,
        };
        let newer_only = ground.vars.get("since").is_some_and(|since| !since.is_null());
        if newer_only {
            let what = "`since` asks only for what is newer".to_owned();
            found.reasons.push(ground.not_listed(what, false));
        }
        Ok(found)
    }
}

#[async_trait]
impl Stage for CrawlStage {
    fn roots(&self, facts: &RunFacts) -> Result<Vec<Request>, TaskError> {
        if !self.starts {
            return Ok(Vec::new());
        }
        let ask = self.request(&Json::Object(Map::new()), "", &self.vars(facts))?;
        Ok(vec![ask.request(self.definition.method(), true)])
    }

    async fn gather(&self, input: StageInput, cx: &StageCx) -> Result<Gathered, TaskError> {
        match input {
            StageInput::Requests(requests) => Ok(Gathered::Answers(gather(self, requests, cx).await)),
            StageInput::Records(records) => Ok(Gathered::Records(records)),
        }
    }

    fn compute(&self, gathered: Gathered, facts: &RunFacts) -> Result<Outcome, TaskError> {
        Ok(match gathered {
            Gathered::Answers(answers) => self.read_all(answers, facts),
            Gathered::Records(records) => self.requests_of(records, facts),
        })
    }
}
