//! The scheduler: launches deployed imports when they are due. Any number of them may try.
//!
//! What is due is asked of the store, by its own clock. Each step decides from the import's document as it was read, and
//! one compare-and-set on that document takes the slot: so a slot has one run, whoever comes second. No leader is needed;
//! to spare work, a scheduler that lost a slot to another comes later than it from then on, and one that finds slots which
//! nobody took comes earlier again.

pub mod circle;
mod decide;
pub mod deploy;
mod ended;
mod order;
mod retire;
mod trouble;

pub(crate) use deploy::retiring;
pub(crate) use ended::{followed, note_end};
pub use order::{Order, obey};
pub use trouble::{Trouble, to_tell, trouble};

use crate::cx::Cx;
use crate::docs::{self, Ended, ImportDoc, Read, ScheduleDoc, Waiting};
use crate::error::{EngineError, Result};
use crate::event::Event;
use crate::failpoint::Point;
use crate::patience::Patience;
use crate::rest::Rest;
use crate::{admin, admission, versions};
use decide::{Act, Case, decide};
use futures::StreamExt;
use jobpipe_core::{DocKind, Millis};
use jobpipe_schedule::Schedule;
use std::sync::Arc;
use std::time::Duration;

/// Imports that are looked at at once.
const AT_ONCE: usize = 64;
/// How long a scheduler rests at most when nothing tells it to look.
const REST: Duration = Duration::from_secs(1);
/// How much later than the others one may come that always loses.
const LATEST: Duration = Duration::from_millis(800);
/// When what cannot be launched is tried again.
const TROUBLED: Millis = 60_000;

/// A break between two rounds from which on what came in it was met by nobody.
const BREAK: Millis = 3_000;

/// For how long this process has been looking.
#[derive(Debug, Default)]
struct Watch {
    /// When the last round began, by the store's clock.
    last: Option<Millis>,
    /// When the first one began since the last break.
    since: Millis,
}

impl Watch {
    /// A round begins now; gives since when there was no break.
    fn look(&mut self, now: Millis) -> Millis {
        if self.last.is_none_or(|last| now - last > BREAK) {
            self.since = now;
        }
        self.last = Some(now);
        self.since
    }
}

/// A round: one look at all that is due.
struct Round {
    /// When it began, by the store's clock.
    began: Millis,
    /// When that was heard, on the own clock.
    at: Duration,
    /// Since when there was no break.
    watched: Millis,
}

impl Round {
    async fn begin(cx: &Cx, watch: &mut Watch) -> Result<Self> {
        let began = cx.store.time().await?;
        // after the answer, which may have taken its time: it is never earlier than this says
        let at = cx.clock.monotonic();
        Ok(Self { began, at, watched: watch.look(began) })
    }

    /// The store's time.
    fn now(&self, cx: &Cx) -> Millis {
        let passed = cx.clock.monotonic().saturating_sub(self.at);
        self.began.saturating_add(i64::try_from(passed.as_millis()).unwrap_or(0))
    }
}

/// What became of a look at an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// This one did what was to be done.
    Done,
    /// Another was faster.
    Lost,
}

/// Launches what is due until the process wants to stop.
pub(crate) async fn run(cx: Arc<Cx>, mut patience: Patience) -> Result<()> {
    let mut heard = cx.news.subscribe();
    let mut rest = Rest::of(&cx);
    let mut behind = Duration::ZERO;
    let mut watch = Watch::default();
    while patience.goes_on() {
        let Some((next, lost, done)) = patience.with(round(&cx, behind, &mut watch).await).await? else { continue };
        behind = if lost > done {
            LATEST.mul_f64(0.4 + 0.6 * cx.ids.fraction())
        } else if done > 0 {
            behind / 2
        } else {
            behind
        };
        rest.wait_for(&cx, &mut heard, next.unwrap_or(REST).min(REST)).await;
    }
    Ok(())
}

/// Looks at every import that has been due for so long; how long until the next one is, and how many steps were lost to
/// others and done here.
async fn round(cx: &Cx, behind: Duration, watch: &mut Watch) -> Result<(Option<Duration>, usize, usize)> {
    let round = Round::begin(cx, watch).await?;
    let until = round.began.saturating_sub(i64::try_from(behind.as_millis()).unwrap_or(0));
    let (mut lost, mut done) = (0, 0);
    let mut after = (Millis::MIN, String::new());
    loop {
        let page = versions::due::<ScheduleDoc>(cx, DocKind::Schedule, until, (after.0, &after.1)).await?;
        let Some((id, due, _)) = page.last() else { break };
        after = (*due, id.clone());
        let readable = page.into_iter().filter_map(|(name, _, read)| Some((name, read?)));
        let mut looks = futures::stream::iter(readable.map(|(name, read)| look_or_tell(cx, name, read, &round)))
            .buffer_unordered(AT_ONCE);
        while let Some(look) = looks.next().await {
            match look? {
                Look::Done => done += 1,
                Look::Lost => lost += 1,
            }
        }
    }
    let next = cx.store.docs_due(DocKind::Schedule, Millis::MAX, (until, "\u{10FFFF}"), 1).await?;
    let wait =
        next.first().and_then(|(_, doc)| doc.due).map(|due| u64::try_from(due.saturating_sub(until)).unwrap_or(0));
    Ok((wait.map(Duration::from_millis), lost, done))
}

/// [`look`]; what keeps one import from being launched is told, and keeps no other.
async fn look_or_tell(cx: &Cx, name: String, schedule: Read<ScheduleDoc>, round: &Round) -> Result<Look> {
    let looked = look(cx, &name, schedule, round).await;
    let why = match versions::unless_unknown(cx, looked) {
        Ok(look) => return Ok(look.unwrap_or(Look::Lost)),
        Err(error) if error.passes() => return Err(error),
        Err(EngineError::Killed(point)) => return Err(EngineError::Killed(point)),
        Err(error) => error.to_string(),
    };
    let Some(read) = docs::read::<ScheduleDoc, _>(&*cx.store, DocKind::Schedule, &name).await? else {
        return Ok(Look::Lost);
    };
    if read.doc.trouble.as_ref() != Some(&why) {
        cx.emit(Event::NotLaunched { import: name.clone(), message: why.clone() });
    }
    let new = ScheduleDoc { trouble: Some(why), next: Some(round.now(cx) + TROUBLED), ..read.doc.clone() };
    let put = docs::replace(&*cx.store, &*cx.ids, DocKind::Schedule, &name, &read, new).await?;
    Ok(if put.is_some() { Look::Done } else { Look::Lost })
}

/// Takes every step that can be taken for an import now.
async fn look(cx: &Cx, name: &str, schedule: Read<ScheduleDoc>, round: &Round) -> Result<Look> {
    if let Some(slot) = &schedule.doc.retiring {
        return retire::step(cx, name, &schedule, slot, round.now(cx)).await;
    }
    let Some(current) = &schedule.doc.current else { return rest(cx, name, &schedule, None).await };
    let rules = deploy::rules(name, schedule.doc.schedule.as_ref())?;
    loop {
        let import = admission::import(cx, name).await?;
        let ended = ended(cx, rules.as_ref()).await?;
        let now = round.now(cx);
        let act = decide(&Case {
            name,
            import: &import.doc,
            schedule: rules.as_ref(),
            since: schedule.doc.since,
            ended: &ended,
            now,
            watched: round.watched,
            sabotage: cx.sabotage,
        });
        match act {
            Act::Start { launch: waiting, import: new } => {
                let times = (decide::due_at(name, rules.as_ref(), &waiting), now);
                if !launch(cx, name, &current.definition, &import, *new, waiting, times).await? {
                    return Ok(Look::Lost);
                }
            }
            Act::Note { import: new } => {
                let skipped = new.skipped.clone().filter(|skipped| Some(skipped) != import.doc.skipped.as_ref());
                cx.at(Point::SlotNoted)?;
                if docs::replace(&*cx.store, &*cx.ids, DocKind::Import, name, &import, *new).await?.is_none() {
                    return Ok(Look::Lost);
                }
                if let Some(skipped) = skipped {
                    let before = import.doc.skipped.as_ref().map_or(0, |before| before.count);
                    cx.emit(Event::Skipped {
                        import: name.to_owned(),
                        slots: skipped.count - before,
                        why: skipped.why,
                    });
                }
            }
            Act::Wait { next, cancel } => {
                if let Some(run) = cancel {
                    admin::cancel(cx, &run).await?;
                }
                return rest(cx, name, &schedule, next).await;
            }
        }
    }
}

/// Nothing is to be done before `next`, unless the document was changed meanwhile: then somebody looks once more.
async fn rest(cx: &Cx, name: &str, read: &Read<ScheduleDoc>, next: Option<Millis>) -> Result<Look> {
    let new = ScheduleDoc { next, trouble: None, ..read.doc.clone() };
    cx.at(Point::SlotNext)?;
    let put = docs::replace(&*cx.store, &*cx.ids, DocKind::Schedule, name, read, new).await?;
    Ok(if put.is_some() { Look::Done } else { Look::Lost })
}

/// The runs that ended of the imports that this one follows.
async fn ended(cx: &Cx, schedule: Option<&Schedule>) -> Result<Vec<(String, Ended)>> {
    let mut all = Vec::new();
    for upstream in schedule.into_iter().flat_map(|schedule| &schedule.after) {
        let read = docs::read::<ImportDoc, _>(&*cx.store, DocKind::Import, upstream).await?;
        let ended = read.map(|read| read.doc.after_due).unwrap_or_default();
        all.extend(ended.into_iter().map(|ended| (upstream.clone(), ended)));
    }
    Ok(all)
}

/// Starts the run of a launch that was due, now; false when another was faster.
async fn launch(
    cx: &Cx,
    name: &str,
    definition: &str,
    read: &Read<ImportDoc>,
    new: ImportDoc,
    launch: Waiting,
    (due, now): (Millis, Millis),
) -> Result<bool> {
    let layout = cx.layout(definition).await?;
    let late = now.saturating_sub(due);
    let Some(open) = admission::launch(cx, &layout.plan, definition, read, new, launch).await? else {
        return Ok(false);
    };
    cx.emit(Event::Launched { import: name.to_owned(), run: open, late_ms: u64::try_from(late).unwrap_or(0) });
    Ok(true)
}
