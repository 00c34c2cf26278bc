//! `jobpipe scheduler`: launches what is due, and works on nothing.

use crate::alerts::Alerts;
use crate::commands::worker::connected;
use crate::compose::{self, Machine, Parts};
use crate::exit::{Exit, Failure, Outcome};
use crate::fleet::links::{self, Teller};
use crate::log;
use crate::place::{OfProject, Place};
use crate::registry::{self, Wiring};
use crate::serving::{Beside, Serving};
use crate::stop::{self, StopFlag};
use crate::watch::{self, Format};
use std::sync::Arc;

const FIRST_SIGNAL: &str =
    "stopping: what is due is left to other schedulers (once more: stop at once; nothing is lost)";

/// Launch deployed imports by their schedules, until a signal.
///
/// The state must be on a server (`store:` of the settings); workers do what
/// is launched. Start as many as you like: each slot has one run, whoever
/// launches it, and none is needed as long as one is left.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jobpipe deploy imports/ --env prod
  jobpipe scheduler --env prod

A worker can do it beside its work: `jobpipe worker --scheduler`.")]
pub(crate) struct Args {
    #[command(flatten)]
    project: OfProject,
    /// Lines for people, or one JSON object for each event.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

pub(crate) async fn run(args: Args) -> Outcome {
    let loaded = args.project.settings()?;
    let place = Place::of(&loaded, false)?;
    let Some(servers) = &place.servers else {
        return Err(Failure::usage(format!(
            "the state is in {}, where one process does everything: `jobpipe up`; for schedulers of their own set \
             `store: $MONGODB_URL`",
            place.state.display()
        )));
    };
    let stop = Arc::new(StopFlag::default());
    stop::listen(&stop, FIRST_SIGNAL)?;
    log::start(&place.state)?;
    let machine = Machine::new();
    let alerts = Alerts::of(&loaded, &place, &machine.clock)?;
    let mut teller = Teller::new(args.format, args.project.elsewhere(&loaded));
    let Some(store) = connected(servers, &machine, &stop, &mut teller).await? else { return Ok(Exit::Succeeded) };
    let (sender, events) = watch::channel();
    let parts = Parts {
        stages: Arc::new(registry::registry(Wiring::of(&loaded), &machine)?),
        machine,
        events: sender,
        stop: Arc::clone(&stop),
        limits: loaded.settings.limits,
    };
    let cx = compose::scheduler(&place, store, parts)?;
    teller.say(&format!("scheduler (process {})", std::process::id()));
    teller.say(&format!("store  {}", place.shown()));
    let mut beside = Beside::new();
    beside.begin(|said| links::watch(Arc::clone(&cx), None, said));
    if let Some(alerts) = alerts {
        beside.begin(|said| alerts.keep(Arc::clone(&cx), said));
    }
    let serving = Serving { cx: &cx, stop: &stop, teller: &mut teller, heir: "another scheduler" };
    serving.until_end(jobpipe_engine::serve_schedules(Arc::clone(&cx)), events, beside).await
}
