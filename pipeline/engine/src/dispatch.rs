//! The dispatcher: tells the broker of ready tasks, in turns over runs and limit keys, and no more at a time than is
//! worked on in the next two seconds. So a run of a million tasks does not starve a run of ten, and what waits for a slow
//! host does not stand in the way of the others.
//!
//! What a run has first, after it had nothing, is told before the rest; what a backfill has, after it. Neither starves:
//! who receives takes each priority in its turn, and a backfill has its part of the room.
//!
//! Every process dispatches the queues that it works on. What several tell at the same time is bounded by the depth of the
//! queue, which all of them see; the claim decides who works.

mod groups;
mod sent;
mod stages;
mod turns;
mod window;

pub(crate) use groups::{Entered, Groups};
pub(crate) use stages::{OnTurn, Place, Stages};

use crate::cx::Cx;
use crate::docs::Backfill;
use crate::error::Result;
use crate::patience::Patience;
use crate::rest::Rest;
use jobpipe_core::{Hint, Priority};
use sent::Sent;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use turns::Turns;
use window::Windows;

/// What one process remembers of what it told, and of what it may tell.
#[derive(Debug, Default)]
pub struct Dispatch {
    sent: Mutex<Sent>,
    windows: Windows,
    /// Limit keys that were seen to wait.
    pub(crate) groups: Groups,
    /// Stages that bound how many of their tasks run.
    pub(crate) stages: Stages,
    /// Tasks that this version does not know how to work on.
    left: Mutex<BTreeSet<String>>,
    /// Stages that it does know, by definition.
    known: Mutex<BTreeSet<(String, String)>>,
}

/// Tasks left to other versions, and stages, that are remembered at most.
const MOST_LEFT: usize = 10_000;

impl Dispatch {
    /// So many hints of a queue were taken in.
    pub(crate) fn took(&self, queue: &str, count: usize, now: Duration) {
        self.windows.took(queue, count, now);
    }

    /// Nobody works on these although the broker told of them: they may be told of again at once.
    pub(crate) fn forget(&self, ids: &[String]) {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).forget(ids);
    }

    /// This process does not work on the task, now or later.
    pub(crate) fn leave(&self, id: &str) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if left.len() >= MOST_LEFT {
            left.clear();
        }
        left.insert(id.to_owned());
    }

    /// True when this process has left the task to others.
    pub(crate) fn is_left(&self, id: &str) -> bool {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }

    /// True when this version has made the stage of that definition before.
    pub(crate) fn knows(&self, definition: &str, stage: &str) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(&(definition.to_owned(), stage.to_owned()))
    }

    /// This version can make the stage of that definition.
    pub(crate) fn learn(&self, definition: &str, stage: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_LEFT {
            known.clear();
        }
        known.insert((definition.to_owned(), stage.to_owned()));
    }

    fn is_new(&self, cx: &Cx, id: &str, fence: u64) -> bool {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.is_new(id, fence, cx.clock.monotonic(), cx.settings.sweep_every)
    }

    fn note(&self, told: Vec<(String, u64)>) {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).note(told);
    }
}

/// Dispatches until the process stops.
pub(crate) async fn run(cx: Arc<Cx>, mut patience: Patience) -> Result<()> {
    let mut heard = cx.news.subscribe();
    let mut turns = Turns::default();
    let mut rest = Rest::short();
    while patience.goes_on() {
        let told = patience.with(turns.turn(&cx).await).await?;
        // where several engines share a store, one that found nothing asks less often: news wakes it
        let idle = told == Some(false) && cx.settings.lease_ttl.is_some();
        if told == Some(true) {
            rest.again_soon();
        }
        if told.is_some() {
            rest.wait(&cx, &mut heard, cx.settings.tick * if idle { 5 } else { 1 }).await;
        }
    }
    Ok(())
}

/// One part of so many is for backfills, while others have work: about what consumers give `low` beside `normal`.
const OF_BACKFILLS: usize = 4;

/// Tells the broker of tasks that were just made, as long as their queue is shallow; the dispatcher tells of the rest, in
/// its turns, and of what gets lost. Half of the window is left to those turns, so that no run can fill all of it.
pub(crate) async fn tell_at_once(cx: &Cx, hints: Vec<Hint>) -> Result<()> {
    let mut queues: BTreeMap<(String, bool), Vec<Hint>> = BTreeMap::new();
    for hint in hints {
        let queue = cx.worked_on(&hint.queue).to_owned();
        let is_late = Backfill::has_run(&hint.run);
        queues.entry((queue.clone(), is_late)).or_default().push(Hint { queue, ..hint });
    }
    for ((queue, is_late), mut hints) in queues {
        let part = if is_late { 2 * OF_BACKFILLS } else { 2 };
        let most = cx.dispatch.windows.of(cx, &queue).div_ceil(part);
        hints.truncate(most.saturating_sub(cx.broker.depth(&queue).await?));
        publish(cx, hints.into_iter().map(|hint| (hint, 0)).collect(), 0).await?;
    }
    Ok(())
}

/// Publishes hints of tasks with the number of their last claim, the first `soon` of them before others; those of a
/// backfill always after.
async fn publish(cx: &Cx, hints: Vec<(Hint, u64)>, soon: usize) -> Result<()> {
    let mut told = Vec::with_capacity(hints.len());
    let mut lanes: BTreeMap<Priority, Vec<Hint>> = BTreeMap::new();
    for (at, (hint, fence)) in hints.into_iter().enumerate() {
        let priority = match Backfill::has_run(&hint.run) {
            true => Priority::Low,
            false if at < soon => Priority::High,
            false => Priority::Normal,
        };
        told.push((hint.task.clone(), fence));
        lanes.entry(priority).or_default().push(hint);
    }
    for (priority, hints) in lanes {
        cx.broker.publish_at(priority, hints).await?;
    }
    cx.dispatch.note(told);
    Ok(())
}
