//! What changes tasks. Each write touches the one task that its condition names.

use super::page;
use crate::bulk::{self, Write};
use crate::call::Link;
use crate::codec::{Fields, pack, signed, stand};
use crate::key;
use crate::read;
use crate::schema::TASKS;
use jobpipe_core::{Commit, NewTask, StoreResult, TaskState};
use mongodb::bson::{Document, RawDocumentBuf, doc};
use std::sync::Arc;

/// Tasks that one request of a longer work takes.
const AT_ONCE: usize = 1_000;

const READY: i32 = stand(TaskState::Ready, true);
const RUNNING: i32 = stand(TaskState::Running, true);

pub(super) fn new_task(task: &NewTask) -> StoreResult<RawDocumentBuf> {
    let id = key::of(&[&task.id]);
    bulk::raw(&doc! {
        "_id": &id,
        "k": &id,
        "run": &task.run,
        "stage": &task.stage,
        "queue": &task.queue,
        "group": &task.group,
        "stand": READY,
        "fence": 0_i64,
        "owner": "",
        "renewal": 0_i64,
        "claim": 0_i64,
        "crashes": i64::from(task.crashes),
        "not_before": task.not_before,
        "nonce": 0_i64,
        "input": pack("input of a task", &task.input)?,
    })
}

pub(super) fn renew((id, fence): &(String, u64)) -> Document {
    doc! {
        "q": { "_id": key::of(&[id]), "stand": RUNNING, "fence": signed(*fence) },
        "u": { "$inc": { "renewal": 1_i64 } },
    }
}

/// A commit; `closes` = a terminal task is closed with it. Whether it applied is told by its nonce where a bulk does not.
pub(super) fn committing(commit: &Commit, closes: bool) -> StoreResult<Write> {
    let id = key::of(&[&commit.id]);
    let mut query = doc! { "_id": &id, "stand": RUNNING, "fence": signed(commit.fence) };
    if let Some(renewal) = commit.renewal {
        query.insert("renewal", signed(renewal));
    }
    let mark = signed(commit.nonce);
    let mut change = doc! {
        "stand": stand(commit.state, !(closes && commit.state.is_terminal())),
        "not_before": commit.not_before,
        "crashes": i64::from(commit.crashes),
        "nonce": mark,
        "result": pack("result of a task", &commit.result)?,
    };
    if let Some(input) = &commit.input {
        change.insert("input", pack("input of a task", input)?);
    }
    Write::update(id, mark, &doc! { "q": query, "u": { "$set": change } })
}

pub(super) async fn cancel(link: &Arc<Link>, run: &str) -> StoreResult<u64> {
    let cancelled = stand(TaskState::Cancelled, false);
    let mut count = 0;
    loop {
        let keys = some(link, page::waiting(run, AT_ONCE)).await?;
        if keys.is_empty() {
            return Ok(count);
        }
        let statement = doc! {
            "q": { "_id": { "$in": keys }, "stand": READY },
            "u": { "$set": { "stand": cancelled } },
            "multi": true,
        };
        count += bulk::update_many(link, TASKS, &[statement]).await?;
    }
}

pub(super) async fn purge(link: &Arc<Link>, run: &str) -> StoreResult<()> {
    read::clear(link, || page::all(run, AT_ONCE)).await
}

async fn some(link: &Arc<Link>, query: read::Query) -> StoreResult<Vec<String>> {
    let found = read::find(link, query).await?;
    found.iter().map(|document| Fields::new("task", document).text("_id").map(str::to_owned)).collect()
}
