//! Collections, indexes, and their version: made and checked at the start.

mod lock;
mod rivals;

use crate::bulk::{self, Write};
use crate::call::{Kind, Link};
use crate::codec::Fields;
use crate::read;
use futures::TryStreamExt;
use jobpipe_core::StoreResult;
use mongodb::IndexModel;
use mongodb::bson::{Bson, Document, RawArrayBuf, RawDocumentBuf, doc, rawdoc};
use mongodb::error::ErrorKind;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// The schema's version, and the lock of who moves it.
pub(crate) const META: &str = "jobpipe_meta";
pub(crate) const DOCS: &str = "jobpipe_docs";
pub(crate) const TASKS: &str = "jobpipe_tasks";
pub(crate) const SEEN: &str = "jobpipe_seen";
pub(crate) const BATCHES: &str = "jobpipe_batches";
pub(crate) const HEADS: &str = "jobpipe_heads";
pub(crate) const ROWS: &str = "jobpipe_rows";
pub(crate) const DEAD: &str = "jobpipe_dead";

/// An index: plain, ascending. Neither unique nor partial nor sparse: `_id` alone is unique, and it is enough.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) coll: &'static str,
    pub(crate) name: &'static str,
    pub(crate) keys: &'static [&'static str],
}

const fn index(coll: &'static str, name: &'static str, keys: &'static [&'static str]) -> Index {
    Index { coll, name, keys }
}

/// What every query but those by `_id` goes by. `k` is the document's own part of its `_id`: some servers take no `_id`
/// in an index of several fields.
pub(crate) const INDEXES: [Index; 12] = [
    // What wants to be looked at.
    index(DOCS, "doc_due", &["kind", "due", "k"]),
    index(TASKS, "task_of_run", &["run", "k"]),
    // "Is some task of the stage open?", answered from the index alone.
    index(TASKS, "task_of_stage", &["run", "stage", "stand"]),
    // What the sweep walks.
    index(TASKS, "task_open", &["run", "stand", "k", "not_before"]),
    // The ready ones of a queue and limit key in order of id, those not yet due passed over.
    index(TASKS, "task_ready", &["run", "stand", "queue", "group", "k", "not_before"]),
    // The walk of a target.
    index(HEADS, "head_changed", &["ledger", "changed", "k"]),
    // Live ones by key, and the counts.
    index(HEADS, "head_wanted", &["ledger", "wanted", "k"]),
    index(HEADS, "head_urls", &["ledger", "urls"]),
    index(ROWS, "row_attention", &["target", "attention", "k"]),
    index(ROWS, "row_posted", &["scope", "posted"]),
    index(DEAD, "dead_of_import", &["import", "k"]),
    index(DEAD, "dead_of_run", &["run", "k"]),
];

/// The version that this code writes.
const VERSION: i64 = 1;
/// The oldest code that can work beside it: a fleet is brought up to date one worker after the other.
const NEEDS: i64 = 1;
/// The document of the version.
const SCHEMA: &str = "schema";
/// Building an index over what is there may take its time.
const PATIENCE: Duration = Duration::from_secs(110);

/// Brings the database to [`VERSION`], or refuses one that this code cannot work on; makes indexes that are missing.
pub(crate) async fn ensure(link: &Arc<Link>) -> StoreResult<()> {
    if version(link).await? < VERSION {
        let lock = lock::take(link, lock::STALE).await?;
        let moved = migrate(link).await;
        lock.release(link).await?;
        moved?;
    }
    let colls: BTreeSet<&str> = INDEXES.iter().map(|index| index.coll).collect();
    futures::future::try_join_all(colls.into_iter().map(|coll| check(link, coll))).await?;
    probe_hints(link).await;
    Ok(())
}

/// The version that the database has; 0 for a new one.
///
/// This is the first that is asked of a server: a refusal is told as such, because waiting would not help.
async fn version(link: &Arc<Link>) -> StoreResult<i64> {
    let found = link.attempt(Kind::Read, link.wait, |link, _| async move {
        let meta = link.db.collection::<RawDocumentBuf>(META);
        Ok(meta.find_one(doc! { "_id": SCHEMA }).max_time(link.work).await?)
    });
    let found = found.await.map_err(|fault| match fault.refusal() {
        Some(word) => link.place.unusable(&format!(
            "{word}; look at the user, the password and `authSource`: the user needs the role readWrite on the database"
        )),
        None => fault.told(&link.place),
    })?;
    let Some(found) = found else { return Ok(0) };
    let fields = Fields::new("schema", &found);
    let (version, needs) = (fields.number("version")?, fields.number("needs")?);
    if needs > VERSION {
        return Err(link.place.unusable(&format!(
            "it was brought up to date by a newer jobpipe (schema {version}, this one knows up to {VERSION}); use that version"
        )));
    }
    Ok(version)
}

/// Every step may be repeated, also by another at the same time; so the lock spares work, no more.
async fn migrate(link: &Arc<Link>) -> StoreResult<()> {
    loop {
        let from = version(link).await?;
        match from {
            0 => {
                rivals::meet(link).await?;
                make_all(link).await?;
            }
            _ => return Ok(()),
        }
        let (id, mark) = (SCHEMA.to_owned(), from + 1);
        let moved = match from {
            0 => Write::insert(id, mark, &doc! { "_id": SCHEMA, "version": VERSION, "needs": NEEDS })?,
            _ => {
                let change = doc! { "$set": { "version": from + 1, "needs": NEEDS } };
                Write::update(id, mark, &doc! { "q": { "_id": SCHEMA, "version": from }, "u": change })?
            }
        };
        bulk::apply_one(link, META, "version", moved).await?;
        tracing::info!(store = %link.place, from, "the store's schema was brought up to date");
    }
}

async fn make_all(link: &Arc<Link>) -> StoreResult<()> {
    let colls: BTreeSet<&str> = INDEXES.iter().map(|index| index.coll).collect();
    for coll in colls {
        make(link, coll, INDEXES.iter().filter(|index| index.coll == coll).collect()).await?;
    }
    Ok(())
}

/// Makes the indexes of `coll` that are missing, and refuses those that would break a write or a query.
async fn check(link: &Arc<Link>, coll: &'static str) -> StoreResult<()> {
    let found = link.ask(Kind::Read, move |link, _| async move {
        let listed = link.db.collection::<Document>(coll).list_indexes().await;
        let none =
            |error: &mongodb::error::Error| matches!(error.kind.as_ref(), ErrorKind::Command(told) if told.code == 26);
        match listed {
            Ok(cursor) => Ok(cursor.try_collect::<Vec<IndexModel>>().await?),
            Err(error) if none(&error) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    });
    let found = found.await?;
    let mut missing = Vec::new();
    for index in INDEXES.iter().filter(|index| index.coll == coll) {
        match found.iter().find(|model| same_keys(model, index)) {
            None => missing.push(index),
            Some(model) if is_plain(model) => {}
            Some(_) => return Err(unlike(link, index)),
        }
        if found.iter().any(|model| name(model) == Some(index.name) && !same_keys(model, index)) {
            return Err(unlike(link, index));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    tracing::warn!(store = %link.place, coll, count = missing.len(), "indexes were missing and are made anew");
    make(link, coll, missing).await
}

fn name(model: &IndexModel) -> Option<&str> {
    model.options.as_ref()?.name.as_deref()
}

fn same_keys(model: &IndexModel, index: &Index) -> bool {
    let ascending = |value: &Bson| matches!(value, Bson::Int32(1) | Bson::Int64(1)) || *value == Bson::Double(1.0);
    model.keys.len() == index.keys.len()
        && model.keys.iter().zip(index.keys).all(|((field, order), key)| field == key && ascending(order))
}

fn is_plain(model: &IndexModel) -> bool {
    model.options.as_ref().is_none_or(|options| {
        options.unique != Some(true) && options.sparse != Some(true) && options.partial_filter_expression.is_none()
    })
}

fn unlike(link: &Link, index: &Index) -> jobpipe_core::StoreError {
    link.place.unusable(&format!(
        "the index {} of {} is not the plain one over ({}) that jobpipe makes; drop it: it is made anew at the next start",
        index.name,
        index.coll,
        index.keys.join(", ")
    ))
}

async fn make(link: &Arc<Link>, coll: &'static str, indexes: Vec<&'static Index>) -> StoreResult<()> {
    let models: RawArrayBuf = indexes
        .into_iter()
        .map(|index| {
            let keys: Document = index.keys.iter().map(|key| ((*key).to_owned(), Bson::Int32(1))).collect();
            RawDocumentBuf::try_from(&doc! { "key": keys, "name": index.name })
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| crate::codec::corrupt("request", &error))?
        .into_iter()
        .collect();
    let made = link.attempt(Kind::Write, PATIENCE, move |link, _| {
        let models = models.clone();
        async move {
            let command = rawdoc! { "createIndexes": coll, "indexes": models, "writeConcern": link.durable() };
            link.run(command).await.map(|_| ())
        }
    });
    made.await.map_err(|fault| match fault.refusal() {
        Some(word) => link.place.unusable(&format!("its indexes cannot be made: {word}")),
        None => fault.told(&link.place),
    })
}

/// Asks whether the server takes an index's name with a query: where it does, no plan can be a bad one.
async fn probe_hints(link: &Arc<Link>) {
    let probe = read::Query {
        coll: TASKS,
        index: "task_of_run",
        filter: doc! { "run": "" },
        order: &["k"],
        fields: &["k"],
        limit: 1,
    };
    link.hints.store(true, Relaxed);
    if let Err(error) = read::find(link, probe).await {
        tracing::info!(store = %link.place, %error, "the server takes no hints; its planner chooses the indexes");
        link.hints.store(false, Relaxed);
    }
}

#[cfg(test)]
mod tests;
