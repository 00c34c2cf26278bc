//! The gone pass: heads that an exhaustive run did not list are counted missed, and declared gone after so many runs,
//! unless so many would go at once that a person should look first.

use crate::admission;
use crate::cx::Cx;
use crate::docs::RunDoc;
use crate::error::Result;
use crate::failpoint::Point;
use crate::heads::{self, Writer};
use crate::layout::{Layout, Ledger};
use crate::sabotage::Rule;
use jobpipe_core::{ErrorClass, GonePolicy, RowId, Stamps, Wanted};
use std::collections::BTreeSet;

/// What becomes of the records of an import that ends.
const ALL_GO: GonePolicy = GonePolicy { after: 1, limit: 1.0 };

/// What the pass found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Passed {
    /// Heads declared gone.
    pub gone: u64,
    /// Why removals wait for a person.
    pub guard: Option<String>,
}

/// Heads of a ledger that the run `seq` did not see, page by page.
struct Unseen<'a> {
    cx: &'a Cx,
    ledger: &'a str,
    seq: u64,
    after: String,
}

impl<'a> Unseen<'a> {
    fn of(cx: &'a Cx, ledger: &'a Ledger, seq: u64) -> Self {
        Self { cx, ledger: &ledger.id, seq, after: String::new() }
    }

    /// The next page, never an empty one; `None` when that was all.
    async fn next(&mut self) -> Result<Option<Vec<(String, Stamps)>>> {
        let page = self.cx.store.heads_unseen(self.ledger, self.seq, &self.after, self.cx.settings.page).await?;
        let Some((last, _)) = page.last() else { return Ok(None) };
        self.after.clone_from(last);
        Ok(Some(page))
    }
}

/// Runs the pass over every ledger of the plan.
pub(crate) async fn pass(cx: &Cx, layout: &Layout, run: &RunDoc) -> Result<Passed> {
    let import = admission::import(cx, &layout.plan.name).await?;
    let exhaustive = run.verdict.is_some_and(|verdict| verdict.exhaustive || !cx.keeps(Rule::GoneExhaustive));
    let mut passed = Passed::default();
    for ledger in layout.ledgers.iter().filter(|ledger| ledger.tracked) {
        let policy = if run.open.retires { Some(ALL_GO) } else { layout.gone_policy(ledger) };
        if exhaustive && policy.is_some() && !run.open.retires {
            hold_owned_stubs(cx, layout, run, ledger).await?;
        }
        let missing = match policy {
            Some(policy) if exhaustive => count_missing(cx, ledger, run, policy).await?,
            _ => Missing::default(),
        };
        let withdrawn = count_removed(cx, ledger, import.doc.accepted_gen, run.open.facts.seq).await?;
        let guard = guard(cx, ledger, policy, run, missing, withdrawn).await?;
        if let (Some(policy), true) = (policy, exhaustive) {
            let cancelled = &import.doc.cancelled;
            let writer = Writer { seq: run.open.facts.seq, cancelled, sabotage: cx.sabotage };
            count_missed(cx, ledger, writer, policy, guard.is_none()).await?;
        }
        match guard {
            None => passed.gone += missing.all,
            Some(why) => passed.guard = Some(why),
        }
    }
    Ok(passed)
}

/// Stubs stand for posts whose record was unknown when the store was new. One whose marker a listed record makes is
/// that record's post: it is handed to it by the drain, and neither missing nor counted against the limit.
async fn hold_owned_stubs(cx: &Cx, layout: &Layout, run: &RunDoc, ledger: &Ledger) -> Result<()> {
    let seq = run.open.facts.seq;
    let mut stubs = BTreeSet::new();
    let mut unseen = Unseen::of(cx, ledger, seq);
    while let Some(page) = unseen.next().await? {
        stubs.extend(page.into_iter().filter(|(_, head)| head.wanted == Wanted::Stub).map(|(key, _)| key));
    }
    if stubs.is_empty() {
        return Ok(());
    }
    if gave_up(cx, run).await? {
        // one of them may be the post of what was given up: nobody can tell
        return heads::hold_keys(cx, &ledger.id, stubs.into_iter().collect(), seq).await;
    }
    let mut owned = BTreeSet::new();
    for export in layout.effects().filter(|export| layout.ledger_of(export) == ledger.id) {
        let sink = layout.sink(&*cx.stages, &export.name).map_err(crate::EngineError::Stage)?;
        let mut after = String::new();
        loop {
            let heads = cx.store.heads_live(&ledger.id, &after, cx.settings.page).await?;
            let Some(last) = heads.last() else { break };
            after.clone_from(&last.key);
            for (head, target) in heads
                .iter()
                .flat_map(|head| run.open.targets.get(&export.name).into_iter().flatten().map(move |one| (head, one)))
            {
                let id = RowId {
                    target: target.id.clone(),
                    import: layout.plan.name.clone(),
                    export: export.name.clone(),
                    key: head.key.clone(),
                };
                let key = crate::drain::orphan_key(&sink.marker(&id));
                if stubs.contains(&key) {
                    owned.insert(key);
                }
            }
        }
    }
    heads::hold_keys(cx, &ledger.id, owned.into_iter().collect(), seq).await
}

/// True when the run gave up a request or record that may exist: its source was listed, and yet not all of it was seen.
async fn gave_up(cx: &Cx, run: &RunDoc) -> Result<bool> {
    let facts = &run.open.facts;
    let mut after = String::new();
    loop {
        let page = cx.store.dead(Some(&facts.import), Some(&facts.run), &after, cx.settings.page).await?;
        let Some(last) = page.last() else { return Ok(false) };
        after.clone_from(&last.id);
        if page.iter().any(|letter| letter.error.class != ErrorClass::Missing) {
            return Ok(true);
        }
    }
}

/// Heads that the pass declares gone, or would but for the guard.
#[derive(Debug, Clone, Copy, Default)]
struct Missing {
    /// All of them.
    all: u64,
    /// Those among them that were live and are gone already: declared so before a crash.
    gone: u64,
}

async fn count_missing(cx: &Cx, ledger: &Ledger, run: &RunDoc, policy: GonePolicy) -> Result<Missing> {
    let seq = run.open.facts.seq;
    let mut missing = Missing::default();
    let mut unseen = Unseen::of(cx, ledger, seq);
    while let Some(page) = unseen.next().await? {
        for (_, head) in &page {
            missing.all += u64::from(heads::goes(head, seq, policy.after));
            // a stub, which no run ever saw, was never live
            missing.gone += u64::from(heads::went(head, seq) && head.seen_gen > 0);
        }
    }
    Ok(missing)
}

/// Heads that were live and that runs since the last accepted one have withdrawn (or, under a guard, declared gone).
async fn count_removed(cx: &Cx, ledger: &Ledger, accepted: u64, seq: u64) -> Result<u64> {
    let mut above = (accepted, "\u{10ffff}".to_owned());
    let mut removed = 0;
    loop {
        let page = cx.store.heads_walk(&ledger.id, above.clone(), seq, cx.settings.page).await?;
        let Some(last) = page.last() else { return Ok(removed) };
        above = (last.stamps.changed_gen, last.key.clone());
        removed += u64::try_from(
            page.iter()
                .filter(|head| head.stamps.wanted == Wanted::Withdrawn && head.stamps.first_gen <= accepted)
                .count(),
        )
        .unwrap_or(u64::MAX);
    }
}

/// The sentence of the guard, when more than the limit would be removed.
async fn guard(
    cx: &Cx,
    ledger: &Ledger,
    policy: Option<GonePolicy>,
    run: &RunDoc,
    missing: Missing,
    withdrawn: u64,
) -> Result<Option<String>> {
    let limit = policy.map_or(0.3, |policy| policy.limit);
    let removed = missing.all + withdrawn;
    if removed == 0 || run.open.approved {
        return Ok(None);
    }
    let live = cx.store.heads_count(&ledger.id).await?.live + missing.gone + withdrawn;
    #[expect(clippy::cast_precision_loss, reason = "a share for people, far below 2^52")]
    let share = removed as f64 / live.max(1) as f64;
    if share <= limit {
        return Ok(None);
    }
    Ok(Some(format!(
        "{removed} of {live} records of {} would be removed ({:.0} %, the limit is {:.0} %: {} no longer listed, {withdrawn} withdrawn); \
         nothing is removed before that is approved",
        ledger.id,
        share * 100.0,
        limit * 100.0,
        missing.all
    )))
}

async fn count_missed(
    cx: &Cx,
    ledger: &Ledger,
    writer: Writer<'_>,
    policy: GonePolicy,
    may_remove: bool,
) -> Result<()> {
    let mut unseen = Unseen::of(cx, ledger, writer.seq);
    while let Some(page) = unseen.next().await? {
        cx.at(Point::CloseGone)?;
        heads::miss_keys(cx, &ledger.id, page, writer, policy.after, may_remove).await?;
    }
    Ok(())
}

/// Ledgers in which the guarded run `seq` was not allowed to remove what it counted missed.
pub(crate) async fn held_back(cx: &Cx, layout: &Layout, seq: u64) -> Result<BTreeSet<String>> {
    let mut ledgers = BTreeSet::new();
    for ledger in layout.ledgers.iter().filter(|ledger| ledger.tracked) {
        let Some(policy) = layout.gone_policy(ledger) else { continue };
        let mut unseen = Unseen::of(cx, ledger, seq);
        while let Some(page) = unseen.next().await? {
            if page.iter().any(|(_, head)| heads::waits(head, seq, policy.after)) {
                ledgers.insert(ledger.id.clone());
                break;
            }
        }
    }
    Ok(ledgers)
}

/// Declares gone what the guarded run `seq` counted missed often enough but was not allowed to remove.
pub(crate) async fn accept(cx: &Cx, layout: &Layout, seq: u64) -> Result<()> {
    for ledger in layout.ledgers.iter().filter(|ledger| ledger.tracked) {
        let Some(policy) = layout.gone_policy(ledger) else { continue };
        let mut unseen = Unseen::of(cx, ledger, seq);
        while let Some(page) = unseen.next().await? {
            cx.at(Point::CloseGone)?;
            heads::accept_keys(cx, &ledger.id, page, seq, policy.after).await?;
        }
    }
    Ok(())
}
