//! The walk above a watermark: heads in the order in which they changed, compared with the rows they should have.

use super::Notes;
use super::arm::{self, Armed, Plan};
use super::attach;
use super::due::{self, Want};
use super::exports::Export;
use super::lease::Lease;
use super::pace::Pacing;
use crate::cx::Cx;
use crate::docs::Mark;
use crate::error::Result;
use crate::sabotage::Rule;
use jobpipe_core::{Head, Millis, Row, RowId, RowState, RowWrite};
use std::collections::{BTreeMap, BTreeSet};

/// What one head needs.
enum Step {
    /// Nothing: the watermark passes.
    Pass,
    /// Its row is marked so that a clearing decided earlier fails; then the watermark passes.
    Write(Box<RowWrite>),
    /// It is armed; then the watermark passes.
    Arm(Box<Plan>),
    /// The watermark stops here.
    Stop(Option<Millis>),
}

/// Walks one export; moves its mark in `marks` and arms what is due.
#[expect(clippy::too_many_arguments, reason = "one round's state")]
pub(super) async fn walk(
    cx: &Cx,
    lease: &Lease,
    export: &Export,
    marks: &mut BTreeMap<String, Mark>,
    scanned: &BTreeSet<RowId>,
    pacing: &mut Pacing,
    armed: &mut Vec<Armed>,
    notes: &mut Notes,
) -> Result<()> {
    let Some(mut mark) = marks.get(&export.mark).cloned() else { return Ok(()) };
    loop {
        let above = (mark.changed_gen, mark.key.clone());
        let heads = cx.store.heads_walk(&export.ledger, above, export.upto, cx.settings.page).await?;
        if heads.is_empty() {
            break;
        }
        // nothing is added below the last closed run
        let last = heads.len() < cx.settings.page;
        let whole = page(cx, lease, export, &heads, &mut mark, scanned, pacing, armed, notes).await?;
        if !whole {
            notes.busy = true;
            break;
        }
        if last {
            break;
        }
        if armed.len() >= cx.settings.round {
            notes.again = true;
            break;
        }
    }
    marks.insert(export.mark.clone(), mark);
    Ok(())
}

/// One page of heads; true when the watermark passed all of them.
#[expect(clippy::too_many_arguments, reason = "one round's state")]
async fn page(
    cx: &Cx,
    lease: &Lease,
    export: &Export,
    heads: &[Head],
    mark: &mut Mark,
    scanned: &BTreeSet<RowId>,
    pacing: &mut Pacing,
    armed: &mut Vec<Armed>,
    notes: &mut Notes,
) -> Result<bool> {
    let rows = rows_of(cx, lease, export, heads).await?;
    let mut steps = Vec::new();
    for head in heads {
        let id = export.row(&lease.target, &head.key);
        let step = step(cx, lease, export, head, &id, &rows, scanned, pacing, notes).await?;
        let stop = matches!(step, Step::Stop(_));
        steps.push((head, step));
        if stop {
            break;
        }
    }
    apply(cx, lease, steps, heads.len(), mark, armed, notes).await
}

/// Rows of these heads, and of the orphans that carry their markers.
pub(super) async fn rows_of(cx: &Cx, lease: &Lease, export: &Export, heads: &[Head]) -> Result<BTreeMap<RowId, Row>> {
    let mut ids = Vec::with_capacity(heads.len());
    for head in heads {
        ids.push(export.row(&lease.target, &head.key));
    }
    let mut rows: BTreeMap<RowId, Row> =
        cx.store.rows(&ids).await?.into_iter().map(|row| (row.id.clone(), row)).collect();
    let bare: Vec<&RowId> = ids.iter().filter(|id| rows.get(id).is_none_or(|row| row.post.is_none())).collect();
    let orphans = attach::orphans_of(cx, export, &bare).await?;
    rows.extend(orphans);
    Ok(rows)
}

#[expect(clippy::too_many_arguments, reason = "one head's surroundings")]
async fn step(
    cx: &Cx,
    lease: &Lease,
    export: &Export,
    head: &Head,
    id: &RowId,
    rows: &BTreeMap<RowId, Row>,
    scanned: &BTreeSet<RowId>,
    pacing: &mut Pacing,
    notes: &mut Notes,
) -> Result<Step> {
    let row = rows.get(id);
    if let Some(open) = row.filter(|row| row.state != RowState::Idle || row.recheck) {
        // the scan of open rows may have missed it
        notes.again |= !scanned.contains(id) && cx.keeps(Rule::WalkScan);
        notes.busy = true;
        if !cx.keeps(Rule::WalkMarks) {
            return Ok(Step::Pass);
        }
        let new = Row { version: cx.ids.nonce(), recheck: true, ..open.clone() };
        return Ok(Step::Write(Box::new(RowWrite { expect: Some(open.version), row: new })));
    }
    if row.is_none_or(|row| row.post.is_none())
        && let Some(orphan) = rows.get(&attach::orphan_id(export, id)).filter(|row| attach::is_orphan(row))
    {
        return Ok(Step::Stop(attach::claim_orphan(cx, orphan, &id.key, lease).await?));
    }
    let want = due::want_or_dead(cx, export, id, Some(head)).await?;
    if let Some(row) = row.filter(|row| row.vanished && want == Want::Nothing) {
        let new = Row { version: cx.ids.nonce(), vanished: false, ..row.clone() };
        return Ok(Step::Write(Box::new(RowWrite { expect: Some(row.version), row: new })));
    }
    let Some(due) = export.due(row, &want, export.is_guarded()) else { return Ok(Step::Pass) };
    Ok(match pacing.take(&export.pace, due.op) {
        Ok(()) => Step::Arm(Box::new(Plan { id: id.clone(), row: row.cloned(), due, seq: export.closed.seq })),
        Err(at) if cx.keeps(Rule::WalkArmed) => Step::Stop(Some(at)),
        Err(at) => {
            notes.at(at);
            Step::Pass
        }
    })
}

/// Applies the steps in bulk, then moves the watermark over the heads whose step held, up to the first that did not.
async fn apply(
    cx: &Cx,
    lease: &Lease,
    steps: Vec<(&Head, Step)>,
    all: usize,
    mark: &mut Mark,
    armed: &mut Vec<Armed>,
    notes: &mut Notes,
) -> Result<bool> {
    let mut plans = Vec::new();
    let mut writes = Vec::new();
    let mut kinds = Vec::new();
    for (head, step) in steps {
        let at = (head.stamps.changed_gen, &head.key);
        match step {
            Step::Pass => kinds.push((at, Kind::Pass)),
            Step::Write(write) => {
                writes.push(*write);
                kinds.push((at, Kind::Write));
            }
            Step::Arm(plan) => {
                plans.push(*plan);
                kinds.push((at, Kind::Arm));
            }
            Step::Stop(when) => {
                notes.at_or_again(cx, when);
                kinds.push((at, Kind::Stop));
            }
        }
    }
    let written = if writes.is_empty() { Vec::new() } else { cx.store.rows_put(writes).await? };
    let mut written = written.into_iter();
    let mut arms = arm::arm(cx, lease, plans).await?.into_iter();
    let mut passing = true;
    let mut passed = 0;
    for ((changed_gen, key), kind) in kinds {
        let held = match kind {
            Kind::Pass => true,
            Kind::Stop => false,
            Kind::Write => written.next().unwrap_or(false),
            Kind::Arm => match arms.next().flatten() {
                Some(one) => {
                    armed.push(one);
                    true
                }
                None => false,
            },
        };
        let lost = !held && kind != Kind::Stop;
        notes.again |= lost;
        passing &= held || (lost && !cx.keeps(Rule::WalkCas));
        if passing {
            mark.changed_gen = changed_gen;
            mark.key.clone_from(key);
            passed += 1;
        }
    }
    Ok(passed == all)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pass,
    Write,
    Arm,
    Stop,
}
