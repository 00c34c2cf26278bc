//! The sweep repeats every step that a crash may have skipped. All of it is idempotent.

use crate::cx::Cx;
use crate::docs::{self, ImportDoc, Kept, Read, TargetDoc};
use crate::drain;
use crate::error::Result;
use crate::leases::{Claim, Held, Watch};
use crate::sabotage::Rule;
use crate::settle;
use crate::unfit::unless_unfit;
use crate::{admission, closing, fleet_limiter, relay, retention, scheduler, versions, workers};
use jobpipe_core::{Commit, DocKind, ErrorClass, Task, TaskError, TaskInput, TaskState};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// What one sweep remembers for the next.
#[derive(Debug, Default)]
pub struct Memory {
    /// Terminal tasks whose `open` was still true: relayed when seen twice, for their worker may be at it now.
    unrelayed: BTreeSet<String>,
    /// What this process works on: it lets nobody take it, itself included.
    held: Arc<Held>,
    /// Leases of running tasks.
    tasks: Watch,
    /// Leases of targets.
    targets: Watch,
    /// Processes that say that they live.
    workers: Watch,
    /// When keys without use were removed last, on the own clock.
    limits: Duration,
}

/// What an engine does first. The only one there is frees everything that is held, for no other owner lives; one of
/// several frees nothing yet, and begins to watch.
pub(crate) async fn take_over(cx: &Cx, held: &Arc<Held>) -> Result<Memory> {
    let mut memory = Memory { held: Arc::clone(held), ..Memory::default() };
    let alone = cx.settings.lease_ttl.is_none();
    if alone {
        drain::free_leases(cx, |_, _| true).await?;
        for (_, import) in busy(cx).await? {
            if let Some(open) = &import.doc.open {
                free_running(cx, &open.facts.run, |_| true).await?;
            }
        }
    }
    sweep(cx, &mut memory, alone).await?;
    if !alone {
        drain::wake_waiting(cx).await?;
    }
    Ok(memory)
}

/// For how long a claim of the only engine there is may stand before it counts as one whose answer was lost.
const LOST: Duration = Duration::from_secs(10);

/// Frees what others hold and what was seen to stand still for a whole time to live, and what this process claimed
/// without hearing of it.
async fn take_standing(cx: &Cx, memory: &mut Memory, runs: &[String]) -> Result<()> {
    let ttl = cx.settings.lease_ttl.unwrap_or(LOST);
    let Memory { held, tasks, targets, .. } = memory;
    let mut look = targets.look(ttl);
    let stands = |target: &str, doc: &TargetDoc| {
        // a store that was lost or put back counts claims anew: another epoch is another lease
        let lease = format!("{target} {}", doc.fence_epoch);
        !held.holds(&Claim::Target(target.to_owned())) && look.stands(cx, &lease, doc.fence, doc.renewal)
    };
    drain::free_leases(cx, stands).await?;
    let mut look = tasks.look(ttl);
    for run in runs {
        let stands =
            |task: &Task| !held.holds(&Claim::of(task)) && look.stands(cx, &task.task.id, task.fence, task.renewal);
        versions::unless_unknown(cx, free_running(cx, run, stands).await)?;
    }
    Ok(())
}

/// Frees the running tasks of a run that are `free`.
async fn free_running(cx: &Cx, run: &str, mut is_free: impl FnMut(&Task) -> bool) -> Result<()> {
    let mut after = String::new();
    loop {
        let tasks = cx.store.tasks_open(run, TaskState::Running, &after, cx.settings.page).await?;
        let Some(last) = tasks.last() else { return Ok(()) };
        after.clone_from(&last.task.id);
        for task in &tasks {
            if is_free(task) {
                free(cx, task, "the process died while it worked on this").await?;
                cx.news.tell();
            }
        }
    }
}

/// A running task that nobody works on, and why: ready again with one more crash, or dead when one input did it too often.
pub(crate) async fn free(cx: &Cx, task: &Task, why: &str) -> Result<()> {
    let crashes = task.task.crashes + 1;
    let single = match &task.task.input {
        TaskInput::Requests(requests) => requests.len() <= 1,
        TaskInput::Batch(_) | TaskInput::Closing => true,
    };
    // a file is written by nobody's input: it is never set aside
    let poison = single && crashes >= cx.settings.crash_limit && task.task.input != TaskInput::Closing;
    let mut commit = Commit {
        id: task.task.id.clone(),
        fence: task.fence,
        renewal: Some(task.renewal),
        state: TaskState::Ready,
        not_before: 0,
        crashes,
        input: None,
        result: jobpipe_core::TaskResult::default(),
        nonce: cx.ids.nonce(),
    };
    if poison {
        let run = cx.run(&task.task.run).await?;
        let layout = cx.layout(&run.doc.open.definition).await?;
        let error = TaskError {
            class: ErrorClass::Poison,
            code: "JP190".to_owned(),
            message: format!(
                "{crashes} times in a row this input came to no end, the last time because {why}; it is set aside, its neighbours are done"
            ),
            retry_after_ms: None,
        };
        let settled = settle::dead_whole(&layout, task, &error, cx.now());
        commit.state = TaskState::Dead;
        commit.result = settled.result;
    }
    cx.store.tasks_commit(vec![commit]).await?;
    Ok(())
}

/// How often limit keys without use are removed.
const HOUR: Duration = Duration::from_secs(3_600);
/// For how long nobody has used them.
const UNUSED: Duration = Duration::from_secs(86_400);

/// One sweep over all imports. `at_once`: nobody else is at work, so relays are repeated without a second look.
pub async fn sweep(cx: &Cx, memory: &mut Memory, at_once: bool) -> Result<()> {
    let mut unrelayed = BTreeSet::new();
    let imports = busy(cx).await?;
    let open = imports.iter().filter_map(|(_, import)| import.doc.open.as_ref());
    let runs: Vec<String> = open.map(|open| open.facts.run.clone()).collect();
    take_standing(cx, memory, &runs).await?;
    for (name, import) in imports {
        let again = |id: &String| at_once || memory.unrelayed.contains(id);
        let swept = sweep_one(cx, &name, &import.doc, again).await;
        let run = import.doc.open.as_ref().map_or(name.as_str(), |open| &open.facts.run);
        unrelayed.extend(unless_unfit(cx, run, swept)?.unwrap_or_default());
    }
    memory.unrelayed = unrelayed;
    let now = cx.clock.monotonic();
    if now.saturating_sub(memory.limits) >= HOUR {
        memory.limits = now;
        fleet_limiter::clear(&*cx.store, cx.now(), UNUSED).await?;
    }
    workers::clear(cx, &mut memory.workers).await
}

/// Sweeps one import; gives the tasks that nobody has relayed yet.
async fn sweep_one(
    cx: &Cx,
    name: &str,
    import: &ImportDoc,
    again: impl Fn(&String) -> bool,
) -> Result<BTreeSet<String>> {
    let mut unrelayed = BTreeSet::new();
    if let Some(open) = &import.open {
        let run = &open.facts.run;
        if cx.keeps(Rule::SweepRun) && cx.store.doc(DocKind::Run, run).await?.is_none() {
            admission::ensure(cx, open).await?;
        }
        for state in [TaskState::Done, TaskState::Dead] {
            for task in cx.store.tasks_open(run, state, "", cx.settings.page).await? {
                if again(&task.task.id) {
                    relay::relay(cx, &task).await?;
                } else {
                    unrelayed.insert(task.task.id);
                }
            }
        }
        closing::advance(cx, run).await?;
    }
    drain::wake_targets(cx, name).await?;
    tidy(cx, name).await?;
    Ok(unrelayed)
}

/// What is done once after a run was closed, and done when the import is not due any more.
async fn tidy(cx: &Cx, name: &str) -> Result<()> {
    let read = admission::import(cx, name).await?;
    let is_due = read.doc.untidy || !read.doc.after_due.is_empty();
    // one of a store that knew nothing of this is due without a reason
    if !is_due && read.doc.due().is_some() {
        return Ok(());
    }
    if read.doc.untidy {
        retention::clear(cx, name).await?;
    }
    let new = ImportDoc { untidy: false, ..scheduler::followed(cx, name, &read.doc).await? };
    if !is_due || new != read.doc {
        docs::replace(&*cx.store, &*cx.ids, DocKind::Import, name, &read, new).await?;
    }
    Ok(())
}

/// The imports that are due: those with an open run, or with something to do after one.
pub(crate) async fn busy(cx: &Cx) -> Result<Vec<(String, Read<ImportDoc>)>> {
    versions::all_due(cx, DocKind::Import, 0).await
}

/// Every import that this version can read, by name.
pub async fn imports(cx: &Cx) -> Result<Vec<(String, Read<ImportDoc>)>> {
    let mut imports = Vec::new();
    let mut after = String::new();
    loop {
        let page = versions::page(cx, DocKind::Import, &after, cx.settings.page).await?;
        let Some((last, _)) = page.last() else { return Ok(imports) };
        after.clone_from(last);
        let is_last = page.len() < cx.settings.page;
        imports.extend(page.into_iter().filter_map(|(name, read)| Some((name, read?))));
        if is_last {
            return Ok(imports);
        }
    }
}
