//! `jobpipe submit FILE`: begin a run and leave it to the workers.

use crate::commands::run::{self, Job};
use crate::compose::Machine;
use crate::exit::{Exit, Failure, Outcome};
use crate::place::Place;
use crate::stop::{self, StopFlag};
use crate::watch::Format;
use crate::{fleet, load, terminal};
use std::path::PathBuf;
use std::sync::Arc;

/// Begin a run of an import, print its id, and leave it to the workers.
///
/// The state must be on a server (`store:` of the settings). An open run of
/// the same import is gone on with. `jobpipe runs show ID` tells how it stands.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jobpipe submit import.yml --env prod
  jobpipe runs show \"$(jobpipe submit import.yml --env prod)\" --env prod")]
pub(crate) struct Args {
    /// The import.
    file: PathBuf,
    /// The environment: config/environments/NAME.yml.
    #[arg(long, value_name = "NAME", env = "JOBPIPE_ENV", hide_env = true)]
    env: Option<String>,
    /// At most so many records of each crawl; then nothing counts as gone.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// The import has changed: go on with the open run as it was started.
    #[arg(long, conflicts_with = "new")]
    resume: bool,
    /// The import has changed: cancel the open run and start anew.
    #[arg(long)]
    new: bool,
    /// Approve beforehand what would wait for `jobpipe runs approve`.
    #[arg(long)]
    yes: bool,
    /// The id alone, or one JSON object.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

pub(crate) async fn run(args: Args) -> Outcome {
    let (loaded, plan) = load::runnable(&args.file, args.env.as_deref())?;
    let place = Place::of(&loaded, false)?;
    if place.servers.is_none() {
        return Err(Failure::usage(format!(
            "the state is in {}, where `jobpipe run` does the work itself; to leave a run to workers set `store: $MONGODB_URL`",
            place.state.display()
        )));
    }
    let stop = Arc::new(StopFlag::default());
    stop::listen(&stop, "stopping: what was not admitted yet is not begun")?;
    let format = args.format;
    let job = Job { args: args.into(), loaded, plan, place, machine: Machine::new(), stop };
    let wish = job.args.wish(&job.machine);
    let (cx, run) = fleet::submit(&job, &wish, &mut |text| terminal::complain(text)).await?;
    if !fleet::is_anybody_at_work(&cx).await {
        terminal::complain(fleet::NOBODY);
    }
    terminal::say(&match format {
        Format::Human => run,
        Format::Json => serde_json::json!({ "run": run }).to_string(),
    });
    Ok(Exit::Succeeded)
}

impl From<Args> for run::Args {
    fn from(args: Args) -> Self {
        let Args { file, env, limit, resume, new, yes, format } = args;
        let wait = jobpipe_config::grammar::Period::from_ms(0);
        Self { file, env, sandbox: false, limit, dry_run: false, resume, new, wait, yes, format, repair: Vec::new() }
    }
}
