//! `run` and `submit` on a state that workers share: admit a run, and watch what they make of it. Admission is one
//! compare-and-set that any process may do; what follows it is repeated by the workers if this one dies.

use crate::commands::run::Job;
use crate::compose::{self, Parts};
use crate::exit::{Exit, Failure, Outcome};
use crate::onlooker::Onlooker;
use crate::watch::Watcher;
use crate::{admitted, log, report};
use jobpipe_engine::Cx;
use jobpipe_engine::admission::Wish;
use jobpipe_engine::event::NoEvents;
use std::sync::Arc;

pub(crate) mod links;

/// Admits a run and follows it to its end.
pub(crate) async fn run(job: &Job, wish: &Wish, watcher: &mut Watcher) -> Outcome {
    log::start(&job.place.state)?;
    let (cx, run) = submit(job, wish, &mut |text| watcher.note(text)).await?;
    let holder = format!("the workers on {}", job.place.shown());
    watcher.note(&format!("{run} is left to {holder}"));
    let onlooker = Onlooker { cx, wait: job.args.wait.duration(), stop: &job.stop, holder: &holder };
    match onlooker.follow(&run, watcher, async |_| Ok(false)).await? {
        Some(left) => report::end(job, watcher, left),
        None => Ok(Exit::Interrupted),
    }
}

/// Admits a run; gives its id, and the view of the store that it lies in.
pub(crate) async fn submit(job: &Job, wish: &Wish, note: &mut (dyn FnMut(&str) + Send)) -> Outcome<(Arc<Cx>, String)> {
    let parts = Parts {
        machine: job.machine.clone(),
        stages: Arc::new(job.registry(None)?),
        events: Arc::new(NoEvents),
        stop: Arc::clone(&job.stop),
        workers: None,
    };
    let cx = compose::submitter(&job.place, parts).await?;
    let run = tokio::select! {
        run = admitted::until_admitted(&cx, &job.plan, wish, note) => run?,
        () = job.stop.signalled() => return Err(Failure::told(Exit::Interrupted)),
    };
    Ok((cx, run))
}
