//! Batches: `{_id, b: bytes}`, or, where they are longer than one document should be, `{_id, hash, parts}` with the parts
//! beside it under its own key, so that they go with the run.

use crate::call::Link;
use crate::codec::{Fields, bytes};
use crate::key;
use crate::read::{self, Query};
use crate::schema::BATCHES;
use crate::{MongoStore, bulk};
use jobpipe_core::StoreResult;
use mongodb::bson::{RawDocument, doc};
use std::sync::Arc;

/// The longest batch, or part of one, in a document: half of what a server takes, and two of them fit into a request.
const LONGEST: usize = 8 << 20;
/// A batch that may share a request: as many of them as do are one.
const SHORT: usize = 16 << 10;
/// Batches of a run that one request removes.
const AT_ONCE: usize = 200;

/// Stores each if absent. Parts come first, under a name made from the whole content: so what is named is there and whole,
/// whoever else stores under the same id. Short ones may share a request with those of others.
pub(crate) async fn put(store: &MongoStore, batches: Vec<(String, Vec<u8>)>) -> StoreResult<()> {
    let link = &store.link;
    let is_short = batches.iter().all(|(_, whole)| whole.len() <= SHORT);
    let mut documents = Vec::with_capacity(batches.len());
    for (id, whole) in batches {
        let id = key::of(&[&id]);
        if whole.len() <= LONGEST {
            documents.push(bulk::raw(&doc! { "_id": id, "b": bytes(whole) })?);
            continue;
        }
        let hash = blake3::hash(&whole).to_hex().to_string();
        let parts = whole
            .chunks(LONGEST)
            .enumerate()
            .map(|(at, part)| bulk::raw(&doc! { "_id": part_key(&id, &hash, at), "b": bytes(part.to_vec()) }));
        let parts = parts.collect::<StoreResult<Vec<_>>>()?;
        bulk::insert(link, BATCHES, &parts).await?;
        let count = i64::try_from(parts.len()).unwrap_or(i64::MAX);
        documents.push(bulk::raw(&doc! { "_id": id, "hash": hash, "parts": count })?);
    }
    if is_short {
        return store.lanes.batches.ask(documents).await.map(|_| ());
    }
    bulk::insert(link, BATCHES, &documents).await
}

fn part_key(id: &str, hash: &str, at: usize) -> String {
    format!("{id} {hash} {at:06}")
}

/// One batch, whole.
pub(crate) async fn get(link: &Arc<Link>, id: &str) -> StoreResult<Option<Vec<u8>>> {
    let id = key::of(&[id]);
    let found = read::by_ids(link, BATCHES, vec![id.clone()], &[]).await?;
    let Some(document) = found.get(&id) else { return Ok(None) };
    if let Some(whole) = bytes_of(document)? {
        return Ok(Some(whole.to_vec()));
    }
    let fields = Fields::new("batch", document);
    let (hash, count) = (fields.text("hash")?, fields.short("parts")? as usize);
    let keys: Vec<String> = (0..count).map(|at| part_key(&id, hash, at)).collect();
    let parts = read::by_ids(link, BATCHES, keys.clone(), &[]).await?;
    let mut whole = Vec::with_capacity(count * LONGEST);
    for key in keys {
        let part = parts.get(&key).map(|part| bytes_of(part)).transpose()?.flatten();
        whole.extend_from_slice(part.ok_or_else(|| fields.corrupt("parts", &format!("{key} is absent")))?);
    }
    Ok(Some(whole))
}

fn bytes_of(document: &RawDocument) -> StoreResult<Option<&[u8]>> {
    Fields::new("batch", document).bytes("b")
}

pub(crate) fn of_run(run: &str, limit: usize) -> Query {
    let start = key::of(&[&format!("{run}/")]);
    Query {
        coll: BATCHES,
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
