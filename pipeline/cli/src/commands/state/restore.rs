//! Putting a backup back: a copy is checked and given a new epoch, then renamed into place. So no crash leaves a store
//! that takes itself for the one that was there: before the renaming the old one is whole, amid it there is none.

use super::{beside, unusable};
use crate::compose;
use crate::exit::{Exit, Failure, Outcome};
use crate::place::Place;
use crate::terminal;
use jobpipe_core::DocKind;
use jobpipe_embedded::{EngineLock, SqliteStore};
use jobpipe_engine::docs::{self, ImportDoc};
use jobpipe_engine::{Cx, EngineError, admin, renew_epoch, sweep};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Restores `backup` as the store of `place`.
pub(super) async fn restore(place: &Place, backup: &Path) -> Outcome {
    let _lock = EngineLock::acquire(&place.state)?;
    let new = copied(place, backup)?;
    check(&new, backup)?;
    let (epoch, cancelled) = renew(&*compose::writer_of(&new, place)?).await?;
    may_end_at("restore-renewed");
    let kept = swap(place, &new).map_err(|error| {
        Failure::failed(format!("cannot put {} into {}: {error}", backup.display(), place.state.display()))
    })?;
    may_end_at("restore-swapped");
    terminal::say(&format!("restored {} as {}", backup.display(), place.store().display()));
    if let Some(kept) = kept {
        terminal::say(&format!("the store that was there is kept as {}", kept.display()));
    }
    tell(epoch, cancelled);
    Ok(Exit::Succeeded)
}

/// Takes note that the server of a state was put back by its own tools.
pub(super) async fn restored(place: &Place) -> Outcome {
    let (epoch, cancelled) = renew(&*compose::writer(place).await?).await?;
    tell(epoch, cancelled);
    Ok(Exit::Succeeded)
}

fn tell(epoch: u64, cancelled: usize) {
    terminal::say(&format!(
        "epoch {epoch}; {cancelled} open runs cancelled. The next run reads back every page before it posts."
    ));
}

/// A copy of the backup in the state folder, its log included.
fn copied(place: &Place, backup: &Path) -> Outcome<PathBuf> {
    if backup.is_dir() {
        return Err(unusable(backup, "it is a folder; name the jobpipe.db in it"));
    }
    let new = place.state.join("restore.db");
    for suffix in ["", "-wal", "-shm"] {
        remove(&beside(&new, suffix)).map_err(|error| unusable(backup, error))?;
    }
    for suffix in ["", "-wal"] {
        let (from, to) = (beside(backup, suffix), beside(&new, suffix));
        if suffix.is_empty() || from.is_file() {
            std::fs::copy(&from, &to)
                .and_then(|_| File::open(&to)?.sync_all())
                .map_err(|error| unusable(&from, error))?;
        }
    }
    Ok(new)
}

/// Opens the copy as an engine would: damage, another program's file or a newer version are told here.
fn check(new: &Path, backup: &Path) -> Outcome<()> {
    SqliteStore::open(new).map(drop).map_err(|error| unusable(backup, error))
}

/// Starts a new epoch and cancels open runs; gives the epoch and how many runs those were.
async fn renew(cx: &Cx) -> Outcome<(u64, usize)> {
    let epoch = renew_epoch(cx).await?;
    let mut cancelled = 0;
    for (name, import) in sweep::imports(cx).await? {
        if let Some(open) = &import.doc.open {
            cancelled += usize::from(cancel(cx, &open.facts.run).await?);
        }
        wake(cx, &name).await?;
    }
    Ok((epoch, cancelled))
}

/// Where `JOBPIPE_FAILPOINT` can end this verb, which is no engine, and what is about to happen there.
pub(crate) const FAILPOINTS: [(&str, &str); 3] = [
    ("restore-renewed", "`state restore`: the copy has its new epoch, before anything is renamed"),
    ("restore-moved", "`state restore`: before the copy is renamed into place"),
    ("restore-swapped", "`state restore`: after it was, before that is told"),
];

fn may_end_at(point: &str) {
    if std::env::var("JOBPIPE_FAILPOINT").is_ok_and(|named| named == point) {
        std::process::abort();
    }
}

/// Renames the copy into place; what was there is kept beside it.
fn swap(place: &Place, new: &Path) -> std::io::Result<Option<PathBuf>> {
    let store = place.store();
    let mut kept = None;
    if store.exists() {
        let old = place.state.join("jobpipe.db.replaced");
        for suffix in ["", "-wal", "-shm"] {
            remove(&beside(&old, suffix))?;
            if beside(&store, suffix).exists() {
                std::fs::rename(beside(&store, suffix), beside(&old, suffix))?;
            }
        }
        kept = Some(old);
    }
    may_end_at("restore-moved");
    for suffix in ["-wal", ""] {
        if beside(new, suffix).exists() {
            std::fs::rename(beside(new, suffix), beside(&store, suffix))?;
        }
    }
    remove(&beside(new, "-shm"))?;
    File::open(&place.state)?.sync_all()?;
    Ok(kept)
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Asks for a cancel; a run whose verdict is frozen ends by itself.
async fn cancel(cx: &Cx, run: &str) -> Outcome<bool> {
    match admin::cancel(cx, run).await {
        Ok(()) => Ok(true),
        Err(EngineError::Refused { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Every target of the import is to be looked at by the next engine.
async fn wake(cx: &Cx, name: &str) -> Outcome<()> {
    loop {
        let import = jobpipe_engine::admission::import(cx, name).await?;
        let Some(closed) = &import.doc.closed else { return Ok(()) };
        let mut to_wake = import.doc.to_wake.clone();
        to_wake.extend(closed.targets.values().flatten().map(|target| target.id.clone()));
        let new = ImportDoc { to_wake, ..import.doc.clone() };
        if docs::replace(&*cx.store, &*cx.ids, DocKind::Import, name, &import, new).await?.is_some() {
            return Ok(());
        }
    }
}
