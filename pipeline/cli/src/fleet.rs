//! `run` and `submit` on a state that workers share: admit a run, and watch what they make of it. Admission is one
//! compare-and-set that any process may do; what follows it is repeated by the workers if this one dies.

use crate::commands::run::Job;
use crate::commands::workers::is_alive;
use crate::compose::{self, Parts};
use crate::exit::{Exit, Failure, Outcome};
use crate::onlooker::Onlooker;
use crate::watch::Watcher;
use crate::{admitted, log, report};
use jobpipe_engine::Cx;
use jobpipe_engine::admission::Wish;
use jobpipe_engine::event::NoEvents;
use jobpipe_engine::workers;
use std::sync::Arc;

pub(crate) mod links;

/// Said where nobody would do the work.
pub(crate) const NOBODY: &str =
    "no worker is at work on this state: start one with `jobpipe worker`; the run waits for it";

/// Admits a run and follows it to its end.
pub(crate) async fn run(job: &Job, wish: &Wish, watcher: &mut Watcher) -> Outcome {
    log::start(&job.place.state)?;
    let (cx, run) = submit(job, wish, &mut |text| watcher.note(text)).await?;
    let holder = format!("the workers on {}", job.place.shown());
    watcher.note(&format!("{run} is left to {holder}"));
    let mut silent = false;
    let seen = Arc::clone(&cx);
    let onlooker = Onlooker { cx, wait: job.args.wait.duration(), stop: &job.stop, holder: &holder };
    let look_around = async |watcher: &mut Watcher| {
        let nobody = !is_anybody_at_work(&seen).await;
        if nobody && !silent {
            watcher.note(NOBODY);
        }
        silent = nobody;
        Ok(false)
    };
    match onlooker.follow(&run, watcher, look_around).await? {
        Some(left) => report::end(job, watcher, left),
        None => Ok(Exit::Interrupted),
    }
}

/// Whether a worker has spoken lately; a store that does not answer is told elsewhere.
pub(crate) async fn is_anybody_at_work(cx: &Cx) -> bool {
    match workers::list(cx).await {
        Ok(known) => known.iter().any(|(_, worker)| is_alive(worker, cx.now())),
        Err(_) => true,
    }
}

/// Admits a run; gives its id, and the view of the store that it lies in.
pub(crate) async fn submit(job: &Job, wish: &Wish, note: &mut (dyn FnMut(&str) + Send)) -> Outcome<(Arc<Cx>, String)> {
    let parts = Parts {
        machine: job.machine.clone(),
        stages: Arc::new(job.registry(None)?),
        events: Arc::new(NoEvents),
        stop: Arc::clone(&job.stop),
        limits: job.loaded.settings.limits,
    };
    let cx = compose::submitter(&job.place, parts).await?;
    let at = job.elsewhere();
    let run = tokio::select! {
        run = admitted::until_admitted(&cx, &job.plan, wish, &at, note) => run?,
        () = job.stop.signalled() => return Err(Failure::told(Exit::Interrupted)),
    };
    Ok((cx, run))
}
