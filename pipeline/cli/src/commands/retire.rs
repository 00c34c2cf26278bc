//! `jobpipe retire`: an import that is not launched any more.

use crate::commands::deploy;
use crate::compose::Machine;
use crate::exit::Outcome;
use crate::place::Where;
use crate::role::Orders;
use crate::terminal;
use crate::watch::Format;
use jobpipe_engine::scheduler::Order;

/// Launch an import no more.
///
/// Its versions are kept: deploying it again, or `deploy --rollback`, goes on
/// with what is remembered of its records and posts. With `--posts delete` a
/// last run asks no source and has everything removed that the import keeps at
/// its targets, whatever `gone` says; the import is retired when that is done.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jobpipe retire acme --posts leave
  jobpipe retire acme --posts delete
  jobpipe schedule show acme              # how far the deleting has come

To stop launching it for a while: `jobpipe schedule pause acme`.")]
pub(crate) struct Args {
    /// The import's name.
    name: String,
    /// What becomes of what it has posted.
    #[arg(long, value_enum)]
    posts: Posts,
    /// For people, or one JSON object.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Posts {
    /// It stays where it is.
    Leave,
    /// It is removed, and told as gone in files of changes and snapshots.
    Delete,
}

pub(crate) async fn run(args: Args) -> Outcome {
    let orders = Orders::of(&args.place.find()?).await?;
    let import = args.name;
    if args.posts == Posts::Leave {
        return deploy::give(&orders, &Order::Withdraw { import }, args.format).await;
    }
    let slot = format!("retire-{}", Machine::new().ids.run());
    let done = deploy::give(&orders, &Order::Retire { import, slot }, args.format).await?;
    if let Some(nobody) = orders.launched_by() {
        terminal::complain(&format!("note:  {nobody}"));
    }
    Ok(done)
}
