//! Rows that want attention although no head changed: attempts in flight, posts to remove, rechecks.

use super::arm::{self, Armed, Plan};
use super::due::{self, Due, Want};
use super::exports::Export;
use super::lease::Lease;
use super::pace::Pacing;
use super::send::{millis, unknown, unreadable};
use super::{Notes, attach};
use crate::cx::Cx;
use crate::error::Result;
use crate::failpoint::Point;
use jobpipe_core::{EffectAnswer, EffectCall, FoundPost, Millis, Op, Row, RowId, RowState};
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// A read-back of the target in this round, shared by all its rows: made at most once.
#[derive(Default)]
struct ReadBack {
    made: Option<(Millis, std::result::Result<Vec<FoundPost>, Millis>)>,
}

/// Looks at every row that needs it; gives the ids looked at, so that the walk knows which it has not.
pub(super) async fn look(
    cx: &Cx,
    lease: &Lease,
    exports: &[Export],
    pacing: &mut Pacing,
    armed: &mut Vec<Armed>,
    notes: &mut Notes,
) -> Result<BTreeSet<RowId>> {
    let mut scanned = BTreeSet::new();
    let mut read = ReadBack::default();
    let mut after: Option<RowId> = None;
    loop {
        let rows = cx.store.rows_attention(&lease.target, after.as_ref(), cx.settings.page).await?;
        let Some(last) = rows.last() else { break };
        after = Some(last.id.clone());
        let mut idle = Vec::new();
        for row in rows {
            scanned.insert(row.id.clone());
            let export = exports.iter().find(|one| one.import == row.id.import && one.name == row.id.export);
            let Some(export) = export else { continue };
            match row.state {
                RowState::Armed => found_armed(cx, export, &row, notes).await?,
                RowState::Unknown => {
                    resolve(cx, lease, export, &row, &mut read, pacing, armed, notes).await?;
                }
                RowState::Idle if row.handed_to.is_some() => attach::hand_over(cx, &row, notes).await?,
                RowState::Idle if !row.extra.is_empty() => remove_extra(cx, lease, export, &row, notes).await?,
                RowState::Idle => idle.push(row),
            }
        }
        recheck(cx, lease, exports, idle, pacing, armed, notes).await?;
    }
    Ok(scanned)
}

/// An ARMED row that this round did not arm: its sender may have died before or after sending. Never sent again.
async fn found_armed(cx: &Cx, export: &Export, row: &Row, notes: &mut Notes) -> Result<()> {
    let times = export.sink.times();
    let armed_at = row.attempt.as_ref().map_or(0, |attempt| attempt.armed_at);
    let base = cx.now().max(armed_at + millis(times.send_by) + millis(times.timeout));
    arm::put(cx, row, |row| unknown(row, base, 0)).await?;
    notes.again = true;
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "one round's state, used by each kind of attempt")]
async fn resolve(
    cx: &Cx,
    lease: &Lease,
    export: &Export,
    row: &Row,
    read: &mut ReadBack,
    pacing: &mut Pacing,
    armed: &mut Vec<Armed>,
    notes: &mut Notes,
) -> Result<()> {
    notes.busy = true;
    let now = cx.now();
    let Some(attempt) = &row.attempt else { return Ok(()) };
    let settled_at = attempt.unknown_from + millis(export.sink.times().settle);
    match attempt.op {
        // after settle the content counts as unknown, which always differs: the newest is sent
        Op::Update if now < settled_at => notes.at(settled_at),
        Op::Update => {
            arm::put(cx, row, |row| {
                let identity = row.content.as_ref().map(|content| content.identity.clone());
                Row { content: Some(due::unknown_content(identity.as_deref())), ..arm::settled(row) }
            })
            .await?;
            notes.again = true;
        }
        // repeated until surely done, before anything else happens to the row
        Op::Delete if row.not_before > now => notes.at(row.not_before),
        Op::Delete => match pacing.take(&export.pace, Op::Delete) {
            Err(at) => notes.at(at),
            Ok(()) => {
                let due = Due { op: Op::Delete, content: None, payload: Json::Null };
                let plan = Plan { id: row.id.clone(), row: Some(row.clone()), due, seq: attempt.seq };
                take(arm::arm(cx, lease, vec![plan]).await?, armed, notes);
            }
        },
        Op::Create if row.not_before > now => notes.at(row.not_before),
        Op::Create => resolve_create(cx, lease, export, row, settled_at, read, notes).await?,
    }
    Ok(())
}

/// Reads back by marker. "Not there" needs two complete reads after settle, at least the read lag apart.
async fn resolve_create(
    cx: &Cx,
    lease: &Lease,
    export: &Export,
    row: &Row,
    settled_at: Millis,
    read: &mut ReadBack,
    notes: &mut Notes,
) -> Result<()> {
    let Some(attempt) = &row.attempt else { return Ok(()) };
    let times = export.sink.times();
    let (at, found) = read_back(cx, lease, export, attempt.armed_at, read).await?;
    let now = cx.now();
    let found = match found {
        Ok(found) => found,
        Err(next) => {
            notes.at(next);
            return Ok(());
        }
    };
    let marker = export.sink.marker(&row.id);
    let mut posts: Vec<&FoundPost> =
        found.iter().filter(|post| post.marker == marker && !row.past.contains(&post.post)).collect();
    posts.sort_by(|a, b| (a.created_at, &a.post).cmp(&(b.created_at, &b.post)));
    if let Some((first, others)) = posts.split_first() {
        // only what this attempt armed can be there, unless an earlier one was declared "not there": then unknown
        let content = if attempt.misses == 0 && !row.vanished { attempt.content.clone() } else { None };
        arm::put(cx, row, |row| {
            let mut row = arm::ended(row, Some(Op::Create));
            row.post = Some(first.post.clone());
            row.content = Some(content.clone().unwrap_or_else(|| due::unknown_content(first.identity.as_deref())));
            row.posted_at = now;
            row.extra.extend(others.iter().map(|post| post.post.clone()));
            row
        })
        .await?;
        notes.again = true;
        return Ok(());
    }
    let lag = millis(times.read_lag);
    let first_miss = attempt.misses == 0;
    if at < settled_at {
        let next = settled_at.min(now + lag.max(1_000)).max(now + 1);
        arm::put(cx, row, |row| Row { not_before: next, ..row }).await?;
        notes.at(next);
    } else if first_miss || at < attempt.missed_at + lag {
        let missed_at = if first_miss { at } else { attempt.missed_at };
        let next = missed_at + lag + 1;
        arm::put(cx, row, |row| {
            let attempt = row.attempt.clone().map(|attempt| jobpipe_core::Attempt { misses: 1, missed_at, ..attempt });
            Row { attempt, not_before: next, ..row }
        })
        .await?;
        notes.at(next);
    } else {
        arm::put(cx, row, |row| arm::settled(arm::without_post(row))).await?;
        notes.again = true;
    }
    Ok(())
}

async fn read_back(
    cx: &Cx,
    lease: &Lease,
    export: &Export,
    armed_at: Millis,
    read: &mut ReadBack,
) -> Result<(Millis, std::result::Result<Vec<FoundPost>, Millis>)> {
    if let Some(made) = &read.made {
        return Ok(made.clone());
    }
    // rows of one round are of like age; a day before the attempt covers them and every clock
    let since = armed_at.saturating_sub(86_400_000);
    let at = cx.now();
    cx.at(Point::DrainProbe)?;
    let found = match export.sink.probe(&lease.target, since).await {
        Ok(found) => Ok(found),
        Err(error) => Err(unreadable(cx, lease, export, &error).await?),
    };
    read.made = Some((at, found.clone()));
    Ok((at, found))
}

/// Deletes posts with our marker that are not the row's.
async fn remove_extra(cx: &Cx, lease: &Lease, export: &Export, row: &Row, notes: &mut Notes) -> Result<()> {
    let mut done = BTreeSet::new();
    let times = export.sink.times();
    for post in row.extra.iter().filter(|post| row.post.as_ref() != Some(post)) {
        let call = EffectCall { row: row.id.clone(), op: Op::Delete, post: Some(post.clone()), payload: Json::Null };
        let called = cx.now();
        cx.at(Point::DrainSend)?;
        match export.sink.apply(&lease.target, &call).await {
            EffectAnswer::Done { .. } => {
                done.insert(post.clone());
            }
            EffectAnswer::Absent(_) if called >= row.posted_at + millis(times.settle) => {
                done.insert(post.clone());
            }
            _ => notes.at(cx.now() + 5_000),
        }
        cx.at(Point::DrainSent)?;
    }
    arm::put(cx, row, |mut row| {
        row.extra.retain(|post| !done.contains(post) && row.post.as_ref() != Some(post));
        row.past.extend(done.iter().cloned());
        row.recheck = true;
        row
    })
    .await?;
    notes.again |= !done.is_empty() || row.extra.is_empty();
    Ok(())
}

/// "Is it due?" asked anew. A recheck is cleared by the row's version, after reading row, definition, head in this order.
async fn recheck(
    cx: &Cx,
    lease: &Lease,
    exports: &[Export],
    rows: Vec<Row>,
    pacing: &mut Pacing,
    armed: &mut Vec<Armed>,
    notes: &mut Notes,
) -> Result<()> {
    let now = cx.now();
    for export in exports {
        let mine: Vec<&Row> =
            rows.iter().filter(|row| row.id.import == export.import && row.id.export == export.name).collect();
        if mine.is_empty() {
            continue;
        }
        // the definition must be the one that the target has recorded; a newer one is recorded first, next round
        let closed = crate::admission::import(cx, &export.import).await?.doc.closed;
        if export.walks
            && closed.as_ref().map(|closed| (closed.seq, closed.mark()))
                != Some((export.closed.seq, export.closed.mark()))
        {
            notes.again = true;
            continue;
        }
        let keys: Vec<String> = mine.iter().map(|row| row.id.key.clone()).collect();
        let heads = cx.store.heads(&export.ledger, &keys).await?;
        let mut plans = Vec::new();
        let mut clear = Vec::new();
        for row in mine {
            if row.not_before > now {
                notes.at(row.not_before);
                continue;
            }
            let head = heads.iter().find(|head| head.key == row.id.key);
            let want = due::want_or_dead(cx, export, &row.id, head).await?;
            let guarded = export.closed.guard.is_some();
            match due::compare(Some(row), &want, export.sink.policy(), guarded) {
                None => clear.push((row, want)),
                Some(due) => match pacing.take(&export.pace, due.op) {
                    Ok(()) => {
                        plans.push(Plan { id: row.id.clone(), row: Some(row.clone()), due, seq: export.closed.seq });
                    }
                    Err(at) => notes.at(at),
                },
            }
        }
        take(arm::arm(cx, lease, plans).await?, armed, notes);
        clear_rechecks(cx, clear, notes).await?;
    }
    Ok(())
}

async fn clear_rechecks(cx: &Cx, rows: Vec<(&Row, Want)>, notes: &mut Notes) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let writes = rows
        .iter()
        .map(|(row, want)| {
            // withdrawn once: what an admin deleted may be made again when it is wanted again
            let vanished = row.vanished && *want != Want::Nothing;
            let new = Row { version: cx.ids.nonce(), recheck: false, vanished, ..(*row).clone() };
            jobpipe_core::RowWrite { expect: Some(row.version), row: new }
        })
        .collect();
    let applied = cx.store.rows_put(writes).await?;
    notes.again |= applied.contains(&false);
    Ok(())
}

pub(super) fn take(new: Vec<Option<Armed>>, armed: &mut Vec<Armed>, notes: &mut Notes) {
    for one in new {
        match one {
            Some(one) => armed.push(one),
            None => notes.again = true,
        }
    }
}
