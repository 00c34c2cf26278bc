//! The loops of one engine: dispatch, work, close, drain, sweep. Each takes steps that stand for themselves.

use crate::cx::Cx;
use crate::docs::TargetDoc;
use crate::error::{EngineError, Result};
use crate::gate::Gate;
use crate::leases::{self, Claim, Held};
use crate::patience::Patience;
use crate::rest::{REST, Rest};
use crate::unfit::unless_unfit;
use crate::{admin, closing, dead_hints, dispatch, drain, scale, scheduler, sweep, take, versions, workers};
use jobpipe_core::{DocKind, Millis};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// The queue of those who drain targets.
const DRAINS: &str = "export";

/// How often every open run is looked at where several engines share a store: for what another began and died of.
const CLOSED: Duration = Duration::from_secs(1);

/// What a process that was asked to stop lets its computations go on for; then they are given back as they were begun.
const STOP_WORK: Duration = Duration::from_secs(15);
/// When it leaves what it holds to the leases: a store that does not answer must not keep it.
const STOP_ALL: Duration = Duration::from_secs(23);

/// Works until the process wants to stop, or a step fails. Tasks that run are finished first, as far as they end soon; the
/// others are given back, and nothing is charged for it.
pub async fn serve(cx: Arc<Cx>) -> Result<()> {
    let halt = Arc::new(tokio::sync::watch::Sender::new(false));
    let patience = Patience::new(&cx, halt.subscribe());
    let held = Arc::new(Held::default());
    let memory = take_over(&cx, patience.clone(), &held).await?;
    let gate = Arc::new(Gate::new(cx.settings.least_slots.unwrap_or(cx.settings.slots)));
    let idle = tokio::sync::watch::Sender::new(false);
    let mut loops: JoinSet<Result<()>> = JoinSet::new();
    if let Some(ttl) = cx.settings.lease_ttl {
        loops.spawn(leases::renew(Arc::clone(&cx), patience.clone(), Arc::clone(&held), ttl, idle.subscribe()));
        let (held, gate) = (Arc::clone(&held), Arc::clone(&gate));
        loops.spawn(workers::stay(Arc::clone(&cx), patience.clone(), held, gate, idle.subscribe()));
    }
    let tail = loops.len();
    for queue in cx.settings.queues.clone() {
        loops.spawn(take::work(Arc::clone(&cx), patience.clone(), Arc::clone(&gate), Arc::clone(&held), queue));
    }
    if let Some(least) = cx.settings.least_slots {
        loops.spawn(scale::run(Arc::clone(&cx), patience.clone(), Arc::clone(&gate), least));
    }
    loops.spawn(dispatch::run(Arc::clone(&cx), patience.clone()));
    loops.spawn(close(Arc::clone(&cx), patience.clone()));
    if cx.settings.lease_ttl.is_some() {
        loops.spawn(dead_hints::run(Arc::clone(&cx), patience.clone()));
    }
    if cx.settings.lease_ttl.is_none() || cx.settings.queues.iter().any(|queue| queue == DRAINS) {
        loops.spawn(drains(Arc::clone(&cx), patience.clone(), held));
    }
    if cx.settings.launches {
        loops.spawn(scheduler::run(Arc::clone(&cx), patience.clone()));
    }
    loops.spawn(sweeps(Arc::clone(&cx), patience, memory));
    tokio::select! {
        biased;
        end = finish(&mut loops, &halt, &idle, tail) => end,
        () = stopped(&cx, &gate) => Err(EngineError::Refused {
            code: "JP598",
            message: format!(
                "not all work could be given back within {STOP_ALL:?}, for the store or the broker does not answer; nothing is lost: another process takes it over"
            ),
        }),
    }
}

/// Only launches what is due, until the process wants to stop: others work on it.
pub async fn serve_schedules(cx: Arc<Cx>) -> Result<()> {
    let halt = tokio::sync::watch::Sender::new(false);
    let patience = Patience::new(&cx, halt.subscribe());
    scheduler::run(cx, patience).await
}

/// Waits for every loop; the first that fails ends the others.
async fn finish(
    loops: &mut JoinSet<Result<()>>,
    halt: &tokio::sync::watch::Sender<bool>,
    idle: &tokio::sync::watch::Sender<bool>,
    tail: usize,
) -> Result<()> {
    let mut end = Ok(());
    while let Some(done) = loops.join_next().await {
        let done = done.unwrap_or_else(|error| {
            Err(EngineError::Refused {
                code: "JP599",
                message: format!(
                    "a loop of the engine panicked ({error}); this is a bug of jobpipe. Nothing is lost: run again"
                ),
            })
        });
        if let (Ok(()), Err(error)) = (&end, done) {
            end = Err(error);
            halt.send_replace(true);
        }
        // what is left renews: nothing is held any more
        if loops.len() <= tail {
            idle.send_replace(true);
        }
    }
    end
}

/// Returns when a process that was asked to stop has had the time that it gets.
async fn stopped(cx: &Cx, gate: &Gate) {
    while !cx.stop.is_stopping() {
        cx.clock.sleep(cx.settings.tick).await;
    }
    cx.clock.sleep(STOP_WORK).await;
    gate.abandon();
    cx.clock.sleep(STOP_ALL.saturating_sub(STOP_WORK)).await;
}

async fn take_over(cx: &Cx, mut patience: Patience, held: &Arc<Held>) -> Result<sweep::Memory> {
    loop {
        if let Some(memory) = patience.with(sweep::take_over(cx, held).await).await? {
            return Ok(memory);
        }
    }
}

/// Takes every open run towards its end, and wakes targets when it is reached.
async fn close(cx: Arc<Cx>, mut patience: Patience) -> Result<()> {
    let mut heard = cx.news.subscribe();
    let mut rest = Rest::of(&cx);
    let every = if cx.settings.lease_ttl.is_some() { CLOSED } else { cx.settings.tick };
    let mut last: Option<Duration> = None;
    while patience.goes_on() {
        let now = cx.clock.monotonic();
        let all = last.is_none_or(|last| now.saturating_sub(last) >= every);
        let told = cx.news.runs();
        let closed = if all { close_all(&cx).await } else { close_told(&cx, told).await };
        if patience.with(closed).await?.is_some() {
            last = if all { Some(now) } else { last };
            rest.wait(&cx, &mut heard, cx.settings.tick).await;
        }
    }
    Ok(())
}

/// The runs of which something ended here: what each of a hundred open runs needs is not asked for the sake of one.
async fn close_told(cx: &Cx, told: BTreeSet<String>) -> Result<()> {
    for run in told {
        if unless_unfit(cx, &run, closing::advance(cx, &run).await)? == Some(true) {
            drain::wake_targets(cx, &cx.admitted(&run).await?.facts.import).await?;
        }
    }
    Ok(())
}

async fn close_all(cx: &Cx) -> Result<()> {
    versions::unless_unknown(cx, admin::obey(cx).await)?;
    for (name, import) in sweep::busy(cx).await? {
        if let Some(open) = &import.doc.open
            && let run = &open.facts.run
            && unless_unfit(cx, run, closing::advance(cx, run).await)? == Some(true)
        {
            drain::wake_targets(cx, &name).await?;
        }
    }
    Ok(())
}

/// Drains the targets that are due, several at once. They are listed anew when all that were due have begun.
async fn drains(cx: Arc<Cx>, mut patience: Patience, held: Arc<Held>) -> Result<()> {
    let mut heard = cx.news.subscribe();
    let mut running: JoinSet<Result<String>> = JoinSet::new();
    let mut busy: BTreeSet<String> = BTreeSet::new();
    let mut due: VecDeque<String> = VecDeque::new();
    let mut next = None;
    let mut rest = Rest::of(&cx);
    while patience.goes_on() {
        while let Some(done) = running.try_join_next() {
            busy.remove(&joined(done)?);
        }
        if due.is_empty() {
            let Some(found) = patience.with(due_targets(&cx).await).await? else { continue };
            (due, next) = found;
        }
        while running.len() < cx.settings.drains.max(1)
            && let Some(target) = due.pop_front()
        {
            if busy.insert(target.clone()) {
                let (cx, patience) = (Arc::clone(&cx), patience.clone());
                let holding = held.hold(Claim::Target(target.clone()));
                running.spawn(async move {
                    let _holding = holding;
                    drain_one(&cx, patience, &target).await?;
                    Ok(target)
                });
            }
        }
        let most = next.map_or(cx.settings.tick, |at| Duration::from_millis(u64::try_from(at - cx.now()).unwrap_or(0)));
        tokio::select! {
            biased;
            Some(done) = running.join_next(), if !running.is_empty() => {
                busy.remove(&joined(done)?);
                if due.is_empty() {
                    cx.clock.sleep(REST).await;
                }
            }
            () = rest.wait(&cx, &mut heard, most), if due.is_empty() => {}
        }
    }
    while let Some(done) = running.join_next().await {
        joined(done)?;
    }
    Ok(())
}

async fn drain_one(cx: &Cx, mut patience: Patience, target: &str) -> Result<()> {
    if patience.with(drain::drain(cx, target).await).await?.is_none() {
        while patience.with(leases::let_go(cx, target).await).await?.is_none() {}
    }
    Ok(())
}

fn joined(done: std::result::Result<Result<String>, tokio::task::JoinError>) -> Result<String> {
    done.unwrap_or_else(|error| {
        Err(EngineError::Refused {
            code: "JP599",
            message: format!("a drain panicked ({error}); this is a bug of jobpipe. Nothing is lost: run again"),
        })
    })
}

/// Targets that are due and free; where none is, when the next one will be.
async fn due_targets(cx: &Cx) -> Result<(VecDeque<String>, Option<Millis>)> {
    let due: VecDeque<String> =
        versions::all_due::<TargetDoc>(cx, DocKind::Target, cx.now()).await?.into_iter().map(|(id, _)| id).collect();
    if !due.is_empty() {
        return Ok((due, None));
    }
    let next = cx.store.docs_due(DocKind::Target, Millis::MAX, (Millis::MIN, ""), 1).await?;
    Ok((due, next.first().and_then(|(_, doc)| doc.due)))
}

/// Repeats what a crash may have skipped.
async fn sweeps(cx: Arc<Cx>, mut patience: Patience, mut memory: sweep::Memory) -> Result<()> {
    let mut waited = Duration::ZERO;
    while patience.goes_on() {
        cx.clock.sleep(cx.settings.tick).await;
        waited += cx.settings.tick;
        if waited >= cx.settings.sweep_every {
            waited = Duration::ZERO;
            patience.with(sweep::sweep(&cx, &mut memory, false).await).await?;
        }
    }
    Ok(())
}
