//! The store's epoch: part of every target's fence, so that a lost or restored store never reposts the world.

use crate::admission;
use crate::cx::Cx;
use crate::docs::{self, EpochDoc, ImportDoc, Read, RunDoc, TargetDoc};
use crate::error::Result;
use crate::sabotage::Rule;
use jobpipe_core::DocKind;

const ID: &str = "epoch";

/// The epoch; that of a new store is the time at which it began, so that it is later than that of a store that was lost:
/// one who slept through the loss writes under the older one when he wakes, and is judged.
pub(crate) async fn read(cx: &Cx) -> Result<EpochDoc> {
    loop {
        let read: Option<Read<EpochDoc>> = docs::read(&*cx.store, DocKind::Store, ID).await?;
        if let Some(read) = read {
            return Ok(read.doc);
        }
        let epoch = u64::try_from(cx.now()).unwrap_or(1).max(1);
        docs::insert(&*cx.store, &*cx.ids, DocKind::Store, ID, &EpochDoc { epoch, restored: false }).await?;
    }
}

/// Starts a new epoch: what `state restore` does after a backup was put back. The leases and pauses of the backup end,
/// and every target is woken to be read anew.
pub async fn renew(cx: &Cx) -> Result<u64> {
    let (old, epoch) = loop {
        read(cx).await?;
        let Some(stored) = docs::read::<EpochDoc, _>(&*cx.store, DocKind::Store, ID).await? else { continue };
        let new = EpochDoc { epoch: stored.doc.epoch + 1, restored: true };
        if let Some(new) = docs::replace(&*cx.store, &*cx.ids, DocKind::Store, ID, &stored, new).await? {
            break (stored.doc.epoch, new.doc.epoch);
        }
    };
    for (id, _) in docs::all::<ImportDoc, _>(&*cx.store, DocKind::Import, "").await? {
        touch(cx, &id).await?;
    }
    for (id, _) in docs::all::<TargetDoc, _>(&*cx.store, DocKind::Target, "").await? {
        restart(cx, &id, old, epoch).await?;
    }
    Ok(epoch)
}

/// Gives an import and its open run another version: who slept through the restoration may have read them when they had
/// the one of the backup, and what they would make of it is of runs that are not here. The next run gets a number that
/// none of those had.
async fn touch(cx: &Cx, import: &str) -> Result<()> {
    loop {
        let Some(read) = docs::read::<ImportDoc, _>(&*cx.store, DocKind::Import, import).await? else { return Ok(()) };
        if let Some(open) = &read.doc.open {
            touch_run(cx, &open.facts.run).await?;
        }
        let new = ImportDoc { seq: read.doc.seq.max(admission::first_seq(cx)), ..read.doc.clone() };
        if docs::replace(&*cx.store, &*cx.ids, DocKind::Import, import, &read, new).await?.is_some() {
            return Ok(());
        }
    }
}

async fn touch_run(cx: &Cx, run: &str) -> Result<()> {
    loop {
        let Some(read) = docs::read::<RunDoc, _>(&*cx.store, DocKind::Run, run).await? else { return Ok(()) };
        let same = read.doc.clone();
        if docs::replace(&*cx.store, &*cx.ids, DocKind::Run, run, &read, same).await?.is_some() {
            return Ok(());
        }
    }
}

/// `old` is the epoch of the backup: what a sleeper of yet another store told a target stays void.
async fn restart(cx: &Cx, target: &str, old: u64, epoch: u64) -> Result<()> {
    loop {
        let Some(read) = docs::read::<TargetDoc, _>(&*cx.store, DocKind::Target, target).await? else { return Ok(()) };
        let mut new = read.doc.clone();
        if cx.keeps(Rule::RestoreFence) {
            new.owner = None;
            new.fence += 1;
            new.fence_epoch = epoch;
        }
        if cx.keeps(Rule::RestorePause) {
            new.paused = None;
            new.crashes = 0;
        }
        // what the backup was told stands, until a run is closed here
        for told in new.told.values_mut().filter(|told| told.epoch == old) {
            told.epoch = epoch;
        }
        new.wake += 1;
        new.next_at = Some(0);
        new.busy = true;
        if docs::replace(&*cx.store, &*cx.ids, DocKind::Target, target, &read, new).await?.is_some() {
            return Ok(());
        }
    }
}
