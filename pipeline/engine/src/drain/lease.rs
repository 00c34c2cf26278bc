//! The lease of a target: one owner at a time, fenced by (epoch, number of the claim).

use crate::cx::Cx;
use crate::docs::{self, ClosedRun, EpochDoc, ImportDoc, Read, TargetDoc};
use crate::error::Result;
use crate::failpoint::Point;
use crate::sabotage::Rule;
use crate::versions;
use crate::{admission, epoch};
use jobpipe_core::{DocKind, Millis, TargetRef};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// A claim on a target.
#[derive(Debug)]
pub(super) struct Lease {
    /// The target.
    pub target: String,
    /// The epoch of the claim.
    pub epoch: EpochDoc,
    /// The number of the claim.
    fence: u64,
    /// Who claimed.
    owner: String,
    /// The target as it was last read or written under this claim.
    known: Mutex<Read<TargetDoc>>,
}

impl Lease {
    fn holds(&self, doc: &TargetDoc) -> bool {
        doc.fence == self.fence && doc.fence_epoch == self.epoch.epoch && doc.owner.as_ref() == Some(&self.owner)
    }

    /// The target as it was last read or written under this claim. Others may have woken it since: every write is
    /// compared with what is stored.
    pub(super) fn known(&self) -> Read<TargetDoc> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn knows(&self, page: Read<TargetDoc>) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = page;
    }
}

/// Takes the lease of a target that is due and that nobody holds.
pub(super) async fn claim(cx: &Cx, target: &str) -> Result<Option<Lease>> {
    let Some(read) = docs::read::<TargetDoc, _>(&*cx.store, DocKind::Target, target).await? else { return Ok(None) };
    // after the target, which a new epoch writes: a lease of an older one is not taken
    let epoch = epoch::read(cx).await?;
    let now = cx.now();
    if read.doc.owner.is_some() || read.doc.next_at.is_none_or(|at| at > now) {
        return Ok(None);
    }
    let fence = read.doc.fence + 1;
    let new = TargetDoc {
        fence,
        fence_epoch: epoch.epoch,
        owner: Some(cx.owner.clone()),
        renewal: 0,
        // calls of an older epoch count as made before this
        attach: read.doc.attach.filter(|(of, _)| *of == epoch.epoch).or(Some((epoch.epoch, now))),
        ..read.doc.clone()
    };
    cx.at(Point::DrainClaim)?;
    let claimed = docs::replace(&*cx.store, &*cx.ids, DocKind::Target, target, &read, new).await?;
    Ok(claimed.map(|page| Lease {
        target: target.to_owned(),
        epoch,
        fence,
        owner: cx.owner.clone(),
        known: Mutex::new(page),
    }))
}

/// Reads the target again; false when the lease is lost.
pub(super) async fn reread(cx: &Cx, lease: &Lease) -> Result<bool> {
    let read: Option<Read<TargetDoc>> = docs::read(&*cx.store, DocKind::Target, &lease.target).await?;
    let Some(page) = read.filter(|page| lease.holds(&page.doc)) else { return Ok(false) };
    lease.knows(page);
    Ok(true)
}

/// A fenced write on the target; false when the lease is lost.
pub(super) async fn change(cx: &Cx, lease: &Lease, change: impl Fn(&mut TargetDoc)) -> Result<bool> {
    loop {
        let page = lease.known();
        let mut new = page.doc.clone();
        change(&mut new);
        if let Some(done) = docs::replace(&*cx.store, &*cx.ids, DocKind::Target, &lease.target, &page, new).await? {
            lease.knows(done);
            return Ok(true);
        }
        // those who wake the target write it too: then once more
        if !reread(cx, lease).await? {
            return Ok(false);
        }
    }
}

/// Lets the lease go; with a wake token, only if nobody woke the target since it was read (false: somebody did).
pub(super) async fn release(
    cx: &Cx,
    lease: &Lease,
    wake: Option<u64>,
    next_at: Option<Millis>,
    busy: bool,
) -> Result<bool> {
    cx.at(Point::DrainRelease)?;
    loop {
        let page = lease.known();
        if wake.is_some_and(|wake| wake != page.doc.wake) && cx.keeps(Rule::WakeToken) {
            return Ok(false);
        }
        let new = TargetDoc { owner: None, next_at, busy, ..page.doc.clone() };
        if docs::replace(&*cx.store, &*cx.ids, DocKind::Target, &lease.target, &page, new).await?.is_some() {
            return Ok(true);
        }
        if !reread(cx, lease).await? {
            return Ok(true);
        }
    }
}

/// Wakes every target that the import still has to wake, then forgets them. Repeated by the sweep until it is done.
pub(crate) async fn wake_targets(cx: &Cx, import: &str) -> Result<()> {
    if admission::import(cx, import).await?.doc.to_wake.is_empty() {
        return Ok(());
    }
    let epoch = epoch::read(cx).await?.epoch;
    let read = admission::import(cx, import).await?;
    if epoch::read(cx).await?.epoch != epoch {
        // another store took its place in between: the sweep comes again
        return Ok(());
    }
    if !cx.keeps(Rule::WakeAgain) {
        forget(cx, import, &read).await?;
    }
    for target in &read.doc.to_wake {
        cx.at(Point::WakeTarget)?;
        wake(cx, epoch, &read.doc, import, target).await?;
    }
    cx.at(Point::WakeDone)?;
    forget(cx, import, &read).await?;
    cx.news.tell();
    Ok(())
}

/// The import has nobody to wake any more; when it was changed meanwhile, its targets are woken once more.
async fn forget(cx: &Cx, import: &str, read: &Read<ImportDoc>) -> Result<()> {
    let new = ImportDoc { to_wake: BTreeSet::new(), ..read.doc.clone() };
    docs::replace(&*cx.store, &*cx.ids, DocKind::Import, import, read, new).await?;
    Ok(())
}

/// Wakes a target about which something was found out without its lease.
pub(super) async fn nudge(cx: &Cx, target: &str) -> Result<()> {
    loop {
        let read: Option<Read<TargetDoc>> = docs::read(&*cx.store, DocKind::Target, target).await?;
        let Some(read) = read else { return Ok(()) };
        let new = TargetDoc { wake: read.doc.wake + 1, next_at: Some(0), busy: true, ..read.doc.clone() };
        if docs::replace(&*cx.store, &*cx.ids, DocKind::Target, target, &read, new).await?.is_some() {
            cx.news.tell();
            return Ok(());
        }
    }
}

/// Wakes targets at rest of which a row waits: what one left who had lost the lease, and died before he could say so.
pub(crate) async fn wake_waiting(cx: &Cx) -> Result<()> {
    let mut after = String::new();
    loop {
        let page = versions::page::<TargetDoc>(cx, DocKind::Target, &after, cx.settings.page).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after.clone_from(last);
        let page: Vec<_> = page.into_iter().filter_map(|(id, read)| Some((id, read?))).collect();
        for (id, _) in page.iter().filter(|(_, read)| read.doc.owner.is_none() && !read.doc.busy) {
            if !cx.store.rows_attention(id, None, 1).await?.is_empty() {
                nudge(cx, id).await?;
            }
        }
    }
}

async fn wake(cx: &Cx, epoch: u64, import: &ImportDoc, name: &str, target: &str) -> Result<()> {
    let closed = import.closed.as_ref();
    let listed = closed.iter().flat_map(|closed| closed.targets.values().flatten()).find(|one| one.id == target);
    loop {
        let read: Option<Read<TargetDoc>> = docs::read(&*cx.store, DocKind::Target, target).await?;
        let Some(read) = read else {
            let label = listed.map_or(target, |one| one.name.as_str());
            docs::insert(&*cx.store, &*cx.ids, DocKind::Target, target, &TargetDoc::new(label)).await?;
            continue;
        };
        let mut new = read.doc.clone();
        new.wake += 1;
        new.next_at = Some(0);
        new.busy = true;
        if let Some(listed) = listed {
            new.name.clone_from(&listed.name);
        }
        if let Some(closed) = closed {
            tell(&mut new, epoch, closed, &import.cancelled, name, target);
        }
        if docs::replace(&*cx.store, &*cx.ids, DocKind::Target, target, &read, new).await?.is_some() {
            return Ok(());
        }
    }
}

/// Tells the target of the import's last closed run: exports that it belongs to, and those that it belonged to.
fn tell(doc: &mut TargetDoc, epoch: u64, closed: &ClosedRun, cancelled: &BTreeSet<u64>, import: &str, target: &str) {
    let known = doc.marks.keys().filter_map(|mark| mark.split_once('/')).filter(|(of, _)| *of == import);
    let mut exports: BTreeSet<String> = known.map(|(_, export)| export.to_owned()).collect();
    exports.extend(closed.targets.keys().filter(|export| closed.has_target(export, target)).cloned());
    for export in exports {
        let told = closed.told(&export, target, cancelled, epoch);
        let mark = format!("{import}/{export}");
        doc.marks.entry(mark.clone()).or_default();
        if doc.told.get(&mark).is_none_or(|old| old.yields_to(&told)) {
            doc.told.insert(mark, told);
        }
    }
}

/// Ends the pause of these targets: a person has looked.
pub(crate) async fn resume(cx: &Cx, targets: impl Iterator<Item = &TargetRef>) -> Result<()> {
    for target in targets {
        loop {
            let read: Option<Read<TargetDoc>> = docs::read(&*cx.store, DocKind::Target, &target.id).await?;
            let Some(read) = read.filter(|read| read.doc.paused.is_some() || read.doc.crashes > 0) else { break };
            let new = TargetDoc { paused: None, crashes: 0, ..read.doc.clone() };
            if docs::replace(&*cx.store, &*cx.ids, DocKind::Target, &target.id, &read, new).await?.is_some() {
                break;
            }
        }
    }
    Ok(())
}

/// Renews the lease that this process holds of a target, if it does.
pub(crate) async fn renew(cx: &Cx, target: &str) -> Result<()> {
    loop {
        let read: Option<Read<TargetDoc>> = docs::read(&*cx.store, DocKind::Target, target).await?;
        let Some(read) = read.filter(|read| read.doc.owner.as_ref() == Some(&cx.owner)) else { return Ok(()) };
        let new = TargetDoc { renewal: read.doc.renewal + 1, ..read.doc.clone() };
        if docs::replace(&*cx.store, &*cx.ids, DocKind::Target, target, &read, new).await?.is_some() {
            return Ok(());
        }
    }
}

/// Takes the leases that are `free` from their owners; none that was written since it was read.
pub(crate) async fn free_leases(cx: &Cx, mut is_free: impl FnMut(&str, &TargetDoc) -> bool) -> Result<()> {
    let mut after = String::new();
    loop {
        let page = versions::page::<TargetDoc>(cx, DocKind::Target, &after, cx.settings.page).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after.clone_from(last);
        let page: Vec<_> = page.into_iter().filter_map(|(id, read)| Some((id, read?))).collect();
        for (id, read) in page.iter().filter(|(_, read)| read.doc.owner.is_some()) {
            if !is_free(id, &read.doc) {
                continue;
            }
            free(cx, id, read).await?;
            cx.news.tell();
        }
    }
}

/// Takes a lease away, unless its owner moved since it was read.
async fn free(cx: &Cx, target: &str, seen: &Read<TargetDoc>) -> Result<()> {
    let mut read = Read { version: seen.version, doc: seen.doc.clone() };
    loop {
        let crashes = read.doc.crashes + 1;
        let new = TargetDoc { owner: None, next_at: Some(0), crashes, ..read.doc.clone() };
        if docs::replace(&*cx.store, &*cx.ids, DocKind::Target, target, &read, new).await?.is_some() {
            return Ok(());
        }
        // somebody woke the target meanwhile: that is not its owner's doing
        let now: Option<Read<TargetDoc>> = docs::read(&*cx.store, DocKind::Target, target).await?;
        let lease = |doc: &TargetDoc| (doc.owner.clone(), doc.fence_epoch, doc.fence, doc.renewal);
        match now.filter(|now| lease(&now.doc) == lease(&seen.doc)) {
            Some(now) => read = now,
            None => return Ok(()),
        }
    }
}
