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
use jobpipe_core::{Content, EffectAnswer, EffectCall, EffectTimes, ErrorClass, Millis, Op, Row, RowState, TaskError};
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
    if cx.clock.monotonic().saturating_sub(one.began) > times.send_by {
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
    cx.at(Point::DrainSent)?;
    let silent = answered(cx, lease, export, one, answer, Asked { called, credential, times }, notes).await?;
    cx.at(Point::DrainAnswer)?;
    Ok(silent)
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
            arm::by_nonce(cx, id, nonce, |row| Row { rejected: Some(content.clone()), ..arm::ended(row, None) })
                .await?;
            due::dead(cx, export, id, error, attempt.payload.clone()).await?;
        }
        EffectAnswer::Absent(_) => absent(cx, one, &asked).await?,
        EffectAnswer::Paused(error) => {
            arm::unarm(cx, one, 0).await?;
            pause(cx, lease, export, &error, asked.credential).await?;
            return Ok(true);
        }
        EffectAnswer::Unknown(error) => {
            tracing::warn!(target = %id.target, key = %id.key, code = %error.code, "the end of a call is unknown: {}", error.message);
            let base = (cx.now()).max(attempt.armed_at + millis(asked.times.send_by) + millis(asked.times.timeout));
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
    let content = attempt.content.clone();
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

/// A post whose attempt is not the row's any more: deleted, unless the row found it by itself.
async fn late_post(cx: &Cx, id: &jobpipe_core::RowId, post: &str) -> Result<()> {
    loop {
        let rows = cx.store.rows(std::slice::from_ref(id)).await?;
        let Some(row) = rows.into_iter().next() else { return Ok(()) };
        if row.post.as_deref() == Some(post) || row.past.contains(post) || row.state == RowState::Unknown {
            // an unknown create will find it by its marker
            return Ok(());
        }
        let more = |mut row: Row| {
            row.extra.insert(post.to_owned());
            row
        };
        if arm::put(cx, &row, more).await? {
            return Ok(());
        }
    }
}

/// "Does not exist": a proof only for a post confirmed longer than settle before the call was made.
async fn absent(cx: &Cx, one: &Armed, asked: &Asked) -> Result<()> {
    let Some(attempt) = &one.row.attempt else { return Ok(()) };
    let sure_at = one.row.posted_at + millis(asked.times.settle);
    let proven = asked.called >= sure_at;
    let now = cx.now();
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
async fn pause(
    cx: &Cx,
    lease: &Lease,
    export: &Export,
    error: &jobpipe_core::TaskError,
    credential: u64,
) -> Result<()> {
    if export.sink.credential(&lease.target) != credential {
        return Ok(());
    }
    let pause = Pause { why: format!("{} ({})", error.message, error.code), credential, since: cx.now() };
    lease::change(cx, lease, |doc| doc.paused = Some(pause.clone())).await?;
    Ok(())
}
