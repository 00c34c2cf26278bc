//! The audit: what is left for a target that executes later than settle, and for what others do there by hand.
//!
//! An hour and a day after a create the target is read twice, at least the read lag apart. A post with a row's marker
//! that is not the row's goes. A row whose post both reads show otherwise than it was confirmed, or not at all, has
//! unknown content from then on, so that what is wanted is sent again; a post that was deleted then answers so itself.

use super::answer::with_extra;
use super::exports::Export;
use super::lease::{self, Lease};
use super::send::{millis, unreadable};
use super::{Notes, due};
use crate::cx::Cx;
use crate::docs::TargetDoc;
use crate::error::Result;
use crate::event::Event;
use crate::failpoint::Point;
use crate::sabotage::Rule;
use jobpipe_core::{FoundPost, LastEffect, Millis, Op, Row, RowId, RowState, RowWrite, Sighting};
use std::collections::BTreeMap;

const HOUR: Millis = 3_600_000;

/// When audits of a create are made.
const AFTER: [Millis; 2] = [HOUR, 24 * HOUR];

/// From an audit that is due back to the oldest create that it is for, the hour that it was put off included.
const CREATES: Millis = 25 * HOUR;

/// How much further back a target is read: posts are a little older than their answers.
const OLDER: Millis = HOUR;

/// Posts by marker.
type Posts = BTreeMap<String, Vec<FoundPost>>;

/// Audits of what is about to be created: one an hour is enough for all that is created in it.
pub(super) fn plan(doc: &mut TargetDoc, now: Millis) {
    for after in AFTER {
        doc.audits.insert((now + after).div_euclid(HOUR) * HOUR + HOUR);
    }
}

/// Makes one of the two reads that an audit needs, if one is due, and writes down what it shows.
pub(super) async fn audit(cx: &Cx, lease: &Lease, exports: &[Export], notes: &mut Notes) -> Result<()> {
    let (doc, now) = (lease.known().doc, cx.now());
    let (Some(export), Some(&oldest)) = (exports.first(), doc.audits.first().filter(|at| **at <= now)) else {
        return Ok(());
    };
    let lag = exports.iter().map(|export| millis(export.sink.times().read_lag)).max().unwrap_or_default();
    // a clock that was set back may have left a time to come
    let first = doc.audited.filter(|at| *at <= now);
    // the audit stays due; it alone does not make the target busy
    if let Some(next) = first.map(|at| at + lag + 1).filter(|next| *next > now) {
        notes.due.push(next);
        return Ok(());
    }
    cx.at(Point::DrainProbe)?;
    let found = match export.sink.probe(&lease.target, oldest - CREATES - OLDER).await {
        Ok(found) => found,
        Err(error) => {
            let next = unreadable(cx, lease, export, &error).await?;
            notes.due.push(next);
            return Ok(());
        }
    };
    let mut posts = Posts::new();
    for post in found {
        posts.entry(post.marker.clone()).or_default().push(post);
    }
    let tally = compare(cx, lease, exports, &Read { posts, since: oldest - CREATES, lag }).await?;
    notes.again |= tally.any();
    tally.tell(cx, &doc.name);
    let done = cx.now();
    lease::change(cx, lease, |doc| match first {
        None => doc.audited = Some(done),
        Some(first) => {
            doc.audited = None;
            doc.audits.retain(|at| *at > first);
        }
    })
    .await?;
    // one that fell due between the two reads has seen the second only
    let left = lease.known().doc.audits.first().is_some_and(|at| *at <= done);
    notes.due.extend(left.then_some(if first.is_none() { done + lag + 1 } else { done }));
    Ok(())
}

/// One complete read of a target.
struct Read {
    posts: Posts,
    /// It shows every post whose create was confirmed since then.
    since: Millis,
    /// What was seen so long ago and is still there is there.
    lag: Millis,
}

/// What an audit found that nobody knew of.
#[derive(Debug, Default)]
struct Tally {
    changed: usize,
    missing: usize,
    doubled: usize,
    first: Option<String>,
}

impl Tally {
    fn any(&self) -> bool {
        self.first.is_some()
    }

    fn count(&mut self, news: News, key: &str) {
        if news == News::default() {
            return;
        }
        self.changed += usize::from(news.changed);
        self.missing += usize::from(news.missing);
        self.doubled += usize::from(news.doubled);
        self.first.get_or_insert_with(|| key.to_owned());
    }

    /// Once for all of a target.
    fn tell(&self, cx: &Cx, target: &str) {
        let Some(first) = &self.first else { return };
        let Self { changed, missing, doubled, .. } = self;
        cx.emit(Event::Notice {
            message: format!(
                "{target} was read back, and posts are not as they were left: {changed} changed, {missing} not there, \
                 {doubled} there twice (the first is that of `{first}`); what the export wants is sent again, what is \
                 there twice is removed, and what was deleted by hand stays away"
            ),
        });
    }
}

/// What of a row was not known, and is certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct News {
    changed: bool,
    missing: bool,
    doubled: bool,
}

/// Compares every row at rest with what the target shows.
async fn compare(cx: &Cx, lease: &Lease, exports: &[Export], read: &Read) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut after: Option<RowId> = None;
    loop {
        let rows = cx.store.rows_of(&lease.target, after.as_ref(), cx.settings.page).await?;
        let Some(last) = rows.last() else { return Ok(tally) };
        after = Some(last.id.clone());
        let (mut writes, mut news) = (Vec::new(), Vec::new());
        for row in rows.iter().filter(|row| row.state == RowState::Idle && row.handed_to.is_none()) {
            let mut own = exports.iter().filter(|one| one.import == row.id.import && one.name == row.id.export);
            let Some(own) = own.next() else { continue };
            let marker = own.sink.marker(&row.id);
            let posts = read.posts.get(&marker).map_or(&[][..], Vec::as_slice);
            let compares = own.present && cx.keeps(Rule::AuditContents);
            let Some((new, told)) = judge(row, posts, read, compares, cx.now()) else { continue };
            writes.push(RowWrite { expect: Some(row.version), row: Row { version: cx.ids.nonce(), ..new } });
            news.push((told, &row.id.key));
        }
        if writes.is_empty() {
            continue;
        }
        // a row that was written meanwhile is looked at by the next read
        let applied = cx.store.rows_put(writes).await?;
        for ((news, key), _) in news.into_iter().zip(applied).filter(|(_, applied)| *applied) {
            tally.count(news, key);
        }
    }
}

/// The row after a read that shows `posts` with its marker; `None` when the read says nothing new. `compares`: contents too;
/// what a target shows that left the export stays as it is.
fn judge(row: &Row, posts: &[FoundPost], read: &Read, compares: bool, now: Millis) -> Option<(Row, News)> {
    let known = |post: &str| row.post.as_deref() == Some(post) || row.past.contains(post) || row.extra.contains(post);
    let extra = posts.iter().filter(|post| !post.foreign && !known(&post.post));
    let extra: Vec<String> = extra.map(|post| post.post.clone()).collect();
    let doubled = !extra.is_empty();
    let judged =
        compares.then(|| shown(row, posts, read.since)).flatten().and_then(|hash| sighted(row, hash, read, now));
    if judged.is_none() && !doubled {
        return None;
    }
    let mut new = if doubled { with_extra(row.clone(), extra, now) } else { row.clone() };
    let mut news = News { doubled, ..News::default() };
    if let Some(seen) = judged {
        if let Some(told) = seen.as_ref().filter(|seen| seen.told) {
            news = News { changed: told.hash.is_some(), missing: told.hash.is_none(), ..news };
            let identity = row.content.as_ref().map(|content| content.identity.as_str());
            new = Row { content: Some(due::unknown_content(identity)), recheck: true, ..new };
        }
        new.seen = seen;
    }
    Some((new, news))
}

/// What the row remembers of its post from now on, which shows `hash`; `None` when that is what it does already.
fn sighted(row: &Row, hash: Option<String>, read: &Read, now: Millis) -> Option<Option<Sighting>> {
    let as_confirmed = row.content.as_ref().is_some_and(|content| content.hash == hash);
    match &row.seen {
        None if as_confirmed => None,
        Some(_) if as_confirmed => Some(None),
        Some(seen) if seen.told && seen.hash == hash => None,
        Some(seen) if !seen.told && now <= seen.at + read.lag => None,
        seen => {
            let told = seen.as_ref().is_some_and(|seen| !seen.told);
            Some(Some(Sighting { hash, at: now, told }))
        }
    }
}

/// The fingerprint that the target shows in the place of what the row has confirmed: `Some(None)` = the post is not
/// there, `None` = the read cannot tell.
fn shown(row: &Row, posts: &[FoundPost], since: Millis) -> Option<Option<String>> {
    let post = row.post.as_ref()?;
    row.content.as_ref()?.hash.as_ref()?;
    if let Some(found) = posts.iter().find(|found| found.post == *post) {
        return found.hash.clone().map(Some);
    }
    // a post that was adopted may be older than what was read
    let created = matches!(row.last, Some(LastEffect { op: Some(Op::Create), .. }));
    (created && row.posted_at >= since).then_some(None)
}
