//! What a drain must know of each export to its target: the last closed run, its definition, its sink.

use super::due::{self, Due, Want};
use crate::cx::Cx;
use crate::docs::{TargetDoc, Told};
use crate::error::Result;
use crate::layout::Layout;
use crate::sabotage::Rule;
use jobpipe_core::{EffectPolicy, Pace, Row, RowId, Sink};
use std::sync::Arc;

/// An export without a pace is as fast as its target answers.
const UNLIMITED: Pace = Pace { count: 1_000_000, every_ms: 1_000, per_day: None };

/// One export of one import to the target.
pub(super) struct Export {
    /// `import/export`.
    pub mark: String,
    /// The import.
    pub import: String,
    /// The export's name.
    pub name: String,
    /// Its last closed run, as the target was told of it.
    pub closed: Told,
    /// The ledger it is kept in step from.
    pub ledger: String,
    /// The adapter.
    pub sink: Arc<dyn Sink>,
    /// Its pace.
    pub pace: Pace,
    /// The target belongs to the export now. Else only open rows are settled, and everything stays as it is.
    pub present: bool,
    /// Heads are walked: those of a target that is present.
    pub walks: bool,
    /// Heads are walked up to this `changed_gen`: that of the last closed run.
    pub upto: u64,
    /// A replacement deletes before it creates.
    pub delete_first: bool,
}

impl Export {
    /// The row of a key.
    pub(super) fn row(&self, target: &str, key: &str) -> RowId {
        RowId { target: target.to_owned(), import: self.import.clone(), export: self.name.clone(), key: key.to_owned() }
    }

    /// What is due on a row. `guarded`: removals wait for a person.
    pub(super) fn due(&self, row: Option<&Row>, want: &Want, guarded: bool) -> Option<Due> {
        let policy = self.sink.policy();
        let policy = EffectPolicy { delete: policy.delete || self.closed.retired, ..policy };
        due::compare(row, want, policy, guarded, self.delete_first)
    }

    /// True when a person must look before anything is removed.
    pub(super) fn is_guarded(&self) -> bool {
        self.closed.guard.is_some()
    }
}

/// The exports of a target. `Err` in words when one of them cannot be made here (a token is missing, say).
pub(super) async fn gather(cx: &Cx, doc: &TargetDoc, epoch: u64) -> Result<std::result::Result<Vec<Export>, String>> {
    let mut exports = Vec::new();
    for (mark, recorded) in &doc.marks {
        let (Some((import, name)), Some(closed)) = (mark.split_once('/'), doc.told.get(mark)) else { continue };
        if closed.epoch != epoch {
            // one who slept through the loss of a store tells of its runs, whose numbers say nothing here
            continue;
        }
        let mut layout = cx.layout(&closed.definition).await?;
        let mut present = closed.present;
        let mut walks = present || !cx.keeps(Rule::RemovedKeeps);
        if layout.plan.stage(name).is_none() {
            // the export is gone from the definition: its open rows are settled as the recorded one says
            (present, walks) = (false, false);
            let definition = Told::definition_of(&recorded.definition);
            if definition.is_empty() {
                continue;
            }
            layout = cx.layout(definition).await?;
        }
        match export(cx, &layout, mark, name) {
            Ok((ledger, sink, pace)) => exports.push(Export {
                mark: mark.clone(),
                import: import.to_owned(),
                name: name.to_owned(),
                upto: if cx.keeps(Rule::WalkClosed) { closed.seq } else { u64::MAX >> 1 },
                delete_first: cx.keeps(Rule::DeleteFirst),
                closed: closed.clone(),
                ledger,
                sink,
                pace,
                present,
                walks,
            }),
            Err(why) => return Ok(Err(why)),
        }
    }
    Ok(Ok(exports))
}

fn export(
    cx: &Cx,
    layout: &Layout,
    mark: &str,
    name: &str,
) -> std::result::Result<(String, Arc<dyn Sink>, Pace), String> {
    let stage = layout.plan.stage(name).ok_or_else(|| format!("{mark}: no such export"))?;
    let sink = layout.sink(&*cx.stages, name).map_err(|error| format!("{mark}: {} ({})", error.message, error.code))?;
    Ok((layout.ledger_of(stage), sink, stage.pace.unwrap_or(UNLIMITED)))
}
