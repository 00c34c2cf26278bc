//! Claims, and their end.

use super::page;
use crate::bulk;
use crate::call::{Kind, Link};
use crate::codec::{Fields, signed, stand};
use crate::group::{Answers, Group};
use crate::key;
use crate::read;
use crate::schema::TASKS;
use jobpipe_core::{Ids, Millis, StoreResult, SystemIds, Task, TaskState};
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc, rawdoc};
use std::collections::BTreeSet;
use std::sync::Arc;

/// One task that a call wants to claim.
#[derive(Clone)]
pub(crate) struct Wish {
    key: String,
    owner: Arc<str>,
    now: Millis,
    /// The number of the call: it is in what it claims.
    claim: i64,
}

impl Wish {
    fn query(&self) -> Document {
        let ready = stand(TaskState::Ready, true);
        doc! { "_id": &self.key, "stand": ready, "not_before": { "$lte": self.now } }
    }

    fn change(&self) -> Document {
        let running = stand(TaskState::Running, true);
        doc! {
            "$set": { "stand": running, "owner": &*self.owner, "renewal": 0_i64, "claim": self.claim },
            "$inc": { "fence": 1_i64 },
        }
    }
}

/// Claims; what is claimed is read back by the number of this call.
pub(super) async fn claim(
    claims: &Group<Wish, Option<RawDocumentBuf>>,
    ids: &[String],
    owner: &str,
    now: Millis,
) -> StoreResult<Vec<Task>> {
    let (owner, claim) = (Arc::<str>::from(owner), signed(SystemIds.nonce()));
    let mut known = BTreeSet::new();
    let wish = |id: &String| Wish { key: key::of(&[id]), owner: Arc::clone(&owner), now, claim };
    let wishes = ids.iter().filter(|id| known.insert(*id)).map(wish).collect();
    let claimed = claims.ask(wishes).await?;
    claimed.iter().flatten().map(|document| page::task(document)).collect()
}

/// The tasks that were claimed, each for its wish. One alone comes back with its claim.
pub(crate) async fn send(link: &Arc<Link>, wishes: Vec<Wish>) -> Answers<Option<RawDocumentBuf>> {
    if let [wish] = wishes.as_slice() {
        return Ok(vec![Ok(send_one(link, wish).await?)]);
    }
    let statements = wishes.iter().map(|wish| doc! { "q": wish.query(), "u": wish.change() });
    let statements = statements.map(|statement| bulk::raw(&statement)).collect::<StoreResult<Vec<_>>>()?;
    let told = bulk::each(link, TASKS, bulk::UPDATE, &statements).await?;
    let unclear = wishes.iter().zip(&told).filter(|(_, told)| matches!(told, Ok(Some(true) | None)));
    let mut found = read::by_ids(link, TASKS, unclear.map(|(wish, _)| wish.key.clone()).collect(), &[]).await?;
    let claimed = wishes.iter().zip(told).map(|(wish, told)| {
        told.map_err(|word| link.place.unavailable(&word))?;
        let Some(document) = found.get(&wish.key) else { return Ok(None) };
        let is_mine = Fields::new("task", document).number("claim")? == wish.claim;
        Ok(if is_mine { found.remove(&wish.key) } else { None })
    });
    Ok(claimed.collect())
}

async fn send_one(link: &Arc<Link>, wish: &Wish) -> StoreResult<Option<RawDocumentBuf>> {
    let (query, change, wish) = (bulk::raw(&wish.query())?, bulk::raw(&wish.change())?, wish.clone());
    let asked = link.ask(Kind::Write, move |link, again| {
        let (query, change, wish) = (query.clone(), change.clone(), wish.clone());
        async move {
            let command = rawdoc! {
                "findAndModify": TASKS, "query": query, "update": change, "new": true,
                "writeConcern": link.durable(), "maxTimeMS": link.millis(),
            };
            let answer = link.run(command).await?;
            match answer.get("value") {
                Some(Bson::Document(task)) => Ok(Some(RawDocumentBuf::try_from(task)?)),
                // the answer to the first try was lost, but not its claim
                _ if again => {
                    let mine = doc! { "_id": wish.key, "claim": wish.claim };
                    let tasks = link.db.collection::<RawDocumentBuf>(TASKS);
                    Ok(tasks.find_one(mine).max_time(link.work).await?)
                }
                _ => Ok(None),
            }
        }
    });
    asked.await
}

/// Lets `open` fall for those of `keys` that are terminal.
pub(crate) async fn close(link: &Arc<Link>, keys: &[String]) -> Answers<()> {
    let closing = |state| {
        doc! {
            "q": { "_id": { "$in": keys }, "stand": stand(state, true) },
            "u": { "$set": { "stand": stand(state, false) } },
            "multi": true,
        }
    };
    bulk::update_many(link, TASKS, &[closing(TaskState::Done), closing(TaskState::Dead)]).await?;
    Ok(keys.iter().map(|_| Ok(())).collect())
}
