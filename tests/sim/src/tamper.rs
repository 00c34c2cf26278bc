//! What people do on pages behind the engine's back, and what an audit must have made of it.

use crate::chance::Chance;
use crate::check;
use crate::monitor::IMPORT;
use crate::world::World;
use jobpipe_core::{HeadStore, LastEffect, Op, Row, RowId, RowState, RowStore};
use jobpipe_engine::docs::{self, Read, TargetDoc};
use std::collections::BTreeSet;

/// What was done to one post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Edited,
    Deleted,
    Doubled,
}

/// Everything that was done.
#[derive(Debug, Default)]
pub(crate) struct Tampered(Vec<(RowId, Deed)>);

async fn target(world: &World, id: &str) -> Option<TargetDoc> {
    let read: Option<Read<TargetDoc>> =
        docs::read(&*world.store(), jobpipe_core::DocKind::Target, id).await.unwrap_or_default();
    read.map(|read| read.doc)
}

/// Targets of the last closed run that are to be read back, with the exports that they belong to.
async fn to_audit(world: &World) -> BTreeSet<(String, String)> {
    let mut all = BTreeSet::new();
    let Some(closed) = check::import(world).await.closed else { return all };
    for (export, targets) in &closed.targets {
        for one in targets {
            if target(world, &one.id).await.is_some_and(|doc| !doc.audits.is_empty()) {
                all.insert((one.id.clone(), export.clone()));
            }
        }
    }
    all
}

/// True when an audit that is due is not over.
pub(crate) async fn is_due(world: &World) -> bool {
    for (id, _) in to_audit(world).await {
        if target(world, &id).await.is_some_and(|doc| doc.audits.first().is_some_and(|at| *at <= world.now())) {
            return true;
        }
    }
    false
}

/// True when a run that was cancelled left the record as it is: nobody may say what is wanted of it.
async fn is_left(world: &World, ledger: &str, row: &Row) -> bool {
    let stamps = world.store().heads_stamps(ledger, std::slice::from_ref(&row.id.key)).await.unwrap_or_default();
    let changed = stamps.into_iter().flatten().next().map(|stamps| stamps.changed_gen);
    let cancelled = check::import(world).await.cancelled;
    changed.is_none_or(|changed| cancelled.contains(&changed))
}

/// Somebody edits, deletes and repeats some of the posts of `ledger` that an audit will look at.
pub(crate) async fn tamper(world: &World, ledger: &str, chance: &Chance) -> Tampered {
    let mut done = Tampered::default();
    world.monitor().steady.clear();
    for (id, export) in to_audit(world).await {
        for row in world.store().rows_of(&id, None, usize::MAX).await.unwrap_or_default() {
            let known = row.content.as_ref().is_some_and(|content| content.hash.is_some());
            if row.id.export != export || row.state != RowState::Idle || !known || !chance.hit(0.3) {
                continue;
            }
            if is_left(world, ledger, &row).await {
                continue;
            }
            let deed = *chance.one(&[Deed::Edited, Deed::Edited, Deed::Deleted, Deed::Doubled]);
            // what was not made by its last attempt may be older than what an audit reads
            let made = matches!(row.last, Some(LastEffect { op: Some(Op::Create), .. }));
            if (made || deed != Deed::Deleted) && commit(world, &row, deed) {
                done.0.push((row.id.clone(), deed));
            }
        }
    }
    done
}

fn commit(world: &World, row: &Row, deed: Deed) -> bool {
    let now = world.now();
    let mut pages = world.pages();
    pages.made += 1;
    let new = format!("{}_{}", row.id.target, pages.made);
    let Some(posts) = pages.pages.get_mut(&row.id.target).map(|page| &mut page.posts) else { return false };
    let there = row.post.as_ref().and_then(|post| posts.get_mut(post)).filter(|post| post.deleted.is_none());
    let Some(post) = there else { return false };
    world.tell(|| format!("somebody: {deed:?} {:?} of {}", row.post, row.id.key));
    match deed {
        Deed::Edited => post.text.push_str(" by hand"),
        Deed::Deleted => post.deleted = Some(now),
        Deed::Doubled => {
            let mut other = post.clone();
            other.made = now;
            posts.insert(new, other);
        }
    }
    world.count(match deed {
        Deed::Edited => "post edited by hand",
        Deed::Deleted => "post deleted by hand",
        Deed::Doubled => "post doubled late",
    });
    true
}

/// What was edited is set back, what was deleted stays away, what was there twice is there once.
pub(crate) async fn check(world: &World, tampered: &Tampered) {
    for (id, deed) in &tampered.0 {
        let rows = world.store().rows(std::slice::from_ref(id)).await.unwrap_or_default();
        let Some(row) = rows.first() else {
            world.violated(|| format!("the row of {} is gone", id.key));
            return;
        };
        let marker = format!("{IMPORT}.{}.{}.{}", id.export, id.target, id.key);
        let shown: Vec<(String, String)> = {
            let pages = world.pages();
            let there = pages.there(&id.target).filter(|(_, post)| post.marker == marker);
            there.map(|(post, said)| (post.clone(), said.text.clone())).collect()
        };
        let confirmed = row.content.as_ref().and_then(|content| content.hash.clone());
        let own: Vec<(String, String)> = row.post.clone().zip(confirmed).into_iter().collect();
        let right = match deed {
            Deed::Deleted => shown.is_empty() && row.post.is_none() && row.vanished,
            Deed::Edited | Deed::Doubled => shown.len() == 1 && shown == own,
        };
        if !right {
            world.violated(|| {
                format!("after the audit {} of {} ({deed:?}) shows {shown:?}: {row:?}", id.key, id.target)
            });
        }
    }
}
