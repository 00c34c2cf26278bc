//! The end of a `run`: the summary, and where everything lies.

use crate::commands::run::Job;
use crate::exit::Outcome;
use crate::follow::Left;
use crate::watch::Watcher;
use crate::watch::summary::{self, End};
use crate::{log, terminal};
use jobpipe_engine::event::Event;

/// Tells how a run was left, and gives the exit status.
pub(crate) fn end(job: &Job, watcher: &mut Watcher, left: Left) -> Outcome {
    let Left { end, summary, error } = left;
    let elapsed = watcher.elapsed().as_secs_f64();
    tracing::info!(run = summary.run, state = end.word(), elapsed, "left");
    if watcher.is_json() {
        if let Some(message) = error.as_ref().and_then(|error| error.message.as_ref()) {
            let event = Event::Notice { message: message.clone() };
            terminal::say(&serde_json::json!(event).to_string());
        }
        terminal::say(&summary::to_json(&summary, end, elapsed).to_string());
    } else {
        terminal::say("");
        terminal::say(&summary::to_text(&summary, end, elapsed, &job.stage_order(), job.machine.clock.now()));
        terminal::say("");
        for line in terminal::list(&places(job, &summary, end)) {
            terminal::say(&line);
        }
    }
    match error {
        Some(error) => Err(error),
        None => Ok(end.exit()),
    }
}

fn places(job: &Job, summary: &jobpipe_engine::admin::RunSummary, end: End) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let shared = job.place.servers.is_some();
    for file in summary.files.values() {
        // on servers it lies with the worker that wrote it
        let path = if shared { file.path.clone().into() } else { job.loaded.project.root.join(&file.path) };
        rows.push(vec!["file".to_owned(), format!("{} ({} lines)", path.display(), terminal::number(file.records))]);
    }
    if job.args.sandbox && !summary.targets.is_empty() {
        rows.push(vec!["posts".to_owned(), format!("jobpipe sandbox {}", job.args.file.display())]);
    }
    let state = if shared { job.place.shown() } else { job.place.state.display().to_string() };
    rows.push(vec!["state".to_owned(), state]);
    rows.push(vec!["log".to_owned(), log::path(&job.place.state).display().to_string()]);
    let next = match end {
        End::Interrupted if shared => Some("the workers go on; run it again to follow them"),
        End::Draining if shared => {
            Some("the workers go on posting; run it again, or with a longer --wait, to follow them")
        }
        End::Interrupted => Some("run it again to go on; nothing is lost"),
        End::Draining => Some("run it again, or with a longer --wait, to go on posting"),
        End::Failed if summary.ended_at.is_none() => Some("mend what is said below, then run it again to go on"),
        End::Succeeded | End::Partial | End::Failed | End::Cancelled => None,
    };
    rows.extend(next.map(|next| vec!["next".to_owned(), next.to_owned()]));
    rows
}
