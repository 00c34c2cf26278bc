//! What a commit still has to do. Every step may be repeated by anyone, with the same result; `open` falls last but one.

use crate::batch;
use crate::cx::Cx;
use crate::docs::{self, RunState};
use crate::error::{EngineError, Result};
use crate::event::Event;
use crate::failpoint::Point;
use crate::heads::{self, Writer};
use crate::known::Admitted;
use crate::layout::Layout;
use crate::sabotage::Rule;
use jobpipe_core::{
    DocKind, Follow, Hint, NewTask, Output, Reason, Record, Request, StageKind, StoreError, Task, TaskInput, TaskResult,
};
use std::collections::{BTreeMap, BTreeSet};

/// Repeats the relay of a terminal task whose `open` is still true.
pub(crate) async fn relay(cx: &Cx, task: &Task) -> Result<()> {
    let empty = TaskResult::default();
    relay_result(cx, &task.task, task.result.as_ref().unwrap_or(&empty), &Stored::new()).await
}

/// Records of batches that were stored a moment ago, by the batch's id: they need not be read again.
pub(crate) type Stored = BTreeMap<String, Vec<Record>>;

/// The relay of a committed task.
pub(crate) async fn relay_result(cx: &Cx, task: &NewTask, result: &TaskResult, stored: &Stored) -> Result<()> {
    let done = relay_open(cx, task, result, stored).await;
    unless_over(cx, &task.run, done).await.map(|_| ())
}

/// A step for a run, or `None` when it missed something that was stored and the run is over by now: what a run needs may
/// be cleared once it is closed, and one who slept through its end has nothing left to do for it.
pub(crate) async fn unless_over<T>(cx: &Cx, run: &str, done: Result<T>) -> Result<Option<T>> {
    match done {
        Err(EngineError::Store(StoreError::Corrupt { .. })) if cx.run(run).await?.doc.state == RunState::Closed => {
            Ok(None)
        }
        done => done.map(Some),
    }
}

async fn relay_open(cx: &Cx, task: &NewTask, result: &TaskResult, stored: &Stored) -> Result<()> {
    // a run closes when nothing of it is open: another has relayed this one, and what it needs may be cleared
    if cx.is_over(&task.run).await? {
        return Ok(());
    }
    let admitted = cx.admitted(&task.run).await?;
    let (layout, facts) = (&admitted.layout, &admitted.facts);
    let mut children = Vec::new();
    for child in &result.children {
        match &child.input {
            TaskInput::Requests(rest) if !cx.keeps(Rule::RestPastSeen) => {
                let follow = Follow { stage: child.stage.clone(), requests: rest.clone() };
                children.extend(claim_requests(cx, layout, task, &follow).await?);
            }
            _ => children.push(child.clone()),
        }
    }
    for follow in &result.follow {
        children.extend(claim_requests(cx, layout, task, follow).await?);
    }
    for output in &result.outputs {
        children.extend(stored_edges(layout, task, output));
    }
    close_early(cx, task, Rule::OpenAfterChildren).await?;
    if !children.is_empty() {
        cx.at(Point::RelayChildren)?;
        cx.store.tasks_insert(children.clone()).await?;
    }
    close_early(cx, task, Rule::OpenAfterHeads).await?;
    write_heads(cx, &admitted, result, stored).await?;
    let mut reasons = reasons(cx, layout, result);
    if !hold(cx, layout, facts.seq, &result.held).await? {
        reasons.push(unknown_page(task));
    }
    if !result.dead.is_empty() {
        cx.at(Point::RelayDead)?;
        cx.store.dead_put(result.dead.clone()).await?;
    }
    close_early(cx, task, Rule::OpenAfterReasons).await?;
    write_reasons(cx, &task.run, &reasons).await?;
    cx.at(Point::RelayClose)?;
    cx.store.tasks_close(std::slice::from_ref(&task.id)).await?;
    tell(cx, task, result, children.len());
    cx.at(Point::RelayHint)?;
    let can_begin = |child: &&NewTask| {
        let due = child.not_before <= cx.now() && cx.dispatch.groups.room(&child.group, cx.clock.monotonic()) > 0;
        due && cx.dispatch.stages.room(layout, &child.stage) > 0
    };
    let hints = children.iter().filter(can_begin).map(hint).collect();
    cx.hint(hints).await?;
    cx.news.tell_of(&task.run);
    Ok(())
}

/// Where the simulation took the rule away, `open` falls here.
async fn close_early(cx: &Cx, task: &NewTask, rule: Rule) -> Result<()> {
    if !cx.keeps(rule) {
        cx.store.tasks_close(std::slice::from_ref(&task.id)).await?;
    }
    Ok(())
}

/// The reasons to write: all, but for the simulation without [`Rule::HoldDead`], which forgets those of transforms.
fn reasons(cx: &Cx, layout: &Layout, result: &TaskResult) -> Vec<Reason> {
    let crawls = |stage: &str| layout.plan.stage(stage).is_some_and(|stage| stage.kind == StageKind::Crawl);
    result.reasons.iter().filter(|reason| cx.keeps(Rule::HoldDead) || crawls(&reason.stage)).cloned().collect()
}

fn hint(task: &NewTask) -> Hint {
    Hint { task: task.id.clone(), run: task.run.clone(), queue: task.queue.clone() }
}

/// Claims requests in `seen`; what this task owns becomes tasks, bundled by group in the order found.
pub(crate) async fn claim_requests(cx: &Cx, layout: &Layout, task: &NewTask, follow: &Follow) -> Result<Vec<NewTask>> {
    let Some(stage) = layout.plan.stage(&follow.stage) else { return Ok(Vec::new()) };
    let mut prints = Vec::new();
    let mut requests: Vec<&Request> = Vec::new();
    let mut known = BTreeSet::new();
    for request in &follow.requests {
        if known.insert(&request.id) {
            prints.push(request.id.clone());
            requests.push(request);
        }
    }
    cx.at(Point::RelaySeen)?;
    let mine = cx.store.seen_claim(&task.run, &stage.name, &prints, &task.id).await?;
    let mut bundles: Vec<(String, bool, Vec<Request>)> = Vec::new();
    let size = usize::try_from(stage.bundle.max(1)).unwrap_or(1);
    for (request, _) in requests.into_iter().zip(mine).filter(|(_, mine)| *mine) {
        // a listing leads to more work: it has a task of its own, so that what it finds is known soon
        let open = bundles.iter_mut().rev().find(|(group, listing, bundle)| {
            *group == request.group && !*listing && !request.listing && bundle.len() < size
        });
        match open {
            Some((_, _, bundle)) => bundle.push(request.clone()),
            None => bundles.push((request.group.clone(), request.listing, vec![request.clone()])),
        }
    }
    Ok(bundles
        .into_iter()
        .map(|(group, _, bundle)| {
            NewTask::new(&task.run, &stage.name, &stage.queue, &group, TaskInput::Requests(bundle))
        })
        .collect())
}

/// Tasks for the stages that take this output as a stored batch.
fn stored_edges(layout: &Layout, task: &NewTask, output: &Output) -> Vec<NewTask> {
    let Some(stage) = layout.plan.stage(&output.stage) else { return Vec::new() };
    layout
        .stored_children(stage)
        .into_iter()
        .map(|child| NewTask::new(&task.run, &child.name, &child.queue, "", TaskInput::Batch(output.batch.clone())))
        .collect()
}

async fn write_heads(cx: &Cx, admitted: &Admitted, result: &TaskResult, stored: &Stored) -> Result<()> {
    let layout = &admitted.layout;
    let feeds = |output: &Output| layout.ledgers_fed_by(&output.stage).next().is_some();
    if !result.outputs.iter().any(feeds) {
        return Ok(());
    }
    let cancelled = admitted.cancelled(cx).await?;
    let writer = Writer { seq: admitted.facts.seq, cancelled, sabotage: cx.sabotage };
    for output in &result.outputs {
        let ledgers: Vec<_> = layout.ledgers_fed_by(&output.stage).collect();
        if ledgers.is_empty() {
            continue;
        }
        let read;
        let records = match stored.get(&output.batch) {
            Some(records) => records,
            None => {
                read = batch::read(&*cx.store, &output.batch).await?;
                &read
            }
        };
        for (ledger, rank) in ledgers {
            cx.at(Point::RelayHeads)?;
            heads::write(cx, &ledger.id, rank, records, writer).await?;
        }
    }
    Ok(())
}

/// Holds the heads that the failed pages are sources of. False when a page is the source of none: it may be the page of
/// any head (one known from another source until now, or from another URL), so what is missing must not be counted.
async fn hold(cx: &Cx, layout: &Layout, seq: u64, held: &[String]) -> Result<bool> {
    if held.is_empty() {
        return Ok(true);
    }
    cx.at(Point::RelayHeld)?;
    let mut known = true;
    for ledger in layout.ledgers.iter().filter(|ledger| ledger.tracked) {
        let mut all = Vec::new();
        for url in held {
            let mut keys = cx.store.heads_by_url(&ledger.id, &[heads::url_print(url)]).await?;
            known &= !keys.is_empty() || layout.gone_policy(ledger).is_none() || !cx.keeps(Rule::HoldUnknown);
            if !cx.keeps(Rule::HoldAllSources) {
                let heads = cx.store.heads(&ledger.id, &keys).await?.into_iter();
                keys = heads.filter(|head| head.url == *url).map(|head| head.key).collect();
            }
            all.extend(keys);
        }
        heads::hold_keys(cx, &ledger.id, all, seq).await?;
    }
    Ok(known)
}

fn unknown_page(task: &NewTask) -> Reason {
    Reason {
        stage: task.stage.clone(),
        what: "pages failed of which no record is known yet: they may be any, so nothing is inferred gone".to_owned(),
        not_exhaustive: true,
        not_clean: true,
    }
}

/// Adds reasons to the run; they must be there before `open` falls.
async fn write_reasons(cx: &Cx, id: &str, reasons: &[Reason]) -> Result<()> {
    if reasons.is_empty() {
        return Ok(());
    }
    loop {
        let run = cx.run(id).await?;
        // closed after the look: who relayed this one has written them
        if run.doc.state == RunState::Closed || reasons.iter().all(|reason| run.doc.reasons.contains(reason)) {
            return Ok(());
        }
        cx.at(Point::RelayReasons)?;
        let mut new = run.doc.clone();
        new.reasons.extend(reasons.iter().cloned());
        if docs::replace(&*cx.store, &*cx.ids, DocKind::Run, id, &run, new).await?.is_some() {
            return Ok(());
        }
    }
}

/// True when a commit with this result leaves nothing to relay: no task, no head, no letter, no reason.
pub(crate) fn is_idle(layout: &Layout, result: &TaskResult) -> bool {
    let leads_on = |output: &Output| {
        let stored = layout.plan.stage(&output.stage).is_some_and(|stage| !layout.stored_children(stage).is_empty());
        stored || layout.ledgers_fed_by(&output.stage).next().is_some()
    };
    result.children.is_empty()
        && result.follow.is_empty()
        && result.dead.is_empty()
        && result.held.is_empty()
        && result.reasons.is_empty()
        && !result.outputs.iter().any(leads_on)
}

/// Tells of a task that was committed and relayed.
pub(crate) fn tell(cx: &Cx, task: &NewTask, result: &TaskResult, children: usize) {
    for letter in &result.dead {
        cx.emit(Event::Dead {
            run: task.run.clone(),
            stage: letter.stage.clone(),
            url: letter.url.clone(),
            class: letter.error.class,
            code: letter.error.code.clone(),
            message: letter.error.message.clone(),
        });
    }
    cx.emit(Event::TaskDone {
        run: task.run.clone(),
        counts: result.counts.clone(),
        children: u64::try_from(children).unwrap_or(u64::MAX),
    });
}

#[cfg(test)]
pub(crate) mod tests;
