//! What is asked in groups: the small writes and reads of tasks that are worked on at the same time.

use crate::bulk::{self, Told, Write};
use crate::call::Link;
use crate::group::{Answers, Group};
use crate::heads::page;
use crate::read;
use crate::schema::{BATCHES, DOCS, HEADS, TASKS};
use crate::seen::{self, Fingerprint};
use crate::tasks::claim::{self, Wish};
use futures::future::BoxFuture;
use mongodb::bson::RawDocumentBuf;
use std::sync::Arc;

/// One group for each kind of call.
pub(crate) struct Lanes {
    /// Claims of tasks; the task of each that is claimed.
    pub(crate) claims: Group<Wish, Option<RawDocumentBuf>>,
    /// Commits of tasks.
    pub(crate) commits: Group<Write, bool>,
    /// New tasks.
    pub(crate) tasks: Group<RawDocumentBuf, ()>,
    /// Keys of tasks whose `open` falls if they are terminal.
    pub(crate) closes: Group<String, ()>,
    pub(crate) seen: Group<Fingerprint, bool>,
    /// Batches that are short.
    pub(crate) batches: Group<RawDocumentBuf, ()>,
    pub(crate) docs: Group<Write, bool>,
    /// Small documents by key.
    pub(crate) read_docs: Group<String, Option<RawDocumentBuf>>,
    /// Writes of heads, some of which do not name what they replace.
    pub(crate) heads: Group<Write, bool>,
    /// Stamps of heads by key.
    pub(crate) stamps: Group<String, Option<RawDocumentBuf>>,
}

impl std::fmt::Debug for Lanes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("lanes")
    }
}

impl Lanes {
    pub(crate) fn new(link: &Arc<Link>) -> Self {
        Self {
            claims: lane(link, |link, wishes| Box::pin(async move { claim::send(&link, wishes).await })),
            commits: lane_about(link, document, |link, writes| {
                Box::pin(async move { bulk::apply(&link, TASKS, "nonce", writes).await })
            }),
            tasks: lane(link, |link, tasks| Box::pin(insert(link, TASKS, tasks))),
            closes: lane(link, |link, keys| Box::pin(async move { claim::close(&link, &keys).await })),
            seen: lane(link, |link, prints| Box::pin(async move { seen::send(&link, prints).await })),
            batches: lane(link, |link, batches| Box::pin(insert(link, BATCHES, batches))),
            docs: lane(link, |link, writes| {
                // a call is one write, and names the version that it replaces
                Box::pin(async move { bulk::apply_at_once(&link, DOCS, "v", writes).await })
            }),
            read_docs: lane(link, |link, keys| Box::pin(look_up(link, DOCS, keys, &[]))),
            heads: lane_about(link, document, |link, writes| {
                Box::pin(async move { bulk::apply(&link, HEADS, "v", writes).await })
            }),
            stamps: lane(link, |link, keys| Box::pin(look_up(link, HEADS, keys, page::STAMPS))),
        }
    }
}

/// How a lane asks.
type Request<T, R> = fn(Arc<Link>, Vec<T>) -> BoxFuture<'static, Answers<R>>;

fn lane<T: Send + 'static, R: Send + 'static>(link: &Arc<Link>, request: Request<T, R>) -> Group<T, R> {
    lane_about(link, |_| None, request)
}

/// A lane in which calls about the same document go one after the other.
fn lane_about<T: Send + 'static, R: Send + 'static>(
    link: &Arc<Link>,
    about: fn(&T) -> Option<&str>,
    request: Request<T, R>,
) -> Group<T, R> {
    let lost = link.place.unavailable(&format!("it did not answer within {} s", link.wait.as_secs()));
    let own = Arc::clone(link);
    Group::new(link.wait, lost, about, move |elements| request(Arc::clone(&own), elements))
}

fn document(write: &Write) -> Option<&str> {
    Some(write.id())
}

async fn insert(link: Arc<Link>, coll: &'static str, documents: Vec<RawDocumentBuf>) -> Answers<()> {
    let told = bulk::each(&link, coll, bulk::INSERT, &documents).await?;
    let one = |told: Told| told.map(|_| ()).map_err(|word| link.place.unavailable(&word));
    Ok(told.into_iter().map(one).collect())
}

async fn look_up(
    link: Arc<Link>,
    coll: &'static str,
    keys: Vec<String>,
    fields: &'static [&'static str],
) -> Answers<Option<RawDocumentBuf>> {
    let found = read::by_ids(&link, coll, keys.clone(), fields).await?;
    Ok(keys.iter().map(|key| Ok(found.get(key).cloned())).collect())
}
