//! What people ask of runs, and what they may do to them: the one read facade of CLI and dashboard.

use crate::cx::Cx;
use crate::docs::{self, ClosedRun, Command, ImportDoc, Read, RunDoc, RunState, TargetDoc};
use crate::error::{EngineError, Result};
use crate::sabotage::Rule;
use crate::scheduler::{self, Order};
use crate::{admission, gone};
use jobpipe_core::{Counts, DeadLetter, DocKind, Op, RowId, Written};
use serde::{Deserialize, Serialize};
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

/// What a run did to one target.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetSummary {
    /// Made.
    pub created: u64,
    /// Changed.
    pub updated: u64,
    /// Removed.
    pub deleted: u64,
    /// In step already.
    pub unchanged: u64,
    /// Refused, or not yet known.
    pub failed: u64,
    /// Attempts in flight or of unknown end.
    pub pending: u64,
    /// Why it pauses or waits, if it does.
    pub waits: Option<String>,
    /// Work is left; due then, when that is known.
    pub busy: bool,
    /// When the target is due again.
    pub next_at: Option<jobpipe_core::Millis>,
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
}

/// Runs, newest first: of one import, or of all.
pub async fn runs(cx: &Cx, import: Option<&str>, limit: usize) -> Result<Vec<Read<RunDoc>>> {
    let prefix = import.map_or(String::new(), |import| format!("{import}@"));
    let runs: Vec<(String, Read<RunDoc>)> = docs::all(&*cx.store, DocKind::Run, &prefix).await?;
    let mut all: Vec<Read<RunDoc>> = runs.into_iter().map(|(_, run)| run).collect();
    all.sort_by_key(|run| std::cmp::Reverse((run.doc.open.facts.started_at, run.doc.open.facts.seq)));
    all.truncate(limit);
    Ok(all)
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
    for (export, pinned) in run.open.targets.iter().filter(|_| !noted) {
        for target in pinned {
            let one = target_summary(cx, &import, &run, export, &target.id).await?;
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
    })
}

/// Notes in the last closed run what it did to its targets: rows tell only of the last run that moved them, and the next one is about to.
pub(crate) async fn note_targets(cx: &Cx, import: &ImportDoc) -> Result<()> {
    let Some(closed) = &import.closed else { return Ok(()) };
    let mut summary = summary(cx, &closed.run).await?.targets;
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

async fn target_summary(
    cx: &Cx,
    import: &ImportDoc,
    run: &RunDoc,
    export: &str,
    target: &str,
) -> Result<TargetSummary> {
    let facts = &run.open.facts;
    let mut summary = TargetSummary::default();
    let doc: Option<Read<TargetDoc>> = docs::read(&*cx.store, DocKind::Target, target).await?;
    let Some(doc) = doc else {
        summary.busy = run.state == RunState::Closed && !run.cancel;
        return Ok(summary);
    };
    let doc = doc.doc;
    summary.busy = doc.busy || doc.owner.is_some() || import.to_wake.contains(target);
    summary.next_at = doc.next_at;
    let mark = doc.marks.get(&format!("{}/{export}", facts.import));
    // of one that was woken, what it waited for before says nothing until somebody has looked
    let woken = doc.next_at == Some(0) || doc.owner.is_some() || import.to_wake.contains(target);
    if !woken {
        summary.waits = doc.paused.map(|pause| pause.why).or_else(|| mark.and_then(|mark| mark.waits.clone()));
    }
    let mut after: Option<RowId> = None;
    loop {
        let rows = cx.store.rows_of(target, after.as_ref(), cx.settings.page).await?;
        let whole = rows.len() < cx.settings.page;
        after = rows.last().map(|last| last.id.clone());
        for row in rows.iter().filter(|row| row.id.import == facts.import && row.id.export == export) {
            let this = row.last.filter(|last| last.seq == facts.seq);
            if row.state != jobpipe_core::RowState::Idle {
                summary.pending += 1;
                continue;
            }
            match this.map(|last| last.op) {
                Some(Some(Op::Create)) => summary.created += 1,
                Some(Some(Op::Update)) => summary.updated += 1,
                Some(Some(Op::Delete)) => summary.deleted += 1,
                Some(None) => summary.failed += 1,
                None => summary.unchanged += u64::from(row.post.is_some()),
            }
        }
        if whole {
            return Ok(summary);
        }
    }
}

/// Asks for a cancel; refused once the verdict is frozen.
pub async fn cancel(cx: &Cx, id: &str) -> Result<()> {
    loop {
        let run = cx.run(id).await?;
        if run.doc.cancel {
            return Ok(());
        }
        let frozen = run.doc.state == RunState::Settled && cx.keeps(Rule::CancelFreeze);
        if frozen || run.doc.state == RunState::Closed {
            return Err(EngineError::Refused {
                code: "JP523",
                message: format!("run {id} has read its sources to the end and cannot be cancelled any more"),
            });
        }
        let new = RunDoc { cancel: true, ..run.doc.clone() };
        if docs::replace(&*cx.store, &*cx.ids, DocKind::Run, id, &run, new).await?.is_some() {
            cx.news.tell_of(id);
            return Ok(());
        }
    }
}

/// Lets through what waits for a person: removals under a guard, changes of a definition, targets that pause.
pub async fn approve(cx: &Cx, id: &str) -> Result<()> {
    let run = cx.run(id).await?.doc;
    let name = &run.open.facts.import;
    loop {
        let import = admission::import(cx, name).await?;
        let Some(closed) = import.doc.closed.clone().filter(|closed| closed.run == id) else {
            return Err(EngineError::Refused {
                code: "JP524",
                message: format!("run {id} is not the last closed run of `{name}`: there is nothing of it to approve"),
            });
        };
        if import.doc.open.is_some() {
            return Err(EngineError::Refused {
                code: "JP525",
                message: format!("a newer run of `{name}` is open; approve after it has closed"),
            });
        }
        if closed.guard.is_some() {
            let layout = cx.layout(&closed.definition).await?;
            // before the heads: whoever writes files next must know, also after a crash in between
            let held_back = gone::held_back(cx, &layout, closed.seq).await?;
            if !held_back.is_subset(&closed.untold) {
                let untold = closed.untold.union(&held_back).cloned().collect();
                let new = ImportDoc { closed: Some(ClosedRun { untold, ..closed }), ..import.doc.clone() };
                docs::replace(&*cx.store, &*cx.ids, DocKind::Import, name, &import, new).await?;
                continue;
            }
            gone::accept(cx, &layout, closed.seq).await?;
        }
        let mut new = import.doc.clone();
        new.accepted_gen = closed.seq;
        new.to_wake.extend(closed.targets.values().flatten().map(|target| target.id.clone()));
        new.closed = Some(ClosedRun { guard: None, approved: true, ..closed });
        if docs::replace(&*cx.store, &*cx.ids, DocKind::Import, name, &import, new).await?.is_some() {
            break;
        }
    }
    clear_guard(cx, id).await?;
    crate::drain::resume(cx, run.open.targets.values().flatten()).await?;
    crate::drain::wake_targets(cx, name).await
}

async fn clear_guard(cx: &Cx, id: &str) -> Result<()> {
    loop {
        let run = cx.run(id).await?;
        let new = RunDoc { guard: None, ..run.doc.clone() };
        if docs::replace(&*cx.store, &*cx.ids, DocKind::Run, id, &run, new).await?.is_some() {
            return Ok(());
        }
    }
}

/// Dead letters, newest first.
pub async fn dead(cx: &Cx, import: Option<&str>, run: Option<&str>, limit: usize) -> Result<Vec<DeadLetter>> {
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let page = cx.store.dead(import, run, &after, cx.settings.page).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.id);
        all.extend(page);
    }
    all.sort_by_key(|letter| std::cmp::Reverse(letter.at));
    all.truncate(limit);
    Ok(all)
}

/// Writes a wish for the engine that works on this store; gives its id.
pub async fn wish(cx: &Cx, command: &Command) -> Result<String> {
    let id = format!("{:020}-{}", cx.now(), cx.ids.nonce());
    docs::insert(&*cx.store, &*cx.ids, DocKind::Command, &id, command).await?;
    Ok(id)
}

/// How long the answer to an order is kept for whoever gave it.
const ANSWER_KEPT: jobpipe_core::Millis = 60_000;

/// Obeys an order of another process, and puts the answer in its place.
async fn answer(cx: &Cx, id: &str, asked: &Read<Command>, order: &Order) -> Result<()> {
    let (text, refused) = match scheduler::obey(cx, order).await {
        Ok(text) => (text, None),
        Err(EngineError::Refused { code, message }) => (message, Some(code.to_owned())),
        Err(EngineError::Stage(error)) => (error.message, Some(error.code)),
        Err(other) => return Err(other),
    };
    cx.emit(crate::event::Event::Notice { message: text.clone() });
    let answer = Command::Answer { text, refused, at: cx.now() };
    // another engine of this store may have answered it
    docs::replace(&*cx.store, &*cx.ids, DocKind::Command, id, asked, answer).await?;
    Ok(())
}

/// Does what other processes wished for; what is refused is told to those who watch. Two engines may obey one command, and
/// one that dies may have obeyed it without saying so: each command names what it is about, so that doing it twice is
/// doing it once. A run is that of its slot (else of the command), a cancel and an approval are those of their run.
pub async fn obey(cx: &Cx) -> Result<()> {
    let wishes: Vec<(String, Read<Command>)> = docs::all(&*cx.store, DocKind::Command, "").await?;
    for (id, wish) in wishes {
        let done = match wish.doc {
            Command::Order(ref order) => {
                answer(cx, &id, &wish, order).await?;
                continue;
            }
            Command::Answer { at, .. } if cx.now().abs_diff(at) < ANSWER_KEPT.unsigned_abs() => continue,
            Command::Answer { .. } => Ok(()),
            Command::Run { plan, wish } => {
                let slot = wish.slot.or_else(|| Some(id.clone()));
                admission::admit(cx, &plan, &admission::Wish { slot, ..wish }).await.map(|_| ())
            }
            Command::Cancel { run } => cancel(cx, &run).await,
            Command::Approve { run } => approve(cx, &run).await,
        };
        match done {
            Err(EngineError::Refused { code, message }) => {
                cx.emit(crate::event::Event::Notice { message: format!("{message} ({code})") });
            }
            // it cannot be made here, say for want of a token: a matter of this wish, and no reason to end
            Err(error @ EngineError::Stage(_)) => {
                cx.emit(crate::event::Event::Notice { message: error.to_string() });
            }
            other => other?,
        }
        cx.store.doc_delete(DocKind::Command, &id).await?;
    }
    Ok(())
}
