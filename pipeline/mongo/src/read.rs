//! Reads: each by an index that it names, in the order of that index.

use crate::bulk;
use crate::call::{Kind, Link};
use crate::codec::{Fields, limit};
use crate::fault::Fault;
#[cfg(test)]
use crate::schema::INDEXES;
use futures::TryStreamExt;
use jobpipe_core::StoreResult;
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use mongodb::options::Hint;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Documents in one answer; a longer page takes several.
const BATCH: usize = 10_000;
/// Keys in one `$in`.
const KEYS: usize = 5_000;

/// A read of one collection. Sorted by `order`, which the index gives; at most `limit` documents.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) coll: &'static str,
    /// The index it goes by; `_id_` is everybody's own.
    pub(crate) index: &'static str,
    pub(crate) filter: Document,
    pub(crate) order: &'static [&'static str],
    /// The fields to give; none = all. Without `_id` among them, what they are may come from the index alone.
    pub(crate) fields: &'static [&'static str],
    pub(crate) limit: usize,
}

/// The documents.
pub(crate) async fn find(link: &Arc<Link>, query: Query) -> StoreResult<Vec<RawDocumentBuf>> {
    if query.limit == 0 {
        // To a server, 0 means "all".
        return Ok(Vec::new());
    }
    let fields = projection(query.fields);
    let order = query.order.iter().map(|field| ((*field).to_owned(), Bson::Int32(1))).collect();
    read(link, query.coll, query.index, query.filter, order, fields, query.limit).await
}

/// The documents of these keys, with these fields and `_id` (none = all), by key.
pub(crate) async fn by_ids(
    link: &Arc<Link>,
    coll: &'static str,
    mut ids: Vec<String>,
    fields: &[&str],
) -> StoreResult<HashMap<String, RawDocumentBuf>> {
    ids.sort_unstable();
    ids.dedup();
    let mut fields = projection(fields);
    fields.remove("_id");
    let mut found = HashMap::with_capacity(ids.len());
    for few in ids.chunks(KEYS) {
        let filter = match few {
            [one] => doc! { "_id": one },
            few => doc! { "_id": { "$in": few } },
        };
        for document in read(link, coll, "_id_", filter, Document::new(), fields.clone(), few.len()).await? {
            let id = Fields::new(coll, &document).text("_id")?.to_owned();
            found.insert(id, document);
        }
    }
    Ok(found)
}

pub(crate) fn projection(fields: &[&str]) -> Document {
    let mut projection: Document = fields.iter().map(|field| ((*field).to_owned(), Bson::Int32(1))).collect();
    if !fields.is_empty() && !fields.contains(&"_id") {
        projection.insert("_id", 0);
    }
    projection
}

async fn read(
    link: &Arc<Link>,
    coll: &'static str,
    index: &'static str,
    filter: Document,
    order: Document,
    fields: Document,
    most: usize,
) -> StoreResult<Vec<RawDocumentBuf>> {
    let asked = link.ask(Kind::Read, move |link, _| {
        let (filter, order, fields) = (filter.clone(), order.clone(), fields.clone());
        async move {
            let found = link.db.collection::<RawDocumentBuf>(coll);
            // One more than there can be, so that the server need not keep a cursor.
            let batch = u32::try_from(most.min(BATCH)).unwrap_or_default() + 1;
            let mut find = found.find(filter).limit(limit(most)).batch_size(batch).max_time(link.work);
            if !order.is_empty() {
                find = find.sort(order);
            }
            if !fields.is_empty() {
                find = find.projection(fields);
            }
            if index != "_id_" && link.hints.load(Relaxed) {
                find = find.hint(Hint::Name(index.to_owned()));
            }
            Ok::<_, Fault>(find.await?.try_collect().await?)
        }
    });
    asked.await
}

/// How many documents `filter` finds, by the value of `group`.
pub(crate) async fn count_by(
    link: &Arc<Link>,
    coll: &'static str,
    filter: Document,
    group: &'static str,
) -> StoreResult<Vec<(Bson, u64)>> {
    let asked = link.ask(Kind::Read, move |link, _| {
        let filter = filter.clone();
        async move {
            let stages =
                [doc! { "$match": filter }, doc! { "$group": { "_id": format!("${group}"), "n": { "$sum": 1 } } }];
            let counts = link.db.collection::<Document>(coll).aggregate(stages).max_time(link.work).await?;
            let counts: Vec<Document> = counts.try_collect().await?;
            let counted = |count: Document| {
                let n = u64::try_from(crate::call::number(&count, "n")).unwrap_or_default();
                (count.get("_id").cloned().unwrap_or(Bson::Null), n)
            };
            Ok(counts.into_iter().map(counted).collect())
        }
    });
    asked.await
}

/// How many documents `filter` finds.
pub(crate) async fn count(link: &Arc<Link>, coll: &'static str, filter: Document) -> StoreResult<u64> {
    let asked = link.ask(Kind::Read, move |link, _| {
        let filter = filter.clone();
        async move { Ok(link.db.collection::<Document>(coll).count_documents(filter).max_time(link.work).await?) }
    });
    asked.await
}

/// Removes what a query finds, part by part, until it finds nothing.
pub(crate) async fn clear(link: &Arc<Link>, part: impl Fn() -> Query) -> StoreResult<()> {
    loop {
        let query = part();
        let coll = query.coll;
        let found = find(link, query).await?;
        let ids = found.iter().map(|document| Fields::new(coll, document).text("_id").map(str::to_owned));
        let ids = ids.collect::<StoreResult<Vec<_>>>()?;
        if ids.is_empty() {
            return Ok(());
        }
        bulk::delete(link, coll, doc! { "_id": { "$in": ids } }).await?;
    }
}

/// The keys that an index is made of.
#[cfg(test)]
pub(crate) fn keys_of(index: &str) -> Vec<&'static str> {
    let found = INDEXES.iter().find(|one| one.name == index);
    found.map_or_else(|| vec!["_id"], |one| one.keys.to_vec())
}
