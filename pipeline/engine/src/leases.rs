//! Leases on a store that several engines share: an owner renews what it holds, an observer takes over what it saw stand
//! still. No wall clock decides, and none but the observer's own monotonic one; fences carry safety, the time to live
//! spares work and the crash counter.

use crate::cx::Cx;
use crate::docs::{self, Read, TargetDoc};
use crate::drain;
use crate::error::Result;
use crate::patience::Patience;
use crate::sabotage::Rule;
use jobpipe_core::{DocKind, Task, TaskId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A lease that this process took.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Claim {
    /// A task, under a fence.
    Task(TaskId, u64),
    /// A target.
    Target(String),
}

impl Claim {
    /// The claim that gave this task.
    #[must_use]
    pub(crate) fn of(task: &Task) -> Self {
        Self::Task(task.task.id.clone(), task.fence)
    }
}

/// What this process works on now.
#[derive(Debug, Default)]
pub(crate) struct Held {
    claims: Mutex<BTreeSet<Claim>>,
}

impl Held {
    /// Renewed until the answer is dropped.
    #[must_use]
    pub(crate) fn hold(self: &Arc<Self>, claim: Claim) -> Holding {
        self.lock().insert(claim.clone());
        Holding { held: Arc::clone(self), claim }
    }

    /// True while a task under this fence, or this target, is worked on here.
    pub(crate) fn holds(&self, claim: &Claim) -> bool {
        self.lock().contains(claim)
    }

    /// How much this process works on.
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<Claim>> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As long as it lives its claim is renewed.
#[derive(Debug)]
pub(crate) struct Holding {
    held: Arc<Held>,
    claim: Claim,
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.held.lock().remove(&self.claim);
    }
}

/// Renews everything that is held three times in a time to live, until `end` says so: tasks that are finished while the
/// process stops are renewed too.
pub(crate) async fn renew(
    cx: Arc<Cx>,
    mut patience: Patience,
    held: Arc<Held>,
    ttl: Duration,
    mut end: tokio::sync::watch::Receiver<bool>,
) -> Result<()> {
    while !*end.borrow() {
        tokio::select! {
            biased;
            _ = end.changed() => {}
            () = cx.clock.sleep(ttl / 3) => renew_patiently(&cx, &mut patience, &held).await?,
        }
    }
    Ok(())
}

async fn renew_patiently(cx: &Cx, patience: &mut Patience, held: &Held) -> Result<()> {
    while patience.with(renew_all(cx, held).await).await?.is_none() {}
    Ok(())
}

async fn renew_all(cx: &Cx, held: &Held) -> Result<()> {
    let claims: Vec<Claim> = held.lock().iter().cloned().collect();
    let mut tasks = Vec::new();
    for claim in claims {
        match claim {
            Claim::Task(id, fence) => tasks.push((id, fence)),
            Claim::Target(target) => drain::renew(cx, &target).await?,
        }
    }
    if !tasks.is_empty() {
        cx.store.tasks_renew(&tasks).await?;
    }
    Ok(())
}

/// Gives back what this process holds of a target whose drain could not go on: it is due again at once.
pub(crate) async fn let_go(cx: &Cx, target: &str) -> Result<()> {
    loop {
        let read: Option<Read<TargetDoc>> = docs::read(&*cx.store, DocKind::Target, target).await?;
        let Some(read) = read.filter(|read| read.doc.owner.as_ref() == Some(&cx.owner)) else { return Ok(()) };
        let new = TargetDoc { owner: None, next_at: Some(cx.now()), busy: true, ..read.doc.clone() };
        if docs::replace(&*cx.store, &*cx.ids, DocKind::Target, target, &read, new).await?.is_some() {
            cx.news.tell();
            return Ok(());
        }
    }
}

/// What an observer saw of the leases of others.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    seen: BTreeMap<String, Sight>,
}

#[derive(Debug, Clone, Copy)]
struct Sight {
    fence: u64,
    renewal: u64,
    since: Duration,
}

impl Watch {
    /// A look at every lease there is: what this look does not come by is forgotten when it ends.
    #[must_use]
    pub(crate) fn look(&mut self, ttl: Duration) -> Look<'_> {
        Look { ttl, before: std::mem::take(&mut self.seen), watch: self }
    }
}

/// One look of a [`Watch`].
#[derive(Debug)]
pub(crate) struct Look<'a> {
    ttl: Duration,
    before: BTreeMap<String, Sight>,
    watch: &'a mut Watch,
}

impl Look<'_> {
    /// True when this lease, just read, was seen unmoved for a whole time to live. The taking must be filtered on what
    /// was read, for the owner may renew between the reading and the taking.
    pub(crate) fn stands(&mut self, cx: &Cx, id: &str, fence: u64, renewal: u64) -> bool {
        let now = cx.clock.monotonic();
        let same = self.before.get(id).filter(|sight| sight.fence == fence && sight.renewal == renewal);
        let since = same.map_or(now, |sight| sight.since);
        self.watch.seen.insert(id.to_owned(), Sight { fence, renewal, since });
        now.saturating_sub(since) >= self.ttl || !cx.keeps(Rule::LeaseTtl)
    }
}
