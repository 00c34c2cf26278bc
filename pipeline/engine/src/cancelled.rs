//! The end of a cancelled run without an engine at work.

use crate::closing;
use crate::cx::Cx;
use crate::error::Result;
use crate::relay;
use jobpipe_core::{Commit, Task, TaskResult, TaskState};

/// Takes a run whose cancel was asked for to its end: what ran when its process died is given back, what was committed
/// is relayed, the rest is cancelled. True when the run is closed. The caller has the engine's role, so no other owner
/// lives; no stage is run and no target is called.
pub async fn close_cancelled(cx: &Cx, run: &str) -> Result<bool> {
    if !cx.run(run).await?.doc.cancel {
        return Ok(false);
    }
    for task in open(cx, run, TaskState::Running).await? {
        let commit = Commit {
            id: task.task.id.clone(),
            fence: task.fence,
            renewal: Some(task.renewal),
            state: TaskState::Ready,
            not_before: 0,
            crashes: task.task.crashes,
            input: None,
            result: TaskResult::default(),
            nonce: cx.ids.nonce(),
        };
        cx.store.tasks_commit(vec![commit]).await?;
    }
    for state in [TaskState::Done, TaskState::Dead] {
        for task in open(cx, run, state).await? {
            relay::relay(cx, &task).await?;
        }
    }
    closing::advance(cx, run).await
}

async fn open(cx: &Cx, run: &str, state: TaskState) -> Result<Vec<Task>> {
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let page = cx.store.tasks_open(run, state, &after, cx.settings.page).await?;
        let Some(last) = page.last() else { return Ok(all) };
        after.clone_from(&last.task.id);
        all.extend(page);
    }
}
