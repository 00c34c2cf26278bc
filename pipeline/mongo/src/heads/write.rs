//! What changes heads: compare-and-sets on their version.

use super::page::{LIVE, SAME};
use crate::bulk::Write;
use crate::codec::{pack, signed, wanted_number};
use crate::key;
use jobpipe_core::{HeadSeen, HeadWrite, Stamps, StoreResult};
use mongodb::bson::{Bson, Document, doc};
use std::collections::BTreeSet;

pub(super) fn put(ledger: &str, write: HeadWrite) -> StoreResult<Write> {
    let id = key::of(&[ledger, &write.key]);
    let mut set = stamped(&write.stamps);
    if let Some(body) = write.body {
        set.insert("body", pack("body of a head", &body.body)?);
        set.insert("url", body.url);
        set.insert("at", body.fetched_at);
    }
    let mark = signed(write.stamps.version);
    match write.expect {
        None => {
            let head = fresh(&id, ledger, &write.key, set, write.add_urls);
            Write::insert(id, mark, &head)
        }
        Some(expect) => {
            let mut change = doc! { "$set": set };
            if !write.add_urls.is_empty() {
                change.insert("$addToSet", doc! { "urls": { "$each": write.add_urls } });
            }
            let statement = doc! { "q": { "_id": &id, "v": signed(expect) }, "u": change };
            Write::update(id, mark, &statement)
        }
    }
}

fn fresh(id: &str, ledger: &str, key: &str, set: Document, urls: Vec<String>) -> Document {
    let urls: BTreeSet<String> = urls.into_iter().collect();
    let mut head = doc! { "_id": id, "ledger": ledger, "k": key::of(&[key]), "url": "", "at": 0_i64 };
    head.extend(set);
    head.insert("urls", urls.into_iter().collect::<Vec<_>>());
    head
}

fn stamped(stamps: &Stamps) -> Document {
    let before = stamps.before.as_ref().map_or(Bson::Null, |before| {
        let (wanted, changed) = (wanted_number(before.wanted), signed(before.changed_gen));
        Bson::Document(doc! { "hash": &before.hash, "wanted": wanted, "changed": changed })
    });
    doc! {
        "v": signed(stamps.version),
        "hash": &stamps.hash,
        "wanted": wanted_number(stamps.wanted),
        "seen": signed(stamps.seen_gen),
        "changed": signed(stamps.changed_gen),
        "before": before,
        "rank": i64::from(stamps.rank),
        "first": signed(stamps.first_gen),
        "missed": i64::from(stamps.missed),
        "missed_gen": signed(stamps.missed_gen),
        "held_gen": signed(stamps.held_gen),
    }
}

/// [`HeadSeen::confirm`] as one statement, without a read. The version that the head had before this run is the one it
/// has, and says so by a word: its `changed` is not known here, and no operator copies a field. Whatever else writes
/// stamps writes this one out.
pub(super) fn confirm(ledger: &str, seq: u64, version: u64, seen: &HeadSeen) -> StoreResult<Write> {
    let id = key::of(&[ledger, &seen.key]);
    let (seq, mark) = (signed(seq), signed(version));
    let query = doc! {
        "_id": &id,
        "hash": &seen.hash,
        "wanted": LIVE,
        "seen": { "$lt": seq },
        "missed_gen": { "$lte": seq },
        "held_gen": { "$lte": seq },
    };
    let change = doc! {
        "$set": { "v": mark, "seen": seq, "before": SAME, "rank": i64::from(seen.rank), "missed": 0_i64 },
        "$addToSet": { "urls": { "$each": [&seen.url] } },
    };
    Write::update(id, mark, &doc! { "q": query, "u": change })
}
