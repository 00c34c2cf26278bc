//! What is known of a run from its events: pure, so that every view of it can be tested.

use super::rate::Rate;
use jobpipe_core::{Counts, Millis};
use jobpipe_engine::admin::TargetSummary;
use jobpipe_engine::event::Event;
use std::collections::BTreeMap;
use std::time::Duration;

/// A run as it goes.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Stages in the order of the plan.
    pub(crate) stages: Vec<StageProgress>,
    /// Targets by name.
    pub(crate) targets: BTreeMap<String, TargetProgress>,
    /// What the exports to targets were told to wait for, and until when.
    pub(crate) exports: Option<(String, Duration)>,
    /// The run is closed.
    pub(crate) closed: bool,
}

/// One stage.
#[derive(Debug, Default)]
pub(crate) struct StageProgress {
    pub(crate) name: String,
    pub(crate) counts: Counts,
    /// How much there is to do, as far as is read from the store: requests found.
    pub(crate) known: u64,
    /// The stages whose records it takes, one by one.
    pub(crate) from: Vec<String>,
    pub(crate) closed: bool,
    /// The host that it asks first; `None` = it asks nobody.
    pub(crate) asks: Option<String>,
    pub(crate) rate: Rate,
    /// On which limit it waits, and until when.
    pub(crate) waits: Option<(String, Duration)>,
}

/// One target.
#[derive(Debug, Default)]
pub(crate) struct TargetProgress {
    pub(crate) created: u64,
    pub(crate) updated: u64,
    pub(crate) deleted: u64,
    /// Records that it is to show and does not yet; as read from the store.
    pub(crate) missing: u64,
    pub(crate) rate: Rate,
    /// When it is due again, milliseconds since 1970; as read from the store.
    pub(crate) next_at: Option<Millis>,
    pub(crate) paused: Option<String>,
}

impl StageProgress {
    /// On what it waits at `now`.
    pub(crate) fn waits_at(&self, now: Duration) -> Option<&str> {
        self.waits.as_ref().filter(|(_, until)| *until > now).map(|(on, _)| on.as_str())
    }

    /// Takes what the store says that it has done, where no events are told.
    pub(crate) fn count(&mut self, counts: Counts, now: Duration) {
        self.counts = counts;
        self.rate.count(now, counts.taken);
    }
}

impl Progress {
    /// A run whose plan has these stages.
    pub(crate) fn new(stages: impl IntoIterator<Item = String>) -> Self {
        let stages = stages.into_iter().map(|name| StageProgress { name, ..StageProgress::default() }).collect();
        Self { stages, ..Self::default() }
    }

    /// Takes an event of this run at `now`; false when it is another run's.
    pub(crate) fn take(&mut self, event: &Event, run: &str, now: Duration) -> bool {
        if event_run(event).is_some_and(|of| of != run) {
            return false;
        }
        match event {
            Event::TaskDone { counts, .. } => {
                for (name, counts) in counts {
                    let Some(stage) = self.stage(name) else { continue };
                    stage.counts.add(counts);
                    stage.rate.add(now, counts.taken);
                    stage.waits = None;
                }
            }
            Event::Waiting { stage, on, for_ms, .. } => {
                let waits = Some((on.clone(), now + Duration::from_millis(*for_ms)));
                match self.stage(stage) {
                    Some(stage) => stage.waits = waits,
                    None => self.exports = waits,
                }
            }
            Event::StageClosed { stage, .. } => {
                if let Some(stage) = self.stage(stage) {
                    stage.closed = true;
                }
            }
            Event::FileWritten { stage, .. } => {
                if let Some(stage) = self.stage(stage) {
                    stage.closed = true;
                }
            }
            Event::Effect { target, op, .. } => {
                let target = self.target(target);
                match op.as_str() {
                    "create" => target.created += 1,
                    "update" => target.updated += 1,
                    _ => target.deleted += 1,
                }
                target.rate.add(now, 1);
                target.paused = None;
            }
            Event::TargetPaused { target, message, .. } => self.target(target).paused = Some(message.clone()),
            Event::RunClosed { .. } => self.closed = true,
            Event::RunStarted { .. }
            | Event::Retry { .. }
            | Event::Dead { .. }
            | Event::Launched { .. }
            | Event::Skipped { .. }
            | Event::NotLaunched { .. }
            | Event::Notice { .. } => {}
        }
        true
    }

    /// A host is waited for: by the stages that ask it, or by any that follows links, when none is known to.
    pub(crate) fn wait_for(&mut self, host: &str, until: Duration) {
        let is_known = self.stages.iter().any(|stage| stage.asks.as_deref() == Some(host));
        for stage in self.stages.iter_mut().filter(|stage| !stage.closed) {
            if stage.asks.as_deref().is_some_and(|asked| asked == host || !is_known) {
                stage.waits = Some((host.to_owned(), until));
            }
        }
    }

    /// How much there is to do for a stage, as far as known.
    pub(crate) fn known(&self, stage: &StageProgress) -> u64 {
        let given =
            |name: &String| self.stages.iter().find(|other| other.name == *name).map_or(0, |one| one.counts.given);
        stage.known.max(stage.from.iter().map(given).sum())
    }

    /// Takes what the store says that the run has done to its targets, where no events are told.
    pub(crate) fn count_targets(&mut self, summary: &BTreeMap<String, TargetSummary>, now: Duration) {
        for target in self.targets.values_mut() {
            (target.created, target.updated, target.deleted, target.paused) = (0, 0, 0, None);
        }
        for (label, one) in summary {
            let Some(target) = self.labelled(label) else { continue };
            target.created += one.created;
            target.updated += one.updated;
            target.deleted += one.deleted;
            target.paused = target.paused.take().or_else(|| one.waits.clone());
        }
        for target in self.targets.values_mut() {
            target.rate.count(now, target.created + target.updated + target.deleted);
        }
    }

    /// The target that a summary means, if it is known: it says `page/export` where one page is in several exports.
    pub(crate) fn labelled(&mut self, label: &str) -> Option<&mut TargetProgress> {
        let is_meant =
            |name: &str| label.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.targets.iter_mut().find(|(name, _)| is_meant(name)).map(|(_, target)| target)
    }

    /// The stage of that name.
    pub(crate) fn stage(&mut self, name: &str) -> Option<&mut StageProgress> {
        self.stages.iter_mut().find(|stage| stage.name == name)
    }

    /// The target of that name.
    pub(crate) fn target(&mut self, name: &str) -> &mut TargetProgress {
        self.targets.entry(name.to_owned()).or_default()
    }
}

/// The run that an event is about; `None` for one about a target or about everything.
fn event_run(event: &Event) -> Option<&str> {
    match event {
        Event::RunStarted { run, .. }
        | Event::TaskDone { run, .. }
        | Event::Retry { run, .. }
        | Event::Waiting { run, .. }
        | Event::Dead { run, .. }
        | Event::StageClosed { run, .. }
        | Event::FileWritten { run, .. }
        | Event::Launched { run, .. }
        | Event::RunClosed { run } => Some(run),
        Event::Effect { .. }
        | Event::TargetPaused { .. }
        | Event::Skipped { .. }
        | Event::NotLaunched { .. }
        | Event::Notice { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(run: &str, taken: u64) -> Event {
        let counts = Counts { taken, given: taken, ..Counts::default() };
        Event::TaskDone { run: run.into(), counts: [("crawl".to_owned(), counts)].into(), children: 0 }
    }

    #[test]
    fn a_run_counts_its_own_events() {
        let mut progress = Progress::new(["crawl".to_owned()]);
        let at = Duration::from_secs;
        assert!(progress.take(&done("a@1", 3), "a@1", at(1)));
        assert!(!progress.take(&done("a@2", 5), "a@1", at(1)), "another run's");
        assert!(progress.take(&done("a@1", 7), "a@1", at(2)));
        let stage = &progress.stages[0];
        assert_eq!(stage.counts.taken, 10);
        assert_eq!(stage.rate.now(at(3)), Some(5.0), "10 in two seconds");
    }

    #[test]
    fn a_wait_ends_with_its_time_or_with_work() {
        let mut progress = Progress::new(["crawl".to_owned()]);
        let wait = Event::Waiting { run: "a@1".into(), stage: "crawl".into(), on: "acme.test".into(), for_ms: 500 };
        let at = Duration::from_millis;
        progress.take(&wait, "a@1", at(0));
        assert_eq!(progress.stages[0].waits_at(at(400)), Some("acme.test"));
        assert_eq!(progress.stages[0].waits_at(at(600)), None);
        progress.take(&wait, "a@1", at(1_000));
        progress.take(&done("a@1", 1), "a@1", at(1_100));
        assert_eq!(progress.stages[0].waits_at(at(1_200)), None);
    }

    #[test]
    fn a_host_is_waited_for_by_the_stages_that_ask_it() {
        let mut progress = Progress::new(["a".to_owned(), "b".to_owned(), "map".to_owned()]);
        progress.stages[0].asks = Some("a.test".to_owned());
        progress.stages[1].asks = Some("b.test".to_owned());
        let at = Duration::from_secs;
        let waiting = |progress: &Progress, now| -> Vec<Option<String>> {
            progress.stages.iter().map(|stage| stage.waits_at(at(now)).map(str::to_owned)).collect()
        };
        progress.wait_for("a.test", at(2));
        assert_eq!(waiting(&progress, 1), [Some("a.test".to_owned()), None, None]);
        assert_eq!(waiting(&progress, 3), [None, None, None]);
        progress.wait_for("linked.test", at(5));
        assert_eq!(waiting(&progress, 4), [Some("linked.test".to_owned()), Some("linked.test".to_owned()), None]);
    }

    #[test]
    fn effects_count_by_target() {
        let mut progress = Progress::new([]);
        for op in ["create", "create", "update", "delete"] {
            let event =
                Event::Effect { target: "paris".into(), stage: "facebook".into(), op: op.into(), key: "k".into() };
            progress.take(&event, "a@1", Duration::ZERO);
        }
        let target = &progress.targets["paris"];
        assert_eq!((target.created, target.updated, target.deleted), (2, 1, 1));
    }

    #[test]
    fn targets_are_counted_by_name_whatever_the_export() {
        let mut progress = Progress::new([]);
        progress.target("paris").missing = 7;
        let one = |created| TargetSummary { created, ..TargetSummary::default() };
        let counted = |a, b| [("paris/jobs".to_owned(), one(a)), ("paris/news".to_owned(), one(b))].into();
        progress.count_targets(&counted(1, 2), Duration::from_secs(1));
        progress.count_targets(&counted(5, 2), Duration::from_secs(3));
        assert_eq!(progress.targets.len(), 1);
        let target = &progress.targets["paris"];
        assert_eq!((target.created, target.rate.now(Duration::from_secs(4))), (7, Some(2.0)));
    }
}
