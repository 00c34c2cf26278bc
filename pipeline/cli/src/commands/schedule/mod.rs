//! `jobpipe schedule ...`: when imports run by themselves. One file for what belongs together.

mod list;
mod next;
mod orders;

use crate::exit::Outcome;

/// When imports run by themselves, and what may be done about it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    List(list::List),
    Show(list::Show),
    Next(next::Args),
    Pause(orders::Pause),
    Resume(orders::Resume),
    Trigger(orders::Trigger),
    Backfill(orders::Backfill),
}

pub(crate) async fn run(args: Args) -> Outcome {
    match args.what {
        What::List(args) => list::list(args).await,
        What::Show(args) => list::show(args).await,
        What::Next(args) => next::run(&args),
        What::Pause(args) => orders::pause(args).await,
        What::Resume(args) => orders::resume(args).await,
        What::Trigger(args) => orders::trigger(args).await,
        What::Backfill(args) => orders::backfill(args).await,
    }
}
