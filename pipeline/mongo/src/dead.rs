//! Dead letters: `{_id, k: its id as a key, import, run, b: the letter}`.

use crate::bulk;
use crate::call::Link;
use crate::codec::{Fields, pack};
use crate::key;
use crate::read::{self, Query};
use crate::schema::DEAD;
use jobpipe_core::{DeadLetter, StoreResult};
use mongodb::bson::{Document, RawDocument, doc};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How often a letter that others write at the same time is tried.
const TRIES: usize = 5;

/// Writes each. Of two who insert the same at once a server refuses one, which then finds it there.
pub(crate) async fn put(link: &Arc<Link>, letters: Vec<DeadLetter>) -> StoreResult<()> {
    // The last of equal ids is the one that stays.
    let letters: BTreeMap<String, DeadLetter> =
        letters.into_iter().map(|letter| (key::of(&[&letter.id]), letter)).collect();
    let mut left = letters.iter().map(|(id, letter)| upsert(id, letter)).collect::<StoreResult<Vec<_>>>()?;
    for _ in 0..TRIES {
        let told = bulk::update(link, DEAD, &left).await?;
        left = left.into_iter().zip(told).filter(|(_, told)| *told == Some(false)).map(|(upsert, _)| upsert).collect();
        if left.is_empty() {
            return Ok(());
        }
    }
    Err(link.place.unavailable("dead letters were refused again and again"))
}

fn upsert(id: &str, letter: &DeadLetter) -> StoreResult<Document> {
    let set = doc! { "k": id, "import": &letter.import, "run": &letter.run, "b": pack("dead letter", letter)? };
    Ok(doc! { "q": { "_id": id }, "u": { "$set": set }, "upsert": true })
}

pub(crate) fn page(import: Option<&str>, run: Option<&str>, after: &str, limit: usize) -> Query {
    let after = key::of(&[after]);
    let (index, field) = match (import, run) {
        (None, None) => ("_id_", "_id"),
        (Some(_), None) => ("dead_of_import", "k"),
        (_, Some(_)) => ("dead_of_run", "k"),
    };
    let mut filter = doc! { field: { "$gt": after } };
    filter.extend(import.map(|import| ("import".to_owned(), import.into())));
    filter.extend(run.map(|run| ("run".to_owned(), run.into())));
    let order: &[&str] = if field == "k" { &["k"] } else { &["_id"] };
    Query { coll: DEAD, index, filter, order, fields: &["_id", "b"], limit }
}

pub(crate) fn letter(document: &RawDocument) -> StoreResult<DeadLetter> {
    let fields = Fields::new("dead letter", document);
    fields.unpack("b")?.ok_or_else(|| fields.corrupt("b", &"it is absent"))
}

pub(crate) async fn one(link: &Arc<Link>, id: &str) -> StoreResult<Option<DeadLetter>> {
    let found = read::by_ids(link, DEAD, vec![key::of(&[id])], &["b"]).await?;
    found.values().next().map(|document| letter(document)).transpose()
}

pub(crate) async fn delete(link: &Arc<Link>, ids: &[String]) -> StoreResult<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let keys: Vec<String> = ids.iter().map(|id| key::of(&[id])).collect();
    bulk::delete(link, DEAD, doc! { "_id": { "$in": keys } }).await.map(|_| ())
}
