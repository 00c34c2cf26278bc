//! Many writes in one request, and which of them applied.
//!
//! A server tells how many elements of a bulk matched, not which. All and none need no question. Otherwise the random
//! number that every write leaves in its document is read back.

use crate::call::{Kind, Link, number, server_word};
use crate::fault::{CONFLICT, DUPLICATE, Fault};
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
pub(crate) enum Op {
    /// A document, inserted if absent.
    Insert(Document),
    /// A statement of an `update`: `{q, u}`.
    Update(Document),
}

/// A compare-and-set on one document.
pub(crate) struct Write {
    pub(crate) id: String,
    /// What the document's mark is when this write was the last to apply.
    pub(crate) mark: i64,
    pub(crate) op: Op,
}

/// What became of an element: applied, not applied, or to be read back.
type Told = Option<bool>;

/// Writes each; says which applied. `mark` is the field that [`Write::mark`] is in. Of several writes on one document
/// each sees what those before it did.
pub(crate) async fn apply(
    link: &Arc<Link>,
    coll: &'static str,
    mark: &str,
    writes: Vec<Write>,
) -> StoreResult<Vec<bool>> {
    let mut applied = vec![false; writes.len()];
    for wave in waves(writes) {
        let (mut inserts, mut updates) = (Wave::default(), Wave::default());
        for (at, write) in wave {
            match write.op {
                Op::Insert(document) => inserts.push(at, write.id, write.mark, document),
                Op::Update(statement) => updates.push(at, write.id, write.mark, statement),
            }
        }
        let inserted = insert(link, coll, std::mem::take(&mut inserts.documents));
        let updated = update(link, coll, std::mem::take(&mut updates.documents));
        let (inserted, updated) = futures::try_join!(inserted, updated)?;
        let elements = inserts.marks.into_iter().chain(updates.marks);
        let told: Vec<_> = elements.zip(inserted.into_iter().chain(updated)).collect();
        let unclear = told.iter().filter(|(_, told)| told.is_none()).map(|((_, id, _), _)| id.clone()).collect();
        let marks = marks(link, coll, mark, unclear).await?;
        for ((at, id, expected), told) in told {
            if let Some(slot) = applied.get_mut(at) {
                *slot = told.unwrap_or_else(|| marks.get(&id) == Some(&expected));
            }
        }
    }
    Ok(applied)
}

/// Elements of one kind.
#[derive(Default)]
struct Wave {
    /// Place among all, id, mark.
    marks: Vec<(usize, String, i64)>,
    documents: Vec<Document>,
}

impl Wave {
    fn push(&mut self, at: usize, id: String, mark: i64, document: Document) {
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
    elements: &[Document],
    command: Command,
    judge: fn(&Document, usize, bool) -> Result<T, Fault>,
) -> StoreResult<Vec<T>> {
    let mut told = Vec::new();
    for part in parts(elements)? {
        let count = part.count;
        let asked = link.ask(Kind::Write, move |link, again| {
            let list = part.list.clone();
            async move { judge(&link.run(command(&link, coll, list)).await?, count, again) }
        });
        told.push(asked.await?);
    }
    Ok(told)
}

/// Inserts each if absent; which were.
pub(crate) async fn insert(link: &Arc<Link>, coll: &'static str, documents: Vec<Document>) -> StoreResult<Vec<Told>> {
    Ok(ask_in_parts(link, coll, &documents, insert_command, inserted).await?.concat())
}

/// An insert that finds its own document, put there by a try whose answer was lost, has to read it back.
fn inserted(answer: &Document, count: usize, again: bool) -> Result<Vec<Told>, Fault> {
    let refused = refused(answer)?;
    let mut told = vec![Some(true); count];
    for at in &refused {
        if let Some(slot) = told.get_mut(*at) {
            *slot = if again { None } else { Some(false) };
        }
    }
    let done = usize::try_from(number(answer, "n")).unwrap_or_default();
    if done + refused.len() != count {
        return Err(Fault::Answer(format!("it inserted {done} of {count} documents and does not say why")));
    }
    Ok(told)
}

/// Applies each statement; which matched. A refused upsert (another has inserted meanwhile) did not.
pub(crate) async fn update(link: &Arc<Link>, coll: &'static str, statements: Vec<Document>) -> StoreResult<Vec<Told>> {
    Ok(ask_in_parts(link, coll, &statements, update_command, updated).await?.concat())
}

fn updated(answer: &Document, count: usize, again: bool) -> Result<Vec<Told>, Fault> {
    let refused = refused(answer)?;
    let matched = usize::try_from(number(answer, "n")).unwrap_or_default();
    Ok(matching(count, matched, &refused, again))
}

fn matching(count: usize, matched: usize, refused: &[usize], again: bool) -> Vec<Told> {
    if matched >= count {
        return vec![Some(true); count];
    }
    let rest = if matched == 0 && !again { Some(false) } else { None };
    let mut told = vec![rest; count];
    for at in refused {
        if let Some(slot) = told.get_mut(*at) {
            *slot = Some(false);
        }
    }
    told
}

/// One `update` that may match many documents, each by itself; how many matched.
pub(crate) async fn update_many(link: &Arc<Link>, coll: &'static str, statements: Vec<Document>) -> StoreResult<u64> {
    Ok(ask_in_parts(link, coll, &statements, update_command, |answer, _, _| affected(answer)).await?.into_iter().sum())
}

/// How many documents a write was applied to, where none may be refused.
fn affected(answer: &Document) -> Result<u64, Fault> {
    refused(answer)?;
    Ok(u64::try_from(number(answer, "n")).unwrap_or_default())
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

/// The elements that were refused because a document with that key is there; any other refusal is a fault of the whole.
fn refused(answer: &Document) -> Result<Vec<usize>, Fault> {
    let Ok(errors) = answer.get_array("writeErrors") else { return Ok(Vec::new()) };
    let mut refused = Vec::with_capacity(errors.len());
    for error in errors {
        let error = error.as_document().ok_or_else(|| Fault::Answer("its errors cannot be read".to_owned()))?;
        match number(error, "code") {
            DUPLICATE => refused.push(usize::try_from(number(error, "index")).unwrap_or_default()),
            code if code == i64::from(CONFLICT) => return Err(Fault::Conflict),
            _ => return Err(Fault::Answer(server_word(error))),
        }
    }
    Ok(refused)
}

/// What fits into one request.
struct Part {
    list: RawArrayBuf,
    count: usize,
}

fn parts(documents: &[Document]) -> StoreResult<Vec<Part>> {
    let mut parts: Vec<(Part, usize)> = Vec::new();
    for document in documents {
        let document = raw(document)?;
        let bytes = document.as_bytes().len();
        if bytes > LONGEST {
            return Err(too_long(&document, bytes));
        }
        let fits = |(part, held): &&mut (Part, usize)| part.count < MOST && *held + bytes <= MOST_BYTES;
        if parts.last_mut().as_ref().filter(|last| fits(last)).is_none() {
            parts.push((Part { list: RawArrayBuf::new(), count: 0 }, 0));
        }
        if let Some((part, held)) = parts.last_mut() {
            part.list.push(document);
            part.count += 1;
            *held += bytes;
        }
    }
    Ok(parts.into_iter().map(|(part, _)| part).collect())
}

fn raw(document: &Document) -> StoreResult<RawDocumentBuf> {
    RawDocumentBuf::try_from(document).map_err(|error| crate::codec::corrupt("request", &error))
}

fn too_long(document: &RawDocumentBuf, bytes: usize) -> StoreError {
    let id = document.get_str("_id").or_else(|_| document.get_document("q").and_then(|q| q.get_str("_id")));
    let what = format!("document {}", id.unwrap_or("without id"));
    crate::codec::corrupt(&what, &format!("it has {bytes} bytes, and the server takes no more than 16 MiB"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::bytes;
    use mongodb::bson::doc;

    fn write(id: &str, mark: i64) -> Write {
        Write { id: id.to_owned(), mark, op: Op::Insert(doc! { "_id": id }) }
    }

    #[test]
    fn no_round_names_a_document_twice_and_the_order_stays() {
        let writes = ["a", "b", "a", "c", "a", "b"].into_iter().zip(0..).map(|(id, mark)| write(id, mark)).collect();
        let rounds: Vec<Vec<(usize, i64)>> =
            waves(writes).into_iter().map(|wave| wave.iter().map(|(at, write)| (*at, write.mark)).collect()).collect();
        assert_eq!(rounds, [vec![(0, 0), (1, 1), (3, 3)], vec![(2, 2), (5, 5)], vec![(4, 4)]]);
    }

    #[test]
    fn a_request_is_bounded_in_number_and_bytes() {
        let small: Vec<Document> = (0..2_500).map(|at| doc! { "_id": at }).collect();
        let counts: Vec<usize> = parts(&small).unwrap().iter().map(|part| part.count).collect();
        assert_eq!(counts, [1_000, 1_000, 500]);
        let large: Vec<Document> = (0..5).map(|at| doc! { "_id": at, "b": bytes(vec![0; 5 << 20]) }).collect();
        let counts: Vec<usize> = parts(&large).unwrap().iter().map(|part| part.count).collect();
        assert_eq!(counts, [2, 2, 1]);
        assert!(parts(&[]).unwrap().is_empty());
        let error = parts(&[doc! { "_id": "x", "b": bytes(vec![0; 16 << 20]) }]).err().unwrap();
        assert!(error.to_string().contains("document x") && error.to_string().contains("16 MiB"), "{error}");
    }

    #[test]
    fn an_answer_tells_what_applied_or_that_it_does_not() {
        let yes = Some(true);
        let no = Some(false);
        assert_eq!(matching(2, 2, &[], false), [yes, yes]);
        assert_eq!(matching(2, 2, &[], true), [yes, yes], "both are there, whichever try it was");
        assert_eq!(matching(2, 0, &[], false), [no, no]);
        assert_eq!(matching(2, 0, &[], true), [None, None], "the first try may have done it");
        assert_eq!(matching(3, 1, &[2], false), [None, None, no]);
        let twice = doc! { "n": 1, "writeErrors": [{ "index": 1, "code": 11000, "errmsg": "E11000" }] };
        assert_eq!(inserted(&twice, 2, false).unwrap(), [yes, no]);
        assert_eq!(inserted(&twice, 2, true).unwrap(), [yes, None]);
        assert!(inserted(&twice, 3, false).is_err(), "a server that stops at the first refusal has lost one");
        let refusal = doc! { "n": 1, "writeErrors": [{ "index": 1, "code": 13, "errmsg": "not allowed" }] };
        assert!(matches!(refused(&refusal), Err(Fault::Answer(word)) if word == "not allowed (code 13)"));
        let conflict = doc! { "n": 1, "writeErrors": [{ "index": 1, "code": 112, "errmsg": "conflict" }] };
        assert!(refused(&conflict).unwrap_err().is_passing());
    }
}
