//! A store that has lost its last commits: posts may be there that the ledger knows nothing of.

use crate::exit::Outcome;
use jobpipe_core::DocKind;
use jobpipe_embedded::LOST;
use jobpipe_engine::{Cx, renew_epoch};

/// A new epoch, if commits are gone: every page is read before anything is posted to it. Told, for what else was done in
/// those commits is done again.
pub(crate) async fn settle(cx: &Cx, note: impl FnOnce(&str)) -> Outcome<()> {
    if cx.store.doc(DocKind::Store, LOST).await?.is_none() {
        return Ok(());
    }
    let epoch = renew_epoch(cx).await?;
    // in this order: a crash in between renews once more
    cx.store.doc_delete(DocKind::Store, LOST).await?;
    let text = "the state's log was damaged, and the last writes before the process died are gone: \
                every page is read before anything is posted, and what was forgotten is done again";
    tracing::warn!(epoch, "{text}");
    note(text);
    Ok(())
}
