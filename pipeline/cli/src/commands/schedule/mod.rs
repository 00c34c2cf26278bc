//! `jobpipe schedule ...`: when imports run by themselves. One file a verb.

mod next;

use crate::exit::Outcome;

/// When imports run by themselves.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Next(next::Args),
}

pub(crate) async fn run(args: Args) -> Outcome {
    match args.what {
        What::Next(args) => next::run(&args),
    }
}
