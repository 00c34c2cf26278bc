//! Many writes in one request, and which of them applied.
//!
//! A server tells how many elements of a bulk matched, not which. All and none need no question. Otherwise the random
//! number that every write leaves in its document is read back.

use crate::call::{Kind, Link, number, server_word};
use crate::fault::{CONFLICT, DUPLICATE, Fault};
use crate::group::Answers;
use crate::read;
use jobpipe_core::{StoreError, StoreResult};
use mongodb::bson::{Document, RawArrayBuf, RawDocumentBuf, rawdoc};
use std::collections::HashMap;
use std::sync::Arc;

/// Writes in one request.
const MOST: usize = 1_000;
/// Bytes of writes in one request: a request is a document too, and no document is longer than 16 MiB.
const MOST_BYTES: usize = 12 << 20;
/// The longest single write.
const LONGEST: usize = (16 << 20) - (16 << 10);

/// One write.
enum Op {
    /// A document, inserted if absent.
    Insert(RawDocumentBuf),
    /// A statement of an `update`: `{q, u}`.
    Update(RawDocumentBuf),
}

/// A compare-and-set on one document.
pub(crate) struct Write {
    id: String,
    /// What the document's mark is when this write was the last to apply.
    mark: i64,
    op: Op,
}

impl Write {
    /// The key of its document.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Inserts `document` if it is absent.
    pub(crate) fn insert(id: String, mark: i64, document: &Document) -> StoreResult<Self> {
        Ok(Self { id, mark, op: Op::Insert(raw(document)?) })
    }

    /// Applies a statement of an `update`: `{q, u}`.
    pub(crate) fn update(id: String, mark: i64, statement: &Document) -> StoreResult<Self> {
        Ok(Self { id, mark, op: Op::Update(raw(statement)?) })
    }
}

/// What became of an element: applied, not applied, or to be read back; or the word of a server that refuses it.
pub(crate) type Told = Result<Option<bool>, String>;

/// Writes each; says which applied. `mark` is the field that a write's mark is in. Of several writes on one document
/// each sees what those before it did.
pub(crate) async fn apply(link: &Arc<Link>, coll: &'static str, mark: &str, writes: Vec<Write>) -> Answers<bool> {
    let mut applied: Vec<StoreResult<bool>> = writes.iter().map(|_| Ok(false)).collect();
    for wave in waves(writes) {
        let (places, writes): (Vec<usize>, Vec<Write>) = wave.into_iter().unzip();
        for (at, told) in places.into_iter().zip(apply_at_once(link, coll, mark, writes).await?) {
            if let Some(slot) = applied.get_mut(at) {
                *slot = told;
            }
        }
    }
    Ok(applied)
}

/// The same of writes that name what they replace: whatever their order, one applies on each document at most.
pub(crate) async fn apply_at_once(
    link: &Arc<Link>,
    coll: &'static str,
    mark: &str,
    writes: Vec<Write>,
) -> Answers<bool> {
    let mut applied: Vec<StoreResult<bool>> = writes.iter().map(|_| Ok(false)).collect();
    let (mut inserts, mut updates) = (Wave::default(), Wave::default());
    for (at, write) in writes.into_iter().enumerate() {
        match write.op {
            Op::Insert(document) => inserts.push(at, write.id, write.mark, document),
            Op::Update(statement) => updates.push(at, write.id, write.mark, statement),
        }
    }
    let inserted = each(link, coll, INSERT, &inserts.documents);
    let updated = each(link, coll, UPDATE, &updates.documents);
    let (inserted, updated) = futures::try_join!(inserted, updated)?;
    let elements = inserts.marks.into_iter().chain(updates.marks);
    let told: Vec<_> = elements.zip(inserted.into_iter().chain(updated)).collect();
    let unclear = told.iter().filter(|(_, told)| *told == Ok(None)).map(|((_, id, _), _)| id.clone()).collect();
    let marks = marks(link, coll, mark, unclear).await?;
    for ((at, id, expected), told) in told {
        if let Some(slot) = applied.get_mut(at) {
            *slot = match told {
                Ok(told) => Ok(told.unwrap_or_else(|| marks.get(&id) == Some(&expected))),
                Err(word) => Err(link.place.unavailable(&word)),
            };
        }
    }
    Ok(applied)
}

/// [`apply`] of one write.
pub(crate) async fn apply_one(link: &Arc<Link>, coll: &'static str, mark: &str, write: Write) -> StoreResult<bool> {
    apply(link, coll, mark, vec![write]).await?.pop().unwrap_or(Ok(false))
}

/// Elements of one kind.
#[derive(Default)]
struct Wave {
    /// Place among all, id, mark.
    marks: Vec<(usize, String, i64)>,
    documents: Vec<RawDocumentBuf>,
}

impl Wave {
    fn push(&mut self, at: usize, id: String, mark: i64, document: RawDocumentBuf) {
        self.marks.push((at, id, mark));
        self.documents.push(document);
    }
}

/// The writes in rounds that name no document twice, each with its place.
fn waves(writes: Vec<Write>) -> Vec<Vec<(usize, Write)>> {
    let mut times: HashMap<String, usize> = HashMap::new();
    let mut waves: Vec<Vec<(usize, Write)>> = Vec::new();
    for (at, write) in writes.into_iter().enumerate() {
        let time = times.entry(write.id.clone()).or_default();
        match waves.get_mut(*time) {
            Some(wave) => wave.push((at, write)),
            None => waves.push(vec![(at, write)]),
        }
        *time += 1;
    }
    waves
}

async fn marks(
    link: &Arc<Link>,
    coll: &'static str,
    field: &str,
    ids: Vec<String>,
) -> StoreResult<HashMap<String, i64>> {
    let found = read::by_ids(link, coll, ids, &[field]).await?;
    Ok(found
        .iter()
        .filter_map(|(id, document)| {
            let mark = document.get(field).ok().flatten()?;
            Some((id.clone(), mark.as_i64().or_else(|| mark.as_i32().map(i64::from))?))
        })
        .collect())
}

/// A request for one part of a bulk.
type Command = fn(&Link, &'static str, RawArrayBuf) -> RawDocumentBuf;

fn insert_command(link: &Link, coll: &'static str, documents: RawArrayBuf) -> RawDocumentBuf {
    rawdoc! {
        "insert": coll, "documents": documents, "ordered": false,
        "writeConcern": link.durable(), "maxTimeMS": link.millis(),
    }
}

fn update_command(link: &Link, coll: &'static str, updates: RawArrayBuf) -> RawDocumentBuf {
    rawdoc! {
        "update": coll, "updates": updates, "ordered": false,
        "writeConcern": link.durable(), "maxTimeMS": link.millis(),
    }
}

/// Sends the elements in as many requests as they need; what `judge` makes of each answer, given the number of its
/// elements and whether it is that of a second try.
async fn ask_in_parts<T: Send + 'static>(
    link: &Arc<Link>,
    coll: &'static str,
    elements: &[RawDocumentBuf],
    command: Command,
    judge: fn(&Document, usize, bool) -> Result<T, Fault>,
) -> StoreResult<Vec<T>> {
    let mut told = Vec::new();
    for part in parts(elements) {
        let count = part.count;
        let asked = link.ask(Kind::Write, move |link, again| {
            let list = part.list.clone();
            async move { judge(&link.run(command(&link, coll, list)).await?, count, again) }
        });
        told.push(asked.await?);
    }
    Ok(told)
}

/// What is done with elements: how it is asked, and what the answer says of each.
#[derive(Clone, Copy)]
pub(crate) struct Verb {
    command: Command,
    judge: fn(&Document, usize, bool) -> Result<Vec<Told>, Fault>,
}

/// Inserts each document if absent.
pub(crate) const INSERT: Verb = Verb { command: insert_command, judge: inserted };

/// Applies each statement where it matches. A refused upsert (another has inserted meanwhile) did not.
pub(crate) const UPDATE: Verb = Verb { command: update_command, judge: updated };

/// What became of each element.
pub(crate) async fn each(
    link: &Arc<Link>,
    coll: &'static str,
    verb: Verb,
    elements: &[RawDocumentBuf],
) -> StoreResult<Vec<Told>> {
    Ok(ask_in_parts(link, coll, elements, verb.command, verb.judge).await?.concat())
}

/// Inserts each if absent, all for one caller.
pub(crate) async fn insert(link: &Arc<Link>, coll: &'static str, documents: &[RawDocumentBuf]) -> StoreResult<()> {
    for told in each(link, coll, INSERT, documents).await? {
        told.map_err(|word| link.place.unavailable(&word))?;
    }
    Ok(())
}

/// An insert that finds its own document, put there by a try whose answer was lost, has to read it back.
fn inserted(answer: &Document, count: usize, again: bool) -> Result<Vec<Told>, Fault> {
    let refused = refused(answer)?;
    let done = usize::try_from(number(answer, "n")).unwrap_or_default();
    if done + refused.len() != count {
        return Err(Fault::Answer(format!("it inserted {done} of {count} documents and does not say why")));
    }
    let mut told = vec![Ok(Some(true)); count];
    for (at, why) in refused {
        if let Some(slot) = told.get_mut(at) {
            *slot = why.map_or(Ok(if again { None } else { Some(false) }), Err);
        }
    }
    Ok(told)
}

/// Applies each, all for one caller: applied, not applied, or not known.
pub(crate) async fn update(
    link: &Arc<Link>,
    coll: &'static str,
    statements: &[Document],
) -> StoreResult<Vec<Option<bool>>> {
    let statements = statements.iter().map(raw).collect::<StoreResult<Vec<_>>>()?;
    let told = each(link, coll, UPDATE, &statements).await?;
    told.into_iter().map(|told| told.map_err(|word| link.place.unavailable(&word))).collect()
}

fn updated(answer: &Document, count: usize, again: bool) -> Result<Vec<Told>, Fault> {
    let matched = usize::try_from(number(answer, "n")).unwrap_or_default();
    Ok(matching(count, matched, refused(answer)?, again))
}

fn matching(count: usize, matched: usize, refused: Vec<(usize, Option<String>)>, again: bool) -> Vec<Told> {
    let rest = match matched {
        all if all + refused.len() >= count => Some(true),
        0 if !again => Some(false),
        _ => None,
    };
    let mut told = vec![Ok(rest); count];
    for (at, why) in refused {
        if let Some(slot) = told.get_mut(at) {
            *slot = why.map_or(Ok(Some(false)), Err);
        }
    }
    told
}

/// One `update` that may match many documents, each by itself; how many matched.
pub(crate) async fn update_many(link: &Arc<Link>, coll: &'static str, statements: &[Document]) -> StoreResult<u64> {
    let statements = statements.iter().map(raw).collect::<StoreResult<Vec<_>>>()?;
    Ok(ask_in_parts(link, coll, &statements, update_command, |answer, _, _| affected(answer)).await?.into_iter().sum())
}

/// How many documents a write was applied to, where none may be refused.
fn affected(answer: &Document) -> Result<u64, Fault> {
    match refused(answer)?.into_iter().find_map(|(_, why)| why) {
        Some(word) => Err(Fault::Answer(word)),
        None => Ok(u64::try_from(number(answer, "n")).unwrap_or_default()),
    }
}

/// Removes what `filter` finds; how many documents went.
pub(crate) async fn delete(link: &Arc<Link>, coll: &'static str, filter: Document) -> StoreResult<u64> {
    let filter = raw(&filter)?;
    let asked = link.ask(Kind::Write, move |link, _| {
        let filter = filter.clone();
        async move {
            let command = rawdoc! {
                "delete": coll, "deletes": [{ "q": filter, "limit": 0 }], "ordered": false,
                "writeConcern": link.durable(), "maxTimeMS": link.millis(),
            };
            affected(&link.run(command).await?)
        }
    });
    asked.await
}

/// The elements that were refused: `None` = a document with that key is there, otherwise the server's word. The others
/// were applied. That another write was at the same document is a fault of the whole: it is repeated.
fn refused(answer: &Document) -> Result<Vec<(usize, Option<String>)>, Fault> {
    let Ok(errors) = answer.get_array("writeErrors") else { return Ok(Vec::new()) };
    let mut refused = Vec::with_capacity(errors.len());
    for error in errors {
        let error = error.as_document().ok_or_else(|| Fault::Answer("its errors cannot be read".to_owned()))?;
        let at = usize::try_from(number(error, "index")).unwrap_or_default();
        match number(error, "code") {
            DUPLICATE => refused.push((at, None)),
            code if code == i64::from(CONFLICT) => return Err(Fault::Conflict),
            _ => refused.push((at, Some(server_word(error)))),
        }
    }
    Ok(refused)
}

/// What fits into one request.
struct Part {
    list: RawArrayBuf,
    count: usize,
}

fn parts(documents: &[RawDocumentBuf]) -> Vec<Part> {
    let mut parts: Vec<(Part, usize)> = Vec::new();
    for document in documents {
        let bytes = document.as_bytes().len();
        let fits = |(part, held): &&mut (Part, usize)| part.count < MOST && *held + bytes <= MOST_BYTES;
        if parts.last_mut().as_ref().filter(|last| fits(last)).is_none() {
            parts.push((Part { list: RawArrayBuf::new(), count: 0 }, 0));
        }
        if let Some((part, held)) = parts.last_mut() {
            part.list.push(document.as_ref());
            part.count += 1;
            *held += bytes;
        }
    }
    parts.into_iter().map(|(part, _)| part).collect()
}

/// A document or statement as it is sent; refused here when it is too long, before it takes others with it.
pub(crate) fn raw(document: &Document) -> StoreResult<RawDocumentBuf> {
    let raw = RawDocumentBuf::try_from(document).map_err(|error| crate::codec::corrupt("request", &error))?;
    let bytes = raw.as_bytes().len();
    if bytes > LONGEST { Err(too_long(&raw, bytes)) } else { Ok(raw) }
}

fn too_long(document: &RawDocumentBuf, bytes: usize) -> StoreError {
    let id = document.get_str("_id").or_else(|_| document.get_document("q").and_then(|q| q.get_str("_id")));
    let what = format!("document {}", id.unwrap_or("without id"));
    crate::codec::corrupt(&what, &format!("it has {bytes} bytes, and the server takes no more than 16 MiB"))
}

#[cfg(test)]
mod tests;
