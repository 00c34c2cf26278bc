//! The view of a run on a terminal: a line for each stage and target, drawn anew a few times a second.

use super::progress::{Progress, StageProgress, TargetProgress};
use crate::terminal::{between, cut, list, number, time};
use jobpipe_core::Millis;
use std::time::Duration;

/// The lines of a run at `now` (since the start) and `wall` (milliseconds since 1970).
pub(crate) fn lines(progress: &Progress, run: &str, now: Duration, wall: Millis) -> Vec<String> {
    let mut rows = Vec::new();
    for stage in &progress.stages {
        rows.push(stage_row(stage, progress.known(stage), now));
    }
    for (name, target) in &progress.targets {
        rows.push(target_row(name, target, now, wall));
    }
    let state = if progress.closed { "draining" } else { "running" };
    let mut lines = vec![format!("{run}  {state}  {}", time(now.as_secs_f64()))];
    lines.extend(list(&rows).into_iter().map(|line| format!("  {line}")));
    if let Some((why, until)) = progress.exports.as_ref().filter(|(_, until)| *until > now) {
        lines.push(format!("  waiting {}: {why}", time((*until - now).as_secs_f64())));
    }
    lines
}

/// The same on a terminal of `columns` and `rows`: no line is wider, and the last row is the cursor's.
pub(crate) fn fitted(lines: Vec<String>, (columns, rows): (usize, usize)) -> Vec<String> {
    let most = rows.saturating_sub(1).max(1);
    let more = (lines.len() > most).then(|| format!("  and {} more", lines.len() + 1 - most));
    let kept = if more.is_some() { most - 1 } else { most };
    let mut shown: Vec<String> = lines.into_iter().take(kept).chain(more).collect();
    if let Some(head) = shown.first_mut().filter(|head| head.chars().count() > columns) {
        // an import's name says more than the half of a run's
        *head = head.find('@').zip(head.find(' ')).map_or(head.clone(), |(at, end)| {
            format!("{}{}", head.get(..at).unwrap_or_default(), head.get(end..).unwrap_or_default())
        });
    }
    shown.into_iter().map(|line| cut(&line, columns)).collect()
}

fn stage_row(stage: &StageProgress, known: u64, now: Duration) -> Vec<String> {
    let counts = &stage.counts;
    let done = done(counts.taken, if stage.closed { 0 } else { known });
    let mut notes = Vec::new();
    for (count, word) in [(counts.dead, "dead"), (counts.retried, "retried")] {
        if count > 0 {
            notes.push(format!("{} {word}", number(count)));
        }
    }
    if stage.closed {
        notes.push("done".to_owned());
    } else if let Some(on) = stage.waits_at(now) {
        notes.push(format!("waits: rate of {on}"));
    }
    vec![stage.name.clone(), done, rate(stage.rate.now(now)), notes.join(", ")]
}

/// `1.5/s`; nothing when it is not known.
fn rate(rate: Option<f64>) -> String {
    rate.map(|rate| format!("{rate:.1}/s")).unwrap_or_default()
}

/// `100/525`, or `525` when no more is known of.
fn done(done: u64, known: u64) -> String {
    if known > done { format!("{}/{}", number(done), number(known)) } else { number(done) }
}

fn target_row(name: &str, target: &TargetProgress, now: Duration, wall: Millis) -> Vec<String> {
    let made = target.created + target.updated + target.deleted;
    let mut notes = Vec::new();
    for (count, word) in [(target.created, "new"), (target.updated, "changed"), (target.deleted, "removed")] {
        if count > 0 {
            notes.push(format!("{} {word}", number(count)));
        }
    }
    if let Some(why) = &target.paused {
        notes.push(format!("waits: {why}"));
    } else if let Some(at) = target.next_at.filter(|at| *at > wall.saturating_add(1_000)) {
        notes.push(format!("waits: its pace, {}", time(between(wall, at))));
    }
    let done = done(made, made + target.missing);
    vec![name.to_owned(), done, rate(target.rate.now(now)), notes.join(", ")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobpipe_core::Counts;
    use jobpipe_engine::event::Event;

    #[test]
    fn a_run_is_shown_line_by_line() {
        let mut progress = Progress::new(["crawl".to_owned(), "transform".to_owned()]);
        let at = Duration::from_secs;
        progress.stages[0].known = 525;
        progress.stages[1].from = vec!["crawl".to_owned()];
        let counts = Counts { taken: 100, given: 95, dead: 1, retried: 2, ..Counts::default() };
        let done = Event::TaskDone { run: "acme@1".into(), counts: [("crawl".to_owned(), counts)].into(), children: 0 };
        progress.take(&done, "acme@1", at(2));
        let wait =
            Event::Waiting { run: "acme@1".into(), stage: "crawl".into(), on: "acme.test".into(), for_ms: 9_000 };
        progress.take(&wait, "acme@1", at(2));
        let effect =
            Event::Effect { target: "paris".into(), stage: "facebook".into(), op: "create".into(), key: "k".into() };
        progress.take(&effect, "acme@1", at(2));
        if let Some(target) = progress.targets.get_mut("paris") {
            target.next_at = Some(62_000);
            target.missing = 94;
        }
        insta::assert_snapshot!(lines(&progress, "acme@1", at(3), 2_000).join("\n"), @r"
        acme@1  running  3.0 s
          crawl      100/525  100.0/s  1 dead, 2 retried, waits: rate of acme.test
          transform  0/95     0.0/s
          paris      1/95     1.0/s    1 new, waits: its pace, 1 min 0 s
        ");
    }

    #[test]
    fn a_view_fits_its_terminal() {
        let lines: Vec<String> = [
            "acme@0199d2c4-0000-7000-8000-000000000000  running  3.0 s",
            "  crawl  100/525  100.0/s",
            "  paris",
            "  lyon",
        ]
        .map(str::to_owned)
        .into();
        assert_eq!(fitted(lines.clone(), (80, 24)), lines);
        assert_eq!(fitted(lines.clone(), (21, 4)), ["acme  running  3.0 s", "  crawl  100/525  10…", "  and 2 more"]);
        assert_eq!(fitted(lines, (21, 0)), ["  and 4 more"]);
    }
}
