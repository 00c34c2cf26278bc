//! `jobpipe retire`: an import that is not launched any more.

use crate::commands::deploy;
use crate::exit::{Failure, Outcome};
use crate::place::Where;
use crate::role::Orders;
use crate::watch::Format;
use jobpipe_engine::scheduler::Order;

/// Launch an import no more.
///
/// Its versions are kept: deploying it again, or `deploy --rollback`, goes on
/// with what is remembered of its records and posts.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jobpipe retire acme --posts leave

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
    /// It is removed. Not in this version.
    Delete,
}

pub(crate) async fn run(args: Args) -> Outcome {
    if args.posts == Posts::Delete {
        return Err(Failure::usage(format!(
            "this version cannot remove the posts of an import that is retired; nothing was done. Let it run once with \
             `where: \"false\"` in its transform, which withdraws every record and so every post (what waits is let through by \
             `jobpipe runs approve`), then `jobpipe retire {} --posts leave`",
            args.name
        )));
    }
    let orders = Orders::of(&args.place.find()?).await?;
    deploy::give(&orders, &Order::Withdraw { import: args.name }, args.format).await
}
