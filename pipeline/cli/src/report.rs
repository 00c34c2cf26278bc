//! The end of a `run`: the summary, and where everything lies.

use crate::commands::run::Job;
use crate::exit::Outcome;
use crate::follow::Left;
use crate::place::quoted;
use crate::watch::Watcher;
use crate::watch::progress::{Progress, TargetProgress};
use crate::watch::summary::{self, End};
use crate::{log, terminal};
use jobpipe_engine::admin::RunSummary;
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
        let (order, now) = (job.stage_order(), job.machine.clock.now());
        let at = job.elsewhere();
        terminal::say(&summary::to_text(&summary, end, elapsed, &order, now, Some(&at), terminal::width()));
        for line in of_others(&watcher.progress, &summary).into_iter().chain(to_come(&watcher.progress, end)) {
            terminal::say(&line);
        }
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

/// Posts that an earlier run was to make and that were made meanwhile: they count as that run's, not as this one's.
fn of_others(progress: &Progress, summary: &RunSummary) -> Vec<String> {
    let made = |target: &TargetProgress| target.created + target.updated + target.deleted;
    let seen: u64 = progress.targets.values().map(made).sum();
    let ours: u64 = summary.targets.values().map(|one| one.created + one.updated + one.deleted).sum();
    let others = seen.saturating_sub(ours);
    if others == 0 {
        return Vec::new();
    }
    vec![format!("note:  {} changes that other runs had left were made meanwhile", terminal::number(others))]
}

/// What a run that is left while it drains has not posted yet.
fn to_come(progress: &Progress, end: End) -> Option<String> {
    let missing: u64 = progress.targets.values().map(|target| target.missing).sum();
    (end == End::Draining && missing > 0)
        .then(|| format!("note:  {} posts are still to be made", terminal::number(missing)))
}

fn places(job: &Job, summary: &RunSummary, end: End) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let shared = job.place.servers.is_some();
    for file in summary.files.values() {
        // on servers it lies with the worker that wrote it
        let path = if shared { file.path.clone().into() } else { job.loaded.project.root.join(&file.path) };
        rows.push(vec!["file".to_owned(), format!("{} ({} lines)", path.display(), terminal::number(file.records))]);
    }
    if job.args.sandbox && !summary.targets.is_empty() {
        rows.push(vec!["posts".to_owned(), format!("jobpipe sandbox {}", quoted(&job.args.file))]);
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

#[cfg(test)]
mod tests {
    use super::*;
    use jobpipe_engine::admin::{Standing, TargetSummary};

    #[test]
    fn changes_of_earlier_runs_are_told_of() {
        let created = |created| TargetSummary { created, ..TargetSummary::default() };
        let summary = |ours| RunSummary {
            run: "acme@2".into(),
            import: "acme".into(),
            state: Standing::Succeeded,
            started_at: 0,
            ended_at: None,
            stages: Default::default(),
            targets: [("paris".to_owned(), created(ours)), ("lyon".to_owned(), created(0))].into(),
            files: Default::default(),
            gone: 0,
            reasons: Vec::new(),
            guard: None,
            approvable: false,
        };
        let mut progress = Progress::default();
        progress.target("paris").created = 1_500;
        progress.target("lyon").deleted = 10;
        progress.target("lyon").missing = 75;
        assert_eq!(to_come(&progress, End::Succeeded), None);
        assert_eq!(to_come(&progress, End::Draining).unwrap(), "note:  75 posts are still to be made");
        assert_eq!(of_others(&progress, &summary(1_510)), [""; 0]);
        assert_eq!(of_others(&progress, &summary(2_000)), [""; 0], "some were made before this process began");
        assert_eq!(
            of_others(&progress, &summary(8)),
            ["note:  1,502 changes that other runs had left were made meanwhile"]
        );
    }
}
