//! The loops of one engine: dispatch, work, close, drain, sweep. Each takes steps that stand for themselves.

use crate::cx::{Cx, Heard};
use crate::docs::{self, Read, TargetDoc};
use crate::error::{EngineError, Result};
use crate::gate::{self, Gate};
use crate::leases::{self, Claim, Held};
use crate::patience::Patience;
use crate::{admin, closing, drain, sweep};
use jobpipe_core::{DocKind, Hint, Millis};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Works until the process wants to stop, or a step fails. Tasks that run are finished first.
pub async fn serve(cx: Arc<Cx>) -> Result<()> {
    let halt = Arc::new(tokio::sync::watch::Sender::new(false));
    let patience = Patience::new(&cx, halt.subscribe());
    let held = Arc::new(Held::default());
    let memory = take_over(&cx, patience.clone(), &held).await?;
    let gate = Arc::new(Gate::new(cx.settings.slots));
    let idle = tokio::sync::watch::Sender::new(false);
    let mut loops: JoinSet<Result<()>> = JoinSet::new();
    if let Some(ttl) = cx.settings.lease_ttl {
        loops.spawn(leases::renew(Arc::clone(&cx), patience.clone(), Arc::clone(&held), ttl, idle.subscribe()));
    }
    for queue in cx.settings.queues.clone() {
        loops.spawn(work(Arc::clone(&cx), patience.clone(), Arc::clone(&gate), Arc::clone(&held), queue));
    }
    loops.spawn(dispatch(Arc::clone(&cx), patience.clone()));
    loops.spawn(close(Arc::clone(&cx), patience.clone()));
    loops.spawn(drains(Arc::clone(&cx), patience.clone(), held));
    loops.spawn(sweeps(Arc::clone(&cx), patience, memory));
    let mut end = Ok(());
    while let Some(done) = loops.join_next().await {
        let done = done.unwrap_or_else(|error| {
            Err(EngineError::Refused {
                code: "JP599",
                message: format!(
                    "a loop of the engine panicked ({error}); this is a bug of jobpipe. Nothing is lost: run again"
                ),
            })
        });
        if let (Ok(()), Err(error)) = (&end, done) {
            end = Err(error);
            halt.send_replace(true);
        }
        // what is left is the renewing: nothing is held any more
        if loops.len() <= 1 {
            idle.send_replace(true);
        }
    }
    end
}

async fn take_over(cx: &Cx, mut patience: Patience, held: &Arc<Held>) -> Result<sweep::Memory> {
    loop {
        if let Some(memory) = patience.with(sweep::take_over(cx, held).await).await? {
            return Ok(memory);
        }
    }
}

async fn work(cx: Arc<Cx>, mut patience: Patience, gate: Arc<Gate>, held: Arc<Held>, queue: String) -> Result<()> {
    let mut running: JoinSet<Result<()>> = JoinSet::new();
    // tasks that were computed while the last claim was written: as many will be while the next one is
    let mut ahead = 0;
    while patience.goes_on() {
        while let Some(done) = running.try_join_next() {
            flatten(done)?;
        }
        // no more is claimed than can begin at once, so that other processes may take what this one cannot
        if ahead == 0 {
            gate.wait_for_a_slot().await;
        }
        let room = (gate.free_slots() + ahead).clamp(1, MOST_CLAIMED);
        ahead = 0;
        let received = tokio::time::timeout(cx.settings.tick, cx.broker.receive(&queue, room)).await;
        let Ok(received) = received else { continue };
        let Some(deliveries) = patience.with(received.map_err(EngineError::from)).await? else { continue };
        let tags: Vec<u64> = deliveries.iter().map(|delivery| delivery.tag).collect();
        let ids: Vec<String> = deliveries.into_iter().map(|delivery| delivery.hint.task).collect();
        let before = gate.computed();
        // what is claimed although the store did not say so is held by nobody: its lease lapses
        let claimed = cx.store.tasks_claim(&ids, &cx.owner, cx.now()).await;
        let Some(claimed) = patience.with(claimed.map_err(EngineError::from)).await? else { continue };
        let claimed: Vec<_> = claimed.into_iter().map(|task| (held.hold(Claim::of(&task)), task)).collect();
        ahead = gate.computed().saturating_sub(before);
        for (holding, task) in claimed {
            let (cx, patience, gate) = (Arc::clone(&cx), patience.clone(), Arc::clone(&gate));
            running.spawn(async move {
                let _holding = holding;
                gate::pass(&cx, patience, &gate, &task).await
            });
        }
        patience.with(cx.broker.ack(&queue, &tags).await.map_err(EngineError::from)).await?;
    }
    while let Some(done) = running.join_next().await {
        flatten(done)?;
    }
    Ok(())
}

fn flatten(done: std::result::Result<Result<()>, tokio::task::JoinError>) -> Result<()> {
    done.unwrap_or_else(|error| {
        Err(EngineError::Refused {
            code: "JP599",
            message: format!("the engine panicked ({error}); this is a bug of jobpipe. Nothing is lost: run again"),
        })
    })
}

/// Tasks that one bulk claims at most.
const MOST_CLAIMED: usize = 64;

/// What a loop rests before it looks again.
const REST: Duration = Duration::from_millis(5);
/// What it rests at most while news comes without a pause.
const LONG_REST: Duration = Duration::from_millis(40);

/// Waits for news, at most so long; a rest first, so that a burst of news is one.
async fn wait(cx: &Cx, heard: &mut Heard, most: Duration) {
    let mut rest = REST;
    wait_rested(cx, heard, most, &mut rest).await;
}

/// The same with a rest that doubles while there is always news, which is of work that goes on.
async fn wait_rested(cx: &Cx, heard: &mut Heard, most: Duration, rest: &mut Duration) {
    cx.clock.sleep(*rest).await;
    *rest = if cx.news.is_news(heard) { (*rest * 2).min(LONG_REST) } else { REST };
    let most = most.min(cx.settings.tick * 5);
    tokio::select! {
        biased;
        () = cx.news.changed(heard) => {}
        () = cx.clock.sleep(most) => {}
    }
}

/// Tells the broker of ready tasks, in turns over the open runs, while the window of their queue has room.
async fn dispatch(cx: Arc<Cx>, mut patience: Patience) -> Result<()> {
    let mut heard = cx.news.subscribe();
    let mut cursors: BTreeMap<String, String> = BTreeMap::new();
    while patience.goes_on() {
        if patience.with(dispatch_all(&cx, &mut cursors).await).await?.is_some() {
            wait(&cx, &mut heard, cx.settings.tick).await;
        }
    }
    Ok(())
}

async fn dispatch_all(cx: &Cx, cursors: &mut BTreeMap<String, String>) -> Result<()> {
    let mut open = Vec::new();
    for (_, import) in sweep::imports(cx).await? {
        open.extend(import.doc.open.map(|open| open.facts.run));
    }
    cursors.retain(|run, _| open.contains(run));
    for run in open {
        dispatch_run(cx, &run, cursors.entry(run.clone()).or_default()).await?;
    }
    Ok(())
}

async fn dispatch_run(cx: &Cx, run: &str, cursor: &mut String) -> Result<()> {
    let mut shallow = BTreeSet::new();
    for queue in &cx.settings.queues {
        if cx.broker.depth(queue).await? <= cx.settings.window / 2 {
            shallow.insert(queue.clone());
        }
    }
    if shallow.is_empty() {
        return Ok(());
    }
    let ready = cx.store.tasks_ready(run, cx.now(), cursor, cx.settings.window).await?;
    // at the end the walk begins anew: what was put back meanwhile lies behind
    *cursor = if ready.len() < cx.settings.window {
        String::new()
    } else {
        ready.last().map(|task| task.id.clone()).unwrap_or_default()
    };
    let mut by_queue: BTreeMap<String, Vec<Hint>> = BTreeMap::new();
    for task in ready {
        let queue = cx.worked_on(&task.queue);
        if shallow.contains(&queue) {
            let hint = Hint { task: task.id, run: task.run, queue: queue.clone() };
            by_queue.entry(queue).or_default().push(hint);
        }
    }
    for hints in by_queue.into_values() {
        cx.hint(hints).await?;
    }
    Ok(())
}

/// Takes every open run towards its end, and wakes targets when it is reached.
async fn close(cx: Arc<Cx>, mut patience: Patience) -> Result<()> {
    let mut heard = cx.news.subscribe();
    let mut rest = REST;
    while patience.goes_on() {
        if patience.with(close_all(&cx).await).await?.is_some() {
            wait_rested(&cx, &mut heard, cx.settings.tick, &mut rest).await;
        }
    }
    Ok(())
}

async fn close_all(cx: &Cx) -> Result<()> {
    admin::obey(cx).await?;
    for (name, import) in sweep::imports(cx).await? {
        if let Some(open) = &import.doc.open
            && closing::advance(cx, &open.facts.run).await?
        {
            drain::wake_targets(cx, &name).await?;
        }
    }
    Ok(())
}

/// Drains the targets that are due, several at once. They are listed anew when all that were due have begun.
async fn drains(cx: Arc<Cx>, mut patience: Patience, held: Arc<Held>) -> Result<()> {
    let mut heard = cx.news.subscribe();
    let mut running: JoinSet<Result<String>> = JoinSet::new();
    let mut busy: BTreeSet<String> = BTreeSet::new();
    let mut due: VecDeque<String> = VecDeque::new();
    let mut next = None;
    while patience.goes_on() {
        while let Some(done) = running.try_join_next() {
            busy.remove(&joined(done)?);
        }
        if due.is_empty() {
            let Some(found) = patience.with(due_targets(&cx).await).await? else { continue };
            (due, next) = found;
        }
        while running.len() < cx.settings.drains.max(1)
            && let Some(target) = due.pop_front()
        {
            if busy.insert(target.clone()) {
                let (cx, patience) = (Arc::clone(&cx), patience.clone());
                let holding = held.hold(Claim::Target(target.clone()));
                running.spawn(async move {
                    let _holding = holding;
                    drain_one(&cx, patience, &target).await?;
                    Ok(target)
                });
            }
        }
        let most = next.map_or(cx.settings.tick, |at| Duration::from_millis(u64::try_from(at - cx.now()).unwrap_or(0)));
        tokio::select! {
            biased;
            Some(done) = running.join_next(), if !running.is_empty() => {
                busy.remove(&joined(done)?);
                if due.is_empty() {
                    cx.clock.sleep(REST).await;
                }
            }
            () = wait(&cx, &mut heard, most), if due.is_empty() => {}
        }
    }
    while let Some(done) = running.join_next().await {
        joined(done)?;
    }
    Ok(())
}

async fn drain_one(cx: &Cx, mut patience: Patience, target: &str) -> Result<()> {
    if patience.with(drain::drain(cx, target).await).await?.is_none() {
        while patience.with(leases::let_go(cx, target).await).await?.is_none() {}
    }
    Ok(())
}

fn joined(done: std::result::Result<Result<String>, tokio::task::JoinError>) -> Result<String> {
    done.unwrap_or_else(|error| {
        Err(EngineError::Refused {
            code: "JP599",
            message: format!("a drain panicked ({error}); this is a bug of jobpipe. Nothing is lost: run again"),
        })
    })
}

/// Targets that are due and free, and when the next one will be.
async fn due_targets(cx: &Cx) -> Result<(VecDeque<String>, Option<Millis>)> {
    let now = cx.now();
    let mut due = VecDeque::new();
    let mut next: Option<Millis> = None;
    let mut after = String::new();
    loop {
        let page: Vec<(String, Read<TargetDoc>)> =
            docs::list(&*cx.store, DocKind::Target, "", &after, cx.settings.page).await?;
        let Some((last, _)) = page.last() else { return Ok((due, next)) };
        after.clone_from(last);
        for (id, read) in page {
            match read.doc.next_at {
                Some(at) if read.doc.owner.is_none() && at <= now => due.push_back(id),
                Some(at) if read.doc.owner.is_none() => next = Some(next.map_or(at, |next| next.min(at))),
                _ => {}
            }
        }
    }
}

/// Repeats what a crash may have skipped.
async fn sweeps(cx: Arc<Cx>, mut patience: Patience, mut memory: sweep::Memory) -> Result<()> {
    let mut waited = Duration::ZERO;
    while patience.goes_on() {
        cx.clock.sleep(cx.settings.tick).await;
        waited += cx.settings.tick;
        if waited >= cx.settings.sweep_every {
            waited = Duration::ZERO;
            patience.with(sweep::sweep(&cx, &mut memory, false).await).await?;
        }
    }
    Ok(())
}
