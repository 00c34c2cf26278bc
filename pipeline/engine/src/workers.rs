//! Who works: one small document a process, renewed while it lives, removed when it ends in order, and by the sweep when
//! it stood still for long. Nothing depends on it; people look at it.

use crate::cx::Cx;
use crate::docs;
use crate::error::Result;
use crate::gate::Gate;
use crate::leases::{Held, Watch};
use crate::patience::Patience;
use crate::versions;
use jobpipe_core::{DocKind, Millis};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// How often a process says that it lives.
pub const BEAT: Duration = Duration::from_secs(3);

/// So many times to live a document may stand still before it is removed.
const LIVES: u32 = 5;

/// One process of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerDoc {
    /// The name that people gave it.
    pub name: String,
    /// Its version of jobpipe.
    pub version: String,
    /// The queues it works on.
    pub queues: Vec<String>,
    /// Tasks that it ran at once at most at the last beat: where their number follows the backlog, it differs from beat to beat.
    pub slots: usize,
    /// Tasks and drains that it held at the last beat.
    pub running: usize,
    /// Since when it works, by its own clock.
    pub started: Millis,
    /// When it said last that it lives, by its own clock.
    pub seen: Millis,
    /// How often it has said so.
    pub beats: u64,
    /// It was asked to stop and ends what it has begun.
    #[serde(default)]
    pub stopping: bool,
}

impl docs::Kept for WorkerDoc {}

/// Every process that is known, by its name in leases. One that died is among them until it stood still for a while:
/// compare [`WorkerDoc::seen`] with [`BEAT`].
pub async fn list(cx: &Cx) -> Result<Vec<(String, WorkerDoc)>> {
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let page = versions::page::<WorkerDoc>(cx, DocKind::Worker, &after, cx.settings.page).await?;
        let Some((last, _)) = page.last() else { return Ok(all) };
        after.clone_from(last);
        all.extend(page.into_iter().filter_map(|(id, read)| Some((id, read?.doc))));
    }
}

/// Says that this process lives, until `end` says that it does not. A store that does not answer is told elsewhere.
pub(crate) async fn stay(
    cx: Arc<Cx>,
    patience: Patience,
    held: Arc<Held>,
    gate: Arc<Gate>,
    mut end: tokio::sync::watch::Receiver<bool>,
) -> Result<()> {
    let mut doc = WorkerDoc {
        name: cx.settings.name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        queues: cx.settings.queues.clone(),
        slots: gate.slots(),
        running: 0,
        started: cx.now(),
        seen: cx.now(),
        beats: 0,
        stopping: false,
    };
    while !*end.borrow() {
        doc.beats += 1;
        (doc.seen, doc.running, doc.stopping) = (cx.now(), held.count(), !patience.goes_on());
        doc.slots = gate.slots();
        unless_silent(say(&cx, &doc).await)?;
        tokio::select! {
            biased;
            _ = end.changed() => {}
            () = cx.clock.sleep(BEAT) => {}
        }
    }
    unless_silent(cx.store.doc_delete(DocKind::Worker, &cx.owner).await.map_err(Into::into))
}

/// What nothing depends on need not be repeated.
fn unless_silent(done: Result<()>) -> Result<()> {
    match done {
        Err(error) if !error.passes() => Err(error),
        _ => Ok(()),
    }
}

/// Only this process writes its document, but the sweep of another may have removed it.
async fn say(cx: &Cx, doc: &WorkerDoc) -> Result<()> {
    let Some(read) = docs::read::<WorkerDoc, _>(&*cx.store, DocKind::Worker, &cx.owner).await? else {
        docs::insert(&*cx.store, &*cx.ids, DocKind::Worker, &cx.owner, doc).await?;
        return Ok(());
    };
    docs::replace(&*cx.store, &*cx.ids, DocKind::Worker, &cx.owner, &read, doc.clone()).await?;
    Ok(())
}

/// Removes the documents of processes that stood still for several times to live, by the own monotonic clock.
pub(crate) async fn clear(cx: &Cx, watch: &mut Watch) -> Result<()> {
    let Some(ttl) = cx.settings.lease_ttl else { return Ok(()) };
    let mut look = watch.look(ttl * LIVES);
    for (id, doc) in list(cx).await? {
        if look.stands(cx, &id, 0, doc.beats) {
            cx.store.doc_delete(DocKind::Worker, &id).await?;
        }
    }
    Ok(())
}
