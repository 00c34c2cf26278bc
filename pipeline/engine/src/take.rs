//! Taking work: hints of a queue become claims, and claims become tasks at the gate.

use crate::cx::Cx;
use crate::error::{EngineError, Result};
use crate::event::Event;
use crate::gate::{self, Gate};
use crate::leases::{Claim, Held, Holding};
use crate::patience::Patience;
use crate::versions;
use jobpipe_core::{Delivery, Task, TaskId, TaskState};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Tasks that one bulk claims at most.
const MOST_CLAIMED: usize = 64;

/// Works on a queue until the process stops, and ends what it has begun.
pub(crate) async fn work(
    cx: Arc<Cx>,
    mut patience: Patience,
    gate: Arc<Gate>,
    held: Arc<Held>,
    queue: String,
) -> Result<()> {
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
        cx.dispatch.took(&queue, deliveries.len(), cx.clock.monotonic());
        let before = gate.computed();
        let claimed = claim(&cx, &mut patience, &held, &deliveries).await?;
        ahead = gate.computed().saturating_sub(before);
        let (known, parked) = sort_out(&cx, &mut patience, &queue, claimed, &deliveries).await?;
        for (holding, task) in known {
            let (cx, patience, gate) = (Arc::clone(&cx), patience.clone(), Arc::clone(&gate));
            running.spawn(async move {
                let _holding = holding;
                gate::pass(&cx, patience, &gate, &task).await
            });
        }
        // what could not be claimed is acked too: the store is the queue, and tells of it again
        let tags: Vec<u64> = deliveries.iter().map(|one| one.tag).filter(|tag| !parked.contains(tag)).collect();
        patience.with(cx.broker.ack(&queue, &tags).await.map_err(EngineError::from)).await?;
    }
    while let Some(done) = running.join_next().await {
        flatten(done)?;
    }
    Ok(())
}

/// Claims what the hints tell of. What is claimed although the store did not say so is held by nobody: its lease lapses.
async fn claim(
    cx: &Cx,
    patience: &mut Patience,
    held: &Arc<Held>,
    deliveries: &[Delivery],
) -> Result<Vec<(Holding, Task)>> {
    let ids = deliveries.iter().map(|one| &one.hint.task).filter(|id| !cx.dispatch.is_left(id));
    let ids: Vec<TaskId> = ids.cloned().collect();
    match patience.with(claim_known(cx, held, &ids).await).await? {
        Some(claimed) => Ok(claimed.into_iter().map(|task| (held.hold(Claim::of(&task)), task)).collect()),
        None => {
            cx.dispatch.forget(&ids);
            Ok(Vec::new())
        }
    }
}

/// Claims tasks; those in a form that this version cannot read are claimed, too, and left to who takes their lease.
async fn claim_known(cx: &Cx, held: &Held, ids: &[TaskId]) -> Result<Vec<Task>> {
    let claimed = cx.store.tasks_claim(ids, &cx.owner, cx.now()).await;
    if let Some(claimed) = versions::unless_unknown(cx, claimed.map_err(EngineError::from))? {
        return Ok(claimed);
    }
    let mut known = Vec::new();
    for id in ids {
        let read = cx.store.tasks(std::slice::from_ref(id)).await;
        match versions::unless_unknown(cx, read.map_err(EngineError::from))? {
            Some(tasks) => known.extend(tasks),
            None => cx.dispatch.leave(id),
        }
    }
    // what is held is at work under an earlier hint
    known.retain(|task| task.state == TaskState::Running && task.owner == cx.owner && !held.holds(&Claim::of(task)));
    Ok(known)
}

/// Gives back what this version does not know how to work on, and parks its hint, where a person can see it. Gives the
/// others, and the tags of what was parked.
async fn sort_out(
    cx: &Cx,
    patience: &mut Patience,
    queue: &str,
    claimed: Vec<(Holding, Task)>,
    deliveries: &[Delivery],
) -> Result<(Vec<(Holding, Task)>, Vec<u64>)> {
    let by_task: HashMap<&TaskId, &Delivery> = deliveries.iter().map(|one| (&one.hint.task, one)).collect();
    let (mut known, mut parked) = (Vec::with_capacity(claimed.len()), Vec::new());
    for (holding, task) in claimed {
        // a store that does not answer is met again where the task runs
        let Some(Some(why)) = patience.with(versions::why_not(cx, &task).await).await? else {
            known.push((holding, task));
            continue;
        };
        let message = format!(
            "a task of stage `{}` is left to another version of jobpipe, as this one cannot work on it: {why}",
            task.task.stage
        );
        tracing::warn!(task = task.task.id, "{message}");
        cx.emit(Event::Notice { message });
        cx.dispatch.leave(&task.task.id);
        gate::give_back(cx, patience, &task, Duration::ZERO).await?;
        if let Some(delivery) = by_task.get(&task.task.id) {
            patience.with(cx.broker.park(queue, delivery, &why).await.map_err(EngineError::from)).await?;
            parked.push(delivery.tag);
        }
    }
    Ok((known, parked))
}

fn flatten(done: std::result::Result<Result<()>, tokio::task::JoinError>) -> Result<()> {
    done.unwrap_or_else(|error| {
        Err(EngineError::Refused {
            code: "JP599",
            message: format!("the engine panicked ({error}); this is a bug of jobpipe. Nothing is lost: run again"),
        })
    })
}
