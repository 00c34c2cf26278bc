//! The stage: key, then `where` and `gone`, then `map` and `keep`, then `require`.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jobpipe_config::spec::{TransformSpec, read_body};
use jobpipe_core::{
    Fate, Gathered, Outcome, Plan, Reason, Record, Request, RunFacts, Stage, StageCx, StageInput, TaskError,
};
use jobpipe_expr::{EvalError, Subject, Vars};
use serde_json::{Map, Number, Value as Json};

use super::definition::Definition;
use super::sources::extracted_fields;
use crate::depth;
use crate::failure::{code, dead_record, definition, eval_failed, permanent};
use crate::run_vars::run_vars;

/// Bytes of a key: it names rows, posts and files.
const LONGEST_KEY: usize = 1_024;

/// A transform, compiled once for a definition; shared by all threads.
pub struct TransformStage {
    name: String,
    definition: Definition,
    /// The selector of each field that comes straight from a page.
    extracted: BTreeMap<String, String>,
    /// `$run.env`.
    env: Option<String>,
}

/// Why a record does not go on.
enum Stopped {
    /// It is not wanted.
    Withdrawn(String),
    /// It cannot be told from others.
    NoKey(TaskError),
    /// It fails its contract.
    Failed(String, TaskError),
}

impl TransformStage {
    /// Compiles the stage `name` of `plan`. `env` = the chosen environment, for `$run.env`.
    pub fn new(plan: &Plan, name: &str, env: Option<String>) -> Result<Self, TaskError> {
        let stage = plan.stage(name).ok_or_else(|| definition(name, &"the definition has no such stage"))?;
        let spec: TransformSpec = read_body(stage).map_err(|error| definition(name, &error))?;
        Ok(Self {
            name: name.to_owned(),
            definition: Definition::compile(&spec).map_err(|error| definition(name, &error))?,
            extracted: extracted_fields(plan, stage),
            env,
        })
    }

    fn take(&self, record: Record, vars: &mut Vars, outcome: &mut Outcome) {
        if record.fate != Fate::Live {
            outcome.records.push(record);
            return;
        }
        outcome.taken += 1;
        match self.turn(&record, vars) {
            Ok((key, body)) => outcome.records.push(Record { key, body, ..record }),
            // Without a key nobody can say who is withdrawn or held.
            Err(Stopped::Withdrawn(key)) if key.is_empty() => {}
            Err(Stopped::Withdrawn(key)) => {
                outcome.records.push(Record { key, ..record }.with_fate(Fate::Withdrawn));
            }
            Err(Stopped::NoKey(error)) => {
                outcome.dead.push(dead_record(&record, "", error));
                self.lose_sight(outcome, "records without a key");
            }
            Err(Stopped::Failed(key, error)) => {
                outcome.dead.push(dead_record(&record, &key, error));
                if key.is_empty() {
                    self.lose_sight(outcome, "records that failed before they had a key");
                } else {
                    outcome.records.push(Record { key, ..record }.with_fate(Fate::Held));
                }
            }
        }
    }

    /// The key and body of the record that goes on.
    fn turn(&self, record: &Record, vars: &mut Vars) -> Result<(String, Json), Stopped> {
        let subject = Subject::new(&record.body);
        let key = self.key(record, &subject, vars)?;
        let failed = |what: &str, error: &EvalError| Stopped::Failed(key.clone(), eval_failed(what, error));
        vars.set("key", if key.is_empty() { Json::Null } else { Json::String(key.clone()) });
        let definition = &self.definition;
        if let Some(wanted) = &definition.wanted
            && !wanted.test(&subject, vars).map_err(|error| failed("`where`", &error))?
        {
            return Err(Stopped::Withdrawn(key));
        }
        if let Some(gone) = &definition.gone
            && gone.test(&subject, vars).map_err(|error| failed("`gone`", &error))?
        {
            return Err(Stopped::Withdrawn(key));
        }
        let body =
            self.map(record, &subject, vars).map_err(|(field, error)| failed(&format!("`map.{field}`"), &error))?;
        self.require(record, &body).map_err(|error| Stopped::Failed(key.clone(), error))?;
        let body = Json::Object(body);
        depth::check(&body, format_args!("the record")).map_err(|error| Stopped::Failed(key.clone(), error))?;
        Ok((key, body))
    }

    fn key(&self, record: &Record, subject: &Subject<'_>, vars: &Vars) -> Result<String, Stopped> {
        let Some(key) = &self.definition.key else { return Ok(record.key.clone()) };
        let no_key = |why: &str| {
            let message =
                format!("the record has no key: `key: {}` {why}; each record needs one of its own", key.source());
            Stopped::NoKey(permanent(code::KEY, message))
        };
        match key.eval(subject, vars) {
            Ok(Some(Json::String(text))) if text.trim().is_empty() => Err(no_key("is empty")),
            Ok(Some(Json::String(text))) if text.len() > LONGEST_KEY => Err(no_key("is longer than 1,024 bytes")),
            Ok(Some(Json::String(text))) => Ok(text),
            Ok(Some(Json::Number(number))) if is_inexact(&number) => {
                Err(no_key("gives a number that is too large to be exact: two ids could become one; use its text"))
            }
            Ok(Some(Json::Number(number))) => Ok(number.to_string()),
            Ok(None | Some(Json::Null)) => Err(no_key("gives nothing")),
            Ok(Some(_)) => Err(no_key("gives neither text nor a number")),
            Err(error) => Err(Stopped::NoKey(eval_failed("`key`", &error))),
        }
    }

    /// The fields of `map` in their order, then those that are kept in theirs.
    fn map<'a>(
        &'a self,
        record: &Record,
        subject: &Subject<'_>,
        vars: &Vars,
    ) -> Result<Map<String, Json>, (&'a str, EvalError)> {
        let mut body = Map::new();
        for (name, field) in &self.definition.map {
            if let Some(value) = field.eval(subject, vars).map_err(|error| (name.as_str(), error))? {
                body.insert(name.clone(), value);
            }
        }
        let named = |name: &String| self.definition.map.iter().any(|(mapped, _)| mapped == name);
        if let Json::Object(fields) = &record.body {
            for (name, value) in fields.iter().filter(|(name, _)| self.definition.keeps(name) && !named(name)) {
                body.insert(name.clone(), value.clone());
            }
        }
        Ok(body)
    }

    fn require(&self, record: &Record, body: &Map<String, Json>) -> Result<(), TaskError> {
        let empty: Vec<String> = self
            .definition
            .require
            .iter()
            .filter(|name| is_empty(body.get(*name)))
            .map(|name| self.explain(name))
            .collect();
        if empty.is_empty() {
            return Ok(());
        }
        let message = format!(
            "a required field is empty: {} (from {}); its posts stay as they are",
            empty.join(", "),
            record.origin.url
        );
        Err(permanent(code::REQUIRED, message))
    }

    /// `city`, with the selector that found nothing where the field comes straight from a page.
    fn explain(&self, name: &str) -> String {
        let mapped = self.definition.map.iter().find(|(mapped, _)| mapped == name);
        let source = match mapped {
            None => Some(name.to_owned()),
            Some((_, field)) => field.reads().and_then(|fields| {
                let mut names = fields.names.into_iter();
                names.next().filter(|_| !fields.whole && names.next().is_none())
            }),
        };
        let selector = source.and_then(|source| self.extracted.get(&source));
        match selector {
            Some(selector) => format!("`{name}` (`{selector}` found nothing there: has the page changed?)"),
            None => format!("`{name}`"),
        }
    }

    /// What is not known cannot be held: so the run must not count anything as missing.
    fn lose_sight(&self, outcome: &mut Outcome, what: &str) {
        let reason = Reason { stage: self.name.clone(), what: what.to_owned(), not_exhaustive: true, not_clean: true };
        if !outcome.reasons.contains(&reason) {
            outcome.reasons.push(reason);
        }
    }
}

/// A float from 2^53 on stands for several whole numbers.
fn is_inexact(number: &Number) -> bool {
    number.is_f64() && number.as_f64().is_some_and(|value| value.abs() >= 9_007_199_254_740_992.0)
}

/// Absent, null, blank, or without members.
fn is_empty(value: Option<&Json>) -> bool {
    match value {
        None | Some(Json::Null) => true,
        Some(Json::String(text)) => text.trim().is_empty(),
        Some(Json::Array(items)) => items.is_empty(),
        Some(Json::Object(fields)) => fields.is_empty(),
        Some(Json::Bool(_) | Json::Number(_)) => false,
    }
}

#[async_trait]
impl Stage for TransformStage {
    fn roots(&self, _: &RunFacts) -> Result<Vec<Request>, TaskError> {
        Ok(Vec::new())
    }

    async fn gather(&self, input: StageInput, _: &StageCx) -> Result<Gathered, TaskError> {
        match input {
            StageInput::Records(records) => Ok(Gathered::Records(records)),
            StageInput::Requests(_) => Err(definition(&self.name, &"a transform makes no requests")),
        }
    }

    fn compute(&self, gathered: Gathered, facts: &RunFacts) -> Result<Outcome, TaskError> {
        let Gathered::Records(records) = gathered else {
            return Err(definition(&self.name, &"a transform takes no answers"));
        };
        let mut vars = run_vars(facts, self.env.as_deref());
        let mut outcome = Outcome { records: Vec::with_capacity(records.len()), ..Outcome::default() };
        for record in records {
            self.take(record, &mut vars, &mut outcome);
        }
        Ok(outcome)
    }
}
