//! What is asked about heads, and how they are read.

use crate::codec::{Fields, signed, wanted, wanted_number};
use crate::key;
use crate::read::Query;
use crate::schema::HEADS;
use jobpipe_core::{Head, Stamps, StoreResult, Version, Wanted};
use mongodb::bson::{Document, RawDocument, doc};

/// How live heads are marked.
pub(crate) const LIVE: i32 = wanted_number(Wanted::Live);

/// For the version before: it is like the present one.
pub(crate) const SAME: &str = "same";

/// The fields of the stamps, of which `_id` tells the key.
pub(crate) const STAMPS: &[&str] =
    &["_id", "v", "hash", "wanted", "seen", "changed", "before", "rank", "first", "missed", "missed_gen", "held_gen"];
/// The fields of a head; its URLs are only searched.
pub(crate) const WHOLE: &[&str] = &[
    "_id",
    "v",
    "hash",
    "wanted",
    "seen",
    "changed",
    "before",
    "rank",
    "first",
    "missed",
    "missed_gen",
    "held_gen",
    "body",
    "url",
    "at",
];

pub(crate) fn keys(ledger: &str, keys: &[String]) -> Vec<String> {
    keys.iter().map(|key| key::of(&[ledger, key])).collect()
}

fn query(index: &'static str, filter: Document, order: &'static [&'static str], limit: usize) -> Query {
    Query { coll: HEADS, index, filter, order, fields: WHOLE, limit }
}

/// By key; what was seen is passed over on the way.
pub(crate) fn unseen(ledger: &str, seq: u64, after: &str, limit: usize) -> Query {
    let (start, end) = (key::of(&[ledger, after]), key::end(key::within(&[ledger])));
    let filter = doc! { "_id": { "$gt": start, "$lt": end }, "seen": { "$lt": signed(seq) } };
    Query { fields: STAMPS, ..query("_id_", filter, &["_id"], limit) }
}

/// The rest of the heads that changed in run `changed`.
pub(crate) fn walk_on(ledger: &str, changed: u64, after: &str, limit: usize) -> Query {
    let filter = doc! { "ledger": ledger, "changed": signed(changed), "k": { "$gt": key::of(&[after]) } };
    query("head_changed", filter, &["k"], limit)
}

/// The heads that changed in later runs.
pub(crate) fn walk(ledger: &str, after: u64, upto: u64, limit: usize) -> Query {
    let filter = doc! { "ledger": ledger, "changed": { "$gt": signed(after), "$lte": signed(upto) } };
    query("head_changed", filter, &["changed", "k"], limit)
}

pub(crate) fn live(ledger: &str, after: &str, limit: usize) -> Query {
    let filter = doc! { "ledger": ledger, "wanted": LIVE, "k": { "$gt": key::of(&[after]) } };
    query("head_wanted", filter, &["k"], limit)
}

/// All of them: how many there are is not known before.
pub(crate) fn by_url(ledger: &str, urls: &[String]) -> Query {
    let filter = doc! { "ledger": ledger, "urls": { "$in": urls } };
    Query { fields: &["_id"], ..query("head_urls", filter, &[], i32::MAX as usize) }
}

pub(crate) fn all(ledger: &str, limit: usize) -> Query {
    let start = key::within(&[ledger]);
    let filter = doc! { "_id": { "$gte": &start, "$lt": key::end(start.clone()) } };
    Query { fields: &["_id"], ..query("_id_", filter, &["_id"], limit) }
}

pub(crate) fn key_of(document: &RawDocument) -> StoreResult<String> {
    key::last(Fields::new("head", document).text("_id")?)
}

/// The stamps of a head. `before: "same"` is a version like the present one: see [`super::write::confirm`].
pub(crate) fn stamps(document: &RawDocument) -> StoreResult<Stamps> {
    let fields = Fields::new("head", document);
    let hash = fields.text("hash")?.to_owned();
    let (wanted_now, changed_gen) = (wanted(&fields, "wanted")?, fields.unsigned("changed")?);
    let before = if fields.is("before", SAME)? {
        Some(Version { hash: hash.clone(), wanted: wanted_now, changed_gen })
    } else {
        fields.inner("before")?.map(|before| version(&before)).transpose()?
    };
    Ok(Stamps {
        version: fields.unsigned("v")?,
        hash,
        wanted: wanted_now,
        seen_gen: fields.unsigned("seen")?,
        changed_gen,
        before,
        rank: fields.short("rank")?,
        first_gen: fields.unsigned("first")?,
        missed: fields.short("missed")?,
        missed_gen: fields.unsigned("missed_gen")?,
        held_gen: fields.unsigned("held_gen")?,
    })
}

fn version(fields: &Fields<'_>) -> StoreResult<Version> {
    Ok(Version {
        hash: fields.text("hash")?.to_owned(),
        wanted: wanted(fields, "wanted")?,
        changed_gen: fields.unsigned("changed")?,
    })
}

pub(crate) fn head(document: &RawDocument) -> StoreResult<Head> {
    let fields = Fields::new("head", document);
    Ok(Head {
        key: key_of(document)?,
        stamps: stamps(document)?,
        body: fields.unpack("body")?.unwrap_or_default(),
        url: fields.text("url")?.to_owned(),
        fetched_at: fields.number("at")?,
    })
}
