//! T9: the process aborts at every failpoint there is, once each; the next one converges.

use crate::chance::Chance;
use crate::line::Line;
use crate::process::Lived;
use crate::scene::{Scene, Wanted};
use crate::{alone, full, store};
use career_site::{Answer, Target};
use fbsim::{FaultPlan, FaultRule, OpKind, When};

/// The points that `jobpipe failpoints` lists.
fn points(scene: &Scene) -> Vec<String> {
    let listed = scene.command(&["failpoints"]).output().unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    let names = text.lines().filter_map(|line| line.split_whitespace().next());
    // what is no place to die stands below the list; those of schedules are in tests/e2e/up.rs and the engine's tests/schedules.rs
    names.filter(|name| name.contains('.') && !name.starts_with("slot.")).map(str::to_owned).collect()
}

/// The runs of a scene that comes by every point: first posts, one of them of unknown end; a changed source with a page
/// that fails for good; a lost store.
const RUNS: usize = 3;

fn prepare(scene: &Scene, run: usize) {
    match run {
        0 => {
            let lost = FaultRule { op: Some(OpKind::Create), nth: Some(vec![2]), ..rule("reset", When::AfterExec) };
            scene.facebook.set_faults(FaultPlan { seed: 1, rules: vec![lost] }).unwrap();
        }
        1 => {
            scene.site.edit(2).unwrap();
            scene.site.withdraw(1).unwrap();
            scene.site.remove(1).unwrap();
            let failing = scene.site.offers()[0].reference.clone();
            scene.site.answer(Target::Detail(failing), Answer::Status(500), None);
        }
        _ => {
            scene.site.clear_answers();
            std::fs::remove_dir_all(scene.path(".jobpipe")).unwrap();
        }
    }
}

fn rule(kind: &str, at: When) -> FaultRule {
    FaultRule::new(at, kind.parse().unwrap())
}

/// Dies once at the point, and goes on; true when it died and all was well in the end.
async fn converges(point: &str, line: &mut Line) -> bool {
    let scene = Scene::start(Wanted { offers: 12, pages: 2, ..Wanted::default() }).await;
    let mut died = false;
    for run in 0..RUNS {
        if died && !full() {
            break;
        }
        prepare(&scene, run);
        if !died {
            let lived = scene.run(&[("JOBPIPE_FAILPOINT", point)]).end();
            line.lived(&lived, false);
            died = lived.signal == Some(6);
            if !died {
                line.must(ended_well(&lived, run), format!("{point}, run {run}: {}", lived.told()));
                continue;
            }
            line.faults += 1;
            let lived = scene.run(&[]).end();
            line.lived(&lived, true);
            line.must(ended_well(&lived, run), format!("{point}, run {run} again: {}", lived.told()));
        } else {
            let lived = scene.run(&[]).end();
            line.must(ended_well(&lived, run), format!("{point}, run {run}: {}", lived.told()));
        }
    }
    let (report, expected) = scene.verdict();
    line.pages(&report, expected);
    line.must(report.lost == Some(0) && report.unexpected == Some(0), format!("{point}: not in step"));
    let left = store::in_flight(&scene.store()).await;
    line.acked += left.posted as u64;
    died && left.armed + left.unknown == 0
}

/// The second run has a page that fails for good.
fn ended_well(lived: &Lived, run: usize) -> bool {
    let expected: &[&str] = if run == 1 { &["partial", "succeeded"] } else { &["succeeded"] };
    expected.contains(&lived.state())
}

#[tokio::test(flavor = "multi_thread")]
async fn t09_failpoints() {
    let _alone = alone().await;
    let mut chance = Chance::new();
    let mut line = Line::new("T9", &chance);
    let mut points = points(&Scene::start(Wanted { offers: 1, ..Wanted::default() }).await);
    let all = points.len();
    line.must(all >= 30, format!("only {all} points"));
    if !full() {
        chance.shuffle(&mut points);
        points.truncate(all.div_ceil(3));
    }
    let mut converged = 0;
    for point in &points {
        let well = converges(point, &mut line).await;
        converged += u64::from(well);
        line.must(well, format!("{point} was not reached, or left rows in flight"));
    }
    line.tell("points", all);
    line.tell("converged", format!("{converged}/{}", points.len()));
    line.end();
}
