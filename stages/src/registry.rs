//! From a plan to code: stages, files and sinks, compiled once for a definition and kept.

mod from_settings;

use crate::crawl::{CrawlStage, CrawlTools};
use crate::export::{FacebookTools, FileSettings, JsonlExport, facebook_sink};
use crate::run_value::run_value;
use crate::transform::TransformStage;
use jobpipe_config::spec::{FacebookSpec, JsonlSpec, read_body};
use jobpipe_connectors::facebook::{Graph, Pages, code as facebook_code};
use jobpipe_core::{
    Clock, ErrorClass, Feed, FileExport, Ids, Plan, RunFacts, Sink, Stage, StageKind, StagePlan, Stages, TaskError,
};
use serde_json::Value as Json;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// The code of a stage that this version cannot make.
const UNKNOWN_STAGE: &str = "JP330";
/// Definitions whose compiled stages are kept; above it all are made anew, as they are needed.
const MOST_KEPT: usize = 64;

/// What the registry gives to the stages that it makes.
pub struct Parts {
    /// What crawls ask with. Exports take its settings, its lookup and its environment too.
    pub crawls: Arc<CrawlTools>,
    /// Where files may be written.
    pub files: Arc<FileSettings>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Names of temporary files.
    pub ids: Arc<dyn Ids>,
}

/// All that a process has compiled.
pub struct Registry {
    parts: Parts,
    /// Made when the first export to pages needs it: an import without one needs no token and no certificates.
    facebook: Mutex<Option<Facebook>>,
    stages: Kept<dyn Stage>,
    files: Kept<dyn FileExport>,
    sinks: Kept<dyn Sink>,
}

/// What all exports to pages share: one client, so that all of them keep the same silence, and the pages of the settings.
#[derive(Clone)]
struct Facebook {
    graph: Arc<Graph>,
    pages: Arc<Pages>,
}

/// Compiled things of one definition, by stage.
type Made<T> = HashMap<String, Arc<T>>;

/// Compiled things by definition and stage. Definitions are few and compared as they are: hashing one takes longer.
struct Kept<T: ?Sized>(Mutex<Vec<(Plan, Made<T>)>>);

impl Registry {
    /// Compiles nothing yet.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { parts, facebook: Mutex::default(), stages: Kept::new(), files: Kept::new(), sinks: Kept::new() }
    }

    /// Compiles every stage of a plan and finds where its files will lie, so that what cannot work is told before a run
    /// begins and not at its end. Asks nothing outside.
    #[must_use]
    pub fn check(&self, plan: &Plan) -> Vec<TaskError> {
        let facts = RunFacts {
            import: plan.name.clone(),
            run: format!("{}@check", plan.name),
            seq: 1,
            started_at: self.parts.clock.now(),
            since: BTreeMap::new(),
            limit: None,
        };
        let check = |stage: &StagePlan| match (stage.kind, stage.feed) {
            (StageKind::Export, Feed::Heads) => self.sink(plan, &stage.name).map(drop),
            (StageKind::Export, _) => self.file(plan, &stage.name)?.path(&facts).map(drop),
            (StageKind::Crawl | StageKind::Transform, _) => self.stage(plan, &stage.name).map(drop),
        };
        plan.stages.iter().filter_map(|stage| check(stage).err()).collect()
    }

    fn make_stage(&self, plan: &Plan, stage: &StagePlan) -> Result<Arc<dyn Stage>, TaskError> {
        let tools = &self.parts.crawls;
        Ok(match (stage.kind, stage.connector.as_str()) {
            (StageKind::Crawl, _) => Arc::new(CrawlStage::new(plan, &stage.name, Arc::clone(tools))?),
            (StageKind::Transform, _) => Arc::new(TransformStage::new(plan, &stage.name, tools.env.clone())?),
            (StageKind::Export, _) => return Err(unknown(stage)),
        })
    }

    fn make_file(&self, stage: &StagePlan) -> Result<Arc<dyn FileExport>, TaskError> {
        if stage.kind != StageKind::Export || stage.connector != "jsonl" {
            return Err(unknown(stage));
        }
        let spec: JsonlSpec = read_body(stage).map_err(|error| unreadable(&error))?;
        let Parts { files, crawls, ids, .. } = &self.parts;
        let export = JsonlExport::new(&stage.name, spec, Arc::clone(files), crawls.env.clone(), Arc::clone(ids));
        export.map(|export| Arc::new(export) as Arc<dyn FileExport>).map_err(|error| unreadable(&error))
    }

    fn make_sink(&self, stage: &StagePlan) -> Result<Arc<dyn Sink>, TaskError> {
        if stage.kind != StageKind::Export || stage.connector != "facebook" {
            return Err(unknown(stage));
        }
        let spec: FacebookSpec = read_body(stage).map_err(|error| unreadable(&error))?;
        let Facebook { graph, pages } = self.facebook()?;
        let CrawlTools { settings, lookup, .. } = self.parts.crawls.as_ref();
        let tools = FacebookTools { graph, pages, settings: Arc::clone(settings), lookup: Arc::clone(lookup) };
        Ok(Arc::new(facebook_sink(&stage.name, spec, tools)?))
    }

    fn facebook(&self) -> Result<Facebook, TaskError> {
        let mut made = self.facebook.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(facebook) = made.as_ref() {
            return Ok(facebook.clone());
        }
        let CrawlTools { settings, lookup, http, .. } = self.parts.crawls.as_ref();
        let how = from_settings::graph_settings(settings, lookup.as_ref())?;
        let graph = Graph::new(how, Arc::clone(&self.parts.clock))
            .map_err(|error| permanent(facebook_code::SETTINGS, error.to_string()))?
            .sharing(http.limits());
        let pages = from_settings::pages(settings, lookup.as_ref())?;
        let facebook = Facebook { graph: Arc::new(graph), pages: Arc::new(pages) };
        *made = Some(facebook.clone());
        Ok(facebook)
    }
}

impl Stages for Registry {
    fn stage(&self, plan: &Plan, name: &str) -> Result<Arc<dyn Stage>, TaskError> {
        self.stages.get(plan, name, |stage| self.make_stage(plan, stage))
    }

    fn file(&self, plan: &Plan, name: &str) -> Result<Arc<dyn FileExport>, TaskError> {
        self.files.get(plan, name, |stage| self.make_file(stage))
    }

    fn sink(&self, plan: &Plan, name: &str) -> Result<Arc<dyn Sink>, TaskError> {
        self.sinks.get(plan, name, |stage| self.make_sink(stage))
    }

    fn describe(&self, facts: &RunFacts) -> Json {
        run_value(facts, self.parts.crawls.env.as_deref())
    }
}

impl<T: ?Sized> Kept<T> {
    fn new() -> Self {
        Self(Mutex::default())
    }

    /// The stage `name` of `plan`, made by `make` when it is asked for the first time. Errors are not kept: a secret
    /// that is missing now may be there later.
    fn get(
        &self,
        plan: &Plan,
        name: &str,
        make: impl FnOnce(&StagePlan) -> Result<Arc<T>, TaskError>,
    ) -> Result<Arc<T>, TaskError> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = kept.iter().find(|(known, _)| known == plan).and_then(|(_, made)| made.get(name)) {
            return Ok(Arc::clone(found));
        }
        drop(kept);
        let stage = plan.stage(name).ok_or_else(|| {
            permanent(UNKNOWN_STAGE, format!("the import `{}` has no stage `{name}`; check it again", plan.name))
        })?;
        let made = make(stage)?;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = kept.iter_mut().find(|(known, _)| known == plan) {
            return Ok(Arc::clone(known.entry(name.to_owned()).or_insert(made)));
        }
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        kept.push((plan.clone(), HashMap::from([(name.to_owned(), Arc::clone(&made))])));
        Ok(made)
    }
}

fn unknown(stage: &StagePlan) -> TaskError {
    let message = format!(
        "stage `{}`: this version of jobpipe cannot make a `{}` of it; check the import again",
        stage.name, stage.connector
    );
    permanent(UNKNOWN_STAGE, message)
}

fn unreadable(error: &dyn std::error::Error) -> TaskError {
    permanent(UNKNOWN_STAGE, error.to_string())
}

fn permanent(code: &str, message: String) -> TaskError {
    TaskError { class: ErrorClass::Permanent, code: code.to_owned(), message, retry_after_ms: None }
}

#[cfg(test)]
mod tests;
