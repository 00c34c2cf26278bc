//! Sending what is armed, one call after the other; what each answer proves is written beside, see [`super::answer`].

use super::Notes;
use super::answer::{self, Answer, End};
use super::arm::Armed;
use super::due;
use super::exports::Export;
use super::lease::{self, Lease};
use crate::cx::{Cx, Settles};
use crate::docs::Pause;
use crate::error::Result;
use crate::event::Event;
use crate::failpoint::Point;
use crate::sabotage::Rule;
use jobpipe_core::{
    Attempt, Content, EffectAnswer, EffectCall, EffectTimes, ErrorClass, Millis, Op, Row, RowId, TaskError,
};
use std::time::Duration;
use tokio::sync::mpsc::{self, Sender};

pub(super) fn millis(time: Duration) -> Millis {
    Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX)
}

/// Sends each in turn, while the answers of those before are written.
pub(super) async fn send_all(
    cx: &Cx,
    lease: &Lease,
    exports: &[Export],
    armed: Vec<Armed>,
    notes: &mut Notes,
) -> Result<()> {
    let (answers, written) = mpsc::channel(armed.len().max(1));
    // when a step of one fails the other ends where it is
    tokio::try_join!(send_each(cx, lease, exports, armed, answers), answer::write_each(cx, lease, written, notes))?;
    Ok(())
}

/// Sends each; after an answer that silences the whole target the rest is surely not sent.
async fn send_each(
    cx: &Cx,
    lease: &Lease,
    exports: &[Export],
    armed: Vec<Armed>,
    answers: Sender<Answer>,
) -> Result<()> {
    let mut silent = false;
    for one in armed {
        // a process that wants to stop sends no more; what is armed and surely not sent is due again
        silent |= cx.stop.is_stopping();
        let id = &one.row.id;
        let export = exports.iter().find(|export| export.import == id.import && export.name == id.export);
        let end = match (export, &one.row.attempt) {
            (Some(export), Some(attempt)) if !silent => {
                let (end, wants_silence) = send(cx, lease, export, &one, attempt).await?;
                silent = wants_silence;
                end
            }
            _ => End::unsent(cx, 0),
        };
        // the writer has gone only when it failed, and then so does this
        if answers.send(Answer { armed: one, end }).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Sends one; true when the target wants silence.
async fn send(cx: &Cx, lease: &Lease, export: &Export, one: &Armed, attempt: &Attempt) -> Result<(End, bool)> {
    let times = export.sink.times();
    if is_too_late(cx, one, attempt, &times) {
        return Ok((End::unsent(cx, 0), false));
    }
    let call = EffectCall {
        row: one.row.id.clone(),
        op: attempt.op,
        post: one.row.post.clone(),
        payload: attempt.payload.clone(),
    };
    let asked = Asked { called: Moment::of(cx), credential: export.sink.credential(&lease.target), times };
    cx.at(Point::DrainSend)?;
    let answer = export.sink.apply(&lease.target, &call).await;
    if let (Op::Create, Some(_), EffectAnswer::Done { .. }) = (call.op, &call.post, &answer) {
        // a replacement without the rule to delete first
        export.sink.apply(&lease.target, &EffectCall { op: Op::Delete, ..call }).await;
    }
    cx.at(Point::DrainSent)?;
    judge(cx, lease, export, one, attempt, answer, &asked).await
}

/// The time to send has passed on the own clock since the ARM began; or on the wall, for a machine that slept.
fn is_too_late(cx: &Cx, one: &Armed, attempt: &Attempt, times: &EffectTimes) -> bool {
    let slept = cx.now() > attempt.armed_at + millis(times.send_by);
    let late = slept || cx.clock.monotonic().saturating_sub(one.began) > times.send_by;
    late && cx.keeps(Rule::SendBy)
}

struct Asked {
    called: Moment,
    credential: u64,
    times: EffectTimes,
}

/// What the answer proves, and whether the target wants silence.
async fn judge(
    cx: &Cx,
    lease: &Lease,
    export: &Export,
    one: &Armed,
    attempt: &Attempt,
    answer: EffectAnswer,
    asked: &Asked,
) -> Result<(End, bool)> {
    let id = &one.row.id;
    let end = match answer {
        EffectAnswer::Done { post } => {
            let armed = attempt.content.clone();
            let content =
                if cx.keeps(Rule::ConfirmArmed) { armed } else { wanted_now(cx, export, id).await?.or(armed) };
            End::Done { post, content, at: cx.now() }
        }
        EffectAnswer::Wait { after, whole_target, error } => {
            let until = cx.now() + millis(after);
            cx.emit(Event::Waiting {
                run: export.closed.run.clone(),
                stage: export.name.clone(),
                on: format!("{} ({})", error.message, error.code),
                for_ms: u64::try_from(millis(after)).unwrap_or(0),
            });
            if whole_target {
                lease::change(cx, lease, |doc| doc.quiet_until = doc.quiet_until.max(until)).await?;
            }
            return Ok((End::unsent(cx, until), whole_target));
        }
        EffectAnswer::Rejected(error) => {
            due::dead(cx, export, id, error, attempt.payload.clone()).await?;
            End::Refused(attempt.content.clone().unwrap_or_else(due::refused_delete))
        }
        EffectAnswer::Absent(_) => absent(cx, one, asked),
        EffectAnswer::Paused(error) => {
            pause(cx, lease, export, &error, asked.credential).await?;
            return Ok((End::unsent(cx, 0), true));
        }
        EffectAnswer::Unknown(error) => {
            tracing::warn!(target = %id.target, key = %id.key, code = %error.code, "the end of a call is unknown: {}", error.message);
            let not_before = next_read(cx.now() + millis(asked.times.read_lag), &asked.times);
            End::Unknown { from: settle_base(cx, attempt, &asked.times), not_before }
        }
    };
    Ok((end, false))
}

/// From when `settle` counts for an attempt whose end is unknown: the end of the window in which it may be executed,
/// but never before now. No later than the window is long, whatever the clock of the one who armed it said.
pub(super) fn settle_base(cx: &Cx, attempt: &Attempt, times: &EffectTimes) -> Millis {
    let now = cx.now();
    if !cx.keeps(Rule::SettleBase) {
        return now;
    }
    let window = millis(times.send_by) + millis(times.timeout);
    (attempt.armed_at + window).clamp(now, now + window)
}

/// When a target is read back, at or after `from`: rows wait for the same moments, a read lag apart (a second at least),
/// so that one read tells of all of them.
pub(super) fn next_read(from: Millis, times: &EffectTimes) -> Millis {
    let every = millis(times.read_lag).max(1_000);
    from.saturating_add(every - 1).div_euclid(every) * every
}

/// What the head wants now, by the definition that the drain began with: what a confirm must not look at.
async fn wanted_now(cx: &Cx, export: &Export, id: &RowId) -> Result<Option<Content>> {
    let heads = cx.store.heads(&export.ledger, std::slice::from_ref(&id.key)).await?;
    Ok(match due::want(export, id, heads.first()) {
        Ok(due::Want::Content { content, .. }) => Some(content),
        _ => None,
    })
}

fn absent(cx: &Cx, one: &Armed, asked: &Asked) -> End {
    let now = Moment::of(cx);
    let asked_at = if cx.keeps(Rule::GoneCalled) { asked.called } else { now };
    let post = one.row.post.as_deref().unwrap_or_default();
    let unsure = absent_from(cx, &one.row, post, asked_at, asked.times.settle).filter(|_| cx.keeps(Rule::GoneProof));
    End::Absent { proven: unsure.is_none(), sure_at: unsure.unwrap_or(now.wall), at: now.wall }
}

/// A time, on the wall and on the own clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) wall: Millis,
    pub(super) own: Duration,
}

impl Moment {
    /// Now.
    pub(super) fn of(cx: &Cx) -> Self {
        Self { wall: cx.now(), own: cx.clock.monotonic() }
    }
}

/// A time that no clock is wrong by.
const DAY: Millis = 86_400_000;

/// "Does not exist" proves that a post is gone only when it was confirmed longer than settle before the call was made, by
/// the wall clock and by what this process saw of it itself; where it saw nothing, a day longer. `None` = proven, else
/// from when on it may be.
pub(super) fn absent_from(cx: &Cx, row: &Row, post: &str, called: Moment, settle: Duration) -> Option<Millis> {
    let sure_at = row.posted_at + millis(settle);
    if called.wall >= sure_at + DAY {
        return None;
    }
    let known = cx.settling.known_for(Settles::Post(row.id.target.clone(), post.to_owned()), called.own);
    let left = settle.saturating_sub(known);
    (called.wall < sure_at || !left.is_zero()).then(|| sure_at.max(cx.now() + millis(left)))
}

/// A target that cannot be read: pauses when its credential is refused; gives the time to try again.
pub(super) async fn unreadable(cx: &Cx, lease: &Lease, export: &Export, error: &TaskError) -> Result<Millis> {
    tracing::warn!(target = %lease.target, "read-back failed: {} ({})", error.message, error.code);
    if error.class == ErrorClass::Auth {
        pause(cx, lease, export, error, export.sink.credential(&lease.target)).await?;
    }
    let after = error.retry_after_ms.and_then(|after| Millis::try_from(after).ok()).unwrap_or(0).max(5_000);
    Ok(cx.now().saturating_add(after))
}

/// The page stops, its rows stay. Bound to the credential that was used: another one may be in place by now.
pub(super) async fn pause(cx: &Cx, lease: &Lease, export: &Export, error: &TaskError, credential: u64) -> Result<()> {
    let present = export.sink.credential(&lease.target);
    let credential = if cx.keeps(Rule::PauseCredential) { credential } else { present };
    if present != credential {
        return Ok(());
    }
    let pause = Pause { why: format!("{} ({})", error.message, error.code), credential, since: cx.now() };
    lease::change(cx, lease, |doc| doc.paused = Some(pause.clone())).await?;
    Ok(())
}
