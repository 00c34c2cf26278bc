//! How a claimed task gets its turn: a slot while it is computed, room while it is written, alone if it is a suspect.

use crate::cx::Cx;
use crate::error::{EngineError, Result};
use crate::execute;
use crate::patience::Patience;
use jobpipe_core::{Commit, Task, TaskState};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Mutex, RwLock, Semaphore, SemaphorePermit};

/// What limits how many tasks run at once.
pub(crate) struct Gate {
    slots: Semaphore,
    /// How many tasks have given their slot back.
    computed: AtomicUsize,
    /// What was computed and waits to be written holds no slot but a part of this: many commits share a transaction.
    unwritten: Semaphore,
    /// Held for reading by every task, for writing by a suspect: it runs with nothing else in flight beside it.
    alone: RwLock<()>,
    /// The concurrency of stages that limit it, by (definition, stage).
    stages: Mutex<HashMap<(String, String), Arc<Semaphore>>>,
}

impl Gate {
    /// A gate for so many tasks that are computed at once.
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            slots: Semaphore::new(slots),
            computed: AtomicUsize::new(0),
            unwritten: Semaphore::new(execute::UNWRITTEN as usize),
            alone: RwLock::new(()),
            stages: Mutex::new(HashMap::new()),
        }
    }

    /// Waits until a task could begin.
    pub(crate) async fn wait_for_a_slot(&self) {
        // it is never closed, so there is nothing to tell
        drop(self.slots.acquire().await);
    }

    /// Tasks that could begin now.
    pub(crate) fn free_slots(&self) -> usize {
        self.slots.available_permits()
    }

    /// Tasks that were computed since the engine began.
    pub(crate) fn computed(&self) -> usize {
        self.computed.load(Ordering::Relaxed)
    }
}

/// One claimed task, to its end; it is given back where the store does not answer, or the place is not fit for it.
pub(crate) async fn pass(cx: &Cx, mut patience: Patience, gate: &Gate, task: &Task) -> Result<()> {
    match patience.with(execute_in_turn(cx, gate, task).await).await {
        // held until the store answers; if the commit was applied after all, giving back changes nothing
        Ok(None) => while patience.with(release(cx, task).await).await?.is_none() {},
        Ok(Some(())) => {}
        Err(error) => {
            if let EngineError::Stage(_) = &error {
                release(cx, task).await?;
            }
            return Err(error);
        }
    }
    Ok(())
}

async fn execute_in_turn(cx: &Cx, gate: &Gate, task: &Task) -> Result<()> {
    let Ok(slot) = gate.slots.acquire().await else { return Ok(()) };
    let limit = stage_limit(cx, gate, task).await?;
    let stage = match &limit {
        Some(limit) => limit.acquire().await.ok(),
        None => None,
    };
    if task.task.crashes > 0 {
        let _alone = gate.alone.write().await;
        through(cx, gate, task, (slot, stage)).await
    } else {
        let _beside = gate.alone.read().await;
        through(cx, gate, task, (slot, stage)).await
    }
}

/// Computes with the slot, and writes without.
async fn through(
    cx: &Cx,
    gate: &Gate,
    task: &Task,
    slot: (SemaphorePermit<'_>, Option<SemaphorePermit<'_>>),
) -> Result<()> {
    let Some(work) = execute::work(cx, task).await? else { return Ok(()) };
    let _room = gate.unwritten.acquire_many(work.weight()).await;
    drop(slot);
    gate.computed.fetch_add(1, Ordering::Relaxed);
    execute::write(cx, task, work).await
}

async fn stage_limit(cx: &Cx, gate: &Gate, task: &Task) -> Result<Option<Arc<Semaphore>>> {
    let layout = cx.admitted(&task.task.run).await?.layout;
    let Some(limit) = layout.plan.stage(&task.task.stage).and_then(|stage| stage.concurrency) else { return Ok(None) };
    let key = (layout.hash.clone(), task.task.stage.clone());
    let mut stages = gate.stages.lock().await;
    let semaphore =
        stages.entry(key).or_insert_with(|| Arc::new(Semaphore::new(usize::try_from(limit.max(1)).unwrap_or(1))));
    Ok(Some(Arc::clone(semaphore)))
}

/// Gives a claim back uncharged: what failed is this place (a full disk), not the task.
async fn release(cx: &Cx, task: &Task) -> Result<()> {
    let commit = Commit {
        id: task.task.id.clone(),
        fence: task.fence,
        renewal: None,
        state: TaskState::Ready,
        not_before: 0,
        crashes: 0,
        input: None,
        result: jobpipe_core::TaskResult::default(),
        nonce: cx.ids.nonce(),
    };
    cx.store.tasks_commit(vec![commit]).await?;
    Ok(())
}
