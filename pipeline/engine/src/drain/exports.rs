//! What a drain must know of each export to its target: the last closed run, its definition, its sink.

use crate::admission;
use crate::cx::Cx;
use crate::docs::{ClosedRun, ImportDoc, TargetDoc};
use crate::error::Result;
use crate::layout::Layout;
use jobpipe_core::{Pace, RowId, Sink};
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
    /// The import as it was read for this round.
    pub doc: ImportDoc,
    /// Its last closed run.
    pub closed: ClosedRun,
    /// The ledger it is kept in step from.
    pub ledger: String,
    /// The adapter.
    pub sink: Arc<dyn Sink>,
    /// Its pace.
    pub pace: Pace,
    /// The target belongs to the export now: heads are walked. Else only open rows are settled.
    pub walks: bool,
}

impl Export {
    /// The row of a key.
    pub(super) fn row(&self, target: &str, key: &str) -> RowId {
        RowId { target: target.to_owned(), import: self.import.clone(), export: self.name.clone(), key: key.to_owned() }
    }
}

/// The exports of a target. `Err` in words when one of them cannot be made here (a token is missing, say).
pub(super) async fn gather(cx: &Cx, target: &str, doc: &TargetDoc) -> Result<std::result::Result<Vec<Export>, String>> {
    let mut exports = Vec::new();
    for (mark, recorded) in &doc.marks {
        let Some((import, name)) = mark.split_once('/') else { continue };
        let import_doc = admission::import(cx, import).await?.doc;
        let Some(closed) = import_doc.closed.clone() else { continue };
        let mut layout = cx.layout(&closed.definition).await?;
        let mut walks = closed.has_target(name, target);
        if layout.plan.stage(name).is_none() {
            // the export is gone from the definition: its open rows are settled as the recorded one says
            walks = false;
            let definition = recorded.definition.trim_end_matches("+guard");
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
                doc: import_doc,
                closed,
                ledger,
                sink,
                pace,
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
    let sink =
        cx.stages.sink(&layout.plan, name).map_err(|error| format!("{mark}: {} ({})", error.message, error.code))?;
    Ok((layout.ledger_of(stage), sink, stage.pace.unwrap_or(UNLIMITED)))
}
