//! How a run stands and what it did, read from what is stored.

use super::targets::{Seen, TargetSummary};
use crate::admission;
use crate::cx::Cx;
use crate::docs::{self, ImportDoc, RunDoc, RunState};
use crate::error::Result;
use jobpipe_core::{Counts, DocKind, Written};
use serde::Serialize;
use std::collections::BTreeMap;

/// How a run stands, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Tasks are left.
    Running,
    /// Closed, and its targets are not yet in step.
    Draining,
    /// Closed, everything done.
    Succeeded,
    /// Closed, with dead letters, refused content, a target that pauses or waits, or a listing that held nothing.
    Partial,
    /// Closed, and nothing could be read.
    Failed,
    /// Cancelled.
    Cancelled,
}

/// What one stage did in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct StageSummary {
    /// Tasks.
    pub tasks: u64,
    /// The rest.
    #[serde(flatten)]
    pub counts: Counts,
}

/// A run, for people.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunSummary {
    /// Its id.
    pub run: String,
    /// Its import.
    pub import: String,
    /// How it stands.
    pub state: Standing,
    /// When it began.
    pub started_at: jobpipe_core::Millis,
    /// When it was closed.
    pub ended_at: Option<jobpipe_core::Millis>,
    /// By stage.
    pub stages: BTreeMap<String, StageSummary>,
    /// By the target's name.
    pub targets: BTreeMap<String, TargetSummary>,
    /// Files, by export.
    pub files: BTreeMap<String, Written>,
    /// Records declared gone.
    pub gone: u64,
    /// Why it is not clean or exhaustive.
    pub reasons: Vec<String>,
    /// Why removals wait.
    pub guard: Option<String>,
    /// Something of it waits for its approval, which may be given now.
    pub approvable: bool,
}

/// Counts of a run by stage, read from its tasks, and how many tasks each stage has.
pub async fn tally(cx: &Cx, run: &str) -> Result<(BTreeMap<String, Counts>, BTreeMap<String, u64>)> {
    let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
    let mut tasks: BTreeMap<String, u64> = BTreeMap::new();
    let mut after = String::new();
    loop {
        let page = cx.store.tasks_of(run, None, &after, cx.settings.page).await?;
        let Some(last) = page.last() else { return Ok((counts, tasks)) };
        after.clone_from(&last.task.id);
        for task in &page {
            *tasks.entry(task.task.stage.clone()).or_default() += 1;
            for (stage, one) in task.result.iter().flat_map(|result| &result.counts) {
                counts.entry(stage.clone()).or_default().add(one);
                if *stage != task.task.stage {
                    *tasks.entry(stage.clone()).or_default() += 1;
                }
            }
        }
    }
}

/// Everything about one run.
pub async fn summary(cx: &Cx, id: &str) -> Result<RunSummary> {
    summed_up(cx, id, true).await
}

/// `compares`: posts that no drain has compared yet are told from those that are in step, which takes more reads.
async fn summed_up(cx: &Cx, id: &str, compares: bool) -> Result<RunSummary> {
    let run = cx.run(id).await?.doc;
    let facts = &run.open.facts;
    let (counts, tasks) =
        if run.state == RunState::Closed { (run.counts.clone(), run.tasks.clone()) } else { tally(cx, id).await? };
    let layout = cx.layout(&run.open.definition).await?;
    let mut stages: BTreeMap<String, StageSummary> = BTreeMap::new();
    for stage in layout.working().chain(layout.files()) {
        let counts = counts.get(&stage.name).copied().unwrap_or_default();
        stages.insert(stage.name.clone(), StageSummary { tasks: tasks.get(&stage.name).copied().unwrap_or(0), counts });
    }
    let import = admission::import(cx, &facts.import).await?.doc;
    let mut targets = run.targets.clone();
    let noted = !targets.is_empty() && import.closed.as_ref().is_none_or(|closed| closed.run != id);
    let mut waits = run.guard.is_some();
    for (export, pinned) in run.open.targets.iter().filter(|_| !noted) {
        for target in pinned {
            let stage = layout.plan.stage(export).filter(|_| compares);
            let ledger = stage.map(|stage| layout.ledger_of(stage));
            let seen = Seen { import: &import, run: &run, export, target: &target.id, ledger };
            let (one, asks) = seen.summary(cx).await?;
            waits |= asks;
            let label =
                if run.open.targets.len() > 1 { format!("{}/{export}", target.name) } else { target.name.clone() };
            targets.insert(label, one);
        }
    }
    Ok(RunSummary {
        run: id.to_owned(),
        import: facts.import.clone(),
        state: if is_open(&import, id) { Standing::Running } else { standing(&run, &targets) },
        started_at: facts.started_at,
        ended_at: run.ended_at,
        stages,
        targets,
        files: run.files.clone(),
        gone: run.gone,
        reasons: run.reasons.iter().map(|reason| format!("{}: {}", reason.stage, reason.what)).collect(),
        guard: run.guard.clone(),
        approvable: waits && import.open.is_none() && import.closed.is_some_and(|closed| closed.run == id),
    })
}

/// Notes in the last closed run what it did to its targets: rows tell only of the last run that moved them, and the next one is about to.
pub(crate) async fn note_targets(cx: &Cx, import: &ImportDoc) -> Result<()> {
    let Some(closed) = &import.closed else { return Ok(()) };
    let mut summary = summed_up(cx, &closed.run, false).await?.targets;
    for target in summary.values_mut() {
        target.busy = false;
        target.next_at = None;
    }
    loop {
        let run = cx.run(&closed.run).await?;
        if run.doc.targets == summary {
            return Ok(());
        }
        let new = RunDoc { targets: summary.clone(), ..run.doc.clone() };
        if docs::replace(&*cx.store, &*cx.ids, DocKind::Run, &closed.run, &run, new).await?.is_some() {
            return Ok(());
        }
    }
}

/// A closed run still holds its import until one write frees it and says whom to wake: only then do targets know of it.
fn is_open(import: &ImportDoc, run: &str) -> bool {
    import.open.as_ref().is_some_and(|open| open.facts.run == run)
}

fn standing(run: &RunDoc, targets: &BTreeMap<String, TargetSummary>) -> Standing {
    if run.state != RunState::Closed {
        return Standing::Running;
    }
    if run.cancel {
        return Standing::Cancelled;
    }
    if targets.values().any(|target| target.busy && target.waits.is_none()) {
        return Standing::Draining;
    }
    let troubled = targets.values().any(|target| target.failed > 0 || target.waits.is_some());
    if run.has_failed() {
        Standing::Failed
    } else if troubled || run.is_partial() {
        Standing::Partial
    } else {
        Standing::Succeeded
    }
}
