//! The soak: a changing source, a target that errs, and kills, for minutes. Nothing grows, and all is in step at the end.

use crate::chance::Chance;
use crate::line::Line;
use crate::scene::{Scene, Wanted};
use crate::{alone, size, store};
use fbsim::{FaultPlan, FaultRule, OpKind, When};
use std::time::{Duration, Instant};

/// Faults of the target, some of each kind.
fn faults(seed: u64) -> FaultPlan {
    let rule = |kind: &str, at, p, ms| FaultRule { p: Some(p), ms, ..FaultRule::new(at, kind.parse().unwrap()) };
    let mut rules = vec![
        rule("500/2", When::AfterExec, 0.01, None),
        rule("reset", When::AfterExec, 0.01, None),
        rule("reset", When::BeforeExec, 0.01, None),
        rule("html502", When::BeforeExec, 0.01, None),
    ];
    rules.extend(
        [OpKind::Create, OpKind::Update, OpKind::Delete]
            .map(|op| FaultRule { op: Some(op), ..rule("delayed_exec", When::BeforeExec, 0.01, Some(300)) }),
    );
    FaultPlan { seed, rules }
}

/// Some offers are edited, some withdrawn, some return; for a while some are taken away, too, and as many are new. Not for
/// ever: what was posted once is remembered, so that a store grows with all that was ever seen.
fn change(scene: &Scene, chance: &mut Chance, also_new: bool) {
    let mut open: Vec<String> = scene.site.offers().into_iter().map(|offer| offer.reference).collect();
    chance.shuffle(&mut open);
    let some = (open.len() / 20).max(1);
    let mut take = |count: usize| open.split_off(open.len().saturating_sub(count));
    scene.site.edit_refs(&take(some)).unwrap();
    scene.site.withdraw_refs(&take(some / 2)).unwrap();
    scene.site.reopen_refs(&take(some / 2)).unwrap();
    if also_new {
        scene.site.remove_refs(&take(some / 2)).unwrap();
        scene.site.add((some / 2) as u32);
    }
}

/// The slope of a straight line through (minute, value).
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count.max(1.0);
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let common: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    if spread > 0.0 { common / spread } else { 0.0 }
}

/// Rounds after which one at least must have been killed.
const MOST_ROUNDS: u64 = 30;

#[tokio::test(flavor = "multi_thread")]
async fn soak() {
    let _alone = alone().await;
    let mut chance = Chance::new();
    let mut line = Line::new("soak", &chance);
    let scene = Scene::start(Wanted { offers: size(60, 600), pages: size(2, 5), ..Wanted::default() }).await;
    line.lived(&scene.finish(), false);
    scene.facebook.set_faults(faults(chance.seed)).unwrap();
    let until = Duration::from_secs(size(12, 600));
    let began = Instant::now();
    let (mut rounds, mut rss, mut fds) = (0_u64, Vec::new(), Vec::new());
    let mut sizes = Vec::new();
    // on a slow machine the time may be over before a kill was due
    while began.elapsed() < until || (line.faults == 0 && rounds < MOST_ROUNDS) {
        rounds += 1;
        let early = began.elapsed() < until / 4;
        change(&scene, &mut chance, early);
        if chance.of(0..=1) == 1 {
            let moment = chance.below(Duration::from_millis(size(600, 1_500)));
            let started = Instant::now();
            let lived = scene.run(&[]).until(|_| started.elapsed() >= moment);
            line.lived(&lived, false);
            line.faults += u64::from(lived.killed);
        }
        let lived = scene.run(&[]).end();
        line.lived(&lived, true);
        line.must(matches!(lived.code, Some(0 | 3)), format!("round {rounds}: {}", lived.told()));
        let minute = began.elapsed().as_secs_f64() / 60.0;
        if !early {
            rss.push((minute, lived.rss_mb as f64));
            fds.push((minute, lived.seen.fds as f64));
        }
        sizes.push(std::fs::metadata(scene.store()).unwrap().len() >> 10);
    }
    scene.facebook.set_faults(FaultPlan::default()).unwrap();
    // what faults left unread is read again, and what was of unknown end is settled
    line.lived(&scene.finish(), false);
    line.lived(&scene.finish(), false);
    let (report, expected) = scene.verdict();
    line.pages(&report, expected);
    let left = store::in_flight(&scene.store()).await;
    line.acked = left.posted as u64;
    line.must(left.armed + left.unknown == 0, format!("rows are left in flight: {left:?}"));
    line.must(scene.records("current.jsonl") == scene.open(), "the file is not in step");
    let (rss, fds) = (slope(&rss), slope(&fds));
    if crate::full() {
        line.must(rss.abs() < 1.0, format!("memory grows by {rss:.2} MiB a minute"));
        line.must(fds.abs() < 0.5, format!("open files grow by {fds:.2} a minute"));
    }
    line.must(line.faults > 0, "nothing was killed");
    line.tell("rounds", rounds);
    line.tell("struck", report.totals.struck);
    line.tell("unknown_resolved", scene.logged("the end of a call is unknown"));
    line.tell("rss_mb_per_min", format!("{rss:.3}"));
    line.tell("fds_per_min", format!("{fds:.3}"));
    line.tell("store_kib", format!("{}..{}", sizes.first().unwrap_or(&0), sizes.last().unwrap_or(&0)));
    line.end();
}
