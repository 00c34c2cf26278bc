//! `run --dry-run`: the crawl and the transform on a store that is thrown away, and a comparison with the real one.
//!
//! Sources are asked, with their limits. Nothing else is touched: sinks are asked only what they would render, files
//! are counted and not written, and no record counts as gone.

use crate::commands::run::Job;
use crate::compose::{self, Parts};
use crate::exit::{Failure, Outcome};
use crate::follow::Engine;
use crate::place::Place;
use crate::watch::summary;
use crate::{admitted, terminal, watch};
use async_trait::async_trait;
use compare::{Compared, compare};
use jobpipe_core::{
    DocKind, FileExport, Plan, RecordReader, RunFacts, Sink, Stage, StageCx, Stages, StateStore, TargetRef, TaskError,
    Written,
};
use jobpipe_embedded::EngineLock;
use jobpipe_engine::admin::RunSummary;
use jobpipe_engine::admission::Wish;
use jobpipe_engine::docs::{self, ImportDoc, Read};
use jobpipe_engine::event::{Event, Events};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

mod compare;
mod sink;
mod snapshot;

/// Runs it and tells what a real run would do.
pub(crate) async fn run(job: Job) -> Outcome {
    let sandbox = job.sandbox(false).await?;
    let registry: Arc<dyn Stages> = Arc::new(job.registry(sandbox.as_ref())?);
    let folder = tempfile::tempdir().map_err(|error| {
        Failure::failed(format!("no folder for the dry run can be made in {}: {error}", std::env::temp_dir().display()))
    })?;
    let place = Place::folder(folder.path().to_path_buf());
    let lock = EngineLock::acquire(&place.state)?;
    let (sender, events) = watch::channel();
    let parts = Parts {
        machine: job.machine.clone(),
        stages: Arc::new(DryStages(Arc::clone(&registry))),
        events: Arc::new(DryEvents(sender)),
        stop: Arc::clone(&job.stop),
        limits: job.loaded.settings.limits,
    };
    let cx = compose::engine(&place, parts).await?;
    let real = real_store(&job.place).await?;
    seed(&cx, real.as_deref(), &job.plan.name).await?;
    let mut watcher = job.watcher();
    watcher.note("dry run: sources are read; no post, no file, no state is written, and nothing counts as gone");
    let wish = Wish { limit: job.args.limit, ..Wish::default() };
    let mut engine = Engine::start(Arc::clone(&cx), events, Arc::clone(&job.stop));
    let Some(run) = admitted::admit(&mut engine, &job.plan, &wish, &mut watcher).await? else {
        return Ok(crate::exit::Exit::Interrupted);
    };
    let mut left = engine.follow(&run, Duration::ZERO, &mut watcher).await?;
    if let Some(error) = left.error {
        return Err(error);
    }
    let compared = compare(&*cx.store, real.as_deref(), &*registry, &job.plan).await?;
    snapshot::count(&mut left.summary, &job.plan, &*cx.store, real.as_deref()).await?;
    if watcher.is_json() {
        let mut json = summary::to_json(&left.summary, left.end, watcher.elapsed().as_secs_f64());
        if let Some(map) = json.as_object_mut() {
            map.insert("targets".to_owned(), compared.iter().map(|(name, one)| (name.clone(), one.json())).collect());
            map.insert("dry_run".to_owned(), true.into());
        }
        terminal::say(&json.to_string());
    } else {
        tell(&left.summary, &compared, &job, left.end, watcher.elapsed());
    }
    drop((cx, lock));
    if let Some(sandbox) = sandbox {
        sandbox.shutdown().await;
    }
    Ok(left.end.exit())
}

/// The real store, if there is one.
async fn real_store(place: &Place) -> Outcome<Option<Arc<dyn StateStore>>> {
    if place.servers.is_none() && !place.store().is_file() {
        return Ok(None);
    }
    Ok(Some(Arc::clone(&compose::reader(place).await?.store)))
}

/// The dry run asks for what is newer than the real one's cursor.
async fn seed(cx: &jobpipe_engine::Cx, real: Option<&dyn StateStore>, name: &str) -> Outcome<()> {
    let Some(real) = real else { return Ok(()) };
    let import: Option<Read<ImportDoc>> = docs::read(real, DocKind::Import, name).await?;
    if let Some(import) = import {
        let seeded = ImportDoc { since: import.doc.since, ..ImportDoc::default() };
        docs::insert(&*cx.store, &*cx.ids, DocKind::Import, name, &seeded).await?;
    }
    Ok(())
}

fn tell(summary: &RunSummary, compared: &BTreeMap<String, Compared>, job: &Job, end: summary::End, took: Duration) {
    let now = job.machine.clock.now();
    let bare = RunSummary { targets: BTreeMap::new(), files: BTreeMap::new(), ..summary.clone() };
    terminal::say("");
    terminal::say(&summary::to_text(&bare, end, took.as_secs_f64(), &job.stage_order(), now, None, terminal::width()));
    if !compared.is_empty() {
        let head = ["would be", "created", "updated", "deleted", "unchanged", "failed"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(compared.iter().map(|(name, one)| one.row(name)));
        terminal::say("");
        for line in terminal::table(&rows, terminal::width()) {
            terminal::say(&line);
        }
    }
    terminal::say("");
    for file in summary.files.values() {
        let path = job.loaded.project.root.join(&file.path);
        terminal::say(&format!("would write  {} ({} lines)", path.display(), terminal::number(file.records)));
    }
    terminal::say("This was a dry run: nothing was posted, written or remembered, and nothing counted as gone.");
}

/// The registry, with sinks that name no target and files that are not written.
struct DryStages(Arc<dyn Stages>);

impl Stages for DryStages {
    fn stage(&self, plan: &Plan, name: &str) -> Result<Arc<dyn Stage>, TaskError> {
        self.0.stage(plan, name)
    }

    fn file(&self, plan: &Plan, name: &str) -> Result<Arc<dyn FileExport>, TaskError> {
        Ok(Arc::new(DryFile(self.0.file(plan, name)?)))
    }

    fn sink(&self, plan: &Plan, name: &str) -> Result<Arc<dyn Sink>, TaskError> {
        let sink = self.0.sink(plan, name)?;
        // what cannot be resolved is told as in a real run
        sink.targets()?;
        Ok(Arc::new(sink::DrySink(sink)))
    }

    fn describe(&self, facts: &RunFacts) -> serde_json::Value {
        self.0.describe(facts)
    }
}

/// No file is written, so none is told.
struct DryEvents(Arc<dyn Events>);

impl Events for DryEvents {
    fn emit(&self, event: Event) {
        if !matches!(event, Event::FileWritten { .. }) {
            self.0.emit(event);
        }
    }
}

/// A file that is counted and not written.
struct DryFile(Arc<dyn FileExport>);

#[async_trait]
impl FileExport for DryFile {
    fn path(&self, facts: &RunFacts) -> Result<String, TaskError> {
        self.0.path(facts)
    }

    async fn write(&self, records: &mut dyn RecordReader, cx: &StageCx) -> Result<Written, TaskError> {
        let mut written = Written { path: self.path(&cx.facts)?, ..Written::default() };
        loop {
            let chunk = records.next().await.map_err(|error| unread(&error))?;
            if chunk.is_empty() {
                return Ok(written);
            }
            written.records += u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        }
    }
}

fn unread(error: &dyn std::error::Error) -> TaskError {
    TaskError {
        class: jobpipe_core::ErrorClass::Transient,
        code: "JP325".to_owned(),
        message: error.to_string(),
        retry_after_ms: None,
    }
}

/// The targets of an export.
fn targets_of(stages: &dyn Stages, plan: &Plan, export: &str) -> Outcome<(Arc<dyn Sink>, Vec<TargetRef>)> {
    let of = |error: TaskError| Failure::usage(format!("{} ({})", error.message, error.code));
    let sink = stages.sink(plan, export).map_err(of)?;
    let targets = sink.targets().map_err(of)?;
    Ok((sink, targets))
}
