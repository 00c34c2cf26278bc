//! The drain: brings one target from what it has to what the heads want, by the effect protocol.
//!
//! A round looks at rows that need attention, walks the heads above each watermark, arms what is due, proves with one
//! fenced write on the target that the lease is still held, and only then sends. See docs/durability.md.

mod answer;
mod approval;
mod arm;
mod attach;
mod attention;
mod audit;
mod due;
mod exports;
mod lease;
mod pace;
mod send;
mod walk;

pub(crate) use attach::orphan_key;
pub(crate) use lease::{free_leases, renew, resume, wake_targets, wake_waiting};

use crate::cx::Cx;
use crate::docs::{Mark, Pause, TargetDoc};
use crate::error::Result;
use crate::event::Event;
use crate::failpoint::Point;
use crate::sabotage::Rule;
use answer::{Answer, End};
use arm::Armed;
use exports::Export;
use jobpipe_core::{Millis, Op};
use lease::Lease;
use pace::Pacing;
use std::collections::{BTreeMap, BTreeSet};

/// Rounds under one lease before it is let go, so that pages take turns.
const ROUNDS: usize = 32;

/// Drains in a row that died without one confirmed row, before the target pauses.
const CRASHES: u32 = 20;

/// What a round found out besides what it did.
#[derive(Debug, Default)]
struct Notes {
    /// Times at which something is due.
    due: Vec<Millis>,
    /// Something changed: another round at once.
    again: bool,
    /// Work is left, now or later.
    busy: bool,
    /// Exports (by mark) of which nothing is begun: a person must look at their changed definition first.
    waiting: BTreeSet<String>,
}

impl Notes {
    fn at(&mut self, time: Millis) {
        self.due.push(time);
        self.busy = true;
    }

    /// At a time to come, or else at once.
    fn at_or_again(&mut self, cx: &Cx, time: Option<Millis>) {
        match time {
            Some(time) if time > cx.now() => self.at(time),
            _ => self.again = true,
        }
    }
}

/// How a round ended.
enum Round {
    /// The lease is not ours any more.
    Lost,
    /// Another one.
    Again,
    /// Nothing more now.
    Rest { next_at: Option<Millis>, busy: bool },
}

/// Drains a target until nothing is due now. Does nothing when another holds its lease.
pub(crate) async fn drain(cx: &Cx, target: &str) -> Result<()> {
    let Some(lease) = lease::claim(cx, target).await? else { return Ok(()) };
    for _ in 0..ROUNDS {
        let wake = lease.known().doc.wake;
        match round(cx, &lease).await? {
            Round::Lost => return Ok(()),
            Round::Rest { next_at, busy } => {
                if lease::release(cx, &lease, Some(wake), next_at, busy).await? {
                    return Ok(());
                }
            }
            Round::Again => {}
        }
        if cx.stop.is_stopping() {
            break;
        }
        if !lease::reread(cx, &lease).await? {
            return Ok(());
        }
    }
    let now = cx.now();
    lease::release(cx, &lease, None, Some(now), true).await?;
    Ok(())
}

async fn round(cx: &Cx, lease: &Lease) -> Result<Round> {
    let doc = lease.known().doc;
    let exports = match exports::gather(cx, &doc, lease.epoch.epoch).await? {
        Ok(exports) => exports,
        Err(why) => return rest_with(cx, &doc, why),
    };
    if let Some(pause) = &doc.paused {
        let refused = |export: &Export| export.sink.credential(&lease.target) == pause.credential;
        if pause.credential == 0 || exports.is_empty() || exports.iter().any(refused) {
            let approve = exports.first().filter(|_| pause.credential == 0).map(|export| export.closed.run.clone());
            cx.emit(Event::TargetPaused { target: doc.name.clone(), message: pause.why.clone(), approve });
            return Ok(Round::Rest { next_at: None, busy: true });
        }
        return Ok(again_if(lease::change(cx, lease, |doc| doc.paused = None).await?));
    }
    if doc.crashes >= CRASHES {
        return pause_after_crashes(cx, lease, doc.crashes).await;
    }
    if exports.is_empty() {
        return Ok(Round::Rest { next_at: None, busy: false });
    }
    let unread = attach::unread(&doc, &exports, lease.epoch.epoch);
    if !unread.is_empty()
        && let Some(round) = attach::attach(cx, lease, &unread).await?
    {
        return Ok(round);
    }
    if !record_definitions(cx, lease, &exports).await? {
        return Ok(Round::Lost);
    }
    work(cx, lease, &exports).await
}

/// The page stops, never a row: something about it ends the process again and again.
async fn pause_after_crashes(cx: &Cx, lease: &Lease, crashes: u32) -> Result<Round> {
    let now = cx.now();
    let held = lease::change(cx, lease, |doc| {
        doc.paused = Some(Pause {
            why: format!(
                "the process died {crashes} times in a row while it worked on this target, without one confirmed post; \
                 see the log; it goes on once that is approved"
            ),
            credential: 0,
            since: now,
        });
    })
    .await?;
    Ok(again_if(held))
}

fn again_if(held: bool) -> Round {
    if held { Round::Again } else { Round::Lost }
}

fn rest_with(cx: &Cx, doc: &TargetDoc, why: String) -> Result<Round> {
    cx.emit(Event::TargetPaused { target: doc.name.clone(), message: why, approve: None });
    Ok(Round::Rest { next_at: Some(cx.now().saturating_add(60_000)), busy: true })
}

/// The definition is recorded, with the watermark at 0, before anything is armed under it; false when the lease is lost.
async fn record_definitions(cx: &Cx, lease: &Lease, exports: &[Export]) -> Result<bool> {
    let doc = lease.known().doc;
    if exports.iter().all(|export| is_recorded(&doc.marks, export)) || !cx.keeps(Rule::DefinitionFirst) {
        return Ok(true);
    }
    cx.at(Point::DrainDefinition)?;
    lease::change(cx, lease, |doc| start_again(&mut doc.marks, exports)).await
}

fn is_recorded(marks: &BTreeMap<String, Mark>, export: &Export) -> bool {
    !export.walks || marks.get(&export.mark).is_some_and(|mark| mark.definition == export.closed.mark())
}

/// Walks that another definition made start again at 0.
fn start_again<'a>(marks: &mut BTreeMap<String, Mark>, exports: impl IntoIterator<Item = &'a Export>) {
    for export in exports {
        if is_recorded(marks, export) {
            continue;
        }
        let mark = marks.entry(export.mark.clone()).or_default();
        mark.definition = export.closed.mark();
        let reached = (std::mem::take(&mut mark.changed_gen), std::mem::take(&mut mark.key));
        mark.reached = mark.reached.clone().max(reached);
        mark.waits = None;
    }
}

async fn work(cx: &Cx, lease: &Lease, exports: &[Export]) -> Result<Round> {
    let doc = lease.known().doc;
    let mut notes = Notes::default();
    let mut pacing = Pacing::new(cx, &doc);
    let mut armed: Vec<Armed> = Vec::new();
    let mut marks = doc.marks.clone();
    // recorded by now, unless the rule is taken away
    start_again(&mut marks, exports);
    notes.waiting = approval::waiting(cx, lease, exports, &mut marks).await?;
    notes.busy |= !notes.waiting.is_empty();
    let scanned = attention::look(cx, lease, exports, &mut pacing, &mut armed, &mut notes).await?;
    let walks: Vec<&Export> =
        exports.iter().filter(|export| export.walks && !notes.waiting.contains(&export.mark)).collect();
    for export in walks {
        walk::walk(cx, lease, export, &mut marks, &scanned, &mut pacing, &mut armed, &mut notes).await?;
    }
    let moved = marks != doc.marks;
    if (!armed.is_empty() || moved) && !prove(cx, lease, marks, &pacing, &armed).await? && cx.keeps(Rule::ArmProof) {
        let answers = armed.into_iter().map(|armed| Answer { armed, end: End::unsent(cx, 0) }).collect();
        answer::write(cx, lease, answers, &mut notes).await?;
        // whoever took the lease may be at rest already, and has not seen these rows
        lease::nudge(cx, &lease.target).await?;
        return Ok(Round::Lost);
    }
    if !armed.is_empty() {
        send::send_all(cx, lease, exports, armed, &mut notes).await?;
    }
    if doc.audits.first().is_some_and(|at| *at <= cx.now()) {
        audit::audit(cx, lease, exports, &mut notes).await?;
    }
    if notes.again {
        return Ok(Round::Again);
    }
    let audits = lease.known().doc.audits.into_iter().find(|at| *at > cx.now());
    let next_at = notes.due.iter().copied().chain(audits).min();
    Ok(Round::Rest { next_at, busy: notes.busy })
}

/// One fenced write between arming and sending: the lease was still ours after the ARMs. False when it was not.
async fn prove(
    cx: &Cx,
    lease: &Lease,
    marks: BTreeMap<String, Mark>,
    pacing: &Pacing,
    armed: &[Armed],
) -> Result<bool> {
    cx.at(Point::DrainArmed)?;
    let now = cx.now();
    let is_create = |armed: &Armed| armed.row.attempt.as_ref().is_some_and(|attempt| attempt.op == Op::Create);
    let creates = armed.iter().any(is_create);
    lease::change(cx, lease, |doc| {
        // those that wake the target may have added others
        doc.marks.extend(marks.clone());
        pacing.store(doc);
        if creates {
            audit::plan(doc, now);
        }
    })
    .await
}
