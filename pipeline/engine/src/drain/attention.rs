//! Rows that want attention although no head changed: attempts in flight, posts to remove, rechecks.

use super::answer::unknown;
use super::arm::{self, Armed, Plan};
use super::due::{self, Due, Want};
use super::exports::Export;
use super::lease::{self, Lease};
use super::pace::Pacing;
use super::send::{Moment, absent_from, millis, next_read, pause, settle_base, unreadable};
use super::{Notes, attach};
use crate::cx::{Cx, Settles};
use crate::error::Result;
use crate::failpoint::Point;
use crate::sabotage::Rule;
use jobpipe_core::{Attempt, EffectAnswer, EffectCall, FoundPost, Millis, Op, Row, RowId, RowState, RowWrite};
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// What a target was read back with: when, and its posts or when to try again.
type Read = (Moment, std::result::Result<Vec<FoundPost>, Millis>);

/// A read-back of the target in this round, shared by all rows whose attempts are not older than what it covers.
struct ReadBack {
    /// When the oldest attempt that was met was armed.
    oldest: Millis,
    /// It covers posts made from then on.
    made: Option<(Millis, Read)>,
}

impl ReadBack {
    fn meets(&mut self, rows: &[Row]) {
        let unknown = rows.iter().filter(|row| row.state == RowState::Unknown).filter_map(|row| row.attempt.as_ref());
        let creates = unknown.filter(|attempt| attempt.op == Op::Create).map(|attempt| attempt.armed_at);
        self.oldest = creates.min().unwrap_or(self.oldest).min(self.oldest);
    }
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
    let mut read = ReadBack { oldest: Millis::MAX, made: None };
    let mut after: Option<RowId> = None;
    loop {
        let rows = cx.store.rows_attention(&lease.target, after.as_ref(), cx.settings.page).await?;
        let Some(last) = rows.last() else { break };
        after = Some(last.id.clone());
        let whole = rows.len() < cx.settings.page;
        read.meets(&rows);
        let (mut idle, mut changed) = (Vec::new(), Vec::new());
        for row in rows {
            scanned.insert(row.id.clone());
            let export = exports.iter().find(|one| one.import == row.id.import && one.name == row.id.export);
            let Some(export) = export else { continue };
            match row.state {
                RowState::Armed => changed.extend(found_armed(cx, export, &row, armed, notes)),
                RowState::Unknown => {
                    changed.extend(resolve(cx, lease, export, &row, &mut read, pacing, armed, notes).await?);
                }
                RowState::Idle if row.handed_to.is_some() => attach::hand_over(cx, &row, notes).await?,
                RowState::Idle if !row.extra.is_empty() => remove_extra(cx, lease, export, &row, notes).await?,
                RowState::Idle => idle.push(row),
            }
        }
        if !changed.is_empty() {
            // where another was faster the row is looked at anew, next round
            cx.store.rows_put(changed).await?;
        }
        recheck(cx, lease, exports, idle, pacing, armed, notes).await?;
        if whole {
            break;
        }
    }
    Ok(scanned)
}

/// An ARMED row that this round did not arm: its sender may have died before or after sending. Never sent again.
fn found_armed(cx: &Cx, export: &Export, row: &Row, armed: &mut Vec<Armed>, notes: &mut Notes) -> Option<RowWrite> {
    let attempt = row.attempt.as_ref()?;
    if attempt.op == Op::Create && !cx.keeps(Rule::NoResend) {
        let attempt = Attempt { armed_at: cx.now(), ..attempt.clone() };
        let row = Row { attempt: Some(attempt), ..row.clone() };
        armed.push(Armed { row, began: cx.clock.monotonic() });
        return None;
    }
    let base = settle_base(cx, attempt, &export.sink.times());
    notes.again = true;
    Some(arm::changed(cx, row, |row| unknown(row, base, 0)))
}

/// From when on a read made `at` tells what became of an attempt: what was armed has settled by the wall clock, and by
/// what this process saw of it itself.
fn settled_at(cx: &Cx, export: &Export, attempt: &Attempt, at: Moment) -> Millis {
    let settle = export.sink.times().settle;
    let left = settle.saturating_sub(cx.settling.known_for(Settles::Attempt(attempt.nonce), at.own));
    (attempt.unknown_from + millis(settle)).max(at.wall + millis(left))
}

/// What becomes of an attempt whose end is unknown; gives the row if it changes.
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
) -> Result<Option<RowWrite>> {
    notes.busy = true;
    let now = cx.now();
    let Some(attempt) = &row.attempt else { return Ok(None) };
    // whatever is read below is read by one who has known of the attempt since now at the latest
    let settled_at = settled_at(cx, export, attempt, Moment::of(cx));
    match attempt.op {
        // after settle the content counts as unknown, which always differs: the newest is sent
        Op::Update if now < settled_at && cx.keeps(Rule::UpdateSettles) => notes.at(settled_at),
        Op::Update => {
            notes.again = true;
            return Ok(Some(arm::changed(cx, row, |row| {
                let identity = row.content.as_ref().map(|content| content.identity.clone());
                Row { content: Some(due::unknown_content(identity.as_deref())), ..arm::settled(row) }
            })));
        }
        Op::Delete if !cx.keeps(Rule::DeleteFrozen) => {
            notes.again = true;
            read.oldest = 0;
            match &read_back(cx, lease, export, read).await?.1 {
                Ok(found) if found.iter().any(|post| Some(&post.post) == row.post.as_ref()) => {
                    return Ok(Some(arm::changed(cx, row, arm::settled)));
                }
                Ok(_) => return Ok(Some(arm::changed(cx, row, |row| arm::settled(arm::without_post(row))))),
                Err(next) => notes.at(*next),
            }
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
        Op::Create => match read_back(cx, lease, export, read).await? {
            (at, Ok(found)) => return Ok(Some(resolve_create(cx, export, row, attempt, *at, found, notes))),
            (_, Err(next)) => notes.at(*next),
        },
    }
    Ok(None)
}

/// What a complete read, made `at`, says of a create.
fn resolve_create(
    cx: &Cx,
    export: &Export,
    row: &Row,
    attempt: &Attempt,
    at: Moment,
    found: &[FoundPost],
    notes: &mut Notes,
) -> RowWrite {
    let marker = export.sink.marker(&row.id);
    // what is to be deleted was made by an earlier attempt, and may vanish any time
    let is_ours = |post: &&FoundPost| {
        (post.marker == marker || !cx.keeps(Rule::Marker))
            && (!row.past.contains(&post.post) || !cx.keeps(Rule::PastIds))
            && !row.extra.contains(&post.post)
    };
    let mut posts: Vec<&FoundPost> = found.iter().filter(is_ours).collect();
    posts.sort_by(|a, b| (a.created_at, &a.post).cmp(&(b.created_at, &b.post)));
    match posts.split_first() {
        Some((first, others)) => {
            notes.again = true;
            is_there(cx, row, attempt, first, others)
        }
        None => is_missing(cx, export, row, attempt, at, notes),
    }
}

/// The first post found is the row's, the others are to be deleted.
fn is_there(cx: &Cx, row: &Row, attempt: &Attempt, first: &FoundPost, others: &[&FoundPost]) -> RowWrite {
    // only what this attempt armed can be there, unless an earlier one was declared "not there": then unknown
    let armed = if row.content.is_none() { attempt.content.clone() } else { None };
    let content = armed.unwrap_or_else(|| due::unknown_content(first.identity.as_deref()));
    let now = cx.now();
    arm::changed(cx, row, |row| {
        let mut row = arm::ended(row, Some(Op::Create));
        row.post = Some(first.post.clone());
        row.content = Some(content);
        row.posted_at = now;
        row.extra.extend(others.iter().filter(|post| !post.foreign).map(|post| post.post.clone()));
        row
    })
}

/// A complete read, made `at`, does not show it. "Not there" needs two of them after settle, at least the read lag apart.
fn is_missing(cx: &Cx, export: &Export, row: &Row, attempt: &Attempt, at: Moment, notes: &mut Notes) -> RowWrite {
    let times = export.sink.times();
    let gap = if cx.keeps(Rule::ReadsApart) { millis(times.read_lag) } else { 0 };
    let first = attempt.misses == 0;
    let now = cx.now();
    if at.wall < settled_at(cx, export, attempt, at) {
        let next = next_read(now + 1, &times);
        notes.at(next);
        arm::changed(cx, row, |row| Row { not_before: next, ..row })
    } else if (first && cx.keeps(Rule::ReadTwice)) || (!first && at.wall < attempt.missed_at + gap) {
        let missed_at = if first { at.wall } else { attempt.missed_at };
        let next = next_read(missed_at + gap + 1, &times);
        notes.at(next);
        arm::changed(cx, row, |row| {
            let attempt = row.attempt.map(|attempt| Attempt { misses: 1, missed_at, ..attempt });
            Row { attempt, not_before: next, ..row }
        })
    } else {
        notes.again = true;
        // content without a post remembers that one may turn up yet, and that nobody knows which
        arm::changed(cx, row, |row| {
            let content = Some(due::unknown_content(None));
            Row { content, ..arm::settled(arm::without_post(row)) }
        })
    }
}

async fn read_back<'a>(cx: &Cx, lease: &Lease, export: &Export, read: &'a mut ReadBack) -> Result<&'a Read> {
    // a day before the oldest attempt covers every clock
    let since = read.oldest.saturating_sub(86_400_000);
    if let Some(made) = read.made.take().filter(|(covers, _)| *covers <= since) {
        return Ok(&read.made.insert(made).1);
    }
    let at = Moment::of(cx);
    cx.at(Point::DrainProbe)?;
    let found = match export.sink.probe(&lease.target, since).await {
        Ok(found) => Ok(found),
        Err(error) => Err(unreadable(cx, lease, export, &error).await?),
    };
    Ok(&read.made.insert((since, (at, found))).1)
}

/// Deletes posts with our marker that are not the row's.
async fn remove_extra(cx: &Cx, lease: &Lease, export: &Export, row: &Row, notes: &mut Notes) -> Result<()> {
    let mut done = BTreeSet::new();
    let settle = export.sink.times().settle;
    for post in row.extra.iter().filter(|post| row.post.as_ref() != Some(post)) {
        let call = EffectCall { row: row.id.clone(), op: Op::Delete, post: Some(post.clone()), payload: Json::Null };
        let credential = export.sink.credential(&lease.target);
        let called = Moment::of(cx);
        cx.at(Point::DrainSend)?;
        match export.sink.apply(&lease.target, &call).await {
            EffectAnswer::Done { .. } => {
                done.insert(post.clone());
            }
            EffectAnswer::Absent(_) => match absent_from(cx, row, post, called, settle) {
                None => {
                    done.insert(post.clone());
                }
                Some(sure_at) => notes.at(sure_at),
            },
            EffectAnswer::Wait { after, .. } => notes.at(cx.now() + millis(after).max(1_000)),
            EffectAnswer::Paused(error) => {
                pause(cx, lease, export, &error, credential).await?;
                notes.again = true;
                break;
            }
            EffectAnswer::Rejected(_) | EffectAnswer::Unknown(_) => notes.at(cx.now() + 5_000),
        }
        cx.at(Point::DrainSent)?;
    }
    let written = arm::put(cx, row, |mut row| {
        row.extra.retain(|post| !done.contains(post) && row.post.as_ref() != Some(post));
        row.past.extend(done.iter().cloned());
        row.recheck = true;
        row
    })
    .await?;
    let had_own = row.post.as_ref().is_some_and(|post| row.extra.contains(post));
    notes.again |= !written || !done.is_empty() || had_own;
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
        // what waits for a person is asked again when they have looked
        if mine.is_empty() || notes.waiting.contains(&export.mark) {
            continue;
        }
        // read after the rows: the definition must be the one that the target has recorded; a newer one is recorded
        // first, next round
        if export.present && cx.keeps(Rule::RecheckOrder) && !is_told_the_same(cx, lease, export).await? {
            notes.again = true;
            continue;
        }
        let keys: Vec<String> = mine.iter().map(|row| row.id.key.clone()).collect();
        let heads = cx.store.heads(&export.ledger, &keys).await?;
        let bare: Vec<&RowId> = mine.iter().filter(|row| row.post.is_none()).map(|row| &row.id).collect();
        let orphans = attach::orphans_of(cx, export, &bare).await?;
        let mut plans = Vec::new();
        let mut clear = Vec::new();
        for row in mine {
            if row.not_before > now {
                notes.at(row.not_before);
                continue;
            }
            if row.post.is_none()
                && let Some(orphan) = orphans.get(&attach::orphan_id(export, &row.id))
            {
                notes.at(attach::claim_orphan(cx, orphan, &row.id.key, lease).await?.unwrap_or(now));
                continue;
            }
            let head = heads.iter().find(|head| head.key == row.id.key);
            let want = due::want_or_dead(cx, export, &row.id, head).await?;
            if want == Want::Keep {
                // asked again when the target is back
                continue;
            }
            match export.due(Some(row), &want, export.is_guarded()) {
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

/// The target was told of no other closed run since the round began.
async fn is_told_the_same(cx: &Cx, lease: &Lease, export: &Export) -> Result<bool> {
    let held = lease::reread(cx, lease).await?;
    Ok(held && lease.known().doc.told.get(&export.mark) == Some(&export.closed))
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
            RowWrite { expect: Some(row.version), row: new }
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
