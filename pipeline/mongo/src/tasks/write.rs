//! What changes tasks. Each write touches the one task that its condition names.

use super::page;
use crate::bulk::{self, Op, Write};
use crate::call::{Kind, Link};
use crate::codec::{Fields, pack, signed, stand};
use crate::key;
use crate::read;
use crate::schema::TASKS;
use jobpipe_core::{Commit, Ids, Millis, NewTask, StoreResult, SystemIds, Task, TaskState};
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc, rawdoc};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Tasks that one request of a longer work takes.
const AT_ONCE: usize = 1_000;

const READY: i32 = stand(TaskState::Ready, true);
const RUNNING: i32 = stand(TaskState::Running, true);

pub(super) fn new_task(task: &NewTask) -> StoreResult<Document> {
    let id = key::of(&[&task.id]);
    Ok(doc! {
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

/// Claims, and reads back by the number of this claim which are its own. One alone comes back with its claim.
pub(super) async fn claim(link: &Arc<Link>, ids: &[String], owner: &str, now: Millis) -> StoreResult<Vec<Task>> {
    let mut known = BTreeSet::new();
    let keys: Vec<String> = page::keys(ids).into_iter().filter(|key| known.insert(key.clone())).collect();
    let claim = signed(SystemIds.nonce());
    let query = |key: &String| doc! { "_id": key, "stand": READY, "not_before": { "$lte": now } };
    let change = doc! {
        "$set": { "stand": RUNNING, "owner": owner, "renewal": 0_i64, "claim": claim },
        "$inc": { "fence": 1_i64 },
    };
    if let [key] = keys.as_slice() {
        let found = claim_one(link, key.clone(), query(key), change, claim).await?;
        return found.iter().map(|document| page::task(document)).collect();
    }
    let statements = keys.iter().map(|key| doc! { "q": query(key), "u": &change }).collect();
    let told = bulk::update(link, TASKS, statements).await?;
    if told.iter().all(|told| *told == Some(false)) {
        return Ok(Vec::new());
    }
    let found = read::by_ids(link, TASKS, keys.clone(), &[]).await?;
    let mut claimed = Vec::new();
    for document in keys.iter().filter_map(|key| found.get(key)) {
        if Fields::new("task", document).number("claim")? == claim {
            claimed.push(page::task(document)?);
        }
    }
    Ok(claimed)
}

async fn claim_one(
    link: &Arc<Link>,
    key: String,
    query: Document,
    change: Document,
    claim: i64,
) -> StoreResult<Option<RawDocumentBuf>> {
    let raw = |document: &Document| {
        RawDocumentBuf::try_from(document).map_err(|error| crate::codec::corrupt("request", &error))
    };
    let (query, change, asked_for) = (raw(&query)?, raw(&change)?, key.clone());
    let asked = link.ask(Kind::Write, move |link, again| {
        let (query, change, key) = (query.clone(), change.clone(), asked_for.clone());
        async move {
            let command = rawdoc! {
                "findAndModify": TASKS, "query": query, "update": change, "new": true,
                "writeConcern": link.durable(), "maxTimeMS": link.millis(),
            };
            let answer = link.run(command).await?;
            match answer.get("value") {
                Some(Bson::Document(task)) => Ok(Some(RawDocumentBuf::try_from(task)?)),
                // The answer to the first try was lost, but not its claim.
                _ if again => {
                    let mine = doc! { "_id": key, "claim": claim };
                    let tasks = link.db.collection::<RawDocumentBuf>(TASKS);
                    Ok(tasks.find_one(mine).max_time(link.work).await?)
                }
                _ => Ok(None),
            }
        }
    });
    asked.await
}

pub(super) fn renew((id, fence): &(String, u64)) -> Document {
    doc! {
        "q": { "_id": key::of(&[id]), "stand": RUNNING, "fence": signed(*fence) },
        "u": { "$inc": { "renewal": 1_i64 } },
    }
}

/// Commits; `closes` = a terminal task is closed with it. Which of a bulk applied is told by their nonces.
pub(super) async fn commit(link: &Arc<Link>, commits: Vec<Commit>, closes: bool) -> StoreResult<Vec<bool>> {
    let writes = commits.iter().map(|commit| committing(commit, closes)).collect::<StoreResult<Vec<_>>>()?;
    bulk::apply(link, TASKS, "nonce", writes).await
}

fn committing(commit: &Commit, closes: bool) -> StoreResult<Write> {
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
    Ok(Write { id, mark, op: Op::Update(doc! { "q": query, "u": { "$set": change } }) })
}

/// What lets `open` fall for those of `keys` that are terminal.
pub(super) fn close(keys: &[String]) -> Vec<Document> {
    let closing = |state| {
        doc! {
            "q": { "_id": { "$in": keys }, "stand": stand(state, true) },
            "u": { "$set": { "stand": stand(state, false) } },
            "multi": true,
        }
    };
    vec![closing(TaskState::Done), closing(TaskState::Dead)]
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
        count += bulk::update_many(link, TASKS, vec![statement]).await?;
    }
}

pub(super) async fn purge(link: &Arc<Link>, run: &str) -> StoreResult<()> {
    read::clear(link, || page::all(run, AT_ONCE)).await
}

async fn some(link: &Arc<Link>, query: read::Query) -> StoreResult<Vec<String>> {
    let found = read::find(link, query).await?;
    found.iter().map(|document| Fields::new("task", document).text("_id").map(str::to_owned)).collect()
}
