//! `jobpipe schedule list|show`: how deployed imports stand.

use crate::compose;
use crate::deployed::Deployed;
use crate::exit::{Exit, Failure, Outcome};
use crate::place::Where;
use crate::terminal::{self, cut};
use crate::watch::Format;

/// The widest line.
const WIDTH: usize = 80;

/// List deployed imports: when they run, how the last run ended, what is next.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jobpipe schedule list
  jobpipe schedule list --env prod --format json")]
pub(super) struct List {
    /// For people, or one JSON object a line.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    #[command(flatten)]
    place: Where,
}

/// Show one deployed import: its schedule, its next times, what keeps it.
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// The import's name.
    name: String,
    /// For people, or one JSON object.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    #[command(flatten)]
    place: Where,
}

pub(super) async fn list(args: List) -> Outcome {
    let cx = compose::reader(&args.place.find()?).await?;
    let now = cx.store.time().await?;
    let all = Deployed::all(&cx).await?;
    if args.format == Format::Json {
        for one in &all {
            terminal::say(&one.json(now).to_string());
        }
        return Ok(Exit::Succeeded);
    }
    if all.is_empty() {
        terminal::say("nothing is deployed; `jobpipe deploy FILE` or `jobpipe up` does so");
        return Ok(Exit::Succeeded);
    }
    let mut rows = vec![["import", "schedule", "last run", "next"].map(str::to_owned).to_vec()];
    for one in &all {
        let last = cut(&one.last_short(now), 14);
        rows.push(vec![cut(&one.name, 20), cut(&one.schedule_words(), 29), last, cut(&one.next_short(now), 11)]);
    }
    let lines = terminal::list(&rows);
    for (at, line) in lines.iter().enumerate() {
        terminal::say(line);
        let notes = at.checked_sub(1).and_then(|at| all.get(at)).map(Deployed::notes).unwrap_or_default();
        for note in notes {
            terminal::say(&cut(&format!("  {note}"), WIDTH));
        }
    }
    Ok(Exit::Succeeded)
}

pub(super) async fn show(args: Show) -> Outcome {
    let cx = compose::reader(&args.place.find()?).await?;
    let now = cx.store.time().await?;
    let Some(one) = Deployed::of(&cx, &args.name).await? else {
        let message =
            format!("no import `{}` is deployed here; `jobpipe schedule list` names those that are", args.name);
        return Err(Failure::usage(format!("{message} (JP611)")));
    };
    match args.format {
        Format::Json => terminal::say(&one.json(now).to_string()),
        Format::Human => {
            let rows: Vec<Vec<String>> = one.facts(now).into_iter().map(Vec::from).collect();
            terminal::say(&terminal::list(&rows).join("\n"));
        }
    }
    Ok(Exit::Succeeded)
}
