//! T10: the target answers errors after it has executed, executes late, and resets connections: each a tenth of all writes.

use crate::chance::Chance;
use crate::line::Line;
use crate::scene::{Scene, Wanted};
use crate::{alone, size, store};
use fbsim::{FaultPlan, FaultRule, OpKind, When};

/// Less than `settle` (1 s): what comes later than that is for the audit.
const LATE_MS: u64 = 400;

fn faults(seed: u64) -> FaultPlan {
    let mut rules = Vec::new();
    for op in [OpKind::Create, OpKind::Update, OpKind::Delete] {
        let rule = |kind: &str, at, p, ms| FaultRule {
            op: Some(op),
            p: Some(p),
            ms,
            ..FaultRule::new(at, kind.parse().unwrap())
        };
        rules.extend([
            rule("500/2", When::AfterExec, 0.05, None),
            rule("html502", When::AfterExec, 0.025, None),
            rule("truncated", When::AfterExec, 0.025, None),
            rule("delayed_exec", When::BeforeExec, 0.1, Some(LATE_MS)),
            rule("reset", When::AfterExec, 0.05, None),
            rule("reset", When::BeforeExec, 0.05, None),
        ]);
    }
    FaultPlan { seed, rules }
}

#[tokio::test(flavor = "multi_thread")]
async fn t10_errs_after_executing() {
    let _alone = alone().await;
    let chance = Chance::new();
    let mut line = Line::new("T10", &chance);
    let offers = size(100, 2_000);
    let scene = Scene::start(Wanted { offers, pages: size(1, 5), ..Wanted::default() }).await;
    scene.facebook.set_faults(faults(chance.seed)).unwrap();
    line.lived(&scene.finish(), false);
    scene.site.edit(offers as usize / 10).unwrap();
    scene.site.withdraw(offers as usize / 10).unwrap();
    scene.site.remove(offers as usize / 20).unwrap();
    scene.site.add(offers / 10);
    line.lived(&scene.finish(), false);
    let (report, expected) = scene.verdict();
    line.pages(&report, expected);
    let totals = &report.totals;
    line.faults = totals.struck;
    let left = store::in_flight(&scene.store()).await;
    line.acked = left.posted as u64;
    // what was of unknown end and is not any more
    let unknown = scene.logged("the end of a call is unknown");
    line.recovered = unknown - (left.armed + left.unknown) as u64;
    line.must(left.armed + left.unknown == 0, format!("rows are left in flight: {left:?}"));
    line.must(unknown > 0, "no call had an unknown end");
    line.dead = store::letters(&scene.store()).await.len() as u64;
    let effects = (totals.creates + totals.updates + totals.deletes).max(1);
    let [writes, calls] = [totals.writes, totals.calls].map(|calls| calls as f64 / effects as f64);
    line.must(writes <= 1.5, format!("{writes:.2} writes for an effect"));
    let again = scene.finish();
    line.must(Scene::sums(&again)[..3] == [0, 0, 0], format!("run again: {}", again.told()));
    line.tell("unknown_resolved", unknown);
    line.tell("writes_per_effect", format!("{writes:.2}"));
    line.tell("calls_per_effect", format!("{calls:.2}"));
    line.end();
}
