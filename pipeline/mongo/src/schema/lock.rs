//! Who brings the schema up to date: one document, held by compare-and-set, freed by observation.

use super::META;
use crate::bulk::{self, Write};
use crate::call::Link;
use crate::codec::{Fields, signed};
use crate::read;
use jobpipe_core::{Clock, Ids, StoreResult, SystemClock, SystemIds};
use mongodb::bson::doc;
use std::sync::Arc;
use std::time::Duration;

const LOCK: &str = "migration";
/// How often one who waits looks.
const LOOK: Duration = Duration::from_millis(200);
/// A holder that was seen this long is taken to be dead. If it is not, both do the same, which does no harm.
pub(super) const STALE: Duration = Duration::from_secs(120);

/// The lock, held.
pub(super) struct Held {
    holder: i64,
}

/// Waits for the lock; takes it from a holder that was seen for `stale`, on the own clock.
pub(super) async fn take(link: &Arc<Link>, stale: Duration) -> StoreResult<Held> {
    let (clock, holder) = (SystemClock::default(), signed(SystemIds.nonce()));
    let mut seen: Option<(i64, Duration)> = None;
    loop {
        let write = Write::insert(LOCK.to_owned(), holder, &doc! { "_id": LOCK, "holder": holder })?;
        if bulk::apply_one(link, META, "holder", write).await? {
            return Ok(Held { holder });
        }
        let found = read::by_ids(link, META, vec![LOCK.to_owned()], &[]).await?;
        if let Some(document) = found.get(LOCK) {
            let other = Fields::new("lock", document).number("holder")?;
            let since =
                seen.filter(|(before, _)| *before == other).map_or_else(|| clock.monotonic(), |(_, since)| since);
            seen = Some((other, since));
            if clock.monotonic().saturating_sub(since) > stale {
                Held { holder: other }.release(link).await?;
            }
        }
        clock.sleep(LOOK).await;
    }
}

impl Held {
    /// Frees it, if it is still this holder's.
    pub(super) async fn release(self, link: &Arc<Link>) -> StoreResult<()> {
        bulk::delete(link, META, doc! { "_id": LOCK, "holder": self.holder }).await.map(|_| ())
    }
}
