//! `jobpipe workers`: who works on a state.

use crate::compose;
use crate::exit::{Exit, Outcome};
use crate::place::{Place, Where};
use crate::terminal::{self, between, time};
use crate::watch::Format;
use jobpipe_core::{Millis, utc_text};
use jobpipe_embedded::EngineLock;
use jobpipe_engine::workers::{self, BEAT, WorkerDoc};
use serde_json::json;

/// So many beats late, a worker counts as silent.
const LATE: u32 = 4;

/// List the workers of a state: who they are and what they work on.
///
/// One that was killed is listed, as silent, until its leases have lapsed a
/// few times over. `of` is how many tasks it runs at once now: with --autoscale
/// that follows the backlog. The engine of a state in a folder is `jobpipe run`
/// or `jobpipe up` itself.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// For people, or one JSON object a line.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    #[command(flatten)]
    place: Where,
}

pub(crate) async fn run(args: Args) -> Outcome {
    let place = args.place.find()?;
    let cx = compose::reader(&place).await?;
    let now = cx.now();
    let known = workers::list(&cx).await?;
    if args.format == Format::Json {
        for (id, worker) in &known {
            terminal::say(&as_json(id, worker, now).to_string());
        }
        return Ok(Exit::Succeeded);
    }
    if known.is_empty() {
        terminal::say(&nobody(&place));
        return Ok(Exit::Succeeded);
    }
    let mut rows = vec![["worker", "state", "queues", "at work", "of", "version", "since"].map(str::to_owned).to_vec()];
    rows.extend(known.iter().map(|(_, worker)| row(worker, now)));
    for line in terminal::listing(&rows, terminal::width()) {
        terminal::say(&line);
    }
    Ok(Exit::Succeeded)
}

/// Whether a worker has spoken lately, as far as two clocks can tell.
pub(crate) fn is_alive(worker: &WorkerDoc, now: Millis) -> bool {
    let late = i64::try_from((BEAT * LATE).as_millis()).unwrap_or(i64::MAX);
    now.saturating_sub(worker.seen) < late
}

fn state(worker: &WorkerDoc, now: Millis) -> &'static str {
    match (is_alive(worker, now), worker.stopping) {
        (false, _) => "silent",
        (true, true) => "stopping",
        (true, false) => "at work",
    }
}

fn row(worker: &WorkerDoc, now: Millis) -> Vec<String> {
    let mut state = state(worker, now).to_owned();
    if !is_alive(worker, now) {
        state.push_str(&format!(" for {}", time(between(worker.seen, now))));
    }
    vec![
        worker.name.clone(),
        state,
        worker.queues.join(","),
        worker.running.to_string(),
        worker.slots.to_string(),
        worker.version.clone(),
        terminal::moment(worker.started),
    ]
}

fn as_json(id: &str, worker: &WorkerDoc, now: Millis) -> serde_json::Value {
    json!({
        "id": id, "name": worker.name, "state": state(worker, now), "queues": worker.queues,
        "running": worker.running, "slots": worker.slots, "version": worker.version,
        "started_at": utc_text(worker.started), "seen_at": utc_text(worker.seen),
    })
}

fn nobody(place: &Place) -> String {
    if place.servers.is_some() {
        return "no worker is at work; start one with `jobpipe worker`".to_owned();
    }
    match EngineLock::holder(&place.state) {
        Ok(None) => "no engine is at work; `jobpipe run` and `jobpipe up` are such".to_owned(),
        Ok(Some(holder)) => format!("its engine is at work: {holder}"),
        Err(error) => error.to_string(),
    }
}
