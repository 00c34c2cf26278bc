//! What must be true when everything rests: pages hold what heads want, and heads what the source has.

use crate::monitor::IMPORT;
use crate::shape::{Form, Shape};
use crate::source::{self, Source};
use crate::world::World;
use jobpipe_core::{DocKind, Feed, Head, HeadStore, Plan, Record, RowState, RowStore, StagePlan, Wanted};
use jobpipe_engine::docs::{self, ImportDoc, Read, TargetDoc};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// The import as the store has it.
pub(crate) async fn import(world: &World) -> ImportDoc {
    let read: Option<Read<ImportDoc>> = docs::read(&*world.store(), DocKind::Import, IMPORT).await.unwrap_or_default();
    read.map(|read| read.doc).unwrap_or_default()
}

async fn targets(world: &World) -> Vec<(String, TargetDoc)> {
    let all: Vec<(String, Read<TargetDoc>)> = docs::all(&*world.store(), DocKind::Target, "").await.unwrap_or_default();
    all.into_iter().map(|(id, read)| (id, read.doc)).collect()
}

/// Why the whole does not rest yet; `None` when it does.
pub(crate) async fn unrest(world: &World) -> Option<String> {
    let import = import(world).await;
    if let Some(open) = &import.open {
        return Some(format!("run {} is open", open.facts.run));
    }
    if !import.to_wake.is_empty() {
        return Some(format!("targets are to be woken: {:?}", import.to_wake));
    }
    for (id, target) in targets(world).await {
        let pinned = import.closed.iter().any(|closed| closed.targets.values().flatten().any(|target| target.id == id));
        if target.paused.is_some() && !pinned {
            continue;
        }
        if target.owner.is_some() || target.busy {
            return Some(format!("{id} is busy (owner {:?}, next at {:?})", target.owner, target.next_at));
        }
        for row in world.store().rows_of(&id, None, usize::MAX).await.unwrap_or_default() {
            // a target that left keeps what is to be asked when it comes back
            let stays = import.closed.as_ref().is_some_and(|closed| closed.has_target(&row.id.export, &id));
            if row.state != RowState::Idle || row.recheck && stays || row.handed_to.is_some() || !row.extra.is_empty() {
                return Some(format!("{id} rests while its row of {} waits ({:?})", row.id.key, row.state));
            }
        }
    }
    None
}

/// The run that a person should look at: its removals or changes wait, or a page pauses.
pub(crate) async fn waits(world: &World) -> Option<String> {
    let closed = import(world).await.closed?;
    let targets = targets(world).await;
    let restored_at = world.monitor().restored_at;
    let old = |target: &TargetDoc| target.paused.as_ref().is_some_and(|pause| pause.since < restored_at);
    if let Some((id, _)) = targets.iter().find(|(_, target)| old(target)) {
        world.violated(|| format!("I10: {id} pauses for what was before its store was put back"));
    }
    let waits = |target: &TargetDoc| target.paused.is_some() || target.marks.values().any(|mark| mark.waits.is_some());
    let pinned = |id: &String| closed.targets.values().flatten().any(|target| target.id == *id);
    let any = closed.guard.is_some() || targets.iter().any(|(id, target)| pinned(id) && waits(target));
    any.then_some(closed.run)
}

fn rendered(stage: &StagePlan, body: &Json) -> Option<String> {
    let only = stage.body["only"].as_str();
    if only.is_some_and(|only| body["lang"].as_str() != Some(only)) {
        return None;
    }
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    Some(format!("{} {}", text(&stage.body["template"]), text(&body["title"])))
}

/// The posts of an export on a page, by key.
fn shown(world: &World, export: &str, target: &str) -> BTreeMap<String, String> {
    let prefix = format!("{IMPORT}.{export}.{target}.");
    let pages = world.pages();
    let there = pages.there(target).filter_map(|(_, post)| {
        let key = post.marker.strip_prefix(&prefix)?;
        Some((key.to_owned(), post.text.clone()))
    });
    there.collect()
}

/// Pages and ledger are what the heads of the last closed run want.
pub(crate) async fn ledger(world: &World) {
    let import = import(world).await;
    let Some(closed) = import.closed.clone() else { return };
    let plan: Option<Read<Plan>> =
        docs::read(&*world.store(), DocKind::Definition, &closed.definition).await.unwrap_or_default();
    let Some(plan) = plan.map(|plan| plan.doc) else { return };
    let documents: BTreeMap<String, TargetDoc> = targets(world).await.into_iter().collect();
    for stage in plan.stages.iter().filter(|stage| stage.feed == Feed::Heads) {
        let ledger = format!("{IMPORT}/{}", stage.from.join("+"));
        let heads =
            world.store().heads_walk(&ledger, (0, String::new()), u64::MAX, usize::MAX).await.unwrap_or_default();
        for target in closed.targets.get(&stage.name).into_iter().flatten() {
            let Some(document) = documents.get(&target.id) else {
                world.violated(|| format!("I1: {} is a target of a closed run and does not exist", target.id));
                continue;
            };
            if document.paused.is_some() {
                world.violated(|| format!("I10: {} pauses at rest", target.id));
            }
            one(world, stage, &target.id, &heads, &import, closed.seq);
        }
    }
}

fn one(world: &World, stage: &StagePlan, target: &str, heads: &[Head], import: &ImportDoc, seq: u64) {
    let shown = shown(world, &stage.name, target);
    let mut known = BTreeSet::new();
    for head in heads {
        known.insert(head.key.as_str());
        let stamps = &head.stamps;
        if stamps.changed_gen > seq || import.cancelled.contains(&stamps.changed_gen) {
            continue;
        }
        let wanted = match stamps.wanted {
            Wanted::Stub => continue,
            Wanted::Live => rendered(stage, &head.body),
            Wanted::Gone | Wanted::Withdrawn => None,
        };
        let there = shown.get(&head.key);
        if there != wanted.as_ref() {
            world.violated(|| {
                format!(
                    "I3: at rest {target}/{} shows {there:?} of {}, its head wants {wanted:?}",
                    stage.name, head.key
                )
            });
        }
    }
    for key in shown.keys().filter(|key| !known.contains(key.as_str())) {
        let marker = format!("{IMPORT}.{}.{target}.{key}", stage.name);
        if !known.iter().any(|known| known.ends_with(&marker)) {
            world.violated(|| format!("I2: at rest {target}/{} shows {key}, of which no head knows", stage.name));
        }
    }
}

/// What the best version of an item is: the one that its head must have.
fn winner(shape: &Shape, source: &Source, number: u32) -> Option<Json> {
    let item = source.items.get(&number)?;
    let (_, fed) = shape.exported();
    let mut best: Option<(usize, String, Option<Json>)> = None;
    for (place, _) in fed.iter().enumerate().filter(|(place, fed)| **fed && item.listed[*place]) {
        let mut body = Source::body(number, item, place);
        body.as_object_mut().map(|body| body.remove("modified"));
        let record = Record::new(body.clone(), jobpipe_core::Origin::default());
        let rank = if shape.form == Form::Ranked { place } else { 0 };
        let sighting = if item.open { (rank, record.hash(), Some(body)) } else { (rank, String::new(), None) };
        if best.as_ref().is_none_or(|best| (sighting.0, &sighting.1) < (best.0, &best.1)) {
            best = Some(sighting);
        }
    }
    best?.2
}

/// Pages are what the source has.
pub(crate) fn outside(world: &World, shape: &Shape) {
    let plan = shape.plan();
    for stage in plan.stages.iter().filter(|stage| stage.feed == Feed::Heads) {
        for target in shape.pages(&stage.name) {
            let mut expected: BTreeMap<String, String> = BTreeMap::new();
            let mut tolerated: BTreeSet<String> = BTreeSet::new();
            let source = world.source();
            for (number, item) in &source.items {
                let key = source::key(*number);
                if let Some(text) = winner(shape, &source, *number).and_then(|body| rendered(stage, &body)) {
                    expected.insert(key.clone(), text);
                }
                let (_, fed) = shape.exported();
                if shape.gone.is_none() && !(0..2).any(|place| fed[place] && item.listed[place]) {
                    tolerated.insert(key);
                }
            }
            drop(source);
            let mut shown = shown(world, &stage.name, target);
            shown.retain(|key, _| expected.contains_key(key) || !tolerated.contains(key));
            if shown != expected {
                world.violated(|| {
                    format!("I1, I3: in the end {target}/{} shows {shown:?}, the source has {expected:?}", stage.name)
                });
            }
        }
    }
}

/// The changes that were told, one after the other, give what is there.
pub(crate) async fn changes(world: &World, shape: &Shape) {
    if !shape.files {
        return;
    }
    let (files, stores) = {
        let monitor = world.monitor();
        (monitor.files.clone(), monitor.stores)
    };
    if stores > 0 || world.monitor().approved {
        return;
    }
    let mut replica: BTreeMap<String, String> = BTreeMap::new();
    for ((_, _, run), lines) in files.iter().filter(|((export, ..), _)| export == "changes") {
        for (key, change, title) in lines {
            let before =
                if change == "gone" { replica.remove(key) } else { replica.insert(key.clone(), title.clone()) };
            if (change == "new") != before.is_none() {
                world.violated(|| format!("run {run} tells that {key} is {change}, and {before:?} was there before"));
            }
        }
    }
    let live = world.store().heads_live(&shape.ledger(), "", usize::MAX).await.unwrap_or_default();
    let all =
        world.store().heads_walk(&shape.ledger(), (0, String::new()), u64::MAX, usize::MAX).await.unwrap_or_default();
    let cancelled = import(world).await.cancelled;
    // what only a cancelled run saw is told to nobody before another run meets it
    let untold: BTreeSet<String> =
        all.into_iter().filter(|head| cancelled.contains(&head.stamps.changed_gen)).map(|head| head.key).collect();
    replica.retain(|key, _| !untold.contains(key));
    let live = live.into_iter().filter(|head| !untold.contains(&head.key));
    let live: BTreeMap<String, String> =
        live.map(|head| (head.key, head.body["title"].as_str().unwrap_or_default().to_owned())).collect();
    if replica != live {
        world.violated(|| format!("the changes add up to {replica:?}, the heads are {live:?}"));
    }
}
