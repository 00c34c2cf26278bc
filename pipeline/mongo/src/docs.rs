//! Small documents: `{_id: kind id, v: version, b: body}`, and `{kind, due, k: id}` of those that want to be looked at.

use crate::bulk::{self, Write};
use crate::call::Kind;
use crate::codec::{Fields, pack_text, signed};
use crate::read::{self, Query};
use crate::schema::DOCS;
use crate::{MongoStore, key};
use async_trait::async_trait;
use jobpipe_core::{Doc, DocKind, DocStore, Millis, StoreResult};
use mongodb::bson::{Document, RawDocument, doc, rawdoc};

fn read_doc(document: &RawDocument) -> StoreResult<Doc> {
    let fields = Fields::new("document", document);
    Ok(Doc { version: fields.unsigned("v")?, due: fields.number_if_any("due")?, body: fields.json("b")? })
}

fn with_id(document: &RawDocument) -> StoreResult<(String, Doc)> {
    Ok((key::last(Fields::new("document", document).text("_id")?)?, read_doc(document)?))
}

/// What is stored of `doc` beside its `_id`; what the index of the due ones goes by only where it is due.
fn stored(kind: DocKind, id: &str, doc: Doc) -> StoreResult<Document> {
    let mut fields = doc! { "v": signed(doc.version), "b": pack_text(kind.as_str(), doc.body)? };
    if let Some(due) = doc.due {
        fields.extend(doc! { "kind": kind.as_str(), "due": due, "k": key::of(&[id]) });
    }
    Ok(fields)
}

/// The rest of those that are due since `since`.
pub(crate) fn due_since(kind: DocKind, since: Millis, after: &str, limit: usize) -> Query {
    let filter = doc! { "kind": kind.as_str(), "due": since, "k": { "$gt": key::of(&[after]) } };
    Query { coll: DOCS, index: "doc_due", filter, order: &["k"], fields: &[], limit }
}

/// Those that are due later.
pub(crate) fn due(kind: DocKind, after: Millis, until: Millis, limit: usize) -> Query {
    let filter = doc! { "kind": kind.as_str(), "due": { "$gt": after, "$lte": until } };
    Query { coll: DOCS, index: "doc_due", filter, order: &["due", "k"], fields: &[], limit }
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
        let mark = signed(doc.version);
        let fields = stored(kind, id, doc)?;
        let id = key::of(&[kind.as_str(), id]);
        let mut document = doc! { "_id": &id };
        document.extend(fields);
        Ok(self.lanes.docs.ask(vec![Write::insert(id, mark, &document)?]).await? == [true])
    }

    async fn doc_replace(&self, kind: DocKind, id: &str, expect: u64, doc: Doc) -> StoreResult<bool> {
        let mark = signed(doc.version);
        let is_due = doc.due.is_some();
        let mut change = doc! { "$set": stored(kind, id, doc)? };
        if !is_due {
            change.insert("$unset", doc! { "due": "" });
        }
        let id = key::of(&[kind.as_str(), id]);
        let statement = doc! { "q": { "_id": &id, "v": signed(expect) }, "u": change };
        Ok(self.lanes.docs.ask(vec![Write::update(id, mark, &statement)?]).await? == [true])
    }

    async fn doc_delete(&self, kind: DocKind, id: &str) -> StoreResult<()> {
        bulk::delete(&self.link, DOCS, doc! { "_id": key::of(&[kind.as_str(), id]) }).await.map(|_| ())
    }

    async fn docs(&self, kind: DocKind, prefix: &str, after: &str, limit: usize) -> StoreResult<Vec<(String, Doc)>> {
        let found = read::find(&self.link, page(kind, prefix, after, limit)).await?;
        found.iter().map(|document| with_id(document)).collect()
    }

    async fn docs_due(
        &self,
        kind: DocKind,
        until: Millis,
        after: (Millis, &str),
        limit: usize,
    ) -> StoreResult<Vec<(String, Doc)>> {
        let mut found = Vec::new();
        if after.0 <= until {
            found = read::find(&self.link, due_since(kind, after.0, after.1, limit)).await?;
        }
        if found.len() < limit {
            found.extend(read::find(&self.link, due(kind, after.0, until, limit - found.len())).await?);
        }
        found.iter().map(|document| with_id(document)).collect()
    }

    async fn time(&self) -> StoreResult<Millis> {
        let told = self.link.ask(Kind::Read, |link, _| async move { link.run(rawdoc! { "hello": 1 }).await }).await?;
        match told.get_datetime("localTime") {
            Ok(time) => Ok(time.timestamp_millis()),
            Err(error) => Err(crate::codec::corrupt("answer to hello", &error)),
        }
    }
}
