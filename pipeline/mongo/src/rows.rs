//! Ledger rows: `{_id: target import export key, k: the last three, target, scope: the first three, v: version, attention
//! and posted: 0 or 1 (not every server keeps booleans apart from numbers), b: the row}`; and the port of both rows and dead letters.

use crate::bulk::{self, Write};
use crate::codec::{Fields, pack, signed};
use crate::read::{self, Query};
use crate::schema::ROWS;
use crate::{MongoStore, dead, key};
use async_trait::async_trait;
use jobpipe_core::{DeadLetter, Row, RowId, RowStore, RowWrite, StoreResult};
use mongodb::bson::{Document, RawDocument, doc};

fn id_of(id: &RowId) -> String {
    key::of(&[&id.target, &id.import, &id.export, &id.key])
}

/// The part of an id that is the same for all rows of one export at a target.
fn scope_of(target: &str, import: &str, export: &str) -> String {
    key::of(&[target, import, export])
}

/// The order of a target's rows.
fn order_of(id: &RowId) -> String {
    key::of(&[&id.import, &id.export, &id.key])
}

fn put(write: &RowWrite) -> StoreResult<Write> {
    let row = &write.row;
    let (id, mark) = (id_of(&row.id), signed(row.version));
    let set = doc! {
        "v": mark,
        "attention": i32::from(row.needs_attention()),
        "posted": i32::from(row.post.is_some()),
        "b": pack("row", row)?,
    };
    match write.expect {
        Some(expect) => {
            let statement = doc! { "q": { "_id": &id, "v": signed(expect) }, "u": { "$set": set } };
            Write::update(id, mark, &statement)
        }
        None => {
            let scope = scope_of(&row.id.target, &row.id.import, &row.id.export);
            let mut fresh = doc! { "_id": &id, "k": order_of(&row.id), "target": &row.id.target, "scope": scope };
            fresh.extend(set);
            Write::insert(id, mark, &fresh)
        }
    }
}

fn row(document: &RawDocument) -> StoreResult<Row> {
    let fields = Fields::new("row", document);
    fields.unpack("b")?.ok_or_else(|| fields.corrupt("b", &"it is absent"))
}

/// Where the page after `after` begins, among the rows of `target`; `None` when there is none.
fn start(target: &str, after: Option<&RowId>) -> Option<String> {
    match after {
        Some(id) if id.target.as_str() > target => None,
        Some(id) if id.target == target => Some(order_of(id)),
        _ => Some(String::new()),
    }
}

pub(crate) fn attention(target: &str, after: Option<&RowId>, limit: usize) -> Option<Query> {
    let filter = doc! { "target": target, "attention": 1, "k": { "$gt": start(target, after)? } };
    Some(Query { coll: ROWS, index: "row_attention", filter, order: &["k"], fields: &["_id", "b"], limit })
}

pub(crate) fn of_target(target: &str, after: Option<&RowId>, limit: usize) -> Option<Query> {
    let (within, start) = (key::within(&[target]), start(target, after)?);
    let filter = doc! { "_id": { "$gt": format!("{within}{start}"), "$lt": key::end(within) } };
    Some(Query { coll: ROWS, index: "_id_", filter, order: &["_id"], fields: &["_id", "b"], limit })
}

pub(crate) fn posted(target: &str, import: &str, export: &str) -> Document {
    doc! { "scope": scope_of(target, import, export), "posted": 1 }
}

impl MongoStore {
    async fn page(&self, query: Option<Query>) -> StoreResult<Vec<Row>> {
        let Some(query) = query else { return Ok(Vec::new()) };
        read::find(&self.link, query).await?.iter().map(|document| row(document)).collect()
    }
}

#[async_trait]
impl RowStore for MongoStore {
    async fn rows(&self, ids: &[RowId]) -> StoreResult<Vec<Row>> {
        let keys: Vec<String> = ids.iter().map(id_of).collect();
        let found = read::by_ids(&self.link, ROWS, keys.clone(), &["b"]).await?;
        keys.iter().filter_map(|key| found.get(key)).map(|document| row(document)).collect()
    }

    async fn rows_put(&self, writes: Vec<RowWrite>) -> StoreResult<Vec<bool>> {
        let writes = writes.iter().map(put).collect::<StoreResult<Vec<_>>>()?;
        bulk::apply(&self.link, ROWS, "v", writes).await?.into_iter().collect()
    }

    async fn rows_attention(&self, target: &str, after: Option<&RowId>, limit: usize) -> StoreResult<Vec<Row>> {
        self.page(attention(target, after, limit)).await
    }

    async fn rows_of(&self, target: &str, after: Option<&RowId>, limit: usize) -> StoreResult<Vec<Row>> {
        self.page(of_target(target, after, limit)).await
    }

    async fn rows_posted(&self, target: &str, import: &str, export: &str) -> StoreResult<u64> {
        read::count(&self.link, ROWS, posted(target, import, export)).await
    }

    async fn dead_put(&self, letters: Vec<DeadLetter>) -> StoreResult<()> {
        dead::put(&self.link, letters).await
    }

    async fn dead(
        &self,
        import: Option<&str>,
        run: Option<&str>,
        after: &str,
        limit: usize,
    ) -> StoreResult<Vec<DeadLetter>> {
        let found = read::find(&self.link, dead::page(import, run, after, limit)).await?;
        found.iter().map(|document| dead::letter(document)).collect()
    }

    async fn dead_one(&self, id: &str) -> StoreResult<Option<DeadLetter>> {
        dead::one(&self.link, id).await
    }

    async fn dead_delete(&self, ids: &[String]) -> StoreResult<()> {
        dead::delete(&self.link, ids).await
    }
}
