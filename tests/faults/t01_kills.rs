//! T1: `kill -9` at random moments of crawling, relay, arm to confirm and file rename; then the pages show every offer
//! exactly once, and another run has nothing to do.

use crate::chance::Chance;
use crate::line::Line;
use crate::process::{Lived, Seen};
use crate::scene::{Scene, Wanted};
use crate::{alone, full, size, store};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Where a process was when it was killed, by what its store and its folder show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Crawl,
    Relay,
    Arm,
    File,
    /// Between two of these.
    Other,
}

/// How many kills each phase is to meet.
struct Plan {
    crawl: u64,
    relay: u64,
    file: u64,
    arm: u64,
    /// Kills in crawling are spread over so many tasks.
    spread: u64,
}

struct Killer<'a> {
    scene: &'a Scene,
    chance: &'a mut Chance,
    line: &'a mut Line,
    /// By phase: with a signal, and by a failpoint's abort.
    kills: &'a mut BTreeMap<Phase, (u64, u64)>,
    unknown: u64,
    after_a_kill: bool,
    /// Kills that are still to be counted as of a relay, where one met a relay and other tasks that were at work.
    relays: u64,
}

impl Killer<'_> {
    /// Waits a random moment, below `most`, once `reached` holds; then kills.
    async fn kill(&mut self, most: Duration, mut reached: impl FnMut(&Seen) -> bool) -> Option<Phase> {
        let moment = self.chance.below(most);
        let mut since: Option<Instant> = None;
        let lived = self.scene.run(&[]).until(|seen| {
            if since.is_none() && reached(seen) {
                since = Some(Instant::now());
            }
            since.is_some_and(|since| since.elapsed() >= moment)
        });
        self.count(lived, None).await
    }

    /// Lets it abort at the Nth time it reaches a failpoint.
    async fn abort(&mut self, point: &str, nth: u64) -> Option<Phase> {
        let lived = self.scene.run(&[("JOBPIPE_FAILPOINT", &format!("{point}:{nth}"))]).end();
        self.count(lived, Some(point)).await
    }

    /// Counts how it died, by a signal or at a failpoint; `None` when it came to its end first.
    async fn count(&mut self, lived: Lived, point: Option<&str>) -> Option<Phase> {
        let by_abort = point.is_some();
        self.line.lived(&lived, self.after_a_kill);
        let died = lived.killed || (by_abort && lived.signal == Some(6));
        if !died {
            assert!(matches!(lived.code, Some(0 | 4)), "{}", lived.told());
            self.after_a_kill = false;
            return None;
        }
        self.after_a_kill = true;
        self.line.faults += 1;
        let left = store::in_flight(&self.scene.store()).await;
        self.unknown += left.armed as u64;
        let phase = if point.is_some_and(|point| point.starts_with("file.")) {
            Phase::File
        } else if left.armed > 0 {
            Phase::Arm
        } else if !self.scene.leftovers().is_empty() {
            Phase::File
        } else if left.relaying > 0 && (self.relays > 0 || by_abort) {
            self.relays = self.relays.saturating_sub(1);
            Phase::Relay
        } else if left.running > 0 && !lived.seen.closed.contains("crawl") {
            Phase::Crawl
        } else {
            Phase::Other
        };
        let kills = self.kills.entry(phase).or_default();
        if by_abort {
            kills.1 += 1;
        } else {
            kills.0 += 1;
        }
        Some(phase)
    }

    fn met(&self, phase: Phase) -> u64 {
        self.kills.get(&phase).map_or(0, |(signals, aborts)| signals + aborts)
    }

    /// While it crawls, signals meet crawling and relays; what relays still lack is had by aborts within them. One of each
    /// is had by an abort at first, as a signal may come late on a busy machine.
    async fn crawling(&mut self, plan: &Plan) {
        if plan.crawl > 0 {
            self.abort_in(&["task.commit"], 1).await;
        }
        // these two are passed only while there is something to find
        let early = (plan.relay / 3).max(plan.relay.min(1));
        for _ in 0..early {
            self.abort_in(&["relay.seen", "relay.children"], 3).await;
        }
        self.relays = plan.relay - early;
        let enough = self.met(Phase::Crawl) + plan.crawl;
        for _ in 0..plan.crawl + plan.relay + 3 {
            if self.met(Phase::Crawl) >= enough && self.relays == 0 {
                break;
            }
            let tasks = self.chance.of(1..=plan.spread);
            let phase = self.kill(Duration::from_millis(5), |seen| seen.count("task_done") >= tasks).await;
            assert!(phase.is_some(), "the crawl was over before it could be killed in {} phases", plan.crawl);
        }
        for _ in 0..std::mem::take(&mut self.relays) {
            self.abort_in(&["relay.heads", "relay.close"], 3).await;
        }
    }

    async fn abort_in(&mut self, points: &[&str], most: u64) {
        let point = points[self.chance.of(0..=points.len() as u64 - 1) as usize];
        let nth = self.chance.of(1..=most);
        assert!(self.abort(point, nth).await.is_some(), "{point}:{nth} was not reached");
    }

    /// A temporary file beside the exports: from here to its rename the file is being made. An abort beside it is had at
    /// first; then signals, until it was met or the files are in place and posts are made.
    async fn renaming(&mut self, plan: &Plan) {
        if plan.file > 0 {
            self.abort_in(&["file.write"], 1).await;
        }
        let before = self.met(Phase::File);
        let scene = self.scene;
        for _ in 0..8 * plan.file {
            let from = scene.facebook.executed();
            if self.met(Phase::File) >= before + plan.file {
                return;
            }
            let posts = || scene.facebook.executed() > from + 8;
            let phase = self.kill(Duration::from_millis(2), |_| !scene.leftovers().is_empty() || posts()).await;
            assert!(phase.is_some(), "the files were in place before the process could be killed");
        }
    }

    async fn posting(&mut self, plan: &Plan) {
        let before = self.met(Phase::Arm);
        let scene = self.scene;
        for _ in 0..4 * plan.arm {
            if self.met(Phase::Arm) >= before + plan.arm {
                return;
            }
            let more = self.chance.of(1..=8 * plan.spread) as usize;
            let from = scene.facebook.executed();
            let phase = self.kill(Duration::from_millis(8), |_| scene.facebook.executed() >= from + more).await;
            assert!(phase.is_some(), "everything was posted before the process could be killed");
        }
    }
}

/// One import under kills; then to its end, and once more.
async fn import(wanted: Wanted, plan: Plan, chance: &mut Chance, line: &mut Line) -> (Kills, u64) {
    let mut kills = Kills::new();
    let scene = Scene::start(wanted).await;
    let mut killer =
        Killer { scene: &scene, chance, line, kills: &mut kills, unknown: 0, after_a_kill: false, relays: 0 };
    killer.crawling(&plan).await;
    killer.renaming(&plan).await;
    killer.posting(&plan).await;
    let unknown = killer.unknown;
    line.lived(&scene.finish(), true);
    let left = store::in_flight(&scene.store()).await;
    line.must(left.armed + left.unknown == 0, format!("rows are left in flight: {left:?}"));
    line.acked += left.posted as u64;
    let again = scene.finish();
    line.must(Scene::sums(&again)[..3] == [0, 0, 0], format!("run again: {}", again.told()));
    let (report, expected) = scene.verdict();
    line.pages(&report, expected);
    line.must(report.totals.creates == expected as u64, format!("{:?}", report.totals));
    line.dead += store::letters(&scene.store()).await.len() as u64;
    for file in ["offers.jsonl", "current.jsonl"] {
        let records = scene.records(file);
        line.must(records == scene.open(), format!("{file}: {records} records"));
    }
    line.must(scene.leftovers().is_empty(), "a temporary file is left");
    (kills, unknown)
}

type Kills = BTreeMap<Phase, (u64, u64)>;

#[tokio::test(flavor = "multi_thread")]
async fn t01_kills() {
    let _alone = alone().await;
    let mut chance = Chance::new();
    let mut line = Line::new("T1", &chance);
    // in the short form a page takes its time: a run then lasts longer than a busy machine takes to kill it
    let (latency_ms, pace) = (size(10, 2), size(100, Wanted::default().pace));
    let many = Wanted { offers: size(240, 10_000), pages: 1, latency_ms, pace };
    let wide = Wanted { offers: size(20, 200), pages: size(8, 50), latency_ms, pace };
    let plan = |crawl, relay, file, arm, spread| Plan { crawl, relay, file, arm, spread };
    let first = if full() { plan(9, 6, 5, 7, 90) } else { plan(1, 1, 1, 1, 5) };
    let second = if full() { plan(3, 3, 4, 7, 8) } else { plan(0, 0, 0, 1, 5) };
    let (mut kills, mut unknown) = import(many, first, &mut chance, &mut line).await;
    let (more, others) = import(wide, second, &mut chance, &mut line).await;
    unknown += others;
    for (phase, (signals, aborts)) in more {
        let sum = kills.entry(phase).or_default();
        *sum = (sum.0 + signals, sum.1 + aborts);
    }
    let least = size(1, 8);
    for phase in [Phase::Crawl, Phase::Relay, Phase::Arm, Phase::File] {
        let (signals, aborts) = kills.get(&phase).copied().unwrap_or_default();
        line.tell(&format!("{phase:?}").to_lowercase(), format!("{signals}+{aborts}"));
        line.must(signals + aborts >= least, format!("only {} kills in {phase:?}", signals + aborts));
    }
    line.tell("other", kills.get(&Phase::Other).map_or(0, |(signals, _)| *signals));
    line.must(line.faults >= size(4, 40), format!("only {} kills", line.faults));
    line.tell("unknown_resolved", unknown);
    line.must(unknown > 0, "no kill left an armed row");
    line.end();
}
