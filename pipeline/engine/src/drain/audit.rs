//! The audit: what is left for a target that executes later than settle. More than one post with a marker: the others go.

use super::answer::with_extra;
use super::exports::Export;
use super::lease::{self, Lease};
use super::send::unreadable;
use super::{Notes, arm};
use crate::cx::Cx;
use crate::docs::TargetDoc;
use crate::error::Result;
use crate::failpoint::Point;
use jobpipe_core::{Millis, RowId, RowState};
use std::collections::BTreeMap;

/// A day and two hours: every create since the audits of it were planned.
const WINDOW: i64 = 26 * 3_600_000;

/// When audits of a create are made.
const AFTER: [Millis; 2] = [3_600_000, 86_400_000];

/// Audits of what is about to be created: one an hour is enough for all that is created in it.
pub(super) fn plan(doc: &mut TargetDoc, now: Millis) {
    for after in AFTER {
        doc.audits.insert((now + after).div_euclid(AFTER[0]) * AFTER[0] + AFTER[0]);
    }
}

/// Reads the target and marks posts that are not their rows' as extra.
pub(super) async fn audit(cx: &Cx, lease: &Lease, exports: &[Export], notes: &mut Notes) -> Result<()> {
    let now = cx.now();
    let Some(export) = exports.first() else { return Ok(()) };
    cx.at(Point::DrainProbe)?;
    let found = match export.sink.probe(&lease.target, now - WINDOW).await {
        Ok(found) => found,
        Err(error) => {
            let next = unreadable(cx, lease, export, &error).await?;
            // the audit stays due; it alone does not make the target busy
            notes.due.push(next);
            return Ok(());
        }
    };
    let mut posts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for post in found {
        posts.entry(post.marker).or_default().push(post.post);
    }
    let mut after: Option<RowId> = None;
    loop {
        let rows = cx.store.rows_of(&lease.target, after.as_ref(), cx.settings.page).await?;
        let Some(last) = rows.last() else { break };
        after = Some(last.id.clone());
        for row in rows.iter().filter(|row| row.state == RowState::Idle) {
            let Some(own) = exports.iter().find(|one| one.import == row.id.import && one.name == row.id.export) else {
                continue;
            };
            let Some(posts) = posts.get(&own.sink.marker(&row.id)) else { continue };
            let extra: Vec<&String> =
                posts.iter().filter(|post| row.post.as_ref() != Some(post) && !row.past.contains(*post)).collect();
            if extra.is_empty() {
                continue;
            }
            arm::put(cx, row, |row| with_extra(row, extra.iter().map(|post| (*post).clone()), now)).await?;
            notes.again = true;
        }
    }
    lease::change(cx, lease, |doc| doc.audits.retain(|at| *at > now)).await?;
    Ok(())
}
