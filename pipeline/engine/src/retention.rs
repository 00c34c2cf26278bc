//! Clearing: tasks, batches and seen URLs belong to a run and go with it; its document stays as a tombstone.

use crate::cx::Cx;
use crate::docs::{self, Read, RunDoc, RunState};
use crate::error::Result;
use jobpipe_core::DocKind;

/// Clears the closed runs of an import beyond those that are kept whole.
pub(crate) async fn clear(cx: &Cx, import: &str) -> Result<()> {
    let runs: Vec<(String, Read<RunDoc>)> = docs::all(&*cx.store, DocKind::Run, &format!("{import}@")).await?;
    let mut closed: Vec<_> =
        runs.into_iter().filter(|(_, run)| run.doc.state == RunState::Closed && !run.doc.cleared).collect();
    closed.sort_by_key(|(_, run)| std::cmp::Reverse(run.doc.open.facts.seq));
    for (id, run) in closed.into_iter().skip(cx.settings.keep_runs) {
        let open = crate::admission::import(cx, import).await?.doc.open;
        if open.is_some_and(|open| open.facts.run == id) {
            continue;
        }
        cx.store.run_purge(&id).await?;
        let new = RunDoc { cleared: true, ..run.doc.clone() };
        docs::replace(&*cx.store, &*cx.ids, DocKind::Run, &id, &run, new).await?;
    }
    Ok(())
}
