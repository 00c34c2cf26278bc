//! How a claimed task gets its turn: its stage's, where that has a bound of its own; then a slot while it is computed, and
//! room while it is written; alone if it is a suspect.

use crate::cx::Cx;
use crate::dispatch::{Entered, OnTurn, Place};
use crate::error::{EngineError, Result};
use crate::event::Event;
use crate::execute;
use crate::patience::Patience;
use jobpipe_core::{Commit, Task, TaskError, TaskState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{RwLock, Semaphore, SemaphorePermit, watch};

/// What a task waits at least that comes while its stage has enough at work here.
const CROWDED: Duration = Duration::from_millis(250);

/// What a task waits at least for which this process is not fit.
const UNFIT: Duration = Duration::from_secs(60);

/// What limits how many tasks run at once.
pub(crate) struct Gate {
    slots: Semaphore,
    /// How many there are, taken ones included.
    all: AtomicUsize,
    /// How many tasks have given their slot back.
    computed: AtomicUsize,
    /// What was computed and waits to be written holds no slot but a part of this: many commits share a transaction.
    unwritten: Semaphore,
    /// Held for reading by every task, for writing by a suspect: it runs with nothing else in flight beside it.
    alone: RwLock<()>,
    /// What is computed now is not waited for any more.
    abandon: watch::Sender<bool>,
}

impl Gate {
    /// A gate for so many tasks that are computed at once.
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            slots: Semaphore::new(slots),
            all: AtomicUsize::new(slots),
            computed: AtomicUsize::new(0),
            unwritten: Semaphore::new(execute::UNWRITTEN as usize),
            alone: RwLock::new(()),
            abandon: watch::Sender::new(false),
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

    /// How many tasks could be computed at once.
    pub(crate) fn slots(&self) -> usize {
        self.all.load(Ordering::Relaxed)
    }

    /// From now on so many tasks may be computed at once, as far as no task that runs has to end for it; gives how many.
    pub(crate) fn resize(&self, wanted: usize) -> usize {
        let all = self.slots();
        let now = if wanted > all {
            self.slots.add_permits(wanted - all);
            wanted
        } else {
            all - self.slots.forget_permits(all - wanted)
        };
        self.all.store(now, Ordering::Relaxed);
        now
    }

    /// Nothing that is computed now is waited for any more.
    pub(crate) fn abandon(&self) {
        self.abandon.send_replace(true);
    }

    /// Resolves then.
    async fn abandoned(&self) {
        // the sender lives as long as this
        let mut told = self.abandon.subscribe();
        drop(told.wait_for(|abandoned| *abandoned).await);
    }

    /// Tasks that were computed since the engine began.
    pub(crate) fn computed(&self) -> usize {
        self.computed.load(Ordering::Relaxed)
    }
}

/// One claimed task, to its end; it is given back where it cannot begin yet, where the store does not answer, or where the
/// place is not fit for it, which ends this process or does not ([`crate::WhenUnfit`]).
pub(crate) async fn pass(cx: &Cx, mut patience: Patience, gate: &Gate, task: &Task) -> Result<()> {
    let entered = match cx.dispatch.groups.enter(&task.task.group, cx.clock.monotonic()) {
        Ok(entered) => entered,
        Err(wait) => return give_back(cx, &mut patience, task, wait.mul_f64(1.0 + cx.ids.fraction())).await,
    };
    match patience.with(execute_in_turn(cx, gate, task, entered).await).await {
        // held until the store answers; if the commit was applied after all, giving back changes nothing
        Ok(None) => give_back(cx, &mut patience, task, Duration::ZERO).await,
        Ok(Some(Turn::Taken)) => Ok(()),
        Ok(Some(Turn::Missed)) => give_back(cx, &mut patience, task, Duration::ZERO).await,
        Ok(Some(Turn::Crowded)) => give_back(cx, &mut patience, task, CROWDED.mul_f64(1.0 + cx.ids.fraction())).await,
        Err(error) => {
            if let EngineError::Stage(why) = &error {
                if cx.settings.when_unfit.waits(&task.task.run) && !cx.stop.is_stopping() {
                    return put_off(cx, &mut patience, task, why).await;
                }
                release(cx, task, Duration::ZERO).await?;
                // who stops leaves it to the next one, and has not failed
                if cx.stop.is_stopping() {
                    return Ok(());
                }
            }
            Err(error)
        }
    }
}

/// What became of a task's turn.
enum Turn {
    /// What happened to the claim is in the store.
    Taken,
    /// The process stops, so the task is not computed, or not to its end.
    Missed,
    /// Its stage has enough at work here, and enough that waits.
    Crowded,
}

/// Whether a task's stage takes it in.
enum Stage {
    /// It has no bound.
    Open,
    /// There is a place.
    Place(Place),
    /// There is none.
    Full,
}

async fn execute_in_turn(cx: &Cx, gate: &Gate, task: &Task, entered: Option<Entered<'_>>) -> Result<Turn> {
    // before the slot: what waits for its stage keeps no task of another from running
    let stage = match stage(cx, task).await? {
        Stage::Open => None,
        Stage::Place(place) => Some(place.turn().await),
        Stage::Full => return Ok(Turn::Crowded),
    };
    let Ok(slot) = gate.slots.acquire().await else { return Ok(Turn::Missed) };
    if cx.stop.is_stopping() {
        return Ok(Turn::Missed);
    }
    if task.task.crashes > 0 {
        let _alone = gate.alone.write().await;
        through(cx, gate, task, (slot, stage, entered)).await
    } else {
        let _beside = gate.alone.read().await;
        through(cx, gate, task, (slot, stage, entered)).await
    }
}

/// What a task holds while it is computed: a slot, one of its stage's, and one of its limit key's.
type Holds<'a> = (SemaphorePermit<'a>, Option<OnTurn>, Option<Entered<'a>>);

/// Computes with the slot, and writes without.
async fn through(cx: &Cx, gate: &Gate, task: &Task, holds: Holds<'_>) -> Result<Turn> {
    let work = tokio::select! {
        biased;
        work = execute::work(cx, task) => work?,
        () = gate.abandoned() => return Ok(Turn::Missed),
    };
    let Some(work) = work else { return Ok(Turn::Taken) };
    match work.throttled() {
        Some(wait) => cx.dispatch.groups.throttled(&task.task.group, wait, cx.clock.monotonic()),
        None => cx.dispatch.groups.eased(&task.task.group, cx.settings.slots, cx.clock.monotonic()),
    }
    let _room = gate.unwritten.acquire_many(work.weight()).await;
    drop(holds);
    gate.computed.fetch_add(1, Ordering::Relaxed);
    execute::write(cx, task, work).await?;
    Ok(Turn::Taken)
}

async fn stage(cx: &Cx, task: &Task) -> Result<Stage> {
    let layout = cx.admitted(&task.task.run).await?.layout;
    let stage = &task.task.stage;
    let Some(most) = layout.plan.stage(stage).and_then(|stage| stage.concurrency) else { return Ok(Stage::Open) };
    Ok(cx.dispatch.stages.enter(&layout.hash, stage, most).map_or(Stage::Full, Stage::Place))
}

/// The task waits for who mends the place, or for a process in another one; those of other imports do not wait for it.
async fn put_off(cx: &Cx, patience: &mut Patience, task: &Task, why: &TaskError) -> Result<()> {
    let wait = UNFIT.mul_f64(1.0 + cx.ids.fraction());
    cx.emit(Event::Retry {
        run: task.task.run.clone(),
        stage: task.task.stage.clone(),
        url: String::new(),
        code: why.code.clone(),
        message: format!("{}: {}", task.task.run, why.message),
        in_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
    });
    give_back(cx, patience, task, wait).await
}

/// Gives a claim back uncharged, not to be taken before `wait` is over; it is held until the store answers.
pub(crate) async fn give_back(cx: &Cx, patience: &mut Patience, task: &Task, wait: Duration) -> Result<()> {
    while patience.with(release(cx, task, wait).await).await?.is_none() {}
    Ok(())
}

/// What failed is this place (a full disk), or the moment, not the task: nothing of it changes, its crashes included.
async fn release(cx: &Cx, task: &Task, wait: Duration) -> Result<()> {
    let wait = jobpipe_core::Millis::try_from(wait.as_millis()).unwrap_or(jobpipe_core::Millis::MAX);
    let commit = Commit {
        id: task.task.id.clone(),
        fence: task.fence,
        renewal: None,
        state: TaskState::Ready,
        not_before: if wait == 0 { 0 } else { cx.now().saturating_add(wait) },
        crashes: task.task.crashes,
        input: None,
        result: task.result.clone().unwrap_or_default(),
        nonce: cx.ids.nonce(),
    };
    cx.store.tasks_commit(vec![commit]).await?;
    Ok(())
}
