//! The end of an import with all that it has posted.
//!
//! A last run asks no source and declares every record gone: so its targets delete its posts, and its files tell of them,
//! as after any run. The import stays deployed until they have, and nothing else of it is begun.

use super::deploy::{schedule, unknown};
use super::{Look, rest};
use crate::cx::Cx;
use crate::docs::{self, ImportDoc, Read, RunDoc, ScheduleDoc, TargetDoc};
use crate::error::{EngineError, Result};
use crate::event::Event;
use crate::failpoint::Point;
use crate::{admin, admission};
use jobpipe_core::{DocKind, Millis};

/// When to look again at what tells nobody: an open run, targets at work.
const AGAIN: Millis = 5_000;

/// Launches an import no more, has what it posted deleted, and withdraws it then; gives the id of the run that does so.
/// `slot`, the part of it after `@`, is used by nobody else: done once however often this is asked.
///
/// # Errors
/// `JP611` when no such import was ever deployed or run.
pub(super) async fn retire(cx: &Cx, import: &str, slot: &str) -> Result<String> {
    let run = format!("{import}@{slot}");
    let was_deployed = docs::read::<ScheduleDoc, _>(&*cx.store, DocKind::Schedule, import)
        .await?
        .is_some_and(|read| read.doc.current.is_some());
    if !was_deployed && cx.store.doc(DocKind::Import, import).await?.is_none() {
        return Err(unknown(import, None));
    }
    loop {
        let read = schedule(cx, import).await?;
        if let Some(other) = &read.doc.retiring {
            return Ok(format!("{import}@{other}"));
        }
        // this was done before, and nobody heard of it
        if cx.store.doc(DocKind::Run, &run).await?.is_some() {
            return Ok(run);
        }
        let new = ScheduleDoc { retiring: Some(slot.to_owned()), next: Some(0), trouble: None, ..read.doc.clone() };
        cx.at(Point::SlotNoted)?;
        if docs::replace(&*cx.store, &*cx.ids, DocKind::Schedule, import, &read, new).await?.is_some() {
            cx.news.tell();
            return Ok(run);
        }
    }
}

/// Takes the next step of a retirement, as far as it can be taken now.
pub(super) async fn step(cx: &Cx, name: &str, read: &Read<ScheduleDoc>, slot: &str, now: Millis) -> Result<Look> {
    let run = format!("{name}@{slot}");
    let import = admission::import(cx, name).await?;
    // after the import: a start in between is met by the compare-and-set
    let last: Option<Read<RunDoc>> = docs::read(&*cx.store, DocKind::Run, &run).await?;
    match (&import.doc.open, last) {
        (Some(open), None) if open.facts.run != run => match admin::cancel(cx, &open.facts.run).await {
            // it has read its source, or is not inserted yet: it ends by itself, or is asked again
            Ok(()) | Err(EngineError::Refused { .. }) => {}
            Err(error) => return Err(error),
        },
        (Some(_), _) => {}
        (None, Some(last)) if last.doc.cancel => {
            let new = ScheduleDoc { retiring: None, next: Some(0), trouble: None, ..read.doc.clone() };
            let told = format!("{name} is not retired, for {run} was cancelled: it is launched as before");
            return leave(cx, name, read, new, told).await;
        }
        (None, Some(last)) => {
            if is_done(cx, &import.doc, &last.doc).await? {
                return end(cx, name, read, Some(&last.doc)).await;
            }
        }
        (None, None) => match &import.doc.closed {
            // nothing is planned from a run that was never closed
            None => return end(cx, name, read, None).await,
            Some(closed) => {
                if admission::retire(cx, name, &import, closed, slot).await?.is_none() {
                    return Ok(Look::Lost);
                }
            }
        },
    }
    rest(cx, name, read, Some(now + AGAIN)).await
}

/// Whether every target of the closed run was told of it, and has nothing left to do.
async fn is_done(cx: &Cx, import: &ImportDoc, run: &RunDoc) -> Result<bool> {
    for target in run.open.targets.values().flatten() {
        // woken before it is forgotten, and busy from then on
        if import.to_wake.contains(&target.id) {
            return Ok(false);
        }
        let read: Option<Read<TargetDoc>> = docs::read(&*cx.store, DocKind::Target, &target.id).await?;
        if read.is_none_or(|read| read.doc.busy || read.doc.owner.is_some()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The import is launched no more.
async fn end(cx: &Cx, name: &str, read: &Read<ScheduleDoc>, run: Option<&RunDoc>) -> Result<Look> {
    let mut left = 0;
    for (export, targets) in run.iter().flat_map(|run| &run.open.targets) {
        for target in targets {
            left += cx.store.rows_posted(&target.id, name, export).await?;
        }
    }
    let told = match left {
        0 => format!("{name} is retired: none of its posts is left"),
        left => format!(
            "{name} is retired: {left} of its posts could not be deleted, `jobpipe dead list --import {name}` says why"
        ),
    };
    let new = ScheduleDoc { current: None, next: None, retiring: None, trouble: None, ..read.doc.clone() };
    leave(cx, name, read, new, told).await
}

async fn leave(cx: &Cx, name: &str, read: &Read<ScheduleDoc>, new: ScheduleDoc, told: String) -> Result<Look> {
    cx.at(Point::SlotNext)?;
    if docs::replace(&*cx.store, &*cx.ids, DocKind::Schedule, name, read, new).await?.is_none() {
        return Ok(Look::Lost);
    }
    cx.emit(Event::Notice { message: told });
    Ok(Look::Done)
}
