//! `jobpipe runs list|show|cancel|retry|approve`.

use crate::again::{How, again};
use crate::compose;
use crate::exit::{Exit, Failure, Outcome};
use crate::place::Where;
use crate::role::{Role, ask};
use crate::terminal::{self, between, moment, number, time};
use crate::watch::Format;
use crate::watch::summary::{self, End};
use jobpipe_core::{DocKind, StageKind};
use jobpipe_engine::admin::{self, Standing};
use jobpipe_engine::docs::{self, Command, Read, RunDoc, RunState};
use jobpipe_engine::{Cx, close_cancelled};
use serde_json::json;

/// Runs: what they did, and what may be done to them.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    List(List),
    Show(Show),
    /// Cancel an open run. What it has posted stays.
    Cancel(One),
    Retry(Retry),
    /// Let through what waits for a person: many removals at once, a changed
    /// definition that touches many posts, a target that pauses.
    Approve(One),
}

/// List runs, newest first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jobpipe runs list
  jobpipe runs list --import acme --limit 5 --format json")]
struct List {
    /// Of this import only.
    #[arg(long, value_name = "NAME")]
    import: Option<String>,
    /// So many at most.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// For people, or one JSON object a line.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    #[command(flatten)]
    place: Where,
}

/// Show one run: each stage, each target, what waits and why.
#[derive(Debug, clap::Args)]
struct Show {
    /// The run, or an import's name for its newest run.
    run: String,
    /// For people, or one JSON object.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, clap::Args)]
struct One {
    /// The run, or an import's name for its newest run.
    run: String,
    #[command(flatten)]
    place: Where,
}

/// Run an import again, as it was defined for a run.
///
/// Its file is not needed: the store keeps what each run was made from. An
/// open run of the same import is gone on with.
#[derive(Debug, clap::Args)]
struct Retry {
    /// The run, or an import's name for its newest run.
    run: String,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    place: Where,
}

pub(crate) async fn run(args: Args) -> Outcome {
    match args.what {
        What::List(args) => list(args).await,
        What::Show(args) => show(args).await,
        What::Cancel(args) => cancel(args).await,
        What::Retry(args) => retry(args).await,
        What::Approve(args) => approve(args).await,
    }
}

async fn list(args: List) -> Outcome {
    let cx = compose::reader(&args.place.find()?).await?;
    let runs = admin::runs(&cx, args.import.as_deref(), args.limit).await?;
    let mut rows = vec![["run", "state", "started", "took", "crawled", "dead"].map(str::to_owned).to_vec()];
    for run in &runs {
        let doc = &run.doc;
        let id = &doc.open.facts.run;
        let counts = if doc.state == RunState::Closed { doc.counts.clone() } else { admin::tally(&cx, id).await?.0 };
        let layout = cx.layout(&doc.open.definition).await?;
        let crawls = layout.working().filter(|stage| stage.kind == StageKind::Crawl);
        let crawled: u64 = crawls.filter_map(|stage| counts.get(&stage.name)).map(|counts| counts.given).sum();
        let dead: u64 = counts.values().map(|counts| counts.dead).sum();
        let end = doc.ended_at.unwrap_or_else(|| cx.now());
        let began = doc.open.facts.started_at;
        let (took, started) = (between(began, end), moment(began));
        let state = state_word(doc);
        if args.format == Format::Json {
            let line = json!({
                "run": id, "state": state, "started_at": started, "took_s": took, "crawled": crawled,
                "dead": dead, "gone": doc.gone, "stages": counts,
            });
            terminal::say(&line.to_string());
        }
        rows.push(vec![id.clone(), state.to_owned(), started, time(took), number(crawled), number(dead)]);
    }
    if args.format == Format::Human {
        let lines = terminal::listing(&rows, terminal::width());
        terminal::say(&if runs.is_empty() { "no runs".to_owned() } else { lines.join("\n") });
    }
    Ok(Exit::Succeeded)
}

/// How a run stands, from its own document alone: what its targets still do is not in it.
fn state_word(run: &RunDoc) -> &'static str {
    match (run.state, run.cancel) {
        (RunState::Closed, true) => "cancelled",
        (RunState::Closed, false) if run.has_failed() => "failed",
        (RunState::Closed, false) if run.is_partial() => "partial",
        (RunState::Closed, false) => "closed",
        (_, true) => "cancelling",
        (RunState::Open, false) => "open",
        (RunState::Settled, false) => "closing",
    }
}

async fn show(args: Show) -> Outcome {
    let cx = compose::reader(&args.place.find()?).await?;
    let id = named(&cx, &args.run).await?;
    let summary = admin::summary(&cx, &id).await?;
    let ended = summary.ended_at.unwrap_or_else(|| cx.now());
    let took = between(summary.started_at, ended);
    if args.format == Format::Json {
        let mut json = summary::to_json(&summary, End::of(summary.state), took);
        if let Some(map) = json.as_object_mut() {
            let state = if summary.state == Standing::Running { "running" } else { End::of(summary.state).word() };
            map.insert("state".to_owned(), state.into());
        }
        terminal::say(&json.to_string());
        return Ok(Exit::Succeeded);
    }
    let run: Option<Read<RunDoc>> = docs::read(&*cx.store, DocKind::Run, &id).await?;
    let order = match &run {
        Some(run) => {
            let layout = cx.layout(&run.doc.open.definition).await?;
            summary::order(&layout)
        }
        None => Vec::new(),
    };
    let at = args.place.options();
    let text = summary::to_text(&summary, End::of(summary.state), took, &order, cx.now(), Some(&at), terminal::width());
    terminal::say(&if summary.state == Standing::Running {
        text.replacen("interrupted in", "open for", 1)
    } else {
        text
    });
    for file in summary.files.values() {
        terminal::say(&format!("file:  {} ({} lines)", file.path, number(file.records)));
    }
    Ok(Exit::Succeeded)
}

/// A run by its id, or the newest one of an import.
async fn named(cx: &Cx, name: &str) -> Outcome<String> {
    if name.contains('@') {
        return Ok(name.to_owned());
    }
    let newest = admin::runs(cx, Some(name), 1).await?.into_iter().next();
    newest.map(|run| run.doc.open.facts.run).ok_or_else(|| {
        Failure::usage(format!("there is no run of an import `{name}` here; `jobpipe runs list` has them"))
    })
}

async fn cancel(args: One) -> Outcome {
    let place = args.place.find()?;
    let role = Role::of(&place)?;
    if matches!(role, Role::Busy) {
        let cx = compose::reader(&place).await?;
        let run = named(&cx, &args.run).await?;
        cx.run(&run).await?;
        ask(&cx, &Command::Cancel { run: run.clone() }).await?;
        let doc = cx.run(&run).await?.doc;
        if !doc.cancel {
            return Err(Failure::usage(format!(
                "{run} has read its sources to the end and cannot be cancelled any more"
            )));
        }
        terminal::say(&format!("{run} is being cancelled by the engine at work"));
        return Ok(Exit::Succeeded);
    }
    let cx = compose::writer(&place).await?;
    let run = named(&cx, &args.run).await?;
    admin::cancel(&cx, &run).await?;
    let word = match role {
        // others may be at work on it: they end it
        Role::Shared | Role::Busy => "is being cancelled; the workers end it",
        Role::Alone(lock) => {
            let closed = close_cancelled(&cx, &run).await?;
            drop((cx, lock));
            if closed { "cancelled" } else { "is being cancelled; the next `jobpipe run` ends it" }
        }
    };
    terminal::say(&format!("{run} {word}; what it has posted stays"));
    Ok(Exit::Succeeded)
}

async fn retry(args: Retry) -> Outcome {
    let run = named(&*compose::reader(&args.place.find()?).await?, &args.run).await?;
    again(&args.place, &run, Vec::new(), &args.how).await
}

async fn approve(args: One) -> Outcome {
    let place = args.place.find()?;
    let role = Role::of(&place)?;
    if matches!(role, Role::Busy) {
        let cx = compose::reader(&place).await?;
        let run = named(&cx, &args.run).await?;
        cx.run(&run).await?;
        ask(&cx, &Command::Approve { run: run.clone() }).await?;
        terminal::say(&format!("{run}: the engine at work was asked to go on with what waits"));
        return Ok(Exit::Succeeded);
    }
    let cx = compose::writer(&place).await?;
    let run = named(&cx, &args.run).await?;
    admin::approve(&cx, &run).await?;
    let who = if matches!(role, Role::Shared) { "the workers do" } else { "the next `jobpipe run` of the import does" };
    drop((cx, role));
    terminal::say(&format!("{run}: approved; {who} what waited"));
    Ok(Exit::Succeeded)
}
