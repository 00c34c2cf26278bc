//! Seen fingerprints: `{_id: run stage fingerprint, task}`.

use crate::bulk;
use crate::call::Link;
use crate::codec::Fields;
use crate::key;
use crate::read::{self, Query};
use crate::schema::SEEN;
use jobpipe_core::StoreResult;
use mongodb::bson::doc;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Fingerprints of a run that one request removes.
const AT_ONCE: usize = 1_000;

/// Inserts each if absent; those that were there are read back.
pub(crate) async fn claim(
    link: &Arc<Link>,
    run: &str,
    stage: &str,
    fingerprints: &[String],
    task: &str,
) -> StoreResult<Vec<bool>> {
    let keys: Vec<String> = fingerprints.iter().map(|print| key::of(&[run, stage, print])).collect();
    let once: BTreeSet<&String> = keys.iter().collect();
    let told = bulk::insert(link, SEEN, once.iter().map(|key| doc! { "_id": key, "task": task }).collect()).await?;
    let others = once.into_iter().zip(told).filter(|(_, told)| *told != Some(true)).map(|(key, _)| key.clone());
    let others: Vec<String> = others.collect();
    let found = read::by_ids(link, SEEN, others.clone(), &["task"]).await?;
    let mut lost = BTreeSet::new();
    for key in others {
        // One that is gone again went with its run.
        let owner = found.get(&key).map(|document| Fields::new("fingerprint", document).text("task")).transpose()?;
        if owner != Some(task) {
            lost.insert(key);
        }
    }
    Ok(keys.iter().map(|key| !lost.contains(key)).collect())
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
