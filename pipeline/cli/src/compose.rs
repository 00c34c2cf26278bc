//! The composition root: which adapters stand behind the engine's ports on one machine.

use crate::exit::Outcome;
use crate::isolate::ChildProcess;
use crate::place::Place;
use crate::poison;
use crate::stop::StopFlag;
use jobpipe_core::{
    Clock, ErrorClass, FileExport, Ids, Plan, Sink, Stage, Stages, StateStore, SystemClock, SystemIds, TaskError,
};
use jobpipe_embedded::{LocalBroker, SqliteStore};
use jobpipe_engine::compute::{Pool, TIME};
use jobpipe_engine::event::{Events, NoEvents};
use jobpipe_engine::failpoint::{AbortAt, Failpoints, NoFailpoints};
use jobpipe_engine::{Cx, EngineSettings, News};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// The machine's own time and chance.
#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self { clock: Arc::new(SystemClock::default()), ids: Arc::new(SystemIds) }
    }
}

/// What an engine is made of beside its store.
pub(crate) struct Parts {
    pub(crate) machine: Machine,
    pub(crate) stages: Arc<dyn Stages>,
    pub(crate) events: Arc<dyn Events>,
    pub(crate) stop: Arc<StopFlag>,
    /// Tasks at work at once; `None` = the engine's own number.
    pub(crate) workers: Option<u32>,
}

/// An engine on the state of `place`. The caller holds the engine's lock of that folder.
pub(crate) fn engine(place: &Place, parts: Parts) -> Outcome<Arc<Cx>> {
    let store = SqliteStore::open(&place.store())?;
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let time = poison::time()?.unwrap_or(TIME);
    let pool = Pool::new(threads, Some(Arc::new(ChildProcess::of_this_program(time)?))).with_time(time);
    let parts = Parts { stages: poison::obeyed(parts.stages)?, ..parts };
    let mut settings = settings(&place.state);
    if let Some(workers) = parts.workers {
        settings.slots = usize::try_from(workers).unwrap_or(usize::MAX);
    }
    Ok(assemble(Arc::new(store), parts, Arc::new(pool), failpoints()?, settings))
}

/// A view of the state of `place`, beside an engine or without one. It can leave wishes, and write nothing else.
pub(crate) fn reader(place: &Place) -> Outcome<Arc<Cx>> {
    let store = SqliteStore::open_reader(&place.store())?;
    let pool = Arc::new(Pool::new(1, None));
    Ok(assemble(Arc::new(store), without_stages(), pool, Arc::new(NoFailpoints), settings(&place.state)))
}

/// The state of `place` for a verb that changes documents and runs nothing. The caller holds the engine's lock.
pub(crate) fn writer(place: &Place) -> Outcome<Arc<Cx>> {
    writer_of(&place.store(), place)
}

/// The same of a store that does not lie where the engine looks for it.
pub(crate) fn writer_of(store: &Path, place: &Place) -> Outcome<Arc<Cx>> {
    let store = SqliteStore::open(store)?;
    let pool = Arc::new(Pool::new(1, None));
    Ok(assemble(Arc::new(store), without_stages(), pool, Arc::new(NoFailpoints), settings(&place.state)))
}

fn settings(state: &Path) -> EngineSettings {
    EngineSettings { spill: state.to_path_buf(), ..EngineSettings::default() }
}

fn assemble(
    store: Arc<dyn StateStore>,
    parts: Parts,
    pool: Arc<Pool>,
    failpoints: Arc<dyn Failpoints>,
    settings: EngineSettings,
) -> Arc<Cx> {
    let Parts { machine, stages, events, stop, workers: _ } = parts;
    let owner = format!("process-{}-{:x}", std::process::id(), machine.ids.nonce());
    Arc::new(Cx {
        store,
        broker: Arc::new(LocalBroker::new()),
        stages,
        compute: pool,
        clock: machine.clock,
        ids: machine.ids,
        events,
        failpoints,
        sabotage: None,
        stop,
        settings,
        owner,
        news: News::default(),
        settling: jobpipe_engine::Settling::default(),
        known: Mutex::default(),
    })
}

/// `JOBPIPE_FAILPOINT=NAME[:N]`, for tests of crashes.
fn failpoints() -> Outcome<Arc<dyn Failpoints>> {
    match std::env::var("JOBPIPE_FAILPOINT") {
        Ok(text) if !text.is_empty() => Ok(Arc::new(AbortAt::parse(&text)?)),
        _ => Ok(Arc::new(NoFailpoints)),
    }
}

fn without_stages() -> Parts {
    Parts {
        machine: Machine::new(),
        stages: Arc::new(NoStages),
        events: Arc::new(NoEvents),
        stop: Arc::new(StopFlag::default()),
        workers: None,
    }
}

/// Verbs that run nothing compile nothing.
struct NoStages;

fn runs_nothing<T>() -> Result<T, TaskError> {
    Err(TaskError {
        class: ErrorClass::Permanent,
        code: "JP591".to_owned(),
        message: "this command runs no stages; this is a bug of jobpipe".to_owned(),
        retry_after_ms: None,
    })
}

impl Stages for NoStages {
    fn stage(&self, _plan: &Plan, _name: &str) -> Result<Arc<dyn Stage>, TaskError> {
        runs_nothing()
    }

    fn file(&self, _plan: &Plan, _name: &str) -> Result<Arc<dyn FileExport>, TaskError> {
        runs_nothing()
    }

    fn sink(&self, _plan: &Plan, _name: &str) -> Result<Arc<dyn Sink>, TaskError> {
        runs_nothing()
    }
}
