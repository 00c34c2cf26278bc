//! Tasks, the stages and runs that they make up, and the files that are written of them.

use super::{Line, doc, now};
use crate::process::Gate;
use crate::world::World;
use jobpipe_core::{
    Commit, DeadLetter, DocKind, DocStore, ErrorClass, HeadStore, Millis, NewTask, RunFacts, Task, TaskInput,
    TaskState, TaskStore,
};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

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
        let late = world.monitor().sleepers.contains(who) || tasks(world, &task.run, None).is_empty();
        if run["cleared"] == true || run["state"] == "closed" && late {
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
    let lapsed = commit.renewal.is_some();
    let inherited = monitor.inherited.contains(&(before.task.id.clone(), before.fence));
    let crashes = monitor.crashes.entry(before.task.id.clone()).or_default();
    if who == before.owner && !lapsed {
        // a claim given back as it was taken came to no end: nothing was computed that could clear its input
        let given_back = commit.state == TaskState::Ready && commit.input.is_none();
        if !given_back {
            *crashes = 0;
        }
        return;
    }
    if who != before.owner && !inherited && !world.seems_gone(&before.owner) {
        world.violated(|| format!("{who} takes {name} from {}, who lives and renews it", before.owner));
    }
    *crashes += 1;
    let (crashes, limit) = (*crashes, monitor.crash_limit);
    drop(monitor);
    if !lapsed {
        world.violated(|| format!("I4: {who} committed {name}, which is claimed by {}", before.owner));
    }
    if commit.state == TaskState::Dead && crashes < limit {
        world.violated(|| format!("I1: {name} is set aside after {crashes} crashes in a row, the limit is {limit}"));
    }
}

/// Another store took the place of the one before.
pub(crate) fn put_back(world: &World) {
    let restored_at = world.now();
    let runs = now(world.store().docs(DocKind::Run, "", "", usize::MAX)).and_then(Result::ok).unwrap_or_default();
    let tasks = runs.into_iter().flat_map(|(run, _)| tasks(world, &run, None));
    let tasks: Vec<Task> = tasks.collect();
    let crashes = tasks.iter().map(|task| (task.task.id.clone(), task.task.crashes)).collect();
    let running = tasks.into_iter().filter(|task| task.state == TaskState::Running);
    let inherited = running.map(|task| (task.task.id, task.fence)).collect();
    let mut monitor = world.monitor();
    monitor.stores += 1;
    monitor.restored_at = restored_at;
    monitor.crashes = crashes;
    monitor.inherited = inherited;
    monitor.sleepers = world.alive();
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

pub(super) fn run_written(world: &World, who: &str, id: &str, before: Option<&Json>, after: &Json) {
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

pub(super) fn import_written(world: &World, who: &str, id: &str, before: Option<&Json>, after: &Json) {
    let Some(before) = before else { return };
    let run = |of: &Json| of["open"]["facts"]["run"].as_str().map(str::to_owned);
    let (old, new) = (run(before), run(after));
    world.tell(|| {
        format!("{who}  import {id}: open {old:?} -> {new:?} since {} wake {}", after["since"], after["to_wake"])
    });
    if new.is_some() && new != old {
        launched(world, id, &after["open"]["launch"]);
    }
    if after["last_slot"].as_i64() < before["last_slot"].as_i64() {
        world.violated(|| format!("I11: the slots of {id} went back"));
    }
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

/// I11: a slot has one run, and slots keep their order.
fn launched(world: &World, id: &str, launch: &Json) {
    let (Some(slot), Some(at)) = (launch["slot"].as_str(), launch["at"].as_i64()) else { return };
    // one that was triggered has no slot of the schedule
    if slot != jobpipe_core::utc_text(at) {
        return;
    }
    let last = world.monitor().launched.last().copied();
    if last.is_some_and(|last| last >= at) {
        world.violated(|| format!("I11: {id} is launched for {slot}, after {last:?}"));
    }
    world.monitor().launched.push(at);
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
    let id = (export.to_owned(), facts.seq, facts.run.clone());
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
