//! `jobpipe state show|restore|clean`: what is remembered, and where.

use crate::compose;
use crate::exit::{Exit, Failure, Outcome};
use crate::place::{Place, Where};
use crate::{log, terminal};
use jobpipe_core::DocKind;
use jobpipe_embedded::EngineLock;
use jobpipe_engine::docs::{self, ImportDoc, Read, RunDoc, RunState, TargetDoc};
use jobpipe_engine::{Cx, admin, sweep};
use std::path::{Path, PathBuf};

mod restore;

pub(crate) use restore::FAILPOINTS;

/// What is remembered, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Show(Show),
    Restore(Restore),
    Clean(Clean),
}

/// Show where the state lies, and what is in it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A backup is a copy of the state folder, made while no `jobpipe run` is at work
there. Put one back with `jobpipe state restore`.")]
struct Show {
    #[command(flatten)]
    place: Where,
}

/// Put a backup of the store back.
///
/// A restored store does not know what was posted after the backup was made.
/// So the next run first reads back every page, and posts nothing twice. An
/// open run is cancelled. The store that is there now is kept beside it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jobpipe state restore backup/jobpipe.db
  jobpipe state restore backup/jobpipe.db --at imports/acme.yml
  jobpipe state restore --env prod   # on a server: after its own restore")]
struct Restore {
    /// The backup: a jobpipe.db (with its -wal file beside it, if it had one).
    /// None for a state on a server, whose own tools have put it back.
    backup: Option<PathBuf>,
    #[command(flatten)]
    place: Where,
}

/// Clear what closed runs have left: their tasks and their fetched records.
///
/// What is wanted, what is posted and the dead letters stay. A run does this
/// by itself for all but the last three runs.
#[derive(Debug, clap::Args)]
struct Clean {
    /// Closed runs of each import that are kept whole.
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep: usize,
    /// Remove the dead letters of closed runs as well.
    #[arg(long)]
    dead: bool,
    #[command(flatten)]
    place: Where,
}

pub(crate) async fn run(args: Args) -> Outcome {
    match args.what {
        What::Show(args) => show(&args.place.find()?).await,
        What::Restore(args) => {
            let place = args.place.place()?;
            match (&place.servers, &args.backup) {
                (None, Some(backup)) => restore::restore(&place, backup).await,
                (Some(_), None) => restore::restored(&place).await,
                (None, None) => Err(Failure::usage("name the backup: `jobpipe state restore backup/jobpipe.db`")),
                (Some(_), Some(_)) => Err(Failure::usage(format!(
                    "the state is on {}: put its backup back with the server's own tools, while no worker runs, then say so \
                     with `jobpipe state restore` and no file",
                    place.shown()
                ))),
            }
        }
        What::Clean(args) => clean(&args).await,
    }
}

async fn show(place: &Place) -> Outcome {
    let cx = compose::reader(place).await?;
    let mut rows = whereabouts(place);
    for (name, import) in sweep::imports(&cx).await? {
        rows.push(line("import", format!("{name}: {}", import_words(&cx, &name, &import.doc).await?)));
    }
    for (id, target) in targets(&cx).await? {
        let mut words = Vec::new();
        if target.busy {
            words.push("work is left".to_owned());
        }
        if let Some(pause) = &target.paused {
            words.push(format!("paused: {}", pause.why));
        }
        let words = if words.is_empty() { "in step".to_owned() } else { words.join(", ") };
        rows.push(line("target", format!("{} ({id}): {words}", target.name)));
    }
    let dead = admin::dead(&cx, None, None, usize::MAX).await?.len();
    rows.push(line("dead", format!("{dead} dead letters")));
    for line in terminal::list(&rows) {
        terminal::say(&line);
    }
    Ok(Exit::Succeeded)
}

/// Where the state is and who works on it.
fn whereabouts(place: &Place) -> Vec<Vec<String>> {
    let folder = line("state", place.state.display());
    let log = line("log", log::path(&place.state).display());
    if place.servers.is_some() {
        return vec![line("store", place.shown()), line("broker", place.shown_broker()), folder, log];
    }
    let store = line("store", format!("{} ({})", place.store().display(), size(&place.store())));
    vec![folder, store, log, line("engine", engine(place))]
}

fn line(name: &str, value: impl std::fmt::Display) -> Vec<String> {
    vec![name.to_owned(), value.to_string()]
}

/// Bytes of a store with its log.
fn size(store: &Path) -> String {
    let bytes: u64 = [store.to_path_buf(), beside(store, "-wal")]
        .iter()
        .map(|path| std::fs::metadata(path).map_or(0, |file| file.len()))
        .sum();
    format!("{} KiB", terminal::number(bytes.div_ceil(1 << 10)))
}

/// The file whose name is the store's with `suffix`.
fn beside(store: &Path, suffix: &str) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn engine(place: &Place) -> String {
    match EngineLock::holder(&place.state) {
        Ok(holder) => holder.unwrap_or_else(|| "none at work".to_owned()),
        Err(error) => error.to_string(),
    }
}

async fn import_words(cx: &Cx, name: &str, import: &ImportDoc) -> Outcome<String> {
    let mut words = vec![format!("{} runs", admin::runs(cx, Some(name), usize::MAX).await?.len())];
    let open = import.open.as_ref().map(|open| format!("open {}", open.facts.run));
    let closed = import.closed.as_ref().map(|closed| format!("last closed {}", closed.run));
    words.extend(open.into_iter().chain(closed));
    let definition = import.open.as_ref().map(|open| &open.definition);
    if let Some(definition) = definition.or_else(|| import.closed.as_ref().map(|closed| &closed.definition)) {
        for ledger in &cx.layout(definition).await?.ledgers {
            let count = cx.store.heads_count(&ledger.id).await?;
            if count.all > 0 {
                words.push(format!("{} records in {}", terminal::number(count.live), ledger.id));
            }
        }
    }
    Ok(words.join(", "))
}

async fn targets(cx: &Cx) -> Outcome<Vec<(String, TargetDoc)>> {
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let page: Vec<(String, Read<TargetDoc>)> =
            docs::list(&*cx.store, DocKind::Target, "", &after, cx.settings.page).await?;
        let Some((last, _)) = page.last() else { return Ok(all) };
        after.clone_from(last);
        all.extend(page.into_iter().map(|(id, read)| (id, read.doc)));
    }
}

async fn clean(args: &Clean) -> Outcome {
    let place = args.place.find()?;
    // on servers each step stands for itself: workers clear the same way, at any time
    let _lock = place.servers.is_none().then(|| EngineLock::acquire(&place.state)).transpose()?;
    let cx = compose::writer(&place).await?;
    let (mut cleared, mut dead) = (0, 0);
    for (name, import) in sweep::imports(&cx).await? {
        let open = import.doc.open.map(|open| open.facts.run);
        let mut runs = admin::runs(&cx, Some(&name), usize::MAX).await?;
        runs.retain(|run| run.doc.state == RunState::Closed && Some(&run.doc.open.facts.run) != open.as_ref());
        for run in runs.into_iter().skip(args.keep) {
            let id = run.doc.open.facts.run.clone();
            if args.dead {
                dead += clear_dead(&cx, &id).await?;
            }
            if !run.doc.cleared {
                cx.store.run_purge(&id).await?;
                let new = RunDoc { cleared: true, ..run.doc.clone() };
                docs::replace(&*cx.store, &*cx.ids, DocKind::Run, &id, &run, new).await?;
                cleared += 1;
            }
        }
    }
    let dead = if args.dead { format!(", removed {dead} dead letters") } else { String::new() };
    terminal::say(&format!("cleared {cleared} runs{dead}"));
    Ok(Exit::Succeeded)
}

async fn clear_dead(cx: &Cx, run: &str) -> Outcome<usize> {
    let ids: Vec<String> =
        admin::dead(cx, None, Some(run), usize::MAX).await?.into_iter().map(|letter| letter.id).collect();
    cx.store.dead_delete(&ids).await?;
    Ok(ids.len())
}

/// A backup or store that cannot be used.
fn unusable(path: &Path, why: impl std::fmt::Display) -> Failure {
    Failure::usage(format!("{} cannot be restored: {why}", path.display()))
}
