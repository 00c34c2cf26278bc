//! The end of a run: stages close in topological order, one write freezes the verdict, then gone pass, files, closed,
//! and the import is free. Each step looks only at what is stored, so anyone may take the next one.

use crate::cx::Cx;
use crate::docs::{self, ClosedRun, ImportDoc, Read, RunDoc, RunState, Verdict};
use crate::error::Result;
use crate::event::Event;
use crate::failpoint::Point;
use crate::gone;
use crate::layout::Layout;
use crate::sabotage::Rule;
use crate::{admission, cursor, scheduler};
use jobpipe_core::{DocKind, Feed, NewTask, StagePlan, TaskInput};
use std::collections::{BTreeMap, BTreeSet};

/// Takes every step towards the end that can be taken; true when the run is closed and the import free.
pub(crate) async fn advance(cx: &Cx, id: &str) -> Result<bool> {
    // admitted a moment ago: whoever admitted it, or the sweep, inserts it
    let Some(mut run) = docs::read::<RunDoc, _>(&*cx.store, DocKind::Run, id).await? else { return Ok(false) };
    let layout = cx.layout(&run.doc.open.definition).await?;
    loop {
        let next = match run.doc.state {
            RunState::Open => step_open(cx, &layout, &run).await?,
            RunState::Settled => step_settled(cx, &layout, &run).await?,
            RunState::Closed => {
                free(cx, &layout, &run.doc).await?;
                if !cx.keeps(Rule::GoneBeforeFree) {
                    gone::pass(cx, &layout, &run.doc).await?;
                }
                return Ok(true);
            }
        };
        match next {
            Step::Wait => return Ok(false),
            Step::Again => run = cx.run(id).await?,
            Step::Took(new) => run = *new,
        }
    }
}

enum Step {
    /// Nothing can be done now.
    Wait,
    /// Another was faster: read again.
    Again,
    /// Done; this is the run now.
    Took(Box<Read<RunDoc>>),
}

async fn put(cx: &Cx, run: &Read<RunDoc>, point: Point, change: impl FnOnce(&mut RunDoc)) -> Result<Step> {
    let mut new = run.doc.clone();
    change(&mut new);
    cx.at(point)?;
    let id = &run.doc.open.facts.run;
    let done = docs::replace(&*cx.store, &*cx.ids, DocKind::Run, id, run, new).await?;
    Ok(done.map_or(Step::Again, |run| Step::Took(Box::new(run))))
}

async fn step_open(cx: &Cx, layout: &Layout, run: &Read<RunDoc>) -> Result<Step> {
    let id = &run.doc.open.facts.run;
    if run.doc.cancel {
        cx.store.tasks_cancel(id).await?;
        if !cx.keeps(Rule::CancelWaits) {
            return put(cx, run, Point::CloseRun, |doc| doc.state = RunState::Closed).await;
        }
    }
    let open: Vec<&StagePlan> = layout.working().filter(|stage| !run.doc.closed_stages.contains(&stage.name)).collect();
    for stage in &open {
        if !is_complete(cx, layout, &run.doc, stage).await? {
            continue;
        }
        let name = stage.name.clone();
        let step = put(cx, run, Point::CloseStage, |doc| {
            doc.closed_stages.insert(name.clone());
            if !cx.keeps(Rule::VerdictFrozen) {
                doc.verdict = doc.verdict.or_else(|| Some(verdict(doc)));
            }
        })
        .await?;
        if matches!(step, Step::Took(_)) {
            cx.emit(Event::StageClosed { run: id.clone(), stage: stage.name.clone() });
        }
        return Ok(step);
    }
    if !open.is_empty() {
        return Ok(Step::Wait);
    }
    let verdict = run.doc.verdict.unwrap_or_else(|| verdict(&run.doc));
    put(cx, run, Point::CloseVerdict, |doc| {
        doc.verdict = Some(verdict);
        doc.state = RunState::Settled;
    })
    .await
}

/// What the run may conclude, from what its tasks left.
fn verdict(run: &RunDoc) -> Verdict {
    let whole = !run.cancel && run.open.facts.limit.is_none() && !run.open.repair;
    Verdict {
        clean: whole && !run.open.retires && !run.reasons.iter().any(|reason| reason.not_clean),
        exhaustive: whole && !run.reasons.iter().any(|reason| reason.not_exhaustive),
    }
}

/// A stage is complete when its inputs are closed, its roots exist, and then no task of it is open: read in this order.
async fn is_complete(cx: &Cx, layout: &Layout, run: &RunDoc, stage: &StagePlan) -> Result<bool> {
    let open = || cx.store.tasks_any_open(&run.open.facts.run, &stage.name);
    let early = if cx.keeps(Rule::CloseOrder) { None } else { Some(open().await?) };
    if cx.keeps(Rule::CloseFrom) && !stage.from.iter().all(|from| run.closed_stages.contains(from)) {
        return Ok(false);
    }
    // the usual answer, and a cheap one: whether the roots exist matters only once nothing is open
    if cx.keeps(Rule::CloseOrder) && open().await? {
        return Ok(false);
    }
    if admission::has_roots(&run.open, stage) {
        let ids: Vec<String> = match admission::root_tasks(cx, layout, &run.open, &stage.name).await {
            Ok(roots) => roots.into_iter().map(|task| task.id).collect(),
            // who only ends a cancelled run need not know its stages
            Err(_) if run.cancel => Vec::new(),
            Err(error) => return Err(error),
        };
        if cx.store.tasks(&ids).await?.len() < ids.len() {
            admission::ensure(cx, &run.open).await?;
            return Ok(false);
        }
    }
    Ok(!match early {
        Some(open) => open,
        None => open().await?,
    })
}

async fn step_settled(cx: &Cx, layout: &Layout, run: &Read<RunDoc>) -> Result<Step> {
    let id = &run.doc.open.facts.run;
    if !run.doc.gone_done {
        let skipped = run.doc.cancel || !cx.keeps(Rule::GoneBeforeFree);
        let passed = if skipped { gone::Passed::default() } else { gone::pass(cx, layout, &run.doc).await? };
        return put(cx, run, Point::CloseGoneDone, |doc| {
            doc.gone_done = true;
            doc.gone = passed.gone;
            doc.guard = passed.guard;
        })
        .await;
    }
    if !run.doc.files_made {
        if !run.doc.cancel {
            make_files(cx, layout, &run.doc).await?;
        }
        return put(cx, run, Point::CloseFiles, |doc| doc.files_made = true).await;
    }
    for stage in layout.files() {
        if cx.store.tasks_any_open(id, &stage.name).await? {
            return Ok(Step::Wait);
        }
    }
    if !cx.keeps(Rule::RunBeforeImport) {
        free(cx, layout, &run.doc).await?;
    }
    let now = cx.now();
    let (counts, tasks) = crate::admin::tally(cx, id).await?;
    put(cx, run, Point::CloseRun, |doc| {
        doc.state = RunState::Closed;
        doc.ended_at = Some(now);
        doc.counts.clone_from(&counts);
        doc.tasks.clone_from(&tasks);
    })
    .await
}

/// A run that failed and gave no record at all writes no file: it must not replace a good one by an empty one.
async fn read_nothing(cx: &Cx, layout: &Layout, run: &RunDoc) -> Result<bool> {
    if run.reasons.is_empty() {
        return Ok(false);
    }
    let (counts, _) = crate::admin::tally(cx, &run.open.facts.run).await?;
    Ok(layout.working().all(|stage| counts.get(&stage.name).is_none_or(|counts| counts.given == 0)))
}

async fn make_files(cx: &Cx, layout: &Layout, run: &RunDoc) -> Result<()> {
    let facts = &run.open.facts;
    let nothing = read_nothing(cx, layout, run).await?;
    let untold = admission::import(cx, &facts.import).await?.doc.closed.map(|closed| closed.untold).unwrap_or_default();
    let mut tasks = Vec::new();
    // a file of the records of a run would lose those that did not fail, or that were posted until now
    let whole = !run.open.repair && !run.open.retires;
    for stage in layout.files().filter(|stage| whole || stage.feed != Feed::Run) {
        // what changed is told all the same: no later file would tell it
        let tells = nothing && stage.feed == Feed::Changes && {
            let (ledger, above) = (layout.ledger_of(stage), (facts.seq, String::new()));
            untold.contains(&ledger) || !cx.store.heads_walk(&ledger, above, facts.seq, 1).await?.is_empty()
        };
        if !nothing || tells {
            tasks.push(NewTask::new(&facts.run, &stage.name, &stage.queue, "", TaskInput::Closing));
        }
    }
    cx.at(Point::CloseFiles)?;
    cx.store.tasks_insert(tasks).await?;
    cx.news.tell_of(&facts.run);
    Ok(())
}

/// One write frees the import: no open run, the cursor, whom to wake.
async fn free(cx: &Cx, layout: &Layout, run: &RunDoc) -> Result<()> {
    let facts = &run.open.facts;
    loop {
        let import = admission::import(cx, &facts.import).await?;
        if import.doc.open.as_ref().is_none_or(|open| open.facts.run != facts.run) {
            if !cx.keeps(Rule::SinceSeq) && run.verdict.is_some_and(|verdict| verdict.clean) {
                let since = cursor::advance(cx, layout, run, &facts.since).await?;
                let new = ImportDoc { since, ..import.doc.clone() };
                docs::replace(&*cx.store, &*cx.ids, DocKind::Import, &facts.import, &import, new).await?;
            }
            return Ok(());
        }
        // it was when this began; in a store that was put back since then it may be open
        if cx.keeps(Rule::RunBeforeImport) && cx.run(&facts.run).await?.doc.state != RunState::Closed {
            return Ok(());
        }
        if !run.cancel {
            crate::admin::note_targets(cx, &import.doc).await?;
        }
        let new = freed(cx, layout, run, &import.doc).await?;
        cx.at(Point::CloseImport)?;
        if docs::replace(&*cx.store, &*cx.ids, DocKind::Import, &facts.import, &import, new).await?.is_some() {
            cx.emit(Event::RunClosed { run: facts.run.clone() });
            cx.news.tell();
            return Ok(());
        }
    }
}

async fn freed(cx: &Cx, layout: &Layout, run: &RunDoc, import: &ImportDoc) -> Result<ImportDoc> {
    let facts = &run.open.facts;
    let mut new = ImportDoc { open: None, untidy: true, ..import.clone() };
    scheduler::note_end(&mut new, &layout.plan, run, cx.now());
    if run.cancel {
        new.cancelled.insert(facts.seq);
        return Ok(new);
    }
    if let Some(closed) = &import.closed {
        new.to_wake.extend(closed.targets.values().flatten().map(|target| target.id.clone()));
    }
    new.to_wake.extend(run.open.targets.values().flatten().map(|target| target.id.clone()));
    new.closed = Some(ClosedRun {
        run: facts.run.clone(),
        seq: facts.seq,
        definition: run.open.definition.clone(),
        targets: run.open.targets.clone(),
        guard: run.guard.clone(),
        approved: run.open.approved,
        untold: BTreeSet::new(),
        retired: run.open.retires,
    });
    if run.guard.is_none() {
        new.accepted_gen = facts.seq;
    }
    let clean = run.verdict.is_some_and(|verdict| verdict.clean || !cx.keeps(Rule::SinceClean));
    if clean && new.since_seq < facts.seq {
        new.since = cursor::advance(cx, layout, run, &import.since).await?;
        new.since_seq = facts.seq;
    }
    if run.open.retires {
        // deployed once more it begins anew: its source is to list what is gone now
        new.since = BTreeMap::new();
        new.since_seq = facts.seq;
    }
    Ok(new)
}
