//! Arming: everything about an attempt is written down before a byte is sent; and undoing it when surely nothing was.

use super::due::Due;
use super::lease::Lease;
use crate::cx::Cx;
use crate::error::Result;
use crate::failpoint::Point;
use crate::sabotage::Rule;
use jobpipe_core::{Attempt, LastEffect, Op, Row, RowId, RowState, RowWrite};
use std::time::Duration;

/// What is to be armed.
pub(super) struct Plan {
    /// Which row.
    pub id: RowId,
    /// The row as read; `None` makes it.
    pub row: Option<Row>,
    /// What is due.
    pub due: Due,
    /// The closed run whose wish it is.
    pub seq: u64,
}

/// An attempt that is armed and not yet sent.
pub(super) struct Armed {
    /// The row as armed.
    pub row: Row,
    /// When the ARM began, on the own clock: sending is allowed only so long after it.
    pub began: Duration,
}

/// Arms rows in bulk; for each plan the attempt, or `None` where another was faster.
pub(super) async fn arm(cx: &Cx, lease: &Lease, plans: Vec<Plan>) -> Result<Vec<Option<Armed>>> {
    if plans.is_empty() {
        return Ok(Vec::new());
    }
    let began = cx.clock.monotonic();
    let mut writes = Vec::with_capacity(plans.len());
    for plan in plans {
        let expect = plan.row.as_ref().map(|row| row.version);
        let old = plan.row.unwrap_or_else(|| Row::blank(plan.id, 0, lease.epoch.epoch));
        let attempt = Attempt {
            op: plan.due.op,
            content: plan.due.content,
            payload: plan.due.payload,
            nonce: cx.ids.nonce(),
            owner: cx.owner.clone(),
            armed_at: cx.now(),
            unknown_from: 0,
            misses: 0,
            missed_at: 0,
            after_unknown_delete: old.state == RowState::Unknown,
            seq: plan.seq,
        };
        // what was seen once only says nothing of what is sent now
        let seen = old.seen.clone().filter(|seen| seen.told);
        let row = Row {
            version: cx.ids.nonce(),
            state: RowState::Armed,
            attempt: Some(attempt),
            recheck: false,
            not_before: 0,
            seen,
            epoch: lease.epoch.epoch,
            ..old
        };
        writes.push(RowWrite { expect, row });
    }
    cx.at(Point::DrainArm)?;
    let applied = write(cx, &writes).await?;
    Ok(writes
        .into_iter()
        .zip(applied)
        .map(|(write, applied)| applied.then_some(Armed { row: write.row, began }))
        .collect())
}

/// Writes the attempts down, before anything is sent.
async fn write(cx: &Cx, writes: &[RowWrite]) -> Result<Vec<bool>> {
    if cx.keeps(Rule::ArmFirst) {
        return Ok(cx.store.rows_put(writes.to_vec()).await?);
    }
    let mut applied = Vec::new();
    for write in writes {
        let creates = write.row.attempt.as_ref().is_some_and(|attempt| attempt.op == Op::Create);
        applied.push(creates || cx.store.rows_put(vec![write.clone()]).await? == [true]);
    }
    Ok(applied)
}

/// Changes a row by its attempt's nonce: the one who armed it may, whatever the row's version is by now.
/// False when the attempt is not the row's any more.
pub(super) async fn by_nonce(cx: &Cx, id: &RowId, nonce: u64, change: impl Fn(Row) -> Row) -> Result<bool> {
    loop {
        let rows = cx.store.rows(std::slice::from_ref(id)).await?;
        let Some(row) = rows.into_iter().next() else { return Ok(false) };
        let in_flight = matches!(row.state, RowState::Armed | RowState::Unknown);
        if !in_flight || row.attempt.as_ref().is_none_or(|attempt| attempt.nonce != nonce) {
            return Ok(false);
        }
        if put(cx, &row, &change).await? {
            return Ok(true);
        }
    }
}

/// Changes a row that was read; false when another was faster.
pub(super) async fn put(cx: &Cx, row: &Row, change: impl FnOnce(Row) -> Row) -> Result<bool> {
    let applied = cx.store.rows_put(vec![changed(cx, row, change)]).await?;
    Ok(applied.first() == Some(&true))
}

/// The change of a row that was read: it applies unless another was faster.
pub(super) fn changed(cx: &Cx, row: &Row, change: impl FnOnce(Row) -> Row) -> RowWrite {
    let mut new = change(row.clone());
    new.version = cx.ids.nonce();
    let ends = row.attempt.is_some() && new.attempt.is_none();
    new.recheck &= !ends || cx.keeps(Rule::Recheck);
    RowWrite { expect: Some(row.version), row: new }
}

/// The attempt is over. Every way out asks for a recheck: what is wanted may have changed meanwhile.
#[must_use]
pub(super) fn settled(row: Row) -> Row {
    Row { state: RowState::Idle, attempt: None, recheck: true, ..row }
}

/// [`settled`], the end noted for the summary.
#[must_use]
pub(super) fn ended(row: Row, op: Option<Op>) -> Row {
    let last = row.attempt.as_ref().map(|attempt| LastEffect { seq: attempt.seq, op }).or(row.last);
    settled(Row { last, ..row })
}

/// The post is gone for sure.
#[must_use]
pub(super) fn without_post(mut row: Row) -> Row {
    if let Some(post) = row.post.take() {
        row.past.insert(post);
    }
    row.content = None;
    row
}
