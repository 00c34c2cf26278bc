//! What is to be done about a deployed import now: a pure function of what is stored and of the store's time.
//!
//! A slot is taken once, in order: what comes of it (a run, a place in the queue, nothing) and `last_slot` are one write.

use crate::docs::{Backfill, Ended, ImportDoc, Skipped, Waiting};
use crate::sabotage::Rule;
use jobpipe_core::{Millis, utc_text};
use jobpipe_schedule::{CatchUp, Overlap, Schedule, jitter};

/// A slot that is not later than this counts as on time; a later one was missed, and `catch_up` says what comes of it.
const ON_TIME: Millis = 60_000;
/// Launches that wait at once. More stay with the schedule, which gives them later.
const MOST_WAITING: usize = 1_000;
/// Slots that are looked at in one step.
const MOST_SLOTS: usize = 100_000;
/// When to look again at what waits for something that tells nobody.
const AGAIN: Millis = 5_000;

/// What is known of an import.
pub(crate) struct Case<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// What stands in its document.
    pub(crate) import: &'a ImportDoc,
    /// When it is launched; `None`: only by hand.
    pub(crate) schedule: Option<&'a Schedule>,
    /// Slots up to here are not its own.
    pub(crate) since: Millis,
    /// Runs of imports that it follows, each with the import's name, oldest first.
    pub(crate) ended: &'a [(String, Ended)],
    /// The store's time.
    pub(crate) now: Millis,
    /// Since when somebody has been looking without a break, as far as this process knows.
    pub(crate) watched: Millis,
    /// The rule that is taken away.
    pub(crate) sabotage: Option<Rule>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    /// Start this launch; the import's document becomes this, with the run in it.
    Start { launch: Waiting, import: Box<ImportDoc> },
    /// Only the import's document changes.
    Note { import: Box<ImportDoc> },
    /// Nothing now.
    Wait {
        /// When to look again; `None`: not until something happens.
        next: Option<Millis>,
        /// The open run makes room for the launch that waits.
        cancel: Option<String>,
    },
}

pub(crate) fn decide(case: &Case<'_>) -> Act {
    let import = case.import;
    if import.paused.is_some() {
        return Act::Wait { next: None, cancel: None };
    }
    let due = || slots(case).or_else(|| followed(case)).or_else(|| backfill(case));
    let act = match case.sabotage {
        Some(Rule::QueueFirst) => due().or_else(|| queued(case)),
        _ => queued(case).or_else(due),
    };
    act.unwrap_or_else(|| wait(case))
}

impl Case<'_> {
    /// Nothing is open, and nothing waits but what failed before.
    fn is_free(&self) -> bool {
        let waits = self.import.queue.iter().any(|waiting| !is_retry(waiting));
        self.import.open.is_none() && (!waits || self.sabotage == Some(Rule::QueueFirst))
    }

    fn starts_at(&self, slot: Millis, schedule: &Schedule) -> Millis {
        slot.saturating_add(jitter(self.name, slot, schedule.policy.jitter))
    }

    /// Slots that are not taken yet.
    fn untaken<'s>(&self, schedule: &'s Schedule, until: Millis) -> impl Iterator<Item = Millis> + use<'s> {
        schedule.slots(self.import.last_slot.max(self.since), until).map(|slot| slot.at)
    }

    /// The document with a launch that waits, or is passed over, as `overlap` says.
    fn overlapping(&self, mut new: ImportDoc, launch: Waiting, overlap: Overlap) -> ImportDoc {
        let open = self.import.open.as_ref().map(|open| open.facts.run.clone());
        match overlap {
            Overlap::QueueOne if new.queue.is_empty() => new.queue.push_back(launch),
            Overlap::QueueOne => skip(&mut new, launch.at, 1, "another launch waits already"),
            Overlap::CancelOther => {
                for dropped in std::mem::take(&mut new.queue) {
                    skip(&mut new, dropped.at, 1, "a later launch took its place");
                }
                new.queue.push_back(Waiting { cancels: open, ..launch });
            }
            Overlap::Skip => skip(&mut new, launch.at, 1, "the run before was still open"),
        }
        new
    }
}

/// When a launch was to be started: a slot (or a retry of it) so much after its time as its jitter says, anything else at once.
pub(crate) fn due_at(name: &str, schedule: Option<&Schedule>, launch: &Waiting) -> Millis {
    let is_slot = launch.slot.split('~').next() == Some(utc_text(launch.at).as_str());
    let jitter = schedule.filter(|_| is_slot).map_or(0, |rules| jitter(name, launch.at, rules.policy.jitter));
    launch.at.saturating_add(jitter)
}

/// A run that failed waits to be tried again.
fn is_retry(waiting: &Waiting) -> bool {
    waiting.failed > 0
}

fn skip(import: &mut ImportDoc, at: Millis, slots: u64, why: &str) {
    let count = import.skipped.as_ref().map_or(0, |skipped| skipped.count) + slots;
    import.skipped = Some(Skipped { at, why: why.to_owned(), count });
}

fn launch(at: Millis) -> Waiting {
    Waiting { slot: utc_text(at), at, not_before: 0, cancels: None, failed: 0 }
}

/// What waits, once nothing is open.
fn queued(case: &Case<'_>) -> Option<Act> {
    let import = case.import;
    let first = import.queue.front().filter(|first| import.open.is_none() && first.not_before <= case.now)?;
    let mut new = import.clone();
    new.queue.pop_front();
    Some(Act::Start { launch: first.clone(), import: Box::new(new) })
}

/// The slots of the schedule that are due.
fn slots(case: &Case<'_>) -> Option<Act> {
    let schedule = case.schedule?;
    let is_due = |slot: &Millis| case.starts_at(*slot, schedule) <= case.now;
    let due: Vec<Millis> = case.untaken(schedule, case.now).take_while(is_due).take(MOST_SLOTS).collect();
    let last = *due.last()?;
    let is_late = |slot: Millis| case.now - case.starts_at(slot, schedule) > ON_TIME;
    let policy = &schedule.policy;
    // what all are made up for waits, however short ago nobody was there
    let is_missed = |slot: Millis| {
        is_late(slot) || policy.catch_up == CatchUp::All && case.starts_at(slot, schedule) < case.watched
    };
    let mut new = case.import.clone();
    let mut left = Vec::new();
    for slot in due {
        let late = case.now - slot;
        let why = if policy.deadline.is_some_and(|most| late > most) {
            Some("it came too late for its deadline")
        } else if policy.window.is_some_and(|most| late > most) || policy.catch_up == CatchUp::None && is_late(slot) {
            Some("nobody was there to launch it")
        } else if policy.catch_up == CatchUp::Last && slot != last {
            Some("a later slot was due as well")
        } else {
            None
        };
        match why {
            None => left.push(slot),
            Some(why) if left.is_empty() => {
                skip(&mut new, slot, 1, why);
                new.last_slot = slot;
            }
            // after those that are left
            Some(_) => break,
        }
    }
    let Some(first) = left.first().copied() else { return Some(Act::Note { import: Box::new(new) }) };
    if case.is_free() {
        // what failed before makes room: this is a new try of its own
        new.queue.retain(|waiting| !is_retry(waiting));
        if case.sabotage != Some(Rule::SlotTaken) {
            new.last_slot = first;
        }
        return Some(Act::Start { launch: launch(first), import: Box::new(new) });
    }
    if !is_missed(first) {
        new.last_slot = first;
        return Some(Act::Note { import: Box::new(case.overlapping(new, launch(first), policy.overlap)) });
    }
    // what was missed waits, whatever `overlap` says, and so does what comes behind it
    for slot in left {
        if new.queue.len() >= MOST_WAITING {
            break;
        }
        new.last_slot = slot;
        new.queue.push_back(launch(slot));
    }
    (new != *case.import).then(|| Act::Note { import: Box::new(new) })
}

/// Runs of imports that this one follows.
fn followed(case: &Case<'_>) -> Option<Act> {
    let policy = &case.schedule?.policy;
    let taken = |upstream: &String| case.import.after_seq.get(upstream).copied().unwrap_or(0);
    let (upstream, ended) = case.ended.iter().find(|(upstream, ended)| ended.seq > taken(upstream))?;
    let mut new = case.import.clone();
    new.after_seq.insert(upstream.clone(), ended.seq);
    let launch = Waiting { slot: format!("after:{}", ended.run), ..launch(case.now) };
    let later = case.ended.iter().any(|(other, later)| other == upstream && later.seq > ended.seq);
    if policy.catch_up != CatchUp::All && later {
        skip(&mut new, case.now, 1, "a later run was to be followed as well");
        return Some(Act::Note { import: Box::new(new) });
    }
    if case.is_free() {
        new.queue.retain(|waiting| !is_retry(waiting));
        return Some(Act::Start { launch, import: Box::new(new) });
    }
    if policy.catch_up != CatchUp::All {
        return Some(Act::Note { import: Box::new(case.overlapping(new, launch, policy.overlap)) });
    }
    if new.queue.len() >= MOST_WAITING {
        return None;
    }
    new.queue.push_back(launch);
    Some(Act::Note { import: Box::new(new) })
}

/// The next of the past slots that are run anew. What is due today goes first.
fn backfill(case: &Case<'_>) -> Option<Act> {
    let backfill = case.import.backfill.as_ref()?;
    let mut new = case.import.clone();
    let Some(slot) = next_of(case, backfill) else {
        new.backfill = None;
        return Some(Act::Note { import: Box::new(new) });
    };
    if case.now < backfill.started.saturating_add(backfill.pace) {
        return None;
    }
    new.backfill = Some(Backfill { after: slot, started: case.now, ..backfill.clone() });
    if case.is_free() {
        new.queue.retain(|waiting| !is_retry(waiting));
        let slot = Waiting { slot: format!("backfill-{}:{}", backfill.id, utc_text(slot)), ..launch(slot) };
        return Some(Act::Start { launch: slot, import: Box::new(new) });
    }
    if !backfill.skip {
        return None;
    }
    skip(&mut new, slot, 1, "the import was busy when its turn in the backfill came");
    Some(Act::Note { import: Box::new(new) })
}

fn next_of(case: &Case<'_>, backfill: &Backfill) -> Option<Millis> {
    case.schedule?.slots(backfill.after, backfill.until).next().map(|slot| slot.at)
}

/// Nothing to do: when to look again.
fn wait(case: &Case<'_>) -> Act {
    let again = case.now.saturating_add(AGAIN);
    let slot = case.schedule.and_then(|schedule| {
        let next = schedule.next_after(case.import.last_slot.max(case.since))?.at;
        let starts = case.starts_at(next, schedule);
        // due and not taken: the queue is full
        Some(if starts > case.now { starts } else { again })
    });
    let waiting =
        case.import.queue.front().map(|first| if first.not_before > case.now { first.not_before } else { again });
    let backfill = case.import.backfill.as_ref().map(|backfill| {
        let at = backfill.started.saturating_add(backfill.pace);
        if at > case.now { at } else { again }
    });
    let cancel = match (&case.import.open, case.import.queue.front()) {
        (Some(open), Some(first)) => first.cancels.clone().filter(|run| *run == open.facts.run),
        _ => None,
    };
    Act::Wait { next: [slot, waiting, backfill].into_iter().flatten().min(), cancel }
}

#[cfg(test)]
mod tests;
