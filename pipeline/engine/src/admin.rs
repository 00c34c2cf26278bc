//! What people ask of runs, and what they may do to them: the one read facade of CLI and dashboard.

mod summary;
mod targets;

pub(crate) use summary::note_targets;
pub use summary::{RunSummary, StageSummary, Standing, summary, tally};
pub use targets::TargetSummary;

use crate::cx::Cx;
use crate::docs::{self, ClosedRun, Command, ImportDoc, Read, RunDoc, RunState};
use crate::error::{EngineError, Result};
use crate::sabotage::Rule;
use crate::scheduler::{self, Order};
use crate::{admission, gone};
use jobpipe_core::{DeadLetter, DocKind};

/// Runs, newest first: of one import, or of all.
pub async fn runs(cx: &Cx, import: Option<&str>, limit: usize) -> Result<Vec<Read<RunDoc>>> {
    let prefix = import.map_or(String::new(), |import| format!("{import}@"));
    let runs: Vec<(String, Read<RunDoc>)> = docs::all(&*cx.store, DocKind::Run, &prefix).await?;
    let mut all: Vec<Read<RunDoc>> = runs.into_iter().map(|(_, run)| run).collect();
    all.sort_by_key(|run| std::cmp::Reverse((run.doc.open.facts.started_at, run.doc.open.facts.seq)));
    all.truncate(limit);
    Ok(all)
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
            Command::Forget { letters } => crate::repair::forget(cx, &letters).await.map(|_| ()),
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
