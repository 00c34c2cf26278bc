//! What the end of a run means for what is launched next.

use super::deploy;
use crate::cx::Cx;
use crate::docs::{self, Ended, ImportDoc, Paused, RunDoc, ScheduleDoc, Waiting};
use crate::error::Result;
use jobpipe_core::{DocKind, Millis, Plan};
use jobpipe_schedule::Schedule;

/// Runs that are kept for imports which follow; older ones are passed over.
const MOST_ENDED: usize = 1_000;
/// What the first retry of a whole run waits; each further one twice as much.
const RETRY: Millis = 60_000;

/// Notes in the import that its run ended: who follows it, whether it is tried again, whether it failed too often.
pub(crate) fn note_end(new: &mut ImportDoc, plan: &Plan, run: &RunDoc, now: Millis) {
    // what works on what failed before says nothing of the source: it is not followed, and what failed stays so until a
    // run of the source succeeds; nothing follows the end
    if run.cancel || run.open.repair || run.open.retires {
        return;
    }
    if !run.has_failed() {
        new.failures = 0;
        new.failed = None;
        let facts = &run.open.facts;
        if new.after_due.len() >= MOST_ENDED {
            new.after_due.remove(0);
        }
        new.after_due.push(Ended { run: facts.run.clone(), seq: facts.seq });
        return;
    }
    new.failures += 1;
    new.failed = Some(run.open.facts.run.clone());
    let Some(policy) =
        plan.schedule.as_ref().and_then(|json| Schedule::parse(json).ok()).map(|schedule| schedule.policy)
    else {
        return;
    };
    let launch = run.open.launch.as_ref().filter(|launch| launch.failed < policy.retry && new.queue.is_empty());
    if let Some(launch) = launch {
        let failed = launch.failed + 1;
        let slot = launch.slot.rsplit_once('~').map_or(launch.slot.as_str(), |(slot, _)| slot);
        let not_before = now.saturating_add(RETRY << launch.failed.min(6));
        let slot = format!("{slot}~{failed}");
        new.queue.push_back(Waiting { slot, at: launch.at, not_before, cancels: None, failed });
    } else if policy.pause_on_failure.is_some_and(|most| new.failures >= most) {
        let failed = if new.failures == 1 { "a run".to_owned() } else { format!("{} runs in a row", new.failures) };
        let why = format!("{failed} failed; `jobpipe schedule resume {}` goes on", plan.name);
        new.paused = Some(Paused { why, at: now });
    }
}

/// The import once those who follow it, and its own schedule, were told that its run ended: without the runs that all of
/// them have taken.
pub(crate) async fn followed(cx: &Cx, name: &str, import: &ImportDoc) -> Result<ImportDoc> {
    let mut new = import.clone();
    let Some(schedule) = docs::read::<ScheduleDoc, _>(&*cx.store, DocKind::Schedule, name).await? else {
        new.after_due.clear();
        return Ok(new);
    };
    if import.untidy && !(import.queue.is_empty() && import.backfill.is_none()) {
        deploy::wake(cx, name).await?;
    }
    let Some(last) = import.after_due.last().map(|ended| ended.seq) else { return Ok(new) };
    let mut taken = last;
    for follower in &schedule.doc.followers {
        let deployed = docs::read::<ScheduleDoc, _>(&*cx.store, DocKind::Schedule, follower).await?;
        if deployed.is_none_or(|deployed| deployed.doc.current.is_none()) {
            continue;
        }
        let read = docs::read::<ImportDoc, _>(&*cx.store, DocKind::Import, follower).await?;
        if read.as_ref().is_some_and(|read| read.doc.paused.is_some()) {
            continue;
        }
        let upto = read.and_then(|read| read.doc.after_seq.get(name).copied()).unwrap_or(0);
        if upto < last {
            deploy::wake(cx, follower).await?;
        }
        taken = taken.min(upto);
    }
    new.after_due.retain(|ended| ended.seq > taken);
    Ok(new)
}
