//! Turns over the open runs, and in each of them over the limit keys that have something ready.

use super::{OF_BACKFILLS, publish};
use crate::cx::Cx;
use crate::docs::Backfill;
use crate::error::Result;
use crate::layout::Layout;
use crate::{sweep, versions};
use jobpipe_core::{Hint, ReadyTask, TaskGroup};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Limit keys of a run and queue that have their turn before others are looked for.
const GROUPS: usize = 32;
/// How long a key that is new may stay unseen beside others.
const LISTED: Duration = Duration::from_secs(1);
/// What a place is told of at once, whatever the depth of its queue, when it had nothing ready before: so the few tasks of
/// a small run do not wait for their turns beside a large one.
const FRESH: usize = 16;
/// How often one that has nothing is looked at, beside a queue that is full or a store that others share: a hundred looks
/// a second of one process, whatever the number of places.
const LOOKED: Duration = Duration::from_millis(100);
const LOOK: Duration = Duration::from_millis(10);
/// Tasks of one key that are read at a time.
const READ: std::ops::RangeInclusive<usize> = 16..=1_000;

/// A run and one of its queues, as the plan names it.
type Place = (String, String);

/// Whose turn it is.
#[derive(Debug, Default)]
pub(super) struct Turns {
    places: BTreeMap<Place, Groups>,
    turn: usize,
    /// The open runs, as they were read.
    open: Arc<[Open]>,
    /// When that was.
    read: Option<Duration>,
}

/// An open run.
type Open = (String, Arc<Layout>);

/// The limit keys of a place in the order of their turns.
#[derive(Debug, Default)]
struct Groups {
    turns: VecDeque<String>,
    listed: Option<Duration>,
    /// When nothing new was found.
    idle: Option<Duration>,
    /// Something was told of since the place had nothing ready last.
    busy: bool,
    /// Up to which keys were listed; `None` = from the first.
    after: Option<String>,
    /// How far each key's tasks were told of. At the end the walk begins anew: what was put back lies behind.
    told: BTreeMap<String, String>,
}

impl Turns {
    /// Fills every queue of this process that is shallow; true when anything was told.
    pub(super) async fn turn(&mut self, cx: &Cx) -> Result<bool> {
        let now = cx.clock.monotonic();
        let fresh = self.read.is_some_and(|read| now.saturating_sub(read) < LOOKED);
        if !fresh || cx.settings.lease_ttl.is_none() {
            self.open = open_runs(cx).await?.into();
            self.read = Some(now);
        }
        let open = Arc::clone(&self.open);
        self.places.retain(|(run, _), _| open.iter().any(|(open, _)| open == run));
        let mut told = false;
        for queue in &cx.settings.queues {
            told |= self.fill(cx, queue, &open).await?;
        }
        Ok(told)
    }

    async fn fill(&mut self, cx: &Cx, queue: &str, open: &[Open]) -> Result<bool> {
        let mut places: Vec<Place> = Vec::new();
        for (run, layout) in open {
            let queues: BTreeSet<&String> = layout.plan.stages.iter().map(|stage| &stage.queue).collect();
            let here = queues.into_iter().filter(|of| cx.worked_on(of) == queue);
            places.extend(here.map(|of| (run.clone(), of.clone())));
        }
        if places.is_empty() {
            return Ok(false);
        }
        let window = cx.dispatch.windows.of(cx, queue);
        let depth = cx.broker.depth(queue).await?;
        let room = if depth > window / 2 { 0 } else { window - depth };
        // who was first in the last turn that told anything is last in this one
        let first = self.turn % places.len();
        places.rotate_left(first);
        let (late, others): (Vec<Place>, Vec<Place>) = places.into_iter().partition(|(run, _)| Backfill::has_run(run));
        // backfills have their part (where it is less than one, now and then), and what the others leave of the first half:
        // the second is there when others come
        let part = (room + self.turn % OF_BACKFILLS) / OF_BACKFILLS;
        let early = self.fill_with(cx, queue, open, &late, part).await?;
        let mut told = early + self.fill_with(cx, queue, open, &others, room.saturating_sub(early)).await?;
        if early == part {
            let left = (window / 2).max(1).saturating_sub(depth + told);
            told += self.fill_with(cx, queue, open, &late, left).await?;
        }
        self.turn = self.turn.wrapping_add(usize::from(told > 0));
        Ok(told > 0)
    }

    /// Tells of up to `room` tasks of these places, and of the first of those that had none before; gives how many.
    async fn fill_with(
        &mut self,
        cx: &Cx,
        queue: &str,
        open: &[Open],
        places: &[Place],
        mut room: usize,
    ) -> Result<usize> {
        let mut told = 0;
        for (done, place) in places.iter().enumerate() {
            let now = cx.clock.monotonic();
            let is_fresh = self.places.get(place).is_none_or(|groups| groups.is_fresh(now));
            let soon = if is_fresh && !Backfill::has_run(&place.0) { FRESH } else { 0 };
            let share = room.div_ceil(places.len() - done).max(soon).min(room_of(cx, open, place));
            let hints = self.visit(cx, place.clone(), queue, share).await?;
            room = room.saturating_sub(hints.len());
            told += hints.len();
            publish(cx, hints, soon).await?;
        }
        Ok(told)
    }

    /// Up to `share` hints of a place, in turns over its limit keys.
    async fn visit(&mut self, cx: &Cx, place: Place, queue: &str, mut share: usize) -> Result<Vec<(Hint, u64)>> {
        if share == 0 {
            return Ok(Vec::new());
        }
        let (run, of) = place.clone();
        let (now, looked) =
            (cx.clock.monotonic(), LOOKED.max(LOOK * u32::try_from(self.places.len()).unwrap_or(u32::MAX)));
        let groups = self.places.entry(place).or_default();
        if cx.settings.lease_ttl.is_some() && groups.idle.is_some_and(|idle| now.saturating_sub(idle) < looked) {
            return Ok(Vec::new());
        }
        groups.list(cx, &run, &of).await?;
        let mut hints = Vec::new();
        for left in (1..=groups.turns.len()).rev() {
            if share == 0 {
                break;
            }
            let Some(group) = groups.turns.pop_front() else { break };
            let most = share.div_ceil(left).min(cx.dispatch.groups.room(&group, cx.clock.monotonic()));
            if most == 0 {
                groups.turns.push_back(group);
                continue;
            }
            let group = TaskGroup { run: run.clone(), queue: of.clone(), group };
            let (found, ready) = groups.next(cx, &group, most).await?;
            share -= found.len();
            hints.extend(
                found
                    .into_iter()
                    .map(|task| (Hint { task: task.id, run: run.clone(), queue: queue.to_owned() }, task.fence)),
            );
            if ready {
                groups.turns.push_back(group.group);
            } else {
                groups.told.remove(&group.group);
            }
        }
        groups.idle = Some(now).filter(|_| hints.is_empty());
        groups.busy = (groups.busy || !hints.is_empty()) && !groups.turns.is_empty();
        Ok(hints)
    }
}

impl Groups {
    /// True when nothing was told of since there was nothing ready, and nobody looked a moment ago.
    fn is_fresh(&self, now: Duration) -> bool {
        !self.busy && self.listed.is_none_or(|listed| now.saturating_sub(listed) >= LOOKED)
    }

    /// Looks for keys with ready tasks when none is known, and now and then beside those that are.
    async fn list(&mut self, cx: &Cx, run: &str, queue: &str) -> Result<()> {
        let now = cx.clock.monotonic();
        let often = if self.turns.is_empty() { Duration::ZERO } else { LISTED };
        let fresh = self.listed.is_some_and(|listed| now.saturating_sub(listed) < often);
        if fresh || self.turns.len() >= GROUPS {
            return Ok(());
        }
        let mut found = cx.store.tasks_groups(run, queue, self.after.as_deref(), GROUPS).await?;
        if found.is_empty() && self.after.is_some() {
            found = cx.store.tasks_groups(run, queue, None, GROUPS).await?;
        }
        self.listed = Some(now);
        self.after = found.last().filter(|_| found.len() == GROUPS).cloned();
        found.retain(|group| !self.turns.contains(group));
        self.turns.extend(found);
        Ok(())
    }

    /// Up to `most` tasks of a key that were not told of; and whether any task of it is ready.
    async fn next(&mut self, cx: &Cx, group: &TaskGroup, most: usize) -> Result<(Vec<ReadyTask>, bool)> {
        // a few are read from the first one on, which are often all; those who find more go on at different places
        let is_new = cx.settings.lease_ttl.is_some() && !self.told.contains_key(&group.group);
        let told = self.told.entry(group.group.clone()).or_default();
        let (mut found, mut ready) = (Vec::new(), false);
        // from where the last turn ended, and if that is the end, from the beginning
        for _ in 0..2 {
            let limit = if is_new { *READ.start() } else { most.clamp(*READ.start(), *READ.end()) };
            let tasks = cx.store.tasks_ready(group, cx.now(), told, limit).await?;
            let (end, begun) = (tasks.len() < limit, told.is_empty());
            ready |= !tasks.is_empty();
            for task in tasks {
                told.clone_from(&task.id);
                if cx.dispatch.is_new(cx, &task.id, task.fence) {
                    found.push(task);
                }
                if found.len() >= most {
                    return Ok((found, true));
                }
            }
            if !end {
                if is_new {
                    *told = somewhere(cx);
                }
                break;
            }
            told.clear();
            if begun {
                break;
            }
        }
        Ok((found, ready))
    }
}

/// How many tasks of a place could be claimed here: stages may bound how many of theirs run.
fn room_of(cx: &Cx, open: &[Open], (run, queue): &Place) -> usize {
    let layout = open.iter().find(|(open, _)| open == run).map(|(_, layout)| layout);
    layout.map_or(usize::MAX, |layout| cx.dispatch.stages.room_in(layout, queue))
}

/// A place among the ids of tasks, which are hashes: those who dispatch the same queue begin at different ones, and so tell
/// of different tasks.
fn somewhere(cx: &Cx) -> String {
    format!("{:016x}", cx.ids.nonce() << 1)
}

async fn open_runs(cx: &Cx) -> Result<Vec<Open>> {
    let mut open = Vec::new();
    for (_, import) in sweep::busy(cx).await? {
        let Some(run) = import.doc.open else { continue };
        if let Some(layout) = versions::unless_unknown(cx, cx.layout(&run.definition).await)? {
            open.push((run.facts.run, layout));
        }
    }
    Ok(open)
}
