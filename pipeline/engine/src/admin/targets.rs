//! What a run did to one of its targets, read from the rows.

use crate::cx::Cx;
use crate::docs::{self, ImportDoc, Mark, Read, RunDoc, RunState, TargetDoc, Told};
use crate::error::Result;
use jobpipe_core::{DocKind, Op, Row, RowId, RowState};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a run did to one target.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetSummary {
    /// Made.
    pub created: u64,
    /// Changed.
    pub updated: u64,
    /// Removed.
    pub deleted: u64,
    /// In step already.
    pub unchanged: u64,
    /// Refused, or not yet known.
    pub failed: u64,
    /// Attempts in flight or of unknown end.
    pub pending: u64,
    /// Posts whose record or definition has changed and that are not compared yet: they may be changed, removed, or stay.
    #[serde(skip)]
    pub uncompared: u64,
    /// Why it pauses or waits, if it does.
    pub waits: Option<String>,
    /// Work is left; due then, when that is known.
    pub busy: bool,
    /// When the target is due again.
    pub next_at: Option<jobpipe_core::Millis>,
}

/// One target as one run sees it.
pub(super) struct Seen<'a> {
    pub(super) import: &'a ImportDoc,
    pub(super) run: &'a RunDoc,
    pub(super) export: &'a str,
    /// The target's id.
    pub(super) target: &'a str,
    /// Where the wanted records are; `None` = nothing is asked of them, and all that was left alone counts as in step.
    pub(super) ledger: Option<String>,
}

impl Seen<'_> {
    /// What the run did to it, and whether a person is asked to approve what it waits for.
    pub(super) async fn summary(&self, cx: &Cx) -> Result<(TargetSummary, bool)> {
        let (run, import) = (self.run, self.import);
        let facts = &run.open.facts;
        let mut summary = TargetSummary::default();
        let doc: Option<Read<TargetDoc>> = docs::read(&*cx.store, DocKind::Target, self.target).await?;
        let Some(doc) = doc else {
            summary.busy = run.state == RunState::Closed && !run.cancel;
            return Ok((summary, false));
        };
        let doc = doc.doc;
        summary.busy = doc.busy || doc.owner.is_some() || import.to_wake.contains(self.target);
        summary.next_at = doc.next_at;
        let name = format!("{}/{}", facts.import, self.export);
        let mark = doc.marks.get(&name);
        // of one that was woken, what it waited for before says nothing until somebody has looked
        let woken = doc.next_at == Some(0) || doc.owner.is_some() || import.to_wake.contains(self.target);
        let mut asks = false;
        if !woken {
            // another credential ends a pause by itself
            asks = doc
                .paused
                .as_ref()
                .map_or(mark.is_some_and(|mark| mark.waits.is_some()), |pause| pause.credential == 0);
            let waits = doc.paused.as_ref().map(|pause| pause.why.clone());
            summary.waits = waits.or_else(|| mark.and_then(|mark| mark.waits.clone()));
        }
        let reached = self.reached(mark, doc.told.get(&name));
        let behind = self.is_behind(cx, reached).await?;
        let mut after: Option<RowId> = None;
        loop {
            let rows = cx.store.rows_of(self.target, after.as_ref(), cx.settings.page).await?;
            let whole = rows.len() < cx.settings.page;
            after = rows.last().map(|last| last.id.clone());
            let ours = |row: &&Row| row.id.import == facts.import && row.id.export == self.export;
            let rows: Vec<&Row> = rows.iter().filter(ours).collect();
            let above = if behind { self.above(cx, reached, &rows).await? } else { BTreeSet::new() };
            for row in rows {
                let open = above.contains(&row.id.key) || (row.recheck && self.ledger.is_some());
                count(&mut summary, row, facts.seq, open);
            }
            if whole {
                return Ok((summary, asks));
            }
        }
    }

    /// How far the target has compared its posts with what this run wants: the watermark, unless it is another
    /// definition's.
    fn reached<'m>(&self, mark: Option<&'m Mark>, told: Option<&Told>) -> (u64, &'m str) {
        let is_same = |mark: &&Mark| match told.filter(|told| told.run == self.run.open.facts.run) {
            Some(told) => mark.definition == told.mark(),
            None => Told::definition_of(&mark.definition) == self.run.open.definition,
        };
        mark.filter(is_same).map_or((0, ""), |mark| (mark.changed_gen, &mark.key))
    }

    /// Whether any record lies above that. What a cancelled run wanted is never asked for.
    async fn is_behind(&self, cx: &Cx, (changed_gen, key): (u64, &str)) -> Result<bool> {
        let Some(ledger) = self.ledger.as_ref().filter(|_| !self.run.cancel) else { return Ok(false) };
        let above = (changed_gen, key.to_owned());
        Ok(!cx.store.heads_walk(ledger, above, self.run.open.facts.seq, 1).await?.is_empty())
    }

    /// The keys of these rows whose records lie above that.
    async fn above(&self, cx: &Cx, reached: (u64, &str), rows: &[&Row]) -> Result<BTreeSet<String>> {
        let Some(ledger) = &self.ledger else { return Ok(BTreeSet::new()) };
        let keys: Vec<String> = rows.iter().map(|row| row.id.key.clone()).collect();
        let seq = self.run.open.facts.seq;
        let is_above = |head: &jobpipe_core::Head| {
            (head.stamps.changed_gen, head.key.as_str()) > reached && head.stamps.changed_gen <= seq
        };
        Ok(cx.store.heads(ledger, &keys).await?.into_iter().filter(is_above).map(|head| head.key).collect())
    }
}

/// Adds one row. `open`: it is not compared yet with what is wanted.
fn count(summary: &mut TargetSummary, row: &Row, seq: u64, open: bool) {
    if row.state != RowState::Idle {
        summary.pending += 1;
        return;
    }
    let last = row.last.as_ref().filter(|last| last.seq == seq);
    match last.map(|last| last.op) {
        Some(Some(Op::Create)) => summary.created += 1,
        Some(Some(Op::Update)) => summary.updated += 1,
        Some(Some(Op::Delete)) => summary.deleted += 1,
        Some(None) => summary.failed += 1,
        None if row.post.is_none() => {}
        None if open => summary.uncompared += 1,
        None => summary.unchanged += 1,
    }
}
