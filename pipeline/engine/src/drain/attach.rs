//! A page not yet read under this store's epoch: its posts of ours are adopted before anything is made.

use super::answer::with_extra;
use super::due;
use super::exports::Export;
use super::lease::{self, Lease};
use super::send::{millis, unreadable};
use super::{Notes, Round, arm, start_again};
use crate::cx::{Cx, Settles};
use crate::docs::TargetDoc;
use crate::error::Result;
use crate::failpoint::Point;
use crate::sabotage::Rule;
use jobpipe_core::{FoundPost, HeadWrite, Millis, Row, RowId, RowState, RowWrite, Stamps, Wanted};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Keys of orphans: posts whose marker no known key makes.
const ORPHAN: &str = "jp:";

/// The row of the orphan that carries the marker of this row.
pub(super) fn orphan_id(export: &Export, id: &RowId) -> RowId {
    RowId { key: orphan_key(&export.sink.marker(id)), ..id.clone() }
}

/// The key of the stub and the row of an orphan with this marker.
pub(crate) fn orphan_key(marker: &str) -> String {
    format!("{ORPHAN}{marker}")
}

fn is_of_orphan(id: &RowId) -> bool {
    id.key.starts_with(ORPHAN)
}

/// True for an orphan's row that still has its post, or may.
pub(super) fn is_orphan(row: &Row) -> bool {
    is_of_orphan(&row.id) && (row.post.is_some() || row.state != RowState::Idle)
}

/// The rows of orphans that carry the markers of these rows. A row that exists and has no post may have one too: one who
/// slept through the loss of the store wrote it when he woke.
pub(super) async fn orphans_of(cx: &Cx, export: &Export, rows: &[&RowId]) -> Result<BTreeMap<RowId, Row>> {
    let ids: Vec<RowId> = rows.iter().map(|id| orphan_id(export, id)).collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found = cx.store.rows(&ids).await?;
    Ok(found.into_iter().filter(is_orphan).map(|row| (row.id.clone(), row)).collect())
}

/// One of our posts found, by marker.
type Found = BTreeMap<String, BTreeMap<String, FoundPost>>;

/// Exports whose posts on this target were not read under this epoch.
pub(super) fn unread<'a>(doc: &TargetDoc, exports: &'a [Export], epoch: u64) -> Vec<&'a Export> {
    exports.iter().filter(|export| doc.marks.get(&export.mark).is_none_or(|mark| mark.epoch != epoch)).collect()
}

/// Attaches the page for these exports; `None` when that is done, else how the round ends.
pub(super) async fn attach(cx: &Cx, lease: &Lease, exports: &[&Export]) -> Result<Option<Round>> {
    if !cx.keeps(Rule::Adopt) {
        return attached(cx, lease, exports).await;
    }
    let before = rows_by_id(cx, lease, exports).await?;
    let first = match read(cx, lease, exports).await? {
        Ok(found) => found,
        Err(next) => return Ok(Some(come_back(next))),
    };
    if first.is_empty() && before.is_empty() && !lease.epoch.restored {
        return attached(cx, lease, exports).await;
    }
    let began = lease.known().doc.attach.map_or_else(|| cx.now(), |(_, at)| at);
    let settles = Settles::Attach(lease.target.clone(), lease.epoch.epoch);
    let left = wait(exports).saturating_sub(cx.settling.known_for(settles, cx.clock.monotonic()));
    let settled_at = (began + millis(wait(exports))).max(cx.now() + millis(left));
    if cx.now() < settled_at && cx.keeps(Rule::AttachWaits) {
        return Ok(Some(come_back(settled_at)));
    }
    // before the target: a row that changes while it is read is not judged
    let mut before = rows_by_id(cx, lease, exports).await?;
    let found = match read_twice(cx, lease, exports).await? {
        Ok(found) => found,
        Err(next) => return Ok(Some(come_back(next))),
    };
    if !cx.keeps(Rule::AttachVersions) {
        before = rows_by_id(cx, lease, exports).await?;
    }
    adopt(cx, lease, exports, &before, found).await
}

/// How long calls made before may still be executed.
fn wait(exports: &[&Export]) -> Duration {
    let times = exports.iter().map(|export| export.sink.times());
    times.map(|times| times.send_by + times.timeout + times.settle).max().unwrap_or_default()
}

fn come_back(at: Millis) -> Round {
    Round::Rest { next_at: Some(at), busy: true }
}

/// Records that the page is attached, and the definitions with their watermarks at 0.
async fn attached(cx: &Cx, lease: &Lease, exports: &[&Export]) -> Result<Option<Round>> {
    cx.at(Point::DrainAttached)?;
    cx.at(Point::DrainDefinition)?;
    let held = lease::change(cx, lease, |doc| {
        doc.epoch = Some(lease.epoch.epoch);
        for export in exports {
            let mark = doc.marks.entry(export.mark.clone()).or_default();
            mark.epoch = lease.epoch.epoch;
            mark.definition.clear();
        }
        if cx.keeps(Rule::DefinitionFirst) {
            start_again(&mut doc.marks, exports.iter().copied());
        }
    })
    .await?;
    Ok((!held).then_some(Round::Lost))
}

/// The rows of these exports at the target.
async fn rows_by_id(cx: &Cx, lease: &Lease, exports: &[&Export]) -> Result<BTreeMap<RowId, Row>> {
    let mut rows = BTreeMap::new();
    let mut after: Option<RowId> = None;
    loop {
        let page = cx.store.rows_of(&lease.target, after.as_ref(), cx.settings.page).await?;
        let whole = page.len() < cx.settings.page;
        after = page.last().map(|last| last.id.clone());
        let own = |row: &Row| exports.iter().any(|one| one.import == row.id.import && one.name == row.id.export);
        rows.extend(page.into_iter().filter(own).map(|row| (row.id.clone(), row)));
        if whole {
            return Ok(rows);
        }
    }
}

/// Two complete reads, the read lag apart: what either saw.
async fn read_twice(cx: &Cx, lease: &Lease, exports: &[&Export]) -> Result<std::result::Result<Found, Millis>> {
    let lag = exports.iter().map(|export| export.sink.times().read_lag).max().unwrap_or_default();
    let mut found = match read(cx, lease, exports).await? {
        Ok(found) => found,
        Err(next) => return Ok(Err(next)),
    };
    cx.clock.sleep(lag).await;
    match read(cx, lease, exports).await? {
        Ok(again) => {
            for (marker, posts) in again {
                found.entry(marker).or_default().extend(posts);
            }
            Ok(Ok(found))
        }
        Err(next) => Ok(Err(next)),
    }
}

/// Every post of these exports; `Err` = when to try again.
async fn read(cx: &Cx, lease: &Lease, exports: &[&Export]) -> Result<std::result::Result<Found, Millis>> {
    let Some(export) = exports.first() else { return Ok(Ok(Found::new())) };
    cx.at(Point::DrainProbe)?;
    let posts = match export.sink.probe(&lease.target, 0).await {
        Ok(posts) => posts,
        Err(error) => {
            return Ok(Err(unreadable(cx, lease, export, &error).await?));
        }
    };
    let ours: BTreeSet<String> =
        exports.iter().map(|export| export.sink.marker_prefix(&export.import, &export.name, &lease.target)).collect();
    let mut found = Found::new();
    for post in posts.into_iter().filter(|post| ours.iter().any(|prefix| post.marker.starts_with(prefix))) {
        found.entry(post.marker.clone()).or_default().insert(post.post.clone(), post);
    }
    Ok(Ok(found))
}

async fn adopt(
    cx: &Cx,
    lease: &Lease,
    exports: &[&Export],
    before: &BTreeMap<RowId, Row>,
    mut found: Found,
) -> Result<Option<Round>> {
    let mut posts: BTreeMap<RowId, Vec<FoundPost>> = BTreeMap::new();
    for export in exports {
        let headed = headed(cx, lease, export).await?;
        let rows =
            before.keys().filter(|id| id.import == export.import && id.export == export.name && !is_of_orphan(id));
        for id in headed.iter().chain(rows).cloned().collect::<BTreeSet<RowId>>() {
            let Some(own) = found.remove(&export.sink.marker(&id)) else { continue };
            // a row without a head is of one who slept through the loss of the store
            if !headed.contains(&id) && cx.keeps(Rule::AdoptStub) {
                stub(cx, export, &id.key).await?;
            }
            posts.insert(id, own.into_values().collect());
        }
        let prefix = export.sink.marker_prefix(&export.import, &export.name, &lease.target);
        let orphans: Vec<String> = found.keys().filter(|marker| marker.starts_with(&prefix)).cloned().collect();
        for marker in orphans {
            let id = export.row(&lease.target, &orphan_key(&marker));
            if cx.keeps(Rule::AdoptStub) {
                stub(cx, export, &id.key).await?;
            }
            posts.insert(id, found.remove(&marker).unwrap_or_default().into_values().collect());
        }
    }
    let ids: BTreeSet<&RowId> = posts.keys().chain(before.keys()).collect();
    let mut writes = Vec::new();
    for id in ids {
        let row = before.get(id);
        // the judge's own epoch: an old one that wakes judges nothing
        if row.is_some_and(|row| row.epoch >= lease.epoch.epoch) && cx.keeps(Rule::AttachEpoch) {
            continue;
        }
        if !posts.contains_key(id) && !cx.keeps(Rule::AdoptMissing) {
            continue;
        }
        let new = adopted(cx, lease, row, id, posts.get(id).map_or(&[], Vec::as_slice));
        writes.push(RowWrite { expect: row.map(|row| row.version), row: new });
    }
    for page in writes.chunks(cx.settings.page) {
        cx.at(Point::DrainAttach)?;
        let applied = cx.store.rows_put(page.to_vec()).await?;
        // a row that changed since the read-back began was not judged: the reading begins again
        if applied.contains(&false) {
            return Ok(Some(come_back(cx.now() + 1_000)));
        }
    }
    attached(cx, lease, exports).await
}

/// The rows that the heads have or may have: their markers can be told.
async fn headed(cx: &Cx, lease: &Lease, export: &Export) -> Result<BTreeSet<RowId>> {
    let mut ids = BTreeSet::new();
    let mut above = (0, String::new());
    loop {
        let heads = cx.store.heads_walk(&export.ledger, above, u64::MAX >> 1, cx.settings.page).await?;
        let Some(last) = heads.last() else { return Ok(ids) };
        above = (last.stamps.changed_gen, last.key.clone());
        ids.extend(heads.iter().map(|head| export.row(&lease.target, &head.key)).filter(|id| !is_of_orphan(id)));
    }
}

/// A head for a post whose record no head knows, before its row: so that what no run wants becomes gone.
async fn stub(cx: &Cx, export: &Export, key: &str) -> Result<()> {
    let stamps = Stamps {
        version: cx.ids.nonce(),
        hash: String::new(),
        wanted: Wanted::Stub,
        seen_gen: 0,
        changed_gen: 0,
        before: None,
        rank: 0,
        first_gen: 0,
        missed: 0,
        missed_gen: 0,
        held_gen: 0,
    };
    let write = HeadWrite { key: key.to_owned(), expect: None, stamps, body: None, add_urls: Vec::new() };
    cx.at(Point::DrainAttach)?;
    cx.store.heads_put(&export.ledger, vec![write]).await?;
    Ok(())
}

/// The row as the target has it: its first post, content unknown; others are extra; none = absent.
fn adopted(cx: &Cx, lease: &Lease, row: Option<&Row>, id: &RowId, posts: &[FoundPost]) -> Row {
    let old = row.cloned().unwrap_or_else(|| Row::blank(id.clone(), 0, lease.epoch.epoch));
    let mut new = Row { version: cx.ids.nonce(), epoch: lease.epoch.epoch, ..arm::settled(old) };
    let keep = posts
        .iter()
        .find(|post| new.post.as_ref() == Some(&post.post))
        .or_else(|| posts.iter().min_by_key(|post| (post.created_at, post.post.clone())));
    match keep {
        Some(keep) => {
            let known = !cx.keeps(Rule::AdoptContent) && new.post.as_ref() == Some(&keep.post);
            new.content = new.content.filter(|_| known).or(Some(due::unknown_content(keep.identity.as_deref())));
            new.post = Some(keep.post.clone());
            new.posted_at = cx.now();
            let others = posts.iter().filter(|post| post.post != keep.post && !post.foreign);
            new.extra = others.map(|post| post.post.clone()).collect();
        }
        None => {
            new = arm::without_post(new);
            new.extra.clear();
        }
    }
    new
}

/// First half of giving an orphan's post to the row of its key: from now on the orphan is only handed over. Says when to
/// come back; `None` = at once.
pub(super) async fn claim_orphan(cx: &Cx, orphan: &Row, key: &str, lease: &Lease) -> Result<Option<Millis>> {
    if orphan.state != RowState::Idle || orphan.handed_to.is_some() {
        // an attempt on it ends first
        return Ok(Some(cx.now() + 1_000));
    }
    tracing::info!(target = %lease.target, %key, "a post found by its marker belongs to this record");
    arm::put(cx, orphan, |row| Row { handed_to: Some(key.to_owned()), ..row }).await?;
    Ok(None)
}

/// Second half, repeated until done: the row of the key has the post, then the orphan has it no more.
pub(super) async fn hand_over(cx: &Cx, orphan: &Row, notes: &mut Notes) -> Result<()> {
    notes.again = true;
    let Some(key) = &orphan.handed_to else { return Ok(()) };
    let id = RowId { key: key.clone(), ..orphan.id.clone() };
    let new = Row { id: id.clone(), version: cx.ids.nonce(), recheck: true, handed_to: None, ..orphan.clone() };
    if cx.store.rows_put(vec![RowWrite { expect: None, row: new }]).await? != [true] {
        give(cx, &id, orphan).await?;
    }
    arm::put(cx, orphan, |row| Row {
        post: None,
        content: None,
        extra: BTreeSet::new(),
        recheck: false,
        handed_to: None,
        ..row
    })
    .await?;
    Ok(())
}

/// The row is there already: an earlier hand-over made it, or one who came late and armed it. It takes what it lacks.
async fn give(cx: &Cx, id: &RowId, orphan: &Row) -> Result<()> {
    loop {
        let Some(row) = cx.store.rows(std::slice::from_ref(id)).await?.into_iter().next() else { return Ok(()) };
        let posts = orphan.post.iter().chain(&orphan.extra);
        let more: Vec<String> =
            posts.filter(|post| row.post.as_ref() != Some(post) && !row.past.contains(*post)).cloned().collect();
        if more.is_empty() || arm::put(cx, &row, |row| given(row, orphan, &more, cx.now())).await? {
            return Ok(());
        }
    }
}

fn given(row: Row, orphan: &Row, posts: &[String], now: Millis) -> Row {
    let adopts = row.state == RowState::Idle && row.post.is_none();
    let post = orphan.post.clone().filter(|post| adopts && posts.contains(post));
    let extra = posts.iter().filter(|one| Some(*one) != post.as_ref()).cloned();
    let row = with_extra(row, extra, now);
    match post {
        Some(post) => Row { post: Some(post), content: orphan.content.clone(), recheck: true, ..row },
        None => Row { recheck: true, ..row },
    }
}
