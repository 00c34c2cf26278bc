//! `jobpipe dead list|show|retry|drop`: what was given up, with the reason and the input.

use crate::again::{How, again};
use crate::compose;
use crate::exit::{Exit, Failure, Outcome};
use crate::onlooker::TICK;
use crate::place::{Place, Where};
use crate::terminal;
use crate::watch::Format;
use jobpipe_core::{DeadLetter, DocKind, StateStore, StoreError, utc_text};
use jobpipe_embedded::EngineLock;
use jobpipe_engine::docs::Command;
use jobpipe_engine::{Cx, admin, forget_letters};
use std::time::Duration;

/// Characters of an id in lists; `show` takes any beginning of an id that is the only one.
const SHORT: usize = 12;
/// Letters that an engine is asked to remove at a time.
const AT_ONCE: usize = 1_000;
/// How long it may take for that.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was given up, and why.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    List(List),
    Show(Show),
    Retry(Retry),
    Drop(Discard),
}

/// List dead letters, newest first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jobpipe dead list
  jobpipe dead list --at imports/acme.yml --run acme@0199d2c4-...")]
struct List {
    /// Of this import only.
    #[arg(long, value_name = "NAME")]
    import: Option<String>,
    /// Of this run only.
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// So many at most.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// For people, or one JSON object a line.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    #[command(flatten)]
    place: Where,
}

/// Show one dead letter whole, the input included.
#[derive(Debug, clap::Args)]
struct Show {
    /// Its id, or the beginning of it.
    id: String,
    /// For people, or as JSON.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    #[command(flatten)]
    place: Where,
}

/// Work once more on what failed, and drop the letters.
///
/// A run of these inputs alone, with the definition of the letters' run:
/// pages are asked again, records are read again from the page that they came
/// from. Nothing counts as gone, no cursor moves, and files of the records of
/// a run are not written. What fails once more is a new dead letter.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jobpipe dead retry 3fa9c1 77e0b2
  jobpipe dead retry --run acme@0199d2c4-...")]
struct Retry {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    place: Where,
}

/// Remove dead letters: nothing else is done about what they tell.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jobpipe dead drop 3fa9c1
  jobpipe dead drop --import acme")]
struct Discard {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    place: Where,
}

/// Which letters.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// Their ids, or the beginnings of them.
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// All of this import.
    #[arg(long, value_name = "NAME")]
    import: Option<String>,
    /// All of this run.
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
}

impl Which {
    async fn find(&self, cx: &Cx) -> Outcome<Vec<DeadLetter>> {
        if self.ids.is_empty() {
            return Ok(admin::dead(cx, self.import.as_deref(), self.run.as_deref(), usize::MAX).await?);
        }
        let mut letters = Vec::new();
        for id in &self.ids {
            letters.push(find(&*cx.store, id).await?);
        }
        Ok(letters)
    }
}

pub(crate) async fn run(args: Args) -> Outcome {
    match args.what {
        What::Retry(args) => retry(args).await,
        What::Drop(args) => drop_letters(args).await,
        What::List(args) => list(args).await,
        What::Show(args) => show(args).await,
    }
}

async fn list(args: List) -> Outcome {
    let cx = compose::reader(&args.place.find()?).await?;
    let letters = admin::dead(&cx, args.import.as_deref(), args.run.as_deref(), args.limit).await?;
    if args.format == Format::Json {
        for letter in &letters {
            terminal::say(&json(letter)?);
        }
        return Ok(Exit::Succeeded);
    }
    if letters.is_empty() {
        terminal::say("no dead letters");
    }
    for letter in &letters {
        let error = &letter.error;
        terminal::say(&format!(
            "{}  {}  {}  {} {}",
            cut_id(&letter.id),
            terminal::moment(letter.at),
            letter.stage,
            error.code,
            error.class.as_str()
        ));
        let about = if letter.key.is_empty() { letter.url.clone() } else { format!("{}  {}", letter.url, letter.key) };
        // most messages begin with what they are about
        let message = error.message.strip_prefix(&format!("{}: ", letter.url)).unwrap_or(&error.message);
        terminal::say(&format!("    {about}\n    {message}"));
    }
    if letters.len() == args.limit {
        terminal::say(&format!("(the newest {}; more with --limit)", args.limit));
    }
    Ok(Exit::Succeeded)
}

async fn show(args: Show) -> Outcome {
    let cx = compose::reader(&args.place.find()?).await?;
    let letter = find(&*cx.store, &args.id).await?;
    if args.format == Format::Json {
        terminal::say(&json(&letter)?);
        return Ok(Exit::Succeeded);
    }
    let DeadLetter { id, import, run, stage, task, url, key, error, at, input } = &letter;
    let at = utc_text(*at);
    let class = error.class.as_str();
    let rows = [
        ("id", id.as_str()),
        ("import", import),
        ("run", run),
        ("stage", stage),
        ("task", task),
        ("about", url),
        ("key", key),
        ("when", &at),
        ("class", class),
        ("code", &error.code),
        ("reason", &error.message),
    ];
    let shown = rows.iter().filter(|(_, value)| !value.is_empty());
    let rows: Vec<Vec<String>> = shown.map(|(name, value)| vec![(*name).to_owned(), (*value).to_owned()]).collect();
    for line in terminal::list(&rows) {
        terminal::say(&line);
    }
    let input = serde_json::to_string_pretty(input).map_err(|error| Failure::failed(error.to_string()))?;
    terminal::say(&format!("\ninput\n{input}"));
    Ok(Exit::Succeeded)
}

async fn retry(args: Retry) -> Outcome {
    let place = args.place.find()?;
    let letters = args.which.find(&*compose::reader(&place).await?).await?;
    let Some(newest) = letters.iter().max_by_key(|letter| letter.at) else {
        terminal::say("no dead letters");
        return Ok(Exit::Succeeded);
    };
    if let Some(other) = letters.iter().find(|letter| letter.import != newest.import) {
        return Err(Failure::usage(format!(
            "these are letters of several imports (`{}`, `{}`): retry one import at a time",
            newest.import, other.import
        )));
    }
    let ids = letters.iter().map(|letter| letter.id.clone()).collect();
    let exit = again(&args.place, &newest.run, ids, &args.how).await?;
    if matches!(exit, Exit::Succeeded | Exit::Partial | Exit::Draining | Exit::Failed) {
        // the run has ended: what failed once more lies in letters of its own
        remove(&place, &letters).await?;
    }
    Ok(exit)
}

async fn drop_letters(args: Discard) -> Outcome {
    let place = args.place.find()?;
    let letters = args.which.find(&*compose::reader(&place).await?).await?;
    let count = remove(&place, &letters).await?;
    terminal::say(&format!("dropped {count} dead letters"));
    Ok(Exit::Succeeded)
}

/// Removes these letters, unless others were put in their places.
async fn remove(place: &Place, letters: &[DeadLetter]) -> Outcome<usize> {
    let named: Vec<_> = letters.iter().map(|letter| (letter.id.clone(), letter.run.clone())).collect();
    if place.servers.is_some() {
        return Ok(forget_letters(&*compose::writer(place).await?, &named).await?);
    }
    let mut count = 0;
    for few in named.chunks(AT_ONCE) {
        count += remove_in_folder(place, few).await?;
    }
    Ok(count)
}

/// In a folder the engine alone writes: this process is it for a moment, or asks the one at work.
async fn remove_in_folder(place: &Place, named: &[(String, String)]) -> Outcome<usize> {
    loop {
        let busy = match EngineLock::acquire(&place.state) {
            Ok(_lock) => return Ok(forget_letters(&*compose::writer(place).await?, named).await?),
            Err(busy @ StoreError::Busy { .. }) => busy,
            Err(error) => return Err(error.into()),
        };
        if let Some(count) = ask_to_remove(place, named, busy).await? {
            return Ok(count);
        }
    }
}

/// Asks the engine at work to remove letters; `None` when it ended before it did. `busy` says who it is.
async fn ask_to_remove(place: &Place, named: &[(String, String)], busy: StoreError) -> Outcome<Option<usize>> {
    let cx = compose::reader(place).await?;
    let wish = admin::wish(&cx, &Command::Forget { letters: named.to_vec() }).await?;
    let until = cx.clock.monotonic() + PATIENCE;
    while cx.store.doc(DocKind::Command, &wish).await?.is_some() {
        if EngineLock::acquire(&place.state).is_ok() {
            return Ok(None);
        }
        if cx.clock.monotonic() > until {
            return Err(busy.into());
        }
        cx.clock.sleep(TICK).await;
    }
    Ok(Some(named.len()))
}

async fn find(store: &dyn StateStore, id: &str) -> Outcome<DeadLetter> {
    if let Some(letter) = store.dead_one(id).await? {
        return Ok(letter);
    }
    // ids that begin so are the next ones after it
    let near = store.dead(None, None, id, 2).await?;
    let mut near = near.into_iter().filter(|letter| letter.id.starts_with(id));
    match (near.next(), near.next()) {
        (Some(letter), None) => Ok(letter),
        (None, _) => Err(Failure::usage(format!("there is no dead letter `{id}`; `jobpipe dead list` has the ids"))),
        (Some(_), Some(_)) => Err(Failure::usage(format!("several dead letters begin with `{id}`; give more of it"))),
    }
}

fn cut_id(id: &str) -> String {
    if id.chars().count() <= SHORT { id.to_owned() } else { id.chars().take(SHORT).collect() }
}

fn json(letter: &DeadLetter) -> Outcome<String> {
    serde_json::to_string(letter).map_err(|error| Failure::failed(error.to_string()))
}
