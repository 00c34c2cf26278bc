//! What a real run would do to each target: what the records of the dry run render to, against the real rows.

use super::targets_of;
use crate::exit::Outcome;
use crate::terminal::number;
use jobpipe_core::{EffectPolicy, Head, Plan, Rendered, Row, RowId, RowStore, Sink, Stages, StateStore, Wanted};
use jobpipe_engine::layout::Layout;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// Heads looked at at a time.
const PAGE: usize = 500;

/// What would be done to one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Compared {
    created: u64,
    updated: u64,
    deleted: u64,
    unchanged: u64,
    failed: u64,
}

impl Compared {
    pub(super) fn json(&self) -> Json {
        let Self { created, updated, deleted, unchanged, failed } = self;
        json!({ "created": created, "updated": updated, "deleted": deleted, "unchanged": unchanged, "failed": failed })
    }

    pub(super) fn row(&self, name: &str) -> Vec<String> {
        let Self { created, updated, deleted, unchanged, failed } = *self;
        std::iter::once(name.to_owned()).chain([created, updated, deleted, unchanged, failed].map(number)).collect()
    }

    fn count(&mut self, change: Change) {
        match change {
            Change::None => {}
            Change::Create => self.created += 1,
            Change::Update => self.updated += 1,
            Change::Delete => self.deleted += 1,
            Change::Unchanged => self.unchanged += 1,
            Change::Fail => self.failed += 1,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    None,
    Create,
    Update,
    Delete,
    Unchanged,
    Fail,
}

/// Compares every target of the plan; by the target's name.
pub(super) async fn compare<S: RowStore + ?Sized>(
    dry: &dyn StateStore,
    real: Option<&S>,
    stages: &dyn Stages,
    plan: &Plan,
) -> Outcome<BTreeMap<String, Compared>> {
    let layout = Layout::new(plan.clone());
    let exports = layout.effects().count();
    let mut all = BTreeMap::new();
    for export in layout.effects() {
        let (sink, targets) = targets_of(stages, plan, &export.name)?;
        let ledger = layout.ledger_of(export);
        for target in targets {
            let row =
                RowId { target: target.id, import: plan.name.clone(), export: export.name.clone(), key: String::new() };
            let compared = target_of(dry, real, &*sink, &ledger, &row).await?;
            let label = if exports > 1 { format!("{}/{}", target.name, export.name) } else { target.name };
            all.insert(label, compared);
        }
    }
    Ok(all)
}

async fn target_of<S: RowStore + ?Sized>(
    dry: &dyn StateStore,
    real: Option<&S>,
    sink: &dyn Sink,
    ledger: &str,
    of: &RowId,
) -> Outcome<Compared> {
    let mut compared = Compared::default();
    let mut above = (0, String::new());
    loop {
        let heads = dry.heads_walk(ledger, above.clone(), u64::MAX >> 1, PAGE).await?;
        let Some(last) = heads.last() else { return Ok(compared) };
        above = (last.stamps.changed_gen, last.key.clone());
        let ids: Vec<RowId> = heads.iter().map(|head| RowId { key: head.key.clone(), ..of.clone() }).collect();
        let rows = match real {
            Some(real) => real.rows(&ids).await?,
            None => Vec::new(),
        };
        let rows: BTreeMap<&RowId, &Row> = rows.iter().map(|row| (&row.id, row)).collect();
        for (head, id) in heads.iter().zip(&ids) {
            compared.count(change(sink, head, id, rows.get(id).copied()));
        }
    }
}

fn change(sink: &dyn Sink, head: &Head, id: &RowId, row: Option<&Row>) -> Change {
    let posted = row.filter(|row| row.post.is_some());
    let EffectPolicy { create, update, delete } = sink.policy();
    let removed = if posted.is_some() && delete { Change::Delete } else { Change::None };
    match head.stamps.wanted {
        Wanted::Withdrawn | Wanted::Gone => return removed,
        Wanted::Stub => return Change::None,
        Wanted::Live => {}
    }
    match sink.render(id, &head.body) {
        Err(_) => Change::Fail,
        Ok(Rendered::Nothing) => removed,
        Ok(Rendered::Content { content, .. }) => match posted {
            // refused content and posts that an admin removed are left alone
            None if row.is_some_and(|row| row.vanished || row.rejected.as_ref() == Some(&content)) => Change::None,
            None if create => Change::Create,
            Some(row) if row.content.as_ref() == Some(&content) => Change::Unchanged,
            Some(_) if update => Change::Update,
            Some(_) => Change::Unchanged,
            None => Change::None,
        },
    }
}
