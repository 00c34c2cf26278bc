//! Seen fingerprints: `{_id: run stage fingerprint, task}`.

use crate::bulk;
use crate::call::Link;
use crate::codec::Fields;
use crate::group::Answers;
use crate::key;
use crate::read::{self, Query};
use crate::schema::SEEN;
use jobpipe_core::StoreResult;
use mongodb::bson::doc;
use std::sync::Arc;

/// Fingerprints of a run that one request removes.
const AT_ONCE: usize = 1_000;

/// What a task claims.
pub(crate) struct Fingerprint {
    key: String,
    task: Arc<str>,
}

pub(crate) fn fingerprints(run: &str, stage: &str, fingerprints: &[String], task: &str) -> Vec<Fingerprint> {
    let task = Arc::<str>::from(task);
    let one = |print: &String| Fingerprint { key: key::of(&[run, stage, print]), task: Arc::clone(&task) };
    fingerprints.iter().map(one).collect()
}

/// Inserts each if absent; those that were there are read back: true for each that is its task's.
pub(crate) async fn send(link: &Arc<Link>, prints: Vec<Fingerprint>) -> Answers<bool> {
    let documents = prints.iter().map(|print| bulk::raw(&doc! { "_id": &print.key, "task": &*print.task }));
    let told = bulk::each(link, SEEN, bulk::INSERT, &documents.collect::<StoreResult<Vec<_>>>()?).await?;
    let others = prints.iter().zip(&told).filter(|(_, told)| matches!(told, Ok(Some(false) | None)));
    let found = read::by_ids(link, SEEN, others.map(|(print, _)| print.key.clone()).collect(), &["task"]).await?;
    let is_own = |print: &Fingerprint| -> StoreResult<bool> {
        // one that is gone again went with its run
        let owner = found.get(&print.key).map(|document| Fields::new("fingerprint", document).text("task"));
        Ok(owner.transpose()? == Some(&*print.task))
    };
    let told = prints.iter().zip(told).map(|(print, told)| match told {
        Ok(Some(true)) => Ok(true),
        Ok(_) => is_own(print),
        Err(word) => Err(link.place.unavailable(&word)),
    });
    Ok(told.collect())
}

pub(crate) async fn count(link: &Arc<Link>, run: &str, stage: &str) -> StoreResult<u64> {
    let start = key::within(&[run, stage]);
    read::count(link, SEEN, doc! { "_id": { "$gte": &start, "$lt": key::end(start.clone()) } }).await
}

pub(crate) fn of_run(run: &str, limit: usize) -> Query {
    let start = key::within(&[run]);
    Query {
        coll: SEEN,
        index: "_id_",
        filter: doc! { "_id": { "$gte": &start, "$lt": key::end(start.clone()) } },
        order: &["_id"],
        fields: &["_id"],
        limit,
    }
}

pub(crate) async fn purge(link: &Arc<Link>, run: &str) -> StoreResult<()> {
    read::clear(link, || of_run(run, AT_ONCE)).await
}
