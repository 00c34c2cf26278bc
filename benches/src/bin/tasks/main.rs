//! Tasks that do nothing, through the engine: `tasks COUNT FOLDER`.
//!
//! Without more, a hundred listings lead to COUNT requests in the embedded store in FOLDER, each a task of its own:
//! claimed, computed, committed, relayed, closed. With `--waiting` all tasks are there before the first is worked on, with
//! `--enqueued` the broker has been told of them, too, and they are measured from the first that is done to the last; with
//! `--trips` they come one after the other, each timed from its hint to its commit. With `--fruit` each of those gives a
//! record that is stored for another stage, and leads to one more request. What was measured is in `FOLDER/told.txt`.

use clap::Parser;
use jobpipe_amqp::{AmqpBroker, AmqpSettings};
use jobpipe_benches::nothings::{self, Nothings, StopFlag};
use jobpipe_conformance::MemoryStore;
use jobpipe_core::{Broker, Clock, DocKind, Hint, Ids, NewTask, StateStore, SystemClock, SystemIds};
use jobpipe_embedded::{EngineLock, LocalBroker, SqliteStore};
use jobpipe_engine::admission::{self, Admitted, Wish};
use jobpipe_engine::compute::Pool;
use jobpipe_engine::docs::{self, ImportDoc, Read};
use jobpipe_engine::event::{Event, Events};
use jobpipe_engine::failpoint::NoFailpoints;
use jobpipe_engine::{Cx, EngineSettings, News, admin, serve};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Listings of the crawl that is measured by default.
const LISTINGS: usize = 100;
/// Tasks that are put in at once.
const BULK: usize = 1_000;

#[derive(Parser)]
struct Arguments {
    count: usize,
    folder: PathBuf,
    /// Hints go over this broker (amqp://...), else within the process.
    #[arg(long)]
    broker: Option<String>,
    /// `embedded`, `memory`, or a URL of MongoDB's protocol with a database in it.
    #[arg(long, default_value = "embedded")]
    state: String,
    /// All tasks are there before the first is worked on.
    #[arg(long, conflicts_with = "trips")]
    waiting: bool,
    /// The broker was told of them, too.
    #[arg(long, requires = "waiting")]
    enqueued: bool,
    /// One after the other.
    #[arg(long)]
    trips: bool,
    /// Tasks have an output and follow-ups.
    #[arg(long)]
    fruit: bool,
}

/// A store that tells what was asked of it.
type Told = Box<dyn Fn() -> String + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let arguments = Arguments::parse();
    let _lock = EngineLock::acquire(&arguments.folder)?;
    let (store, told) = store(&arguments).await?;
    let broker = broker(&arguments).await?;
    let hold = arguments.trips.then(CancellationToken::new);
    let (listings, each) = match (arguments.waiting, arguments.trips) {
        (false, false) => (LISTINGS, arguments.count.div_ceil(LISTINGS)),
        // what holds the stage open is its root; the end of another would be taken for that of the first task
        (_, true) => (0, 0),
        (true, false) => (1, 0),
    };
    let stop = Arc::new(StopFlag::default());
    let (events, mut heard) = unbounded_channel();
    let stages = Nothings { listings, each, hold: hold.clone() };
    let settings = EngineSettings {
        spill: arguments.folder.clone(),
        // what a worker of several has
        lease_ttl: arguments.broker.is_some().then_some(Duration::from_secs(30)),
        ..EngineSettings::default()
    };
    let cx = engine(store, broker, stages, Arc::clone(&stop), Arc::new(Sender(events)), settings);
    let run = match admission::admit(&cx, &nothings::plan(arguments.fruit), &Wish::default()).await? {
        Admitted::Started(run) => run,
        Admitted::Resumed { .. } | Admitted::Superseding(_) => return Err("the folder holds a run".into()),
    };
    if arguments.waiting {
        for first in (0..arguments.count).step_by(BULK) {
            let count = BULK.min(arguments.count - first);
            let tasks = nothings::tasks(&run, first, count, arguments.fruit);
            let hints = if arguments.enqueued { tasks.iter().map(hint).collect() } else { Vec::new() };
            cx.store.tasks_insert(tasks).await?;
            cx.broker.publish(hints).await?;
        }
    }
    let moment =
        || -> Result<Moment, Fault> { Ok(Moment { told: told(), cpu_us: cpu_us()?, at: cx.clock.monotonic() }) };
    let mut before = moment()?;
    let mut after = None;
    let mut engine = tokio::spawn(serve(Arc::clone(&cx)));
    let mut more = String::new();
    if arguments.waiting {
        // the root of the crawl is one more
        all_done(1, &mut heard, &mut engine).await?;
        before = moment()?;
        all_done(arguments.count, &mut heard, &mut engine).await?;
        after = Some(moment()?);
    }
    if let Some(hold) = hold {
        let Trips { times, writes, reads } = trips(&cx, &run, &arguments, &mut heard, &told).await?;
        more = format!(
            "trip_p50_us={} trip_p99_us={} trip_writes={writes} trip_reads={reads}",
            part(&times, 50),
            part(&times, 99)
        );
        hold.cancel();
    }
    while !engine.is_finished() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        // a summary would count every task each time
        let import: Option<Read<ImportDoc>> = docs::read(&*cx.store, DocKind::Import, "nothings").await?;
        if import.is_some_and(|import| import.doc.open.is_none()) {
            break;
        }
    }
    let after = match after {
        Some(after) => after,
        None => moment()?,
    };
    stop.0.store(true, Ordering::SeqCst);
    engine.await??;
    let summary = admin::summary(&cx, &run).await?;
    let text = format!(
        "{}\nwork_wall_us={} work_cpu_us={} {more}\nbefore {}\n{summary:?}\n",
        after.told,
        (after.at - before.at).as_micros(),
        after.cpu_us - before.cpu_us,
        before.told.replace('=', ":")
    );
    std::fs::write(arguments.folder.join("told.txt"), text)?;
    Ok(())
}

async fn store(arguments: &Arguments) -> Result<(Arc<dyn StateStore>, Told), Fault> {
    Ok(match arguments.state.as_str() {
        "embedded" => {
            let store = Arc::new(SqliteStore::open(&arguments.folder.join("jobpipe.db"))?);
            let counted = Arc::clone(&store);
            (store, Box::new(move || counted.stats().to_string()))
        }
        "memory" => (Arc::new(MemoryStore::new()), Box::new(String::new)),
        url => {
            let store = Arc::new(jobpipe_mongo::connect(url, &Default::default()).await?);
            let counted = Arc::clone(&store);
            (store, Box::new(move || counted.stats().to_string()))
        }
    })
}

async fn broker(arguments: &Arguments) -> Result<Arc<dyn Broker>, Fault> {
    let Some(url) = &arguments.broker else { return Ok(Arc::new(LocalBroker::new())) };
    // queues of its own
    let prefix = format!("bench-{:x}", SystemIds.nonce());
    let settings = AmqpSettings { prefix, ..AmqpSettings::default() };
    Ok(Arc::new(AmqpBroker::connect(std::slice::from_ref(url), settings).await?))
}

/// What was asked of the store and used so far.
struct Moment {
    told: String,
    cpu_us: i64,
    /// On the monotonic clock.
    at: Duration,
}

/// CPU time of this process.
fn cpu_us() -> Result<i64, Fault> {
    let used = getrusage(UsageWho::RUSAGE_SELF)?;
    Ok(used.user_time().num_microseconds() + used.system_time().num_microseconds())
}

/// Tasks one after the other.
struct Trips {
    /// How long each took from its hint to its commit, in order of length.
    times: Vec<Duration>,
    /// Requests to the store that wrote meanwhile: those of the task.
    writes: u64,
    /// Those that read: tasks without a batch for an input read nothing, the loops beside them do.
    reads: u64,
}

async fn trips(
    cx: &Cx,
    run: &str,
    arguments: &Arguments,
    heard: &mut UnboundedReceiver<Event>,
    told: &Told,
) -> Result<Trips, Fault> {
    let mut trips = Trips { times: Vec::with_capacity(arguments.count), writes: 0, reads: 0 };
    // the first ones find connections, queues and statements cold
    let cold = arguments.count / 10;
    for n in 0..arguments.count + cold {
        let tasks = nothings::tasks(run, n, 1, arguments.fruit);
        let hints = tasks.iter().map(hint).collect();
        cx.store.tasks_insert(tasks).await?;
        let (began, before) = (cx.clock.monotonic(), told());
        cx.broker.publish(hints).await?;
        done(heard).await?;
        if n >= cold {
            trips.times.push(cx.clock.monotonic() - began);
            let after = told();
            trips.writes += number(&after, "writes=") - number(&before, "writes=");
            trips.reads += number(&after, "reads=") - number(&before, "reads=");
        }
        if arguments.fruit {
            // the record's task and the request's
            done(heard).await?;
            done(heard).await?;
        }
    }
    trips.times.sort_unstable();
    Ok(trips)
}

/// The ends of so many tasks, or that of the engine, which is too early.
async fn all_done(
    count: usize,
    heard: &mut UnboundedReceiver<Event>,
    engine: &mut tokio::task::JoinHandle<jobpipe_engine::Result<()>>,
) -> Result<(), Fault> {
    for _ in 0..count {
        tokio::select! {
            biased;
            one = done(heard) => one?,
            ended = &mut *engine => return Err(format!("the engine ended: {ended:?}").into()),
        }
    }
    Ok(())
}

/// The end of one task.
async fn done(heard: &mut UnboundedReceiver<Event>) -> Result<(), Fault> {
    while !matches!(heard.recv().await.ok_or("the engine ended")?, Event::TaskDone { .. }) {}
    Ok(())
}

/// A number, out of what a store tells.
fn number(told: &str, name: &str) -> u64 {
    let word = told.split_whitespace().find_map(|word| word.strip_prefix(name));
    word.and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn hint(task: &NewTask) -> Hint {
    Hint { task: task.id.clone(), run: task.run.clone(), queue: task.queue.clone() }
}

/// Microseconds below which so many of a hundred are.
fn part(all: &[Duration], percent: usize) -> u128 {
    let at = (all.len() * percent).div_ceil(100).saturating_sub(1);
    all.get(at).map_or(0, Duration::as_micros)
}

/// All events, as a worker tells them.
struct Sender(UnboundedSender<Event>);

impl Events for Sender {
    fn emit(&self, event: Event) {
        // nobody listens any more once the work is done
        let _gone = self.0.send(event);
    }
}

fn engine(
    store: Arc<dyn StateStore>,
    broker: Arc<dyn Broker>,
    stages: Nothings,
    stop: Arc<StopFlag>,
    events: Arc<dyn Events>,
    settings: EngineSettings,
) -> Arc<Cx> {
    Arc::new(Cx {
        store,
        broker,
        stages: Arc::new(stages),
        compute: Arc::new(Pool::new(2, None)),
        clock: Arc::new(SystemClock::default()) as Arc<dyn Clock>,
        ids: Arc::new(SystemIds) as Arc<dyn Ids>,
        events,
        failpoints: Arc::new(NoFailpoints),
        sabotage: None,
        stop,
        settings,
        owner: "bench".to_owned(),
        news: News::default(),
        settling: jobpipe_engine::Settling::default(),
        known: Mutex::default(),
        dispatch: jobpipe_engine::Dispatch::default(),
    })
}
