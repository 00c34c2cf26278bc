//! `run` while another process is the engine: leave a wish, and watch what becomes of it.

use crate::exit::{Failure, Outcome};
use crate::follow::Left;
use crate::onlooker::{ALIVE, Onlooker, TICK};
use crate::place::Place;
use crate::stop::StopFlag;
use crate::watch::Watcher;
use crate::{admitted, compose};
use jobpipe_core::{Clock, DocKind, Plan, Stop};
use jobpipe_embedded::EngineLock;
use jobpipe_engine::admission::Wish;
use jobpipe_engine::docs::{self, Command, ImportDoc, Read, RunDoc};
use jobpipe_engine::{Cx, admin};
use std::sync::Arc;
use std::time::Duration;

/// How long an engine that has just started may take to make its store.
const STARTING: Duration = Duration::from_secs(10);

/// What is wished for, and where.
pub(crate) struct Job<'a> {
    pub(crate) place: &'a Place,
    pub(crate) plan: &'a Plan,
    pub(crate) wait: Duration,
    pub(crate) stop: &'a Arc<StopFlag>,
    /// Who the engine is.
    pub(crate) holder: &'a str,
}

/// How it ended.
pub(crate) enum Beside {
    /// The run was followed to its end, or left by a signal.
    Left(Box<Left>),
    /// The engine has ended before the run has: be the engine.
    EngineGone,
}

/// What became of the wish.
enum Answer {
    Waits,
    Run(String),
    /// An open run of another definition is in the way; it is being cancelled.
    Superseding,
    Refused(String),
}

/// Leaves the wish, and follows the run that comes of it.
pub(crate) async fn run(job: &Job<'_>, wish: &Wish, watcher: &mut Watcher) -> Outcome<Beside> {
    let Some(cx) = open(job).await? else { return Ok(Beside::EngineGone) };
    watcher.note(&format!("{} works on {}; it is asked to run this import", job.holder, job.place.state.display()));
    let command = Command::Run { plan: Box::new(job.plan.clone()), wish: wish.clone() };
    // an engine that has died meanwhile may have looked at it, or left it to the next one
    if !is_asked(&cx, wish).await? && !is_begun(&cx, job.plan, wish).await? {
        admin::wish(&cx, &command).await?;
    }
    let mut ticks: u32 = 0;
    let run = loop {
        match answer(&cx, job.plan, wish).await? {
            Answer::Run(run) => break run,
            Answer::Refused(message) => return Err(Failure::usage(message)),
            Answer::Superseding => {
                cx.clock.sleep(TICK).await;
                if !is_asked(&cx, wish).await? {
                    admin::wish(&cx, &command).await?;
                }
            }
            Answer::Waits => cx.clock.sleep(TICK).await,
        }
        ticks += 1;
        if job.stop.is_stopping() {
            return Err(Failure { exit: crate::exit::Exit::Interrupted, message: None });
        }
        if ticks.is_multiple_of(ALIVE) && is_engine_gone(job.place) {
            return Ok(Beside::EngineGone);
        }
    };
    let doc: Option<Read<RunDoc>> = docs::read(&*cx.store, DocKind::Run, &run).await?;
    let limit = doc.map_or_else(String::new, |doc| admitted::other_limit(&doc.doc.open.facts, wish, watcher.at()));
    watcher.note(&format!("following {run}{limit}"));
    let onlooker = Onlooker { cx, wait: job.wait, stop: job.stop, holder: job.holder };
    let left = onlooker.follow(&run, watcher, async |_| Ok(is_engine_gone(job.place))).await?;
    Ok(left.map_or(Beside::EngineGone, |left| Beside::Left(Box::new(left))))
}

async fn open(job: &Job<'_>) -> Outcome<Option<Arc<Cx>>> {
    let clock = jobpipe_core::SystemClock::default();
    loop {
        match compose::reader(job.place).await {
            Ok(cx) => return Ok(Some(cx)),
            Err(_) if is_engine_gone(job.place) => return Ok(None),
            Err(error) if clock.monotonic() > STARTING => return Err(error),
            Err(_) => clock.sleep(TICK).await,
        }
    }
}

/// Whether nobody has the engine's role now.
fn is_engine_gone(place: &Place) -> bool {
    EngineLock::acquire(&place.state).is_ok()
}

/// What became of the wish, read from the import and from the wishes that are left.
async fn answer(cx: &Cx, plan: &Plan, wish: &Wish) -> Outcome<Answer> {
    let asked = is_asked(cx, wish).await?;
    let import: Option<Read<ImportDoc>> = docs::read(&*cx.store, DocKind::Import, &plan.name).await?;
    let Some(import) = import else { return Ok(Answer::Waits) };
    let ours = run_id(plan, wish);
    let definition = plan.hash();
    if let Some(closed) = import.doc.closed.filter(|closed| Some(&closed.run) == ours.as_ref()) {
        return Ok(Answer::Run(closed.run));
    }
    Ok(match import.doc.open {
        Some(open)
            if (open.definition == definition && wish.repair.is_empty()) || Some(&open.facts.run) == ours.as_ref() =>
        {
            Answer::Run(open.facts.run)
        }
        _ if asked => Answer::Waits,
        Some(open) if wish.resume => Answer::Run(open.facts.run),
        Some(_) | None if wish.supersede => Answer::Superseding,
        Some(open) if !wish.repair.is_empty() => Answer::Refused(format!(
            "run {} of import `{}` is still open, and dead letters are retried by a run of their own: wait for its end, or \
             cancel it (JP527)",
            open.facts.run, plan.name
        )),
        Some(open) => Answer::Refused(format!(
            "run {} of import `{}` is still open and was started with another definition; go on with that one \
             (--resume), or cancel it and start anew with this file (--new) (JP522)",
            open.facts.run, plan.name
        )),
        None => Answer::Refused("the engine refused this run; its own output says why".to_owned()),
    })
}

/// The run that comes of the wish, if it starts one.
fn run_id(plan: &Plan, wish: &Wish) -> Option<String> {
    wish.slot.as_ref().map(|slot| format!("{}@{slot}", plan.name))
}

/// Whether the wish has started its run already.
async fn is_begun(cx: &Cx, plan: &Plan, wish: &Wish) -> Outcome<bool> {
    match run_id(plan, wish) {
        Some(run) => Ok(cx.store.doc(DocKind::Run, &run).await?.is_some()),
        None => Ok(false),
    }
}

/// Whether the engine has not yet looked at the wish.
async fn is_asked(cx: &Cx, wish: &Wish) -> Outcome<bool> {
    Ok(wishes_like(cx, wish).await?.is_some())
}

async fn wishes_like(cx: &Cx, wish: &Wish) -> Outcome<Option<String>> {
    let wishes: Vec<(String, Read<Command>)> = docs::list(&*cx.store, DocKind::Command, "", "", 1_000).await?;
    let same = |command: &Command| matches!(command, Command::Run { wish: other, .. } if other.slot == wish.slot);
    Ok(wishes.into_iter().find(|(_, command)| same(&command.doc)).map(|(id, _)| id))
}

/// Takes back a wish that no engine has looked at: this process is the engine now.
pub(crate) async fn withdraw(cx: &Cx, wish: &Wish) -> Outcome<()> {
    while let Some(id) = wishes_like(cx, wish).await? {
        cx.store.doc_delete(DocKind::Command, &id).await?;
    }
    Ok(())
}
