//! The invariants, looked at with every write that is applied and every call that a page hears.
//!
//! The monitor keeps its own account of who holds what and knows the outside; it takes no word of the engine for granted.

use crate::pages::{SEND_BY, TIMEOUT};
use crate::process::Gate;
use crate::world::World;
use jobpipe_core::{
    Commit, DeadLetter, DocKind, EffectCall, ErrorClass, HeadWrite, Millis, NewTask, Op, Row, RowId, RowState,
    RunFacts, Stamps, Task, TaskInput, TaskState, TaskStore,
};
use jobpipe_core::{DocStore, HeadStore};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The only import there is.
pub(crate) const IMPORT: &str = "sim";

/// One attempt as it was armed, to be sent at most once.
#[derive(Debug)]
struct Armed {
    op: Op,
    payload: Json,
    at: Duration,
}

/// A record in a file: key, change, title.
pub(crate) type Line = (String, String, String);

/// What the monitor remembers.
#[derive(Debug, Default)]
pub(crate) struct Monitor {
    /// Attempts that were armed and not yet sent, by row.
    armed: BTreeMap<RowId, Vec<Armed>>,
    /// Posts that rows hold to be superfluous.
    extra: BTreeSet<String>,
    /// Times in a row that a task's owner was taken for dead.
    crashes: BTreeMap<String, u32>,
    /// When runs were admitted, in true time.
    pub admitted: BTreeMap<String, Millis>,
    /// Runs in which a listing was given up, or a whole batch.
    unlisted: BTreeSet<String>,
    /// Items of which this many hold: never deleted.
    pub steady: BTreeSet<String>,
    /// A guard's removals were approved: no file of changes tells of them.
    pub approved: bool,
    /// Files by (export, run number): (key, change, title).
    pub files: BTreeMap<(String, u64), Vec<Line>>,
    /// The number of the store: one that was lost or restored has another.
    pub stores: u64,
    /// Which crawls a ledger's records come from: `a`, `b`.
    pub ledgers: BTreeMap<String, [bool; 2]>,
    /// Crashes after which an input may be set aside.
    pub crash_limit: u32,
    /// The import lists only what changed.
    pub incremental: bool,
}

/// The store's calls never wait.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// A task for people.
pub(crate) fn name(task: &NewTask) -> String {
    let input = match &task.input {
        TaskInput::Requests(requests) => {
            requests.iter().map(|one| format!("{}#{}", one.id, one.attempts)).collect::<Vec<_>>().join(" ")
        }
        TaskInput::Batch(id) => format!("batch {}", id.get(id.len().saturating_sub(14)..).unwrap_or(id)),
        TaskInput::Closing => "closing".to_owned(),
    };
    format!("{}/{} [{input}] ({})", task.run, task.stage, task.id.get(..4).unwrap_or_default())
}

fn doc(world: &World, kind: DocKind, id: &str) -> Option<Json> {
    now(world.store().doc(kind, id))?.ok()?.map(|doc| doc.body)
}

fn set(of: &Json, field: &str) -> BTreeSet<String> {
    of[field].as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect()
}

fn tasks(world: &World, run: &str, stage: Option<&str>) -> Vec<Task> {
    now(world.store().tasks_of(run, stage, "", usize::MAX)).and_then(Result::ok).unwrap_or_default()
}

fn open_tasks(world: &World, run: &str, stage: Option<&str>) -> Vec<Task> {
    tasks(world, run, stage).into_iter().filter(|task| task.open).collect()
}

/// I5, I6: no task is born into a stage or run that is closed.
pub(crate) fn tasks_inserted(world: &World, who: &str, new: &[NewTask]) {
    for task in new {
        let known = now(world.store().tasks(std::slice::from_ref(&task.id))).and_then(Result::ok).unwrap_or_default();
        if !known.is_empty() {
            continue;
        }
        world.monitor().crashes.insert(task.id.clone(), task.crashes);
        world.tell(|| format!("{who}  insert {}", name(task)));
        let Some(run) = doc(world, DocKind::Run, &task.run) else { continue };
        // of a run that is cleared only its document is left, and what turns up under it is never looked at
        if run["cleared"] == true {
            continue;
        }
        if set(&run, "closed_stages").contains(&task.stage) {
            world.violated(|| format!("I5: {} is born after its stage was closed", name(task)));
        }
        if run["state"] == "closed" {
            world.violated(|| format!("I6: {} is born after its run was closed", name(task)));
        }
    }
}

/// I4: a commit is the present owner's; or it takes a lease away, and then sets nobody aside too early.
pub(crate) fn committed(world: &World, who: &str, before: &Task, commit: &Commit) {
    let name = name(&before.task);
    world.tell(|| {
        let out: Vec<String> = commit.result.outputs.iter().map(|output| output.batch.clone()).collect();
        format!("{who}  commit {name} fence {} -> {:?} crashes {} {out:?}", commit.fence, commit.state, commit.crashes)
    });
    if before.state != TaskState::Running || before.fence != commit.fence {
        world.violated(|| format!("I4: {who} committed {name} in state {:?}, fence {}", before.state, before.fence));
    }
    let mut monitor = world.monitor();
    let crashes = monitor.crashes.entry(before.task.id.clone()).or_default();
    if who == before.owner {
        *crashes = 0;
        return;
    }
    if !world.seems_gone(&before.owner) {
        world.violated(|| format!("{who} takes {name} from {}, who lives and renews it", before.owner));
    }
    *crashes += 1;
    let (crashes, limit) = (*crashes, monitor.crash_limit);
    drop(monitor);
    if commit.renewal.is_none() {
        world.violated(|| format!("I4: {who} committed {name}, which is claimed by {}", before.owner));
    }
    if commit.state == TaskState::Dead && crashes < limit {
        world.violated(|| format!("I1: {name} is set aside after {crashes} crashes in a row, the limit is {limit}"));
    }
}

/// The output of two attempts never mixes.
pub(crate) async fn batches_put(world: &World, who: &str, batches: &[(String, Vec<u8>)]) {
    for (id, bytes) in batches {
        if let Ok(Some(there)) = world.store().batch(id).await
            && there != *bytes
        {
            world.violated(|| format!("batch {id} holds the output of another attempt than {who}'s"));
        }
    }
}

/// What a run and its import may do.
pub(crate) fn doc_written(world: &World, who: &str, kind: DocKind, id: &str, before: Option<&Json>, after: &Json) {
    match kind {
        DocKind::Run => run_written(world, who, id, before, after),
        DocKind::Import => import_written(world, who, id, before, after),
        DocKind::Target => {
            let owner = |of: &Json| of["owner"].as_str().map(str::to_owned);
            if let Some(old) = before.and_then(owner)
                && old != who
                && owner(after).as_ref() != Some(&old)
                && who.starts_with('w')
                && !world.seems_gone(&old)
            {
                world.violated(|| format!("{who} takes {id} from {old}, who lives and renews it"));
            }
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
        _ => {}
    }
}

fn run_written(world: &World, who: &str, id: &str, before: Option<&Json>, after: &Json) {
    let Some(before) = before else {
        let started = world.now();
        world.monitor().admitted.entry(id.to_owned()).or_insert(started);
        world.tell(|| format!("{who}  run {id} begins, seq {}", after["open"]["facts"]["seq"]));
        return;
    };
    let closed_before = set(before, "closed_stages");
    for stage in set(after, "closed_stages").difference(&closed_before) {
        world.tell(|| format!("{who}  stage {id}/{stage} is closed"));
        let open = open_tasks(world, id, Some(stage));
        if let Some(task) = open.first() {
            world.violated(|| format!("I5: stage {stage} of {id} is closed while {} is open", name(&task.task)));
        }
    }
    if before["state"] != after["state"] {
        world.tell(|| {
            format!("{who}  run {id} is {} verdict {} guard {}", after["state"], after["verdict"], after["guard"])
        });
    }
    if !before["verdict"].is_null() && before["verdict"] != after["verdict"] {
        world.violated(|| format!("the verdict of {id} changed after it was frozen"));
    }
    if before["state"] != "open" && before["cancel"] != after["cancel"] {
        world.violated(|| format!("{id} was cancelled after its verdict was frozen"));
    }
    if before["state"] != "closed" && after["state"] == "closed" {
        run_closed(world, id, after);
    }
}

/// I6, I1: a closed run has no live task, and a run that says it saw everything did.
fn run_closed(world: &World, id: &str, run: &Json) {
    if let Some(task) = open_tasks(world, id, None).first() {
        world.violated(|| format!("I6: {id} is closed while {} is open", name(&task.task)));
    }
    let exhaustive = run["verdict"]["exhaustive"] == true;
    let whole = exhaustive && run["verdict"]["clean"] == true;
    let (admitted, incremental, unlisted, ledgers) = {
        let monitor = world.monitor();
        let admitted = monitor.admitted.get(id).copied().unwrap_or(Millis::MAX);
        (admitted, monitor.incremental, monitor.unlisted.contains(id), monitor.ledgers.clone())
    };
    if exhaustive && unlisted {
        world.violated(|| format!("I1: {id} gave up part of its source and says it is exhaustive"));
    }
    if !whole || incremental {
        return;
    }
    let seq = run["open"]["facts"]["seq"].as_u64().unwrap_or(0);
    let items: Vec<(String, [bool; 2])> = world
        .source()
        .items
        .iter()
        .filter(|(_, item)| !item.bad && !item.toxic)
        .map(|(number, item)| {
            let all_along =
                [0, 1].map(|source| item.listed[source] && item.since[source] < admitted && item.good < admitted);
            (crate::source::key(*number), all_along)
        })
        .collect();
    for (ledger, fed) in ledgers {
        for (key, listed) in &items {
            if !(fed[0] && listed[0] || fed[1] && listed[1]) {
                continue;
            }
            let stamps = now(world.store().heads_stamps(&ledger, std::slice::from_ref(key))).and_then(Result::ok);
            let seen = stamps.and_then(|mut stamps| stamps.pop().flatten()).map_or(0, |stamps| stamps.seen_gen);
            if seen < seq {
                world.violated(|| {
                    format!("I1: {key} was listed all along, {id} (seq {seq}) is clean, and its head in {ledger} was last seen by {seen}")
                });
            }
        }
    }
}

fn import_written(world: &World, who: &str, id: &str, before: Option<&Json>, after: &Json) {
    let Some(before) = before else { return };
    let run = |of: &Json| of["open"]["facts"]["run"].as_str().map(str::to_owned);
    let (old, new) = (run(before), run(after));
    world.tell(|| {
        format!("{who}  import {id}: open {old:?} -> {new:?} since {} wake {}", after["since"], after["to_wake"])
    });
    if let Some(old) = &old
        && new.as_ref() != Some(old)
    {
        if new.is_some() {
            world.violated(|| format!("{id} has two open runs: {old} and {new:?}"));
        }
        let state = doc(world, DocKind::Run, old).map(|run| run["state"].clone());
        if state != Some(Json::from("closed")) {
            world.violated(|| format!("I6: the import is free while its run {old} is {state:?}"));
        }
        if let Some(task) = open_tasks(world, old, None).first() {
            world.violated(|| format!("I6: the import is free while {} is open", name(&task.task)));
        }
    }
    for (stage, value) in before["since"].as_object().into_iter().flatten() {
        let time = |value: &Json| crate::source::whole(value.as_str().unwrap_or_default());
        if time(&after["since"][stage]) < time(value) {
            world.violated(|| format!("the cursor of {stage} went back from {value} to {}", after["since"][stage]));
        }
    }
    if after["seq"].as_u64() < before["seq"].as_u64() {
        world.violated(|| format!("the number of runs of {id} went back"));
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
    if after.missed > before.missed && after.missed_gen == before.missed_gen {
        world.violated(|| format!("a run counted {} missed twice", write.key));
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
        let armed = Armed { op: attempt.op, payload: attempt.payload.clone(), at };
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
    let found = armed.iter().rposition(|armed| armed.op == call.op && armed.payload == call.payload);
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
            if at > armed.at + SEND_BY + TIMEOUT {
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

/// I1: what is given up is known to be.
pub(crate) fn dead_written(world: &World, who: &str, letter: &DeadLetter) {
    world.tell(|| format!("{who}  dead {} {} {} {:?}", letter.stage, letter.url, letter.key, letter.error.class));
    let batch = letter.url.is_empty() && letter.key.is_empty();
    if (letter.url.contains("/list/") && letter.key.is_empty() && letter.error.class != ErrorClass::Missing) || batch {
        world.monitor().unlisted.insert(letter.run.clone());
    }
}

/// Written again, a file holds the same.
///
/// A rename cannot be fenced: one who stops between his last look at his lease and the rename may still put an old file
/// in place, which the next run replaces.
pub(crate) fn file_written(world: &World, gate: &Gate, export: &str, facts: &RunFacts, lines: &[Line]) {
    world.tell(|| format!("file {export} of {}: {lines:?}", facts.run));
    let keys: BTreeSet<&String> = lines.iter().map(|(key, _, _)| key).collect();
    if keys.len() != lines.len() {
        world.violated(|| format!("{export} of {} has a record twice", facts.run));
    }
    let store = world.monitor().stores;
    let id = (export.to_owned(), facts.seq + store * 1_000);
    let old = world.monitor().files.get(&id).cloned();
    let late = gate.seems_gone(Duration::from_millis(500));
    if late && old.is_some() {
        return;
    }
    if export == "run" && !late {
        run_file(world, facts, lines);
    }
    world.monitor().files.insert(id, lines.to_vec());
    if old.is_some_and(|old| old != lines) {
        world.violated(|| format!("{export} of {} was written again with other records", facts.run));
    }
}

/// The records that were committed are those that the heads have.
fn run_file(world: &World, facts: &RunFacts, lines: &[Line]) {
    let ledgers: Vec<String> = world.monitor().ledgers.keys().cloned().collect();
    for ledger in ledgers {
        let heads = now(world.store().heads_live(&ledger, "", usize::MAX)).and_then(Result::ok).unwrap_or_default();
        let seen: BTreeMap<&str, &str> = heads
            .iter()
            .filter(|head| head.stamps.seen_gen == facts.seq)
            .map(|head| (head.key.as_str(), head.body["title"].as_str().unwrap_or_default()))
            .collect();
        let written: BTreeMap<&str, &str> =
            lines.iter().map(|(key, _, title)| (key.as_str(), title.as_str())).collect();
        if seen != written {
            world.violated(|| format!("{} wrote {written:?}, and its heads are {seen:?}", facts.run));
        }
    }
}
