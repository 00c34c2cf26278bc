//! Small documents: `{_id: kind id, v: version, b: body}`.

use crate::bulk::{self, Write};
use crate::codec::{Fields, pack_text, signed};
use crate::read::{self, Query};
use crate::schema::DOCS;
use crate::{MongoStore, key};
use async_trait::async_trait;
use jobpipe_core::{Doc, DocKind, DocStore, StoreResult};
use mongodb::bson::{RawDocument, doc};

fn read_doc(document: &RawDocument) -> StoreResult<Doc> {
    let fields = Fields::new("document", document);
    Ok(Doc { version: fields.unsigned("v")?, body: fields.json("b")? })
}

/// A page of a kind. `after` may lie before what `prefix` covers, or behind it.
pub(crate) fn page(kind: DocKind, prefix: &str, after: &str, limit: usize) -> Query {
    let start = key::of(&[kind.as_str(), prefix]);
    let above = if after >= prefix { ("$gt", key::of(&[kind.as_str(), after])) } else { ("$gte", start.clone()) };
    Query {
        coll: DOCS,
        index: "_id_",
        filter: doc! { "_id": { above.0: above.1, "$lt": key::end(start) } },
        order: &["_id"],
        fields: &[],
        limit,
    }
}

#[async_trait]
impl DocStore for MongoStore {
    async fn doc(&self, kind: DocKind, id: &str) -> StoreResult<Option<Doc>> {
        let id = key::of(&[kind.as_str(), id]);
        let found = self.lanes.read_docs.ask(vec![id]).await?;
        found.iter().flatten().next().map(|document| read_doc(document)).transpose()
    }

    async fn doc_insert(&self, kind: DocKind, id: &str, doc: Doc) -> StoreResult<bool> {
        let id = key::of(&[kind.as_str(), id]);
        let mark = signed(doc.version);
        let document = doc! { "_id": &id, "v": mark, "b": pack_text(kind.as_str(), doc.body)? };
        Ok(self.lanes.docs.ask(vec![Write::insert(id, mark, &document)?]).await? == [true])
    }

    async fn doc_replace(&self, kind: DocKind, id: &str, expect: u64, doc: Doc) -> StoreResult<bool> {
        let id = key::of(&[kind.as_str(), id]);
        let mark = signed(doc.version);
        let statement = doc! {
            "q": { "_id": &id, "v": signed(expect) },
            "u": { "$set": { "v": mark, "b": pack_text(kind.as_str(), doc.body)? } },
        };
        Ok(self.lanes.docs.ask(vec![Write::update(id, mark, &statement)?]).await? == [true])
    }

    async fn doc_delete(&self, kind: DocKind, id: &str) -> StoreResult<()> {
        bulk::delete(&self.link, DOCS, doc! { "_id": key::of(&[kind.as_str(), id]) }).await.map(|_| ())
    }

    async fn docs(&self, kind: DocKind, prefix: &str, after: &str, limit: usize) -> StoreResult<Vec<(String, Doc)>> {
        let found = read::find(&self.link, page(kind, prefix, after, limit)).await?;
        let decoded = |document: &RawDocument| -> StoreResult<(String, Doc)> {
            Ok((key::last(Fields::new("document", document).text("_id")?)?, read_doc(document)?))
        };
        found.iter().map(|document| decoded(document)).collect()
    }
}
