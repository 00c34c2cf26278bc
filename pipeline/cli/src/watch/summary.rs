//! What a run did, at its end: one object for machines, tables for people.

use super::words;
use crate::exit::Exit;
use crate::terminal::{between, moment, number, table, time};
use jobpipe_core::Millis;
use jobpipe_engine::admin::{RunSummary, Standing};
use jobpipe_engine::layout::Layout;
use serde_json::{Map, Value as Json, json};

/// How a run ended, for this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Everything done.
    Succeeded,
    /// Done, but for dead letters, refused content, or what waits for a person.
    Partial,
    /// Nothing could be read, or the engine had to stop.
    Failed,
    /// Cancelled.
    Cancelled,
    /// Stopped by a signal.
    Interrupted,
    /// Closed; targets still take what their pace lets through.
    Draining,
}

impl End {
    /// The end of a run that this process left by itself.
    pub(crate) fn of(standing: Standing) -> Self {
        match standing {
            Standing::Succeeded => Self::Succeeded,
            Standing::Partial => Self::Partial,
            Standing::Failed => Self::Failed,
            Standing::Cancelled => Self::Cancelled,
            Standing::Draining => Self::Draining,
            Standing::Running => Self::Interrupted,
        }
    }

    /// The word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::Draining => "draining",
        }
    }

    /// The exit status.
    pub(crate) fn exit(self) -> Exit {
        match self {
            Self::Succeeded => Exit::Succeeded,
            Self::Partial => Exit::Partial,
            Self::Failed | Self::Cancelled => Exit::Failed,
            Self::Interrupted => Exit::Interrupted,
            Self::Draining => Exit::Draining,
        }
    }
}

/// The stages that are counted, in the order of the plan: all but exports to targets.
pub(crate) fn order(layout: &Layout) -> Vec<String> {
    layout.working().chain(layout.files()).map(|stage| stage.name.clone()).collect()
}

/// The last object of `--format json`.
pub(crate) fn to_json(summary: &RunSummary, end: End, elapsed: f64) -> Json {
    let mut stages = Map::new();
    for (name, stage) in &summary.stages {
        let counts = &stage.counts;
        let one = json!({
            "tasks": stage.tasks,
            "in": counts.taken,
            "out": counts.given,
            "dead": counts.dead,
            "retried": counts.retried,
        });
        stages.insert(name.clone(), one);
    }
    let mut targets = Map::new();
    for (name, target) in &summary.targets {
        let one = json!({
            "created": target.created,
            "updated": target.updated,
            "deleted": target.deleted,
            "unchanged": target.unchanged,
            "failed": target.failed,
        });
        targets.insert(name.clone(), one);
    }
    json!({
        "event": "summary",
        "run": summary.run,
        "state": end.word(),
        "stages": stages,
        "targets": targets,
        "elapsed_s": (elapsed * 1_000.0).round() / 1_000.0,
    })
}

/// The tables. `order` = the stages in the order of the plan; `at` = the options with which other verbs find
/// the run, `None` when it is not kept; `width` = that of the terminal, if it is one.
pub(crate) fn to_text(
    summary: &RunSummary,
    end: End,
    elapsed: f64,
    order: &[String],
    now: Millis,
    at: Option<&str>,
    width: Option<usize>,
) -> String {
    let mut lines = vec![format!("{}  {} in {}", summary.run, end.word(), time(elapsed)), String::new()];
    lines.extend(stage_table(summary, order, width));
    if !summary.targets.is_empty() {
        lines.push(String::new());
        lines.extend(target_table(summary, width));
    }
    let notes = notes(summary, now, at);
    if !notes.is_empty() {
        lines.push(String::new());
        lines.extend(notes);
    }
    lines.join("\n")
}

fn stage_table(summary: &RunSummary, order: &[String], width: Option<usize>) -> Vec<String> {
    let head = ["stage", "tasks", "in", "out", "withdrawn", "dead", "retried"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for name in order {
        let Some(stage) = summary.stages.get(name) else { continue };
        let counts = &stage.counts;
        let numbers = [stage.tasks, counts.taken, counts.given, counts.withdrawn, counts.dead, counts.retried];
        rows.push(std::iter::once(name.clone()).chain(numbers.map(number)).collect());
    }
    table(&rows, width)
}

fn target_table(summary: &RunSummary, width: Option<usize>) -> Vec<String> {
    let head = ["target", "created", "updated", "deleted", "unchanged", "failed"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (name, target) in &summary.targets {
        let numbers = [target.created, target.updated, target.deleted, target.unchanged, target.failed];
        rows.push(std::iter::once(name.clone()).chain(numbers.map(number)).collect());
    }
    table(&rows, width)
}

/// What a person should know beside the numbers.
fn notes(summary: &RunSummary, now: Millis, at: Option<&str>) -> Vec<String> {
    let mut notes = Vec::new();
    for (name, target) in &summary.targets {
        if let Some(why) = &target.waits {
            notes.push(format!("waits: {name}: {why}"));
        } else if let (true, Some(at)) = (target.busy, target.next_at.filter(|at| *at > now)) {
            let (left, when) = (time(between(now, at)), moment(at));
            let what = match target.pending {
                0 => "for its pace, or a limit that it named".to_owned(),
                1 => "until it is known how a call ended".to_owned(),
                calls => format!("until it is known how {} calls ended", number(calls)),
            };
            notes.push(format!("waits: {name}: {what}; next in {left} ({when})"));
        }
        if target.uncompared > 0 {
            let posts = if target.uncompared == 1 { "post is" } else { "posts are" };
            let posts = format!("{} {posts}", number(target.uncompared));
            notes.push(format!("note:  {name}: {posts} not yet compared with what the record says now"));
        }
    }
    if let Some(guard) = &summary.guard {
        notes.push(format!("waits: {guard}"));
    }
    if let (true, Some(at)) = (summary.approvable, at) {
        notes.push(format!("next:  {}", words::approval(&summary.run, at)));
    }
    for reason in &summary.reasons {
        notes.push(format!("note:  {reason}"));
    }
    if summary.gone > 0 {
        notes.push(format!("note:  {} records are gone from the source", number(summary.gone)));
    }
    let dead: u64 = summary.stages.values().map(|stage| stage.counts.dead).sum();
    let failed: u64 = summary.targets.values().map(|target| target.failed).sum();
    if dead + failed > 0 {
        let list = at.map(|at| format!("; `jobpipe dead list --run {}{at}` says what and why", summary.run));
        notes.push(format!("dead:  {} in all{}", number(dead + failed), list.unwrap_or_default()));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobpipe_core::Counts;
    use jobpipe_engine::admin::{StageSummary, TargetSummary};

    fn summary() -> RunSummary {
        let counts = |taken, given, dead| Counts { taken, given, dead, ..Counts::default() };
        let stage = |tasks, counts| StageSummary { tasks, counts };
        let paris = TargetSummary { created: 500, busy: true, next_at: Some(61_000), ..TargetSummary::default() };
        RunSummary {
            run: "acme@1".into(),
            import: "acme".into(),
            state: Standing::Partial,
            started_at: 0,
            ended_at: None,
            stages: [
                ("crawl".to_owned(), stage(50, counts(525, 1_500, 2))),
                ("transform".to_owned(), stage(25, counts(500, 500, 0))),
            ]
            .into(),
            targets: [("acme-paris".to_owned(), paris)].into(),
            files: Default::default(),
            gone: 0,
            reasons: Vec::new(),
            guard: None,
            approvable: false,
        }
    }

    #[test]
    fn the_summary_for_machines_has_its_fixed_shape() {
        let stage = |tasks: u64, taken: u64, out: u64, dead: u64| json!({"tasks": tasks, "in": taken, "out": out, "dead": dead, "retried": 0});
        assert_eq!(
            to_json(&summary(), End::Partial, 6.123_456),
            json!({
                "event": "summary",
                "run": "acme@1",
                "state": "partial",
                "stages": {"crawl": stage(50, 525, 1_500, 2), "transform": stage(25, 500, 500, 0)},
                "targets": {"acme-paris": {"created": 500, "updated": 0, "deleted": 0, "unchanged": 0, "failed": 0}},
                "elapsed_s": 6.123,
            })
        );
    }

    #[test]
    fn what_is_to_be_typed_is_whole_and_told_while_it_helps() {
        let mut summary = summary();
        // whatever the words are
        summary.guard = Some("40 of 60 would go: see `jobpipe runs approve --help`".into());
        summary.approvable = true;
        let told = notes(&summary, 1_000, Some(" --env prod"));
        assert_eq!(told[1], "waits: 40 of 60 would go: see `jobpipe runs approve --help`");
        assert_eq!(told[2], "next:  `jobpipe runs approve acme@1 --env prod` lets it through");
        assert!(!notes(&summary, 1_000, None).iter().any(|note| note.starts_with("next:")), "a run that is not kept");
        summary.approvable = false;
        let told = notes(&summary, 1_000, Some(""));
        assert!(!told.iter().any(|note| note.starts_with("next:")), "not the last run: {told:?}");
    }

    #[test]
    fn what_is_waited_for_is_told_apart() {
        let said = |pending: u64| {
            let mut summary = summary();
            summary.targets.values_mut().for_each(|target| target.pending = pending);
            notes(&summary, 1_000, None).swap_remove(0)
        };
        assert!(said(0).contains("for its pace, or a limit"), "{}", said(0));
        assert!(said(1).contains("how a call ended; next in"), "{}", said(1));
        assert!(said(12).contains("how 12 calls ended; next in"), "{}", said(12));
    }

    #[test]
    fn the_summary_for_people_is_a_table() {
        let order = ["crawl".to_owned(), "transform".to_owned()];
        let told = |width| to_text(&summary(), End::Partial, 6.1, &order, 1_000, None, Some(width));
        insta::assert_snapshot!(told(40), @r"
        acme@1  partial in 6.1 s

        stage
          crawl: 50 tasks, 525 in, 1,500 out,
            2 dead
          transform: 25 tasks, 500 in, 500 out

        target
          acme-paris: 500 created

        waits: acme-paris: for its pace, or a limit that it named; next in 1 min 0 s (1970-01-01T00:01:01Z)
        dead:  2 in all
        ");
        insta::assert_snapshot!(to_text(&summary(), End::Partial, 6.1, &order, 1_000, Some(" --at jobs"), Some(80)), @r"
        acme@1  partial in 6.1 s

        stage      tasks   in    out  withdrawn  dead  retried
        crawl         50  525  1,500          0     2        0
        transform     25  500    500          0     0        0

        target      created  updated  deleted  unchanged  failed
        acme-paris      500        0        0          0       0

        waits: acme-paris: for its pace, or a limit that it named; next in 1 min 0 s (1970-01-01T00:01:01Z)
        dead:  2 in all; `jobpipe dead list --run acme@1 --at jobs` says what and why
        ");
    }
}
