//! `jobpipe run FILE`: bring the targets in step with the sources.

use crate::beside::{self, Beside};
use crate::compose::{self, Machine, Parts};
use crate::exit::{Exit, Failure, Outcome};
use crate::follow::Engine;
use crate::load;
use crate::place::{self, Place};
use crate::registry::{self, Wiring};
use crate::sandbox::{Sandbox, SandboxLookup};
use crate::stop::{self, StopFlag};
use crate::watch::{self, Format, Watcher, summary};
use crate::{admitted, dry_run, fleet, log, loss, report};
use jobpipe_config::grammar::Period;
use jobpipe_config::settings::Loaded;
use jobpipe_core::{Plan, StoreError};
use jobpipe_embedded::EngineLock;
use jobpipe_engine::admission::Wish;
use jobpipe_engine::layout::Layout;
use jobpipe_stages::registry::Registry;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// Run an import: crawl, transform, and bring its targets in step.
///
/// A run that was stopped or killed goes on where it was: just run it again.
/// Nothing is posted twice.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jobpipe run examples/quickstart/import.yml --sandbox   # no account needed
  jobpipe run import.yml --dry-run                       # what would it do?
  jobpipe run import.yml --limit 10                      # a small first try
  jobpipe run import.yml --format json | tail -n 1       # for programs

Exit status:
  0    succeeded
  1    failed
  2    bad usage, or a bad import
  3    partial: something lies in the dead letters or waits for approval
  4    still draining at --wait: targets go on taking what their pace allows
  130  interrupted; run it again to go on")]
pub(crate) struct Args {
    /// The import.
    pub(crate) file: PathBuf,
    /// The environment: config/environments/NAME.yml, with a state of its own.
    #[arg(long, value_name = "NAME", env = "JOBPIPE_ENV", hide_env = true)]
    pub(crate) env: Option<String>,
    /// Crawl a sample site and post to simulated pages on this machine; no environment is used.
    #[arg(long)]
    pub(crate) sandbox: bool,
    /// At most so many records of each crawl; then nothing counts as gone.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
    /// Only say what would be done: no post, no file, no state is written.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The import has changed: go on with the open run as it was started.
    #[arg(long, conflicts_with = "new")]
    pub(crate) resume: bool,
    /// The import has changed: cancel the open run and start anew.
    #[arg(long)]
    pub(crate) new: bool,
    /// How long to wait for targets once all is read.
    #[arg(long, value_name = "TIME", default_value = "10m")]
    pub(crate) wait: Period,
    /// Approve beforehand what would wait for `jobpipe runs approve`.
    #[arg(long)]
    pub(crate) yes: bool,
    /// A live view (lines in a pipe) and tables, or one JSON object a line.
    #[arg(long, value_enum, default_value = "human")]
    pub(crate) format: Format,
    /// Dead letters that are retried: not asked for in so many words.
    #[arg(skip)]
    pub(crate) repair: Vec<String>,
}

impl Args {
    pub(crate) fn wish(&self, machine: &Machine) -> Wish {
        Wish {
            limit: self.limit,
            approved: self.yes,
            resume: self.resume,
            supersede: self.new,
            slot: Some(machine.ids.run()),
            repair: self.repair.clone(),
        }
    }
}

/// One `run`, with what every way of doing it needs.
pub(crate) struct Job {
    pub(crate) args: Args,
    pub(crate) loaded: Loaded,
    pub(crate) plan: Plan,
    pub(crate) place: Place,
    pub(crate) machine: Machine,
    pub(crate) stop: Arc<StopFlag>,
}

pub(crate) const FIRST_SIGNAL: &str =
    "stopping: running tasks are finished, the run can be gone on with (once more: stop at once; nothing is lost)";

pub(crate) async fn run(args: Args) -> Outcome {
    let env = if args.sandbox { Some("local") } else { args.env.as_deref() };
    let (loaded, plan) = load::runnable(&args.file, env)?;
    let place = Place::of(&loaded, args.sandbox)?;
    let stop = Arc::new(StopFlag::default());
    stop::listen(&stop, FIRST_SIGNAL)?;
    let job = Job { args, loaded, plan, place, machine: Machine::new(), stop };
    if job.args.dry_run { Box::pin(dry_run::run(job)).await } else { begin(&job).await }
}

/// Does what is asked for: as the engine, beside the one at work, or by the workers of a state on servers.
pub(crate) async fn begin(job: &Job) -> Outcome {
    let wish = job.args.wish(&job.machine);
    let mut watcher = job.watcher();
    if job.place.servers.is_some() {
        return fleet::run(job, &wish, &mut watcher).await;
    }
    loop {
        match EngineLock::acquire(&job.place.state) {
            Ok(lock) => {
                let done = as_engine(job, &wish, &mut watcher).await;
                drop(lock);
                return done;
            }
            Err(StoreError::Busy { holder, .. }) => {
                let at = beside::Job {
                    place: &job.place,
                    plan: &job.plan,
                    wait: job.args.wait.duration(),
                    stop: &job.stop,
                    holder: &holder,
                };
                match beside::run(&at, &wish, &mut watcher).await? {
                    Beside::Left(left) => return report::end(job, &mut watcher, *left),
                    Beside::EngineGone => {}
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

impl Job {
    /// Stages that show in views: all but exports to targets.
    pub(crate) fn watcher(&self) -> Watcher {
        Watcher::new(self.args.format, &self.stage_order(), self.elsewhere(), &self.machine)
    }

    /// The options with which other verbs find this run's state from the current folder.
    pub(crate) fn elsewhere(&self) -> String {
        let args = &self.args;
        place::from_here(&self.loaded, &args.file, args.env.clone().filter(|_| !args.sandbox), args.sandbox)
    }

    /// The stages that a summary counts, in the order of the plan.
    pub(crate) fn stage_order(&self) -> Vec<String> {
        summary::order(&Layout::new(self.plan.clone()))
    }

    /// The registry, pointed at the sandbox if there is one. What cannot work is told before anything is begun.
    pub(crate) fn registry(&self, sandbox: Option<&Sandbox>) -> Outcome<Registry> {
        let mut wiring = Wiring::of(&self.loaded);
        if let Some(sandbox) = sandbox {
            sandbox.apply(&mut wiring.settings, &self.plan)?;
            wiring.lookup = Arc::new(SandboxLookup);
            wiring.hosts = sandbox.hosts();
        }
        let registry = registry::registry(wiring, &self.machine)?;
        let wrong = registry.check(&self.plan);
        if wrong.is_empty() {
            return Ok(registry);
        }
        let lines: Vec<String> = wrong.iter().map(|error| format!("{} ({})", error.message, error.code)).collect();
        Err(Failure::usage(lines.join("\nerror: ")))
    }

    /// The sandbox, if one is asked for.
    pub(crate) async fn sandbox(&self, with_pages: bool) -> Outcome<Option<Sandbox>> {
        if !self.args.sandbox {
            return Ok(None);
        }
        Sandbox::start(&self.place, with_pages, SocketAddr::from(([127, 0, 0, 1], 0))).await.map(Some)
    }
}

/// This process is the engine.
async fn as_engine(job: &Job, wish: &Wish, watcher: &mut Watcher) -> Outcome {
    log::start(&job.place.state)?;
    let sandbox = job.sandbox(true).await?;
    let registry = job.registry(sandbox.as_ref())?;
    let (sender, events) = watch::channel();
    let parts = Parts {
        machine: job.machine.clone(),
        stages: Arc::new(registry),
        events: sender,
        stop: Arc::clone(&job.stop),
        limits: job.loaded.settings.limits,
    };
    let cx = compose::engine_for(&job.place, parts, &job.plan.name).await?;
    tracing::info!(import = job.plan.name, file = %job.args.file.display(), "run");
    loss::settle(&cx, |text| watcher.note(text)).await?;
    beside::withdraw(&cx, wish).await?;
    let mut engine = Engine::start(cx, events, Arc::clone(&job.stop));
    let run = admitted::admit(&mut engine, &job.plan, wish, watcher).await?;
    let left = match run {
        Some(run) => engine.follow(&run, job.args.wait.duration(), watcher).await?,
        None => return Ok(Exit::Interrupted),
    };
    if let Some(sandbox) = sandbox {
        sandbox.shutdown().await;
    }
    report::end(job, watcher, left)
}
