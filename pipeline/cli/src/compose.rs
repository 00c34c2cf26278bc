//! The composition root: which adapters stand behind the engine's ports, on one machine or on several.

use crate::ending;
use crate::exit::{Failure, Outcome};
use crate::isolate::ChildProcess;
use crate::place::Place;
use crate::poison;
use crate::stop::StopFlag;
use crate::watch::limits::Waits;
use jobpipe_amqp::{AmqpBroker, AmqpSettings};
use jobpipe_config::grammar::Period;
use jobpipe_config::settings::{Limits, Servers, Settings};
use jobpipe_core::{
    Broker, Clock, ErrorClass, FileExport, Ids, Plan, Sink, Stage, Stages, StateStore, StoreError, SystemClock,
    SystemIds, TaskError,
};
use jobpipe_embedded::{LocalBroker, SqliteStore};
use jobpipe_engine::compute::{Pool, TIME};
use jobpipe_engine::event::{Events, NoEvents};
use jobpipe_engine::failpoint::{AbortAt, Failpoints, NoFailpoints};
use jobpipe_engine::{Cx, EngineSettings, News, WhenUnfit};
use jobpipe_mongo::{MongoSettings, MongoStore};
use secrecy::ExposeSecret;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a worker that says nothing keeps what it holds.
const LEASE_TTL: Duration = Duration::from_secs(30);
/// Hints kept out of a queue at most, whatever two seconds of its drain are.
const WINDOW: usize = 1_000;
/// A lease is renewed three times in its time, over a network: shorter ones lapse by accident.
const SHORTEST_LEASE: Duration = Duration::from_secs(1);

/// The machine's own time and chance.
#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    /// Whom this process waits for.
    pub(crate) waits: Arc<Waits>,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let waits = Arc::new(Waits::new(Arc::clone(&clock)));
        Self { clock, ids: Arc::new(SystemIds), waits }
    }
}

/// What an engine is made of beside its store.
pub(crate) struct Parts {
    pub(crate) machine: Machine,
    pub(crate) stages: Arc<dyn Stages>,
    pub(crate) events: Arc<dyn Events>,
    pub(crate) stop: Arc<StopFlag>,
    /// How much the process may use.
    pub(crate) limits: Limits,
}

/// What one worker of several is.
pub(crate) struct Hand {
    /// Its name, in leases and in the broker's view of its connections.
    pub(crate) name: String,
    /// The queues that it works on; empty = the engine's own.
    pub(crate) queues: Vec<String>,
    /// Its tasks at once while nothing waits for it, where their number follows its backlog.
    pub(crate) least: Option<u32>,
    /// It launches deployed imports when they are due.
    pub(crate) launches: bool,
}

/// How a store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// To write. Of an embedded one the caller holds the engine's lock.
    Write,
    /// Beside an engine or without one; in an embedded one it can leave wishes, and write nothing else.
    Read,
}

/// The broker of a process, and the connection behind it where there is one.
pub(crate) struct Carrier {
    pub(crate) broker: Arc<dyn Broker>,
    /// To be looked at, and closed in order.
    pub(crate) amqp: Option<Arc<AmqpBroker>>,
}

impl Carrier {
    /// Hints in this process.
    pub(crate) fn local() -> Self {
        Self { broker: Arc::new(LocalBroker::new()), amqp: None }
    }
}

/// The store of `place`.
async fn store(place: &Place, access: Access) -> Outcome<Arc<dyn StateStore>> {
    Ok(match (&place.servers, access) {
        (Some(servers), _) => mongo(servers).await?,
        (None, Access::Write) => Arc::new(SqliteStore::open(&place.store())?),
        (None, Access::Read) => Arc::new(SqliteStore::open_reader(&place.store())?),
    })
}

/// The store on a server. It gives up after some seconds; who would rather wait asks again.
pub(crate) async fn mongo(servers: &Servers) -> Result<Arc<MongoStore>, StoreError> {
    jobpipe_mongo::connect(servers.store.expose_secret(), &MongoSettings::default()).await.map(ending::keep)
}

/// The broker of `place`, which may connect later and again. `name` is what its operator sees.
pub(crate) fn broker(place: &Place, name: &str) -> Outcome<Carrier> {
    let Some(servers) = place.servers.as_ref().filter(|servers| !servers.brokers.is_empty()) else {
        return Ok(Carrier::local());
    };
    let urls: Vec<String> = servers.brokers.iter().map(|url| url.expose_secret().to_owned()).collect();
    let settings = AmqpSettings { prefix: prefix(place), name: format!("jobpipe {name}"), ..AmqpSettings::default() };
    let amqp = AmqpBroker::open(&urls, settings).map_err(|error| Failure::usage(error.to_string()))?;
    let amqp = Arc::new(amqp);
    Ok(Carrier { broker: Arc::clone(&amqp) as Arc<dyn Broker>, amqp: Some(amqp) })
}

/// What the names of the broker's queues begin with: the name of the database, so that two states on one broker do not
/// take each other's hints.
fn prefix(place: &Place) -> String {
    let shown = place.shown();
    let database = shown.split("://").nth(1).and_then(|rest| rest.split_once('/')).map_or("", |(_, name)| name);
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' };
    let prefix: String = database.chars().map(plain).take(40).collect();
    if prefix.is_empty() { "jobpipe".to_owned() } else { prefix }
}

/// An engine on the state of `place`, the only one there is. The caller holds the engine's lock of that folder.
pub(crate) async fn engine(place: &Place, parts: Parts) -> Outcome<Arc<Cx>> {
    let store = store(place, Access::Write).await?;
    at_work(place, store, Carrier::local().broker, parts, settings(place), "process")
}

/// The same, begun for a run of `import`: what is wrong with another one does not end it.
pub(crate) async fn engine_for(place: &Place, parts: Parts, import: &str) -> Outcome<Arc<Cx>> {
    let store = store(place, Access::Write).await?;
    let settings = EngineSettings { when_unfit: WhenUnfit::EndsFor(import.to_owned()), ..settings(place) };
    at_work(place, store, Carrier::local().broker, parts, settings, "process")
}

/// The same, which launches deployed imports when they are due.
pub(crate) async fn launching_engine(place: &Place, parts: Parts) -> Outcome<Arc<Cx>> {
    let store = store(place, Access::Write).await?;
    let settings = EngineSettings { launches: true, when_unfit: WhenUnfit::Waits, ..settings(place) };
    at_work(place, store, Carrier::local().broker, parts, settings, "process")
}

/// A process that launches deployed imports on a store that others work on.
pub(crate) fn scheduler(place: &Place, store: Arc<dyn StateStore>, parts: Parts) -> Outcome<Arc<Cx>> {
    let pool = Arc::new(Pool::new(1, None));
    let settings = EngineSettings { lease_ttl: Some(lease_ttl()?), ..settings(place) };
    Ok(assemble((store, Carrier::local().broker), parts, pool, failpoints()?, settings, "scheduler"))
}

/// One of the engines that share a store.
pub(crate) fn worker(
    place: &Place,
    store: Arc<dyn StateStore>,
    carrier: &Carrier,
    parts: Parts,
    hand: &Hand,
) -> Outcome<Arc<Cx>> {
    let ttl = Some(lease_ttl()?);
    let mut settings = EngineSettings { name: hand.name.clone(), lease_ttl: ttl, window: WINDOW, ..settings(place) };
    if !hand.queues.is_empty() {
        settings.queues.clone_from(&hand.queues);
    }
    settings.least_slots = hand.least.map(count);
    settings.launches = hand.launches;
    settings.when_unfit = WhenUnfit::Waits;
    at_work(place, store, Arc::clone(&carrier.broker), parts, settings, &hand.name)
}

fn at_work(
    place: &Place,
    store: Arc<dyn StateStore>,
    broker: Arc<dyn Broker>,
    parts: Parts,
    mut settings: EngineSettings,
    name: &str,
) -> Outcome<Arc<Cx>> {
    std::fs::create_dir_all(&place.state)?;
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let time = poison::time()?.unwrap_or(TIME);
    let pool = Pool::new(threads, Some(Arc::new(ChildProcess::of_this_program(time)?))).with_time(time);
    let parts = Parts { stages: poison::obeyed(parts.stages)?, ..parts };
    if let Some(workers) = parts.limits.workers {
        settings.slots = count(workers);
    }
    settings.soft_limit = parts.limits.task.duration();
    Ok(assemble((store, broker), parts, Arc::new(pool), failpoints()?, settings, name))
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A process that admits runs to a store that others work on, and computes nothing.
pub(crate) async fn submitter(place: &Place, parts: Parts) -> Outcome<Arc<Cx>> {
    let store = store(place, Access::Write).await?;
    Ok(idle(store, parts, settings(place)))
}

/// A view of the state of `place`, beside engines or without one.
pub(crate) async fn reader(place: &Place) -> Outcome<Arc<Cx>> {
    let store = store(place, Access::Read).await?;
    Ok(idle(store, without_stages(), settings(place)))
}

/// The state of `place` for a verb that changes documents and runs nothing. Of an embedded one the caller holds the
/// engine's lock.
pub(crate) async fn writer(place: &Place) -> Outcome<Arc<Cx>> {
    let store = store(place, Access::Write).await?;
    Ok(idle(store, without_stages(), settings(place)))
}

/// The same of a store that does not lie where the engine looks for it.
pub(crate) fn writer_of(store: &Path, place: &Place) -> Outcome<Arc<Cx>> {
    let store = SqliteStore::open(store)?;
    Ok(idle(Arc::new(store), without_stages(), settings(place)))
}

fn settings(place: &Place) -> EngineSettings {
    // who shares a store knows so, even one that only leaves word there
    let lease_ttl = place.servers.is_some().then_some(LEASE_TTL);
    EngineSettings { spill: place.state.clone(), lease_ttl, ..EngineSettings::default() }
}

/// `JOBPIPE_LEASE_TTL`, how long a worker that says nothing keeps what it holds.
fn lease_ttl() -> Outcome<Duration> {
    let text = std::env::var("JOBPIPE_LEASE_TTL").unwrap_or_default();
    if text.is_empty() {
        return Ok(LEASE_TTL);
    }
    let ttl = text.parse::<Period>().ok().map(Period::duration).filter(|ttl| *ttl >= SHORTEST_LEASE);
    ttl.ok_or_else(|| Failure::usage("JOBPIPE_LEASE_TTL cannot be read: expected a duration of 1s or more"))
}

fn idle(store: Arc<dyn StateStore>, parts: Parts, settings: EngineSettings) -> Arc<Cx> {
    let pool = Arc::new(Pool::new(1, None));
    assemble((store, Carrier::local().broker), parts, pool, Arc::new(NoFailpoints), settings, "process")
}

fn assemble(
    (store, broker): (Arc<dyn StateStore>, Arc<dyn Broker>),
    parts: Parts,
    pool: Arc<Pool>,
    failpoints: Arc<dyn Failpoints>,
    settings: EngineSettings,
    name: &str,
) -> Arc<Cx> {
    let Parts { machine, stages, events, stop, limits: _ } = parts;
    let owner = format!("{name}-{}-{:x}", std::process::id(), machine.ids.nonce());
    Arc::new(Cx {
        store,
        broker,
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
        dispatch: jobpipe_engine::Dispatch::default(),
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
        limits: Settings::default().limits,
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
