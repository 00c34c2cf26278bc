//! `jobpipe up`: everything in one process: a folder's imports deployed, launched and worked on.

use crate::alerts::Alerts;
use crate::commands::worker;
use crate::compose::{self, Machine, Parts};
use crate::exit::Outcome;
use crate::fleet::links::Teller;
use crate::folder::{self, Folder};
use crate::place::{self, Place};
use crate::registry::{self, Wiring};
use crate::serving::{Beside, Serving};
use crate::stop::{self, StopFlag};
use crate::watch::{self, Format};
use crate::{load, log, loss};
use jobpipe_config::settings::{Limits, Loaded};
use jobpipe_embedded::EngineLock;
use std::path::PathBuf;
use std::sync::Arc;

const FIRST_SIGNAL: &str = "stopping: running tasks are finished, what is left goes on with the next start (once more: stop at once; nothing is lost)";

/// Launch and run the imports of a folder by their schedules, until a signal.
///
/// The folder is watched: a changed file is deployed as a new version, one
/// with mistakes is told and leaves the old version at work, and one that
/// disappears pauses its import. Slots missed while nobody was there are
/// treated as `catch_up` of their schedule says.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jobpipe up                      # ./imports, or the imports of this folder
  jobpipe up imports/ --env prod
  jobpipe schedule list           # beside it: what runs when

One such process works on a state in a folder. With `store:` on a server it is
a worker and a scheduler in one, beside any number of others. To run it as a
service: docs/systemd/jobpipe.service.")]
pub(crate) struct Args {
    /// The folder with the imports [default: ./imports, else the current one].
    dir: Option<PathBuf>,
    /// The environment [default: JOBPIPE_ENV, else local].
    #[arg(long, value_name = "NAME", env = "JOBPIPE_ENV", hide_env = true)]
    env: Option<String>,
    /// Tasks at work at once [default: `limits.workers`, else 16].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    concurrency: Option<u32>,
    /// Lines for people, or one JSON object for each event.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

pub(crate) async fn run(args: Args) -> Outcome {
    let env = args.env.as_deref().filter(|name| !name.is_empty());
    let (folder, root) = folder::of(args.dir.as_deref(), env)?;
    let loaded = load::settings(&root, env)?;
    let place = Place::of(&loaded, false)?;
    if place.servers.is_some() {
        let args = worker::Args::with_folder(root, args.env.clone(), args.concurrency, args.format);
        return worker::work(args, Some(folder)).await;
    }
    let lock = EngineLock::acquire(&place.state)?;
    let done = alone(&args, &loaded, &place, folder).await;
    drop(lock);
    done
}

/// This process is the engine.
async fn alone(args: &Args, loaded: &Loaded, place: &Place, folder: Folder) -> Outcome {
    let stop = Arc::new(StopFlag::default());
    stop::listen(&stop, FIRST_SIGNAL)?;
    log::start(&place.state)?;
    let machine = Machine::new();
    let alerts = Alerts::of(loaded, place, &machine.clock)?;
    let at = place::from_here(loaded, &folder.path, args.env.clone(), false);
    let mut teller = Teller::new(args.format, at);
    let (sender, events) = watch::channel();
    let parts = Parts {
        stages: Arc::new(registry::registry(Wiring::of(loaded), &machine)?),
        machine,
        events: sender,
        stop: Arc::clone(&stop),
        limits: Limits { workers: args.concurrency.or(loaded.settings.limits.workers), ..loaded.settings.limits },
    };
    let cx = compose::launching_engine(place, parts).await?;
    teller.say(&format!("up (process {})", std::process::id()));
    teller.say(&format!("imports {}", folder.path.display()));
    teller.say(&format!("state   {}", place.shown()));
    loss::settle(&cx, |text| teller.say(text)).await?;
    let mut beside = Beside::new();
    beside.begin(|said| folder::keep(Arc::clone(&cx), folder, said));
    if let Some(alerts) = alerts {
        beside.begin(|said| alerts.keep(Arc::clone(&cx), said));
    }
    let serving = Serving { cx: &cx, stop: &stop, teller: &mut teller, heir: "the next `jobpipe up`" };
    serving.until_end(jobpipe_engine::serve(Arc::clone(&cx)), events, beside).await
}
