//! Running an import again from what the store keeps of it, without its file.

use crate::commands::run::{self, FIRST_SIGNAL, Job};
use crate::compose::{self, Machine};
use crate::exit::{Failure, Outcome};
use crate::load;
use crate::place::{self, Place, Where};
use crate::stop::{self, StopFlag};
use crate::watch::Format;
use jobpipe_config::grammar::Period;
use jobpipe_config::settings::Loaded;
use std::path::PathBuf;
use std::sync::Arc;

/// How a run is begun again.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct How {
    /// How long to wait for targets once all is read.
    #[arg(long, value_name = "TIME", default_value = "10m")]
    wait: Period,
    /// A live view and tables, or one JSON object a line.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

/// Runs the import of `run` once more, with the definition that it had: the whole of it, or where dead letters are named
/// only what they are about.
pub(crate) async fn again(at: &Where, run: &str, letters: Vec<String>, how: &How) -> Outcome {
    if at.sandbox {
        return Err(Failure::usage("a run of the sandbox is begun again with `jobpipe run FILE --sandbox`"));
    }
    let folder = place::project_root(at.at.as_deref())?;
    let loaded: Loaded = load::settings(&folder, at.env.as_deref())?;
    let place = Place::of(&loaded, false)?;
    let plan = {
        // read and let go: who runs may need the store for itself
        let cx = compose::reader(&place).await?;
        let definition = cx.run(run).await?.doc.open.definition;
        cx.layout(&definition).await?.plan.clone()
    };
    let stop = Arc::new(StopFlag::default());
    stop::listen(&stop, FIRST_SIGNAL)?;
    let args = run::Args {
        // its own is not needed, and may be gone
        file: at.at.clone().unwrap_or_else(|| PathBuf::from(".")),
        env: at.env.clone(),
        sandbox: false,
        limit: None,
        dry_run: false,
        resume: false,
        new: false,
        wait: how.wait,
        yes: false,
        format: how.format,
        repair: letters,
    };
    Box::pin(run::begin(&Job { args, loaded, plan, place, machine: Machine::new(), stop })).await
}
