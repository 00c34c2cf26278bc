//! Sending what is armed, one call after the other, and writing down what each answer proves.

use super::Notes;
use super::arm::{self, Armed};
use super::due;
use super::exports::Export;
use super::lease::{self, Lease};
use crate::cx::Cx;
use crate::docs::Pause;
use crate::error::Result;
use crate::event::Event;
use crate::failpoint::Point;
use crate::sabotage::Rule;
use jobpipe_core::{
    Attempt, Content, EffectAnswer, EffectCall, EffectTimes, ErrorClass, Millis, Op, Row, RowId, RowState, RowWrite,
    TaskError,
};
use std::time::Duration;

/// When audits of a confirmed create are made.
const AUDITS: [Millis; 2] = [3_600_000, 86_400_000];

pub(super) fn millis(time: Duration) -> Millis {
    Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX)
}

/// Sends each in turn; stops at an answer that silences the whole target, and un-arms the rest.
pub(super) async fn send_all(
    cx: &Cx,
    lease: &Lease,
    exports: &[Export],
    armed: Vec<Armed>,
    notes: &mut Notes,
) -> Result<()> {
    let mut silent = false;
    let mut created = false;
    for one in armed {
        // a process that wants to stop sends no more; what is armed and surely not sent is due again
        silent |= cx.stop.is_stopping();
        let export =
            exports.iter().find(|export| export.import == one.row.id.import && export.name == one.row.id.export);
        let Some(export) = export.filter(|_| !silent) else {
            arm::unarm(cx, &one, 0).await?;
            continue;
        };
        silent = send(cx, lease, export, &one, notes).await?;
        created |= one.row.attempt.as_ref().is_some_and(|attempt| attempt.op == Op::Create);
    }
    if created {
        let now = cx.now();
        lease::change(cx, lease, |doc| {
            // one audit an hour is enough for all that was created in it
            for after in AUDITS {
                let at = (now + after).div_euclid(AUDITS[0]) * AUDITS[0] + AUDITS[0];
                doc.audits.insert(at);
            }
            doc.crashes = 0;
        })
        .await?;
    }
    Ok(())
}

/// Sends one; true when the target wants silence.
async fn send(cx: &Cx, lease: &Lease, export: &Export, one: &Armed, notes: &mut Notes) -> Result<bool> {
    let Some(attempt) = &one.row.attempt else { return Ok(false) };
    let times = export.sink.times();
    if is_too_late(cx, one, attempt, &times) {
        arm::unarm(cx, one, 0).await?;
        return Ok(false);
    }
    let call = EffectCall {
        row: one.row.id.clone(),
        op: attempt.op,
        post: one.post.clone(),
        payload: attempt.payload.clone(),
    };
    let credential = export.sink.credential(&lease.target);
    let called = cx.now();
    cx.at(Point::DrainSend)?;
    let answer = export.sink.apply(&lease.target, &call).await;
    if let (Op::Create, Some(_), EffectAnswer::Done { .. }) = (call.op, &call.post, &answer) {
        // a replacement without the rule to delete first
        export.sink.apply(&lease.target, &EffectCall { op: Op::Delete, ..call }).await;
    }
    cx.at(Point::DrainSent)?;
    let silent = answered(cx, lease, export, one, answer, Asked { called, credential, times }, notes).await?;
    cx.at(Point::DrainAnswer)?;
    Ok(silent)
}

/// The time to send has passed on the own clock since the ARM began; or on the wall, for a machine that slept.
fn is_too_late(cx: &Cx, one: &Armed, attempt: &Attempt, times: &EffectTimes) -> bool {
    let slept = cx.now() > attempt.armed_at + millis(times.send_by);
    let late = slept || cx.clock.monotonic().saturating_sub(one.began) > times.send_by;
    late && cx.keeps(Rule::SendBy)
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

struct Asked {
    called: Millis,
    credential: u64,
    times: EffectTimes,
}

async fn answered(
    cx: &Cx,
    lease: &Lease,
    export: &Export,
    one: &Armed,
    answer: EffectAnswer,
    asked: Asked,
    notes: &mut Notes,
) -> Result<bool> {
    let Some(attempt) = one.row.attempt.as_ref() else { return Ok(false) };
    let (id, nonce) = (&one.row.id, attempt.nonce);
    match answer {
        EffectAnswer::Done { post } => {
            confirm(cx, lease, export, one, post).await?;
        }
        EffectAnswer::Wait { after, whole_target, error } => {
            let until = cx.now() + millis(after);
            arm::unarm(cx, one, until).await?;
            cx.emit(Event::Waiting {
                run: export.closed.run.clone(),
                stage: export.name.clone(),
                on: format!("{} ({})", error.message, error.code),
                for_ms: u64::try_from(millis(after)).unwrap_or(0),
            });
            if whole_target {
                lease::change(cx, lease, |doc| doc.quiet_until = doc.quiet_until.max(until)).await?;
                return Ok(true);
            }
        }
        EffectAnswer::Rejected(error) => {
            let content = attempt.content.clone().unwrap_or_else(due::refused_delete);
            due::dead(cx, export, id, error, attempt.payload.clone()).await?;
            arm::by_nonce(cx, id, nonce, |row| Row { rejected: Some(content.clone()), ..arm::ended(row, None) })
                .await?;
        }
        EffectAnswer::Absent(_) => absent(cx, one, &asked).await?,
        EffectAnswer::Paused(error) => {
            arm::unarm(cx, one, 0).await?;
            pause(cx, lease, export, &error, asked.credential).await?;
            return Ok(true);
        }
        EffectAnswer::Unknown(error) => {
            tracing::warn!(target = %id.target, key = %id.key, code = %error.code, "the end of a call is unknown: {}", error.message);
            let base = settle_base(cx, attempt, &asked.times);
            let not_before = cx.now() + millis(asked.times.read_lag);
            arm::by_nonce(cx, id, nonce, |row| unknown(row, base, not_before)).await?;
            notes.busy = true;
        }
    }
    Ok(false)
}

/// The attempt's end is not known: `settle` counts from `base`.
pub(super) fn unknown(row: Row, base: Millis, not_before: Millis) -> Row {
    let attempt = row.attempt.clone().map(|attempt| jobpipe_core::Attempt {
        unknown_from: base,
        misses: 0,
        missed_at: 0,
        ..attempt
    });
    Row { state: RowState::Unknown, attempt, not_before, ..row }
}

/// Copies what was armed, never what is wanted now.
async fn confirm(cx: &Cx, lease: &Lease, export: &Export, one: &Armed, post: Option<String>) -> Result<()> {
    let Some(attempt) = &one.row.attempt else { return Ok(()) };
    let (id, op, now) = (&one.row.id, attempt.op, cx.now());
    let content = match cx.keeps(Rule::ConfirmArmed) {
        true => attempt.content.clone(),
        false => wanted_now(cx, export, id).await?.or_else(|| attempt.content.clone()),
    };
    if op == Op::Create && !cx.keeps(Rule::ArmFirst) {
        return written_after(cx, one, post, content).await;
    }
    let confirmed = arm::by_nonce(cx, id, attempt.nonce, |row| {
        let row = arm::ended(row, Some(op));
        match op {
            Op::Create => Row { post: post.clone(), content: content.clone(), rejected: None, posted_at: now, ..row },
            Op::Update => Row { content: content.clone(), rejected: None, ..row },
            Op::Delete => Row { rejected: None, ..arm::without_post(row) },
        }
    })
    .await?;
    if confirmed {
        let doc = lease::reread(cx, lease).await?;
        cx.emit(Event::Effect {
            target: doc.map_or_else(|| id.target.clone(), |page| page.doc.name),
            stage: export.name.clone(),
            op: match op {
                Op::Create => "create",
                Op::Update => "update",
                Op::Delete => "delete",
            }
            .to_owned(),
            key: id.key.clone(),
        });
    } else if let (Op::Create, Some(post)) = (op, post) {
        late_post(cx, id, &post).await?;
    }
    Ok(())
}

/// What the head wants now, by the definition that the drain began with: what a confirm must not look at.
async fn wanted_now(cx: &Cx, export: &Export, id: &RowId) -> Result<Option<Content>> {
    let heads = cx.store.heads(&export.ledger, std::slice::from_ref(&id.key)).await?;
    Ok(match due::want(export, id, heads.first()) {
        Ok(due::Want::Content { content, .. }) => Some(content),
        _ => None,
    })
}

/// The row of a create that was sent without the rule to arm first.
async fn written_after(cx: &Cx, one: &Armed, post: Option<String>, content: Option<Content>) -> Result<()> {
    let old = cx.store.rows(std::slice::from_ref(&one.row.id)).await?.into_iter().next();
    let expect = old.as_ref().map(|row| row.version);
    let row = arm::ended(Row { version: cx.ids.nonce(), ..one.row.clone() }, Some(Op::Create));
    let row = Row { post, content, posted_at: cx.now(), ..row };
    cx.store.rows_put(vec![RowWrite { expect, row }]).await?;
    Ok(())
}

/// A post whose attempt is not the row's any more: deleted, unless the row found it by itself.
async fn late_post(cx: &Cx, id: &RowId, post: &str) -> Result<()> {
    loop {
        let rows = cx.store.rows(std::slice::from_ref(id)).await?;
        let Some(row) = rows.into_iter().next() else { return Ok(()) };
        if row.post.as_deref() == Some(post) || row.past.contains(post) {
            return Ok(());
        }
        if arm::put(cx, &row, |row| with_extra(row, [post.to_owned()], cx.now())).await? {
            // whoever holds the lease may have looked at the row already
            return lease::nudge(cx, &id.target).await;
        }
    }
}

/// Posts that are not the row's, to be deleted. None of its posts is known for longer than from `now`.
pub(super) fn with_extra(mut row: Row, posts: impl IntoIterator<Item = String>, now: Millis) -> Row {
    row.extra.extend(posts);
    row.posted_at = row.posted_at.max(now);
    row
}

/// "Does not exist": a proof only for a post confirmed longer than settle before the call was made.
async fn absent(cx: &Cx, one: &Armed, asked: &Asked) -> Result<()> {
    let Some(attempt) = &one.row.attempt else { return Ok(()) };
    let sure_at = one.row.posted_at + millis(asked.times.settle);
    let now = cx.now();
    let asked_at = if cx.keeps(Rule::GoneCalled) { asked.called } else { now };
    let proven = asked_at >= sure_at || !cx.keeps(Rule::GoneProof);
    arm::by_nonce(cx, &one.row.id, attempt.nonce, |row| match (proven, attempt.op) {
        (true, Op::Delete) => arm::ended(arm::without_post(row), Some(Op::Delete)),
        (true, _) => Row { vanished: true, ..arm::settled(arm::without_post(row)) },
        (false, Op::Delete) => unknown(row, now, sure_at),
        (false, _) => {
            let identity = row.content.as_ref().map(|content| content.identity.clone());
            let content = Content { hash: None, identity: identity.unwrap_or_default() };
            Row { content: Some(content), not_before: sure_at, ..arm::settled(row) }
        }
    })
    .await?;
    Ok(())
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
