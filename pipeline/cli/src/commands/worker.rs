//! `jobpipe worker`: works on whatever runs there are, until it is told to end.

use crate::alerts::Alerts;
use crate::compose::{self, Hand, Machine, Parts};
use crate::exit::{Exit, Failure, Outcome};
use crate::fleet::links::{self, Teller};
use crate::folder::{self, Folder};
use crate::log;
use crate::place::{OfProject, Place};
use crate::registry::{self, Wiring};
use crate::serving::{Beside, Serving};
use crate::stop::{self, StopFlag};
use crate::watch::{self, Format};
use jobpipe_config::settings::{Limits, Servers};
use jobpipe_core::{StateStore, StoreError};
use jobpipe_engine::FleetLimiter;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long the broker may take to hear that this worker leaves.
const GOODBYE: Duration = Duration::from_secs(3);
/// What a first try to connect waits at most before the next one; each further one twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// What any of them waits at most.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Tasks at once at most.
const MOST_SLOTS: u32 = 10_000;
const FIRST_SIGNAL: &str =
    "stopping: running tasks are finished, what is left goes to others (once more: stop at once; nothing is lost)";

/// Work on the runs that anyone submits, until a signal.
///
/// The state must be on a server (`store:` of the settings), and for more
/// than one worker the hints too (`broker:`). Start as many as you like, on
/// any machine that has the project's settings and secrets; kill them as you
/// like. Imports themselves need not be there: runs carry them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jobpipe worker --env prod
  jobpipe worker --env prod --autoscale 2,64
  jobpipe worker --env prod --scheduler   # launches what is due, too
  jobpipe worker --env prod --queues export --concurrency 4 --name posts-1")]
pub(crate) struct Args {
    #[command(flatten)]
    project: OfProject,
    /// Tasks at work at once [default: `limits.workers`, else 16].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_SLOTS)))]
    concurrency: Option<u32>,
    /// Let the tasks at once follow the backlog: MAX while anything waits in
    /// the queues, MIN when there is nothing to do.
    #[arg(long, value_name = "MIN,MAX", value_parser = range, conflicts_with = "concurrency")]
    autoscale: Option<(u32, u32)>,
    /// Work on these queues alone [default: crawl,transform,export].
    #[arg(long, value_name = "QUEUE,...", value_delimiter = ',')]
    queues: Vec<String>,
    /// What others call this worker [default: the name of the machine].
    #[arg(long, value_parser = name)]
    name: Option<String>,
    /// Launch deployed imports when they are due, beside the work.
    #[arg(long)]
    scheduler: bool,
    /// Lines for people, or one JSON object for each event.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

impl Args {
    /// Those of a worker that launches, too.
    pub(crate) fn with_folder(root: PathBuf, env: Option<String>, concurrency: Option<u32>, format: Format) -> Self {
        let (autoscale, queues, name) = (None, Vec::new(), None);
        let project = OfProject { at: Some(root), env };
        Self { project, concurrency, autoscale, queues, name, scheduler: true, format }
    }

    /// Tasks at once at most.
    fn slots(&self) -> Option<u32> {
        self.autoscale.map(|(_, most)| most).or(self.concurrency)
    }
}

pub(crate) async fn run(args: Args) -> Outcome {
    work(args, None).await
}

/// Works, and keeps a folder's imports deployed if there is one.
pub(crate) async fn work(args: Args, folder: Option<Folder>) -> Outcome {
    let loaded = args.project.settings()?;
    let place = Place::of(&loaded, false)?;
    let Some(servers) = &place.servers else {
        return Err(Failure::usage(format!(
            "the state is in {}, where `jobpipe run` does the work itself; for workers set `store: $MONGODB_URL` and \
             `broker: $AMQP_URL`",
            place.state.display()
        )));
    };
    let stop = Arc::new(StopFlag::default());
    stop::listen(&stop, FIRST_SIGNAL)?;
    log::start(&place.state)?;
    let machine = Machine::new();
    let hand = Hand {
        name: args.name.clone().unwrap_or_else(machine_name),
        queues: args.queues.clone(),
        least: args.autoscale.map(|(least, _)| least),
        launches: args.scheduler,
    };
    let carrier = compose::broker(&place, &hand.name)?;
    let alerts = if args.scheduler { Alerts::of(&loaded, &place, &machine.clock)? } else { None };
    let mut teller = Teller::new(args.format, args.project.elsewhere(&loaded));
    let Some(store) = connected(servers, &machine, &stop, &mut teller).await? else { return Ok(Exit::Succeeded) };
    let limiter = FleetLimiter::new(Arc::clone(&store), Arc::clone(&machine.clock), Arc::clone(&machine.ids));
    let registry = registry::limited(Wiring::of(&loaded), &machine, Arc::new(limiter))?;
    let (sender, events) = watch::channel();
    let parts = Parts {
        machine,
        stages: Arc::new(registry),
        events: sender,
        stop: Arc::clone(&stop),
        limits: Limits { workers: args.slots().or(loaded.settings.limits.workers), ..loaded.settings.limits },
    };
    let cx = compose::worker(&place, store, &carrier, parts, &hand)?;
    teller.say(&format!("worker {} (process {})", hand.name, std::process::id()));
    let settings = &cx.settings;
    let least = settings.least_slots.map_or_else(String::new, |least| format!("{least} to "));
    teller.say(&format!("works on {}, {least}{} tasks at once", settings.queues.join(", "), settings.slots));
    teller.say(&format!("store  {}", place.shown()));
    teller.say(&format!("broker {}", place.shown_broker()));
    if carrier.amqp.is_none() {
        teller.say("note:  without a broker on a server this should be the only worker: others find work late");
    }
    if args.scheduler {
        teller.say("launches deployed imports when they are due");
    }
    let mut beside = Beside::new();
    if let Some(folder) = folder {
        beside.begin(|said| folder::keep(Arc::clone(&cx), folder, said));
    }
    beside.begin(|said| links::watch(Arc::clone(&cx), carrier.amqp.clone(), said));
    if let Some(alerts) = alerts {
        beside.begin(|said| alerts.keep(Arc::clone(&cx), said));
    }
    let heir = "another worker, once its lease has lapsed";
    let serving = Serving { cx: &cx, stop: &stop, teller: &mut teller, heir };
    let ended = serving.until_end(jobpipe_engine::serve(Arc::clone(&cx)), events, beside).await;
    if let Some(amqp) = &carrier.amqp {
        let _in_order_or_not = tokio::time::timeout(GOODBYE, amqp.close()).await;
    }
    ended
}

/// The store, however long it takes to answer; `None` when a signal came first.
pub(crate) async fn connected(
    servers: &Servers,
    machine: &Machine,
    stop: &StopFlag,
    teller: &mut Teller,
) -> Outcome<Option<Arc<dyn StateStore>>> {
    let mut most = FIRST_WAIT;
    loop {
        let tried = tokio::select! {
            tried = compose::mongo(servers) => tried,
            () = stop.signalled() => return Ok(None),
        };
        let error = match tried {
            Ok(store) => return Ok(Some(store)),
            Err(error @ StoreError::Unavailable { .. }) => error,
            Err(error) => return Err(error.into()),
        };
        if most == FIRST_WAIT {
            teller.say(&format!("lost:  {error}; tried again until it answers"));
        }
        tracing::warn!("the store is tried again: {error}");
        tokio::select! {
            () = machine.clock.sleep(most.mul_f64(machine.ids.fraction())) => {}
            () = stop.signalled() => return Ok(None),
        }
        most = (most * 2).min(LONGEST_WAIT);
    }
}

/// `MIN,MAX`.
fn range(text: &str) -> Result<(u32, u32), String> {
    let parsed =
        text.split_once(',').and_then(|(least, most)| Some((least.trim().parse().ok()?, most.trim().parse().ok()?)));
    let right = |(least, most): &(u32, u32)| (1..=*most).contains(least) && *most <= MOST_SLOTS;
    parsed.filter(right).ok_or_else(|| format!("expected two numbers, the smaller one first: 2,32 (1 to {MOST_SLOTS})"))
}

/// A worker's name: in leases, logs and the broker's view.
fn name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=60).contains(&text.len()) && text.chars().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("a name has 1 to 60 letters, digits, - _ and .".to_owned())
    }
}

/// The machine's name, as far as a worker's may hold it.
pub(crate) fn machine_name() -> String {
    let host = host();
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') { c } else { '-' };
    let host: String = host.chars().map(plain).take(60).collect();
    if host.is_empty() { "worker".to_owned() } else { host }
}

#[cfg(unix)]
fn host() -> String {
    nix::unistd::gethostname().ok().and_then(|host| host.into_string().ok()).unwrap_or_default()
}

#[cfg(not(unix))]
fn host() -> String {
    String::new()
}
