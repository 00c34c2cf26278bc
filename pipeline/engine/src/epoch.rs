//! The store's epoch: part of every target's fence, so that a lost or restored store never reposts the world.

use crate::cx::Cx;
use crate::docs::{self, EpochDoc, Read};
use crate::error::Result;
use jobpipe_core::DocKind;

const ID: &str = "epoch";

/// The epoch; a new store starts at 1.
pub(crate) async fn read(cx: &Cx) -> Result<EpochDoc> {
    loop {
        let read: Option<Read<EpochDoc>> = docs::read(&*cx.store, DocKind::Store, ID).await?;
        if let Some(read) = read {
            return Ok(read.doc);
        }
        docs::insert(&*cx.store, &*cx.ids, DocKind::Store, ID, &EpochDoc { epoch: 1, restored: false }).await?;
    }
}

/// Starts a new epoch: what `state restore` does after a backup was put back.
pub async fn renew(cx: &Cx) -> Result<u64> {
    loop {
        let old = read(cx).await?;
        let Some(stored) = docs::read::<EpochDoc, _>(&*cx.store, DocKind::Store, ID).await? else { continue };
        let new = EpochDoc { epoch: old.epoch + 1, restored: true };
        if docs::replace(&*cx.store, &*cx.ids, DocKind::Store, ID, &stored, new).await?.is_some() {
            return Ok(old.epoch + 1);
        }
    }
}
