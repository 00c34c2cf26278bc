//! `jobpipe explain FILE`: what an import does, before it does it.

use crate::exit::{Exit, Outcome};
use crate::terminal;
use crate::{explain, load};
use std::path::PathBuf;

/// Show what an import does: its stages, and how the engine goes about them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jobpipe explain import.yml
  jobpipe explain import.yml --format svg > import.svg
  jobpipe explain import.yml --format yaml   # the long form, every default")]
pub(crate) struct Args {
    /// The import.
    file: PathBuf,
    /// Text; a picture for Mermaid, Graphviz or a browser; or the long form.
    #[arg(long, value_enum, default_value = "text")]
    format: View,
    /// The environment whose settings count.
    #[arg(long, value_name = "NAME", env = "JOBPIPE_ENV", hide_env = true)]
    env: Option<String>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum View {
    Text,
    Mermaid,
    Dot,
    Svg,
    Yaml,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let (_, plan) = load::runnable(&args.file, args.env.as_deref())?;
    terminal::write(&match args.format {
        View::Text => explain::text(&plan),
        View::Mermaid => explain::mermaid(&plan),
        View::Dot => explain::dot(&plan),
        View::Svg => explain::svg(&plan),
        View::Yaml => jobpipe_config::to_long_form(&plan),
    });
    Ok(Exit::Succeeded)
}
