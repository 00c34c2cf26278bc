//! What people do to deployed imports: deploy, roll back, retire, pause, resume, trigger, backfill.

use super::circle;
use crate::admission;
use crate::cx::Cx;
use crate::docs::{self, Backfill, Deployed, ImportDoc, Kept, Paused, Read, ScheduleDoc, Waiting};
use crate::error::{EngineError, Result};
use jobpipe_core::{DocKind, Plan, utc_text};
use jobpipe_schedule::Schedule;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

/// What a deployment did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A new version holds.
    Deployed(u64),
    /// It is deployed as it is.
    Unchanged(u64),
}

/// Makes `plan` the version of its import that is launched.
///
/// `schedule:` is taken from the plan. Slots before now are not its own, unless the schedule stays as it was.
///
/// # Errors
/// `JP610` when its schedule cannot be used, `JP614` when it is being retired, `JP615` when
/// it would follow itself; what the store says.
pub async fn deploy(cx: &Cx, plan: &Plan, source: &str) -> Result<Outcome> {
    let rules = rules(&plan.name, plan.schedule.as_ref())?;
    if schedule(cx, &plan.name).await?.doc.retiring.is_some() {
        return Err(retiring(&plan.name));
    }
    if let Some(rules) = &rules {
        circle::refuse(cx, &plan.name, &rules.after).await?;
    }
    let definition = plan.hash();
    docs::insert(&*cx.store, &*cx.ids, DocKind::Definition, &definition, plan).await?;
    let now = cx.store.time().await?;
    for upstream in rules.iter().flat_map(|rules| &rules.after) {
        change(cx, DocKind::Schedule, upstream, |doc: &mut ScheduleDoc| {
            doc.followers.insert(plan.name.clone());
        })
        .await?;
    }
    loop {
        let read = schedule(cx, &plan.name).await?;
        let before = read.doc.current.as_ref();
        if let Some(same) = before.filter(|before| before.definition == definition) {
            return Ok(Outcome::Unchanged(same.version));
        }
        let version = last_version(cx, &plan.name).await? + 1;
        let deployed = Deployed { version, definition: definition.clone(), at: now, source: source.to_owned() };
        if !docs::insert(&*cx.store, &*cx.ids, DocKind::Version, &version_id(&plan.name, version), &deployed).await? {
            continue;
        }
        if before.is_none() {
            unpause(cx, &plan.name).await?;
        }
        let since = if before.is_some() && read.doc.schedule == plan.schedule { read.doc.since } else { now };
        let new = ScheduleDoc {
            current: Some(deployed),
            schedule: plan.schedule.clone(),
            since,
            next: Some(0),
            trouble: None,
            ..read.doc.clone()
        };
        if docs::replace(&*cx.store, &*cx.ids, DocKind::Schedule, &plan.name, &read, new).await?.is_some() {
            cx.news.tell();
            return Ok(Outcome::Deployed(version));
        }
    }
}

/// What is deployed anew is launched: a pause was of what was there before.
async fn unpause(cx: &Cx, import: &str) -> Result<()> {
    let read: Option<Read<ImportDoc>> = docs::read(&*cx.store, DocKind::Import, import).await?;
    if read.is_some_and(|read| read.doc.paused.is_some()) {
        change(cx, DocKind::Import, import, |doc: &mut ImportDoc| doc.paused = None).await?;
    }
    Ok(())
}

/// The schedule of an import, as it was written.
pub(super) fn rules(import: &str, schedule: Option<&Json>) -> Result<Option<Schedule>> {
    schedule.map(Schedule::parse).transpose().map_err(|error| EngineError::Refused {
        code: "JP610",
        message: format!("the schedule of `{import}` cannot be used: {error}"),
    })
}

/// The id of a version's document; its versions sort as they came.
fn version_id(import: &str, version: u64) -> String {
    format!("{import}@{version:08}")
}

/// Every version of an import, the oldest first.
pub async fn versions(cx: &Cx, import: &str) -> Result<Vec<Deployed>> {
    let all = docs::all::<Deployed, _>(&*cx.store, DocKind::Version, &format!("{import}@")).await?;
    Ok(all.into_iter().map(|(_, read)| read.doc).collect())
}

async fn last_version(cx: &Cx, import: &str) -> Result<u64> {
    Ok(versions(cx, import).await?.last().map_or(0, |deployed| deployed.version))
}

/// The plan of a version; the one that holds when `version` is `None`.
///
/// # Errors
/// `JP611` when there is none.
pub async fn plan_of(cx: &Cx, import: &str, version: Option<u64>) -> Result<Plan> {
    let found = match version {
        None => schedule(cx, import).await?.doc.current,
        Some(version) => docs::read::<Deployed, _>(&*cx.store, DocKind::Version, &version_id(import, version))
            .await?
            .map(|read| read.doc),
    };
    let deployed = found.ok_or_else(|| unknown(import, version))?;
    Ok(cx.layout(&deployed.definition).await?.plan.clone())
}

pub(super) fn unknown(import: &str, version: Option<u64>) -> EngineError {
    let what = version.map_or_else(String::new, |version| format!(" in version {version}"));
    EngineError::Refused {
        code: "JP611",
        message: format!("no import `{import}` is deployed{what}; `jobpipe schedule list` names those that are"),
    }
}

/// Nothing is begun of an import that ends.
pub(crate) fn retiring(import: &str) -> EngineError {
    EngineError::Refused {
        code: "JP614",
        message: format!(
            "`{import}` is being retired, and its posts are deleted: wait for its end (`jobpipe schedule show {import}`), or \
             leave what is left of it with `jobpipe retire {import} --posts leave`"
        ),
    }
}

/// Makes an earlier version the one that is launched, as a version of its own.
///
/// # Errors
/// `JP611` when there is none.
pub async fn roll_back(cx: &Cx, import: &str, version: u64) -> Result<Outcome> {
    let plan = plan_of(cx, import, Some(version)).await?;
    deploy(cx, &plan, &format!("version {version}")).await
}

/// Nothing is launched any more; what was deployed is kept as a version. Who waits for posts to be deleted waits no more:
/// what was begun of it goes on.
///
/// # Errors
/// `JP611` when it is not deployed.
pub async fn withdraw(cx: &Cx, import: &str) -> Result<()> {
    held(cx, import).await?;
    change(cx, DocKind::Schedule, import, |doc: &mut ScheduleDoc| {
        doc.current = None;
        doc.next = None;
        doc.retiring = None;
    })
    .await
}

/// Launches nothing until it is resumed.
///
/// # Errors
/// `JP611` when it is not deployed.
pub async fn pause(cx: &Cx, import: &str, why: &str) -> Result<()> {
    deployed(cx, import).await?;
    let paused = Paused { why: why.to_owned(), at: cx.store.time().await? };
    // made as admission makes it, if there is none
    admission::import(cx, import).await?;
    change(cx, DocKind::Import, import, |doc: &mut ImportDoc| doc.paused = Some(paused.clone())).await
}

/// Launches again: slots that lay in the pause are not made up for.
///
/// # Errors
/// `JP611` when it is not deployed.
pub async fn resume(cx: &Cx, import: &str) -> Result<()> {
    deployed(cx, import).await?;
    let now = cx.store.time().await?;
    admission::import(cx, import).await?;
    change(cx, DocKind::Schedule, import, |doc: &mut ScheduleDoc| doc.since = doc.since.max(now)).await?;
    change(cx, DocKind::Import, import, |doc: &mut ImportDoc| {
        doc.paused = None;
        doc.failures = 0;
        doc.failed = None;
    })
    .await?;
    wake(cx, import).await
}

/// Launches it now, whatever its schedule says, or as soon as its open run is closed; gives the run's id. `slot`, the part
/// of it after `@`, is used by nobody else: launched once however often this is asked.
///
/// # Errors
/// `JP611` when it is not deployed, `JP612` when it is paused, `JP614` when it is being retired.
pub async fn trigger(cx: &Cx, import: &str, slot: &str) -> Result<String> {
    launched(cx, import).await?;
    let run = format!("{import}@{slot}");
    let at = cx.store.time().await?;
    loop {
        let read = admission::import(cx, import).await?;
        let is_open = read.doc.open.as_ref().is_some_and(|open| open.facts.run == run);
        let waits = read.doc.queue.iter().any(|waiting| waiting.slot == slot);
        if is_open || waits || cx.store.doc(DocKind::Run, &run).await?.is_some() {
            return Ok(run);
        }
        if let Some(paused) = &read.doc.paused {
            let message =
                format!("`{import}` is paused ({}); `jobpipe schedule resume {import}` ends that", paused.why);
            return Err(EngineError::Refused { code: "JP612", message });
        }
        let mut new = read.doc.clone();
        new.queue.push_front(Waiting { slot: slot.to_owned(), at, not_before: 0, cancels: None, failed: 0 });
        if docs::replace(&*cx.store, &*cx.ids, DocKind::Import, import, &read, new).await?.is_some() {
            wake(cx, import).await?;
            return Ok(run);
        }
    }
}

/// Runs the slots of `(after, until]` one after the other, `pace` milliseconds apart at least; gives how many there are.
/// A backfill of this id that has begun already is not begun again.
///
/// # Errors
/// `JP611` when it is not deployed, `JP613` when it has no slots there, or a backfill already, `JP614` when it is being
/// retired.
pub async fn backfill(cx: &Cx, import: &str, wish: Backfill) -> Result<usize> {
    let deployed = launched(cx, import).await?;
    let rules = deployed.doc.schedule.as_ref().map(Schedule::parse).transpose().ok().flatten();
    let slots = rules.map_or(0, |rules| rules.slots(wish.after, wish.until).count());
    let refused = |message: String| EngineError::Refused { code: "JP613", message };
    if slots == 0 {
        let (from, until) = (utc_text(wish.after), utc_text(wish.until));
        return Err(refused(format!("the schedule of `{import}` has no slot between {from} and {until}")));
    }
    loop {
        let read = admission::import(cx, import).await?;
        let begun = format!("{import}@backfill-{}:", wish.id);
        let is_own = read.doc.backfill.as_ref().is_some_and(|other| other.id == wish.id);
        if is_own || !cx.store.docs(DocKind::Run, &begun, "", 1).await?.is_empty() {
            return Ok(slots);
        }
        if let Some(other) = &read.doc.backfill {
            let until = utc_text(other.until);
            return Err(refused(format!(
                "a backfill of `{import}` up to {until} is under way; wait for it, or end it: `jobpipe schedule backfill {import} --end`"
            )));
        }
        let new = ImportDoc { backfill: Some(wish.clone()), ..read.doc.clone() };
        if docs::replace(&*cx.store, &*cx.ids, DocKind::Import, import, &read, new).await?.is_some() {
            wake(cx, import).await?;
            return Ok(slots);
        }
    }
}

/// Ends a backfill; a run of it that is open goes on. True when there was one.
pub async fn end_backfill(cx: &Cx, import: &str) -> Result<bool> {
    deployed(cx, import).await?;
    let had = admission::import(cx, import).await?.doc.backfill.is_some();
    change(cx, DocKind::Import, import, |doc: &mut ImportDoc| doc.backfill = None).await?;
    Ok(had)
}

/// Everything that is deployed, or on its way to be retired, by name.
pub async fn all(cx: &Cx) -> Result<Vec<(String, Read<ScheduleDoc>)>> {
    let mut all = docs::all::<ScheduleDoc, _>(&*cx.store, DocKind::Schedule, "").await?;
    all.retain(|(_, read)| is_held(&read.doc));
    Ok(all)
}

/// Somebody looks at it at once.
pub(crate) async fn wake(cx: &Cx, import: &str) -> Result<()> {
    change(cx, DocKind::Schedule, import, |doc: &mut ScheduleDoc| doc.next = Some(0)).await?;
    cx.news.tell();
    Ok(())
}

/// Whether it is deployed, or on its way to be retired.
#[must_use]
pub fn is_held(schedule: &ScheduleDoc) -> bool {
    schedule.current.is_some() || schedule.retiring.is_some()
}

async fn held(cx: &Cx, import: &str) -> Result<Read<ScheduleDoc>> {
    let read = docs::read::<ScheduleDoc, _>(&*cx.store, DocKind::Schedule, import).await?;
    read.filter(|read| is_held(&read.doc)).ok_or_else(|| unknown(import, None))
}

async fn deployed(cx: &Cx, import: &str) -> Result<Read<ScheduleDoc>> {
    let read = held(cx, import).await?;
    if read.doc.current.is_some() { Ok(read) } else { Err(unknown(import, None)) }
}

/// One of which something may be launched.
async fn launched(cx: &Cx, import: &str) -> Result<Read<ScheduleDoc>> {
    let read = deployed(cx, import).await?;
    if read.doc.retiring.is_some() { Err(retiring(import)) } else { Ok(read) }
}

/// The document, made if there is none.
pub(super) async fn schedule(cx: &Cx, import: &str) -> Result<Read<ScheduleDoc>> {
    made(cx, DocKind::Schedule, import).await
}

async fn made<T: Kept + Default + DeserializeOwned>(cx: &Cx, kind: DocKind, id: &str) -> Result<Read<T>> {
    loop {
        if let Some(read) = docs::read(&*cx.store, kind, id).await? {
            return Ok(read);
        }
        docs::insert(&*cx.store, &*cx.ids, kind, id, &T::default()).await?;
    }
}

/// Changes a document, whoever else does so meanwhile.
async fn change<T>(cx: &Cx, kind: DocKind, id: &str, change: impl Fn(&mut T)) -> Result<()>
where
    T: Kept + Default + Clone + DeserializeOwned,
{
    loop {
        let read: Read<T> = made(cx, kind, id).await?;
        let mut new = read.doc.clone();
        change(&mut new);
        if docs::replace(&*cx.store, &*cx.ids, kind, id, &read, new).await?.is_some() {
            return Ok(());
        }
    }
}
