//! Heads, targets and rows, and the calls that pages hear.

use super::Armed;
use crate::pages::TIMEOUT;
use crate::world::World;
use jobpipe_core::{EffectCall, HeadWrite, Op, Row, RowState, Stamps};
use serde_json::Value as Json;

/// A lease is taken only from one who may be gone.
pub(super) fn target_written(world: &World, who: &str, id: &str, before: Option<&Json>, after: &Json) {
    let owner = |of: &Json| of["owner"].as_str().map(str::to_owned);
    if let Some(old) = before.and_then(owner)
        && old != who
        && owner(after).as_ref() != Some(&old)
        && who.starts_with('w')
        && !world.seems_gone(&old)
    {
        world.violated(|| format!("{who} takes {id} from {old}, who lives and renews it"));
    }
    paused(world, who, id, before, after);
    world.tell(|| {
        let field = |name: &str| after[name].to_string();
        format!(
            "{who}  target {id}: owner {} wake {} next {} busy {} attach {} epoch {} marks {} paused {}",
            field("owner"),
            field("wake"),
            field("next_at"),
            field("busy"),
            field("attach"),
            field("epoch"),
            after["marks"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(mark, at)| format!("{mark}@{}/{}", at["changed_gen"], at["key"]))
                .collect::<Vec<_>>()
                .join(" "),
            field("paused"),
        )
    });
}

/// A page pauses for a token only when it has refused it.
fn paused(world: &World, who: &str, id: &str, before: Option<&Json>, after: &Json) {
    let credential = |of: &Json| of["paused"]["credential"].as_u64().filter(|credential| *credential > 0);
    let Some(now) = credential(after).filter(|now| before.and_then(credential) != Some(*now)) else { return };
    let refused = world.pages().pages.get(id).is_some_and(|page| page.refused.contains(&(now - 1)));
    if !refused {
        world.violated(|| format!("{who} pauses {id} for token {now}, which it has not refused"));
    }
}

/// I3: a head only moves forward.
pub(crate) fn head_written(world: &World, who: &str, before: Option<&Stamps>, write: &HeadWrite) {
    let after = &write.stamps;
    world.tell(|| {
        format!(
            "{who}  head {} {:?} {} seen {} changed {} held {} missed {}@{} rank {}",
            write.key,
            after.wanted,
            &after.hash.get(..4).unwrap_or_default(),
            after.seen_gen,
            after.changed_gen,
            after.held_gen,
            after.missed,
            after.missed_gen,
            after.rank
        )
    });
    let Some(before) = before else { return };
    if after.seen_gen < before.seen_gen || after.held_gen < before.held_gen || after.missed_gen < before.missed_gen {
        world.violated(|| format!("I3: the head of {} went back: {before:?} -> {after:?}", write.key));
    }
    let latest = before.seen_gen.max(before.held_gen).max(before.missed_gen);
    if after.seen_gen.max(after.held_gen).max(after.missed_gen) < latest {
        world.violated(|| format!("I3: the head of {} was written by a run older than {latest}", write.key));
    }
    if after.held_gen > before.held_gen && after.held_gen <= before.seen_gen.max(before.missed_gen) {
        world.violated(|| {
            let late = after.held_gen;
            format!("I3: run {late} holds {}, which it or a later one has seen or missed: {before:?}", write.key)
        });
    }
    if after.missed > before.missed && after.missed_gen == before.missed_gen {
        world.violated(|| format!("a run counted {} missed twice", write.key));
    }
    if after.missed < before.missed && after.seen_gen.max(after.held_gen) <= before.missed_gen {
        world.violated(|| format!("I3: run {} missed {}, and an older one forgets it", before.missed_gen, write.key));
    }
}

/// I8 begins: the attempt is on record.
pub(crate) fn row_written(world: &World, who: &str, row: &Row) {
    world.tell(|| {
        let attempt = row.attempt.as_ref().map(|attempt| format!("{:?} by {}", attempt.op, attempt.owner));
        format!(
            "{who}  row {} {}/{} {:?} {attempt:?} post {:?} content {:?} recheck {} extra {:?}",
            row.id.target,
            row.id.export,
            row.id.key,
            row.state,
            row.post,
            row.content.as_ref().and_then(|content| content.hash.clone()),
            row.recheck,
            row.extra
        )
    });
    let at = world.elapsed();
    let mut monitor = world.monitor();
    monitor.extra.extend(row.extra.iter().cloned());
    if row.state == RowState::Armed
        && let Some(attempt) = &row.attempt
    {
        let armed = Armed { op: attempt.op, payload: attempt.payload.clone(), at, owner: attempt.owner.clone() };
        monitor.armed.entry(row.id.clone()).or_default().push(armed);
    }
}

/// I8: every call was armed, is sent once, and in time.
pub(crate) fn page_called(world: &World, who: &str, target: &str, call: &EffectCall) {
    world.tell(|| format!("{who}  call {target} {:?} {} {:?}", call.op, call.row.key, call.post));
    let at = world.elapsed();
    let mut monitor = world.monitor();
    if call.op == Op::Delete && call.post.as_ref().is_some_and(|post| monitor.extra.contains(post)) {
        return;
    }
    let armed = monitor.armed.entry(call.row.clone()).or_default();
    let same = |armed: &Armed| armed.owner == who && armed.op == call.op && armed.payload == call.payload;
    let found = armed.iter().rposition(same);
    match found {
        None => {
            drop(monitor);
            world.violated(|| {
                format!("I8: {who} calls {target} {:?} {} without an arm of its own", call.op, call.row.key)
            });
        }
        Some(index) => {
            let armed = armed.remove(index);
            drop(monitor);
            if at > armed.at + world.send_by + TIMEOUT {
                world.violated(|| {
                    format!("{who} sends {:?} {} {:?} after it was armed", call.op, call.row.key, at - armed.at)
                });
            }
        }
    }
}

/// I2's other side: what is there all the time is never taken away.
pub(crate) fn post_deleted(world: &World, target: &str, marker: &str) {
    let key = marker.rsplit('.').next().unwrap_or_default();
    if world.monitor().steady.contains(key) {
        world.violated(|| format!("I2: the post of {key} on {target} is deleted, and its item was there all the time"));
    }
}
