//! Files of all that is current: a dry run knows only what it read, so what the real store holds beside it is added.

use crate::exit::Outcome;
use jobpipe_core::{Feed, Plan, StateStore};
use jobpipe_engine::admin::RunSummary;
use jobpipe_engine::layout::Layout;
use std::collections::BTreeSet;

/// Heads looked at at a time.
const PAGE: usize = 500;

/// Corrects how many records such files of the summary would have.
pub(super) async fn count(
    summary: &mut RunSummary,
    plan: &Plan,
    dry: &dyn StateStore,
    real: Option<&dyn StateStore>,
) -> Outcome<()> {
    let Some(real) = real else { return Ok(()) };
    let layout = Layout::new(plan.clone());
    for export in layout.files().filter(|stage| stage.feed == Feed::Snapshot) {
        let Some(file) = summary.files.get_mut(&export.name) else { continue };
        file.records += only_real(&layout.ledger_of(export), dry, real).await?;
    }
    Ok(())
}

/// Live records of the real store that the dry run has not met.
async fn only_real(ledger: &str, dry: &dyn StateStore, real: &dyn StateStore) -> Outcome<u64> {
    let (mut count, mut after) = (0, String::new());
    loop {
        let page = real.heads_live(ledger, &after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(count) };
        after.clone_from(&last.key);
        let keys: Vec<String> = page.into_iter().map(|head| head.key).collect();
        let met: BTreeSet<String> = dry.heads(ledger, &keys).await?.into_iter().map(|head| head.key).collect();
        count += keys.iter().filter(|key| !met.contains(*key)).count() as u64;
    }
}
