//! T21: the source answers with nothing, or with half: nothing is removed, and it is told.

use crate::chance::Chance;
use crate::line::Line;
use crate::scene::{Scene, Wanted};
use crate::{alone, size, store};
use career_site::{Answer, Target};

/// What a source may answer instead of all it has.
fn answers(pages: u32) -> Vec<(&'static str, Vec<(Target, Answer)>)> {
    let half = (pages / 2).max(1) + 1;
    vec![
        ("empty", vec![(Target::Listing(1), Answer::Empty)]),
        ("half", vec![(Target::Listing(half), Answer::Empty)]),
        ("cut", vec![(Target::Listing(half), Answer::Truncated)]),
        ("error", vec![(Target::Listing(half), Answer::Status(500))]),
        ("no_html", vec![(Target::Listing(1), Answer::NotHtml)]),
        ("all_down", vec![(Target::All, Answer::Status(503))]),
        ("all_empty", vec![(Target::All, Answer::Empty)]),
        // a whole and well-formed answer that lists half of the offers
        ("shrunk", Vec::new()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn t21_empty_and_half() {
    let _alone = alone().await;
    let chance = Chance::new();
    let mut line = Line::new("T21", &chance);
    let offers = size(200, 2_000);
    let scene = Scene::start(Wanted { offers, pages: 2, ..Wanted::default() }).await;
    line.lived(&scene.finish(), false);
    let before = scene.facebook.report().totals;
    let (mut guards, mut alarms) = (0, 0);
    for (name, orders) in answers(offers / 50) {
        if orders.is_empty() {
            scene.site.remove(offers as usize / 2).unwrap();
        }
        for (target, answer) in orders {
            scene.site.answer(target, answer, None);
        }
        line.faults += 1;
        let output = scene.command(&["run", "import.yml"]).output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        // either removals wait for a person, or it is told that the source was not wholly read
        let guarded = told.contains("jobpipe runs approve");
        let alarmed = guarded || told.contains("jobpipe dead list") || told.contains("nothing is taken for gone");
        guards += u64::from(guarded);
        alarms += u64::from(alarmed);
        line.must(alarmed, format!("{name}: nothing is told:\n{told}"));
        line.must(matches!(output.status.code(), Some(0 | 1 | 3)), format!("{name}: {:?}\n{told}", output.status));
        line.must(!guarded || output.status.code() == Some(3), format!("{name}: a guard, and all is well:\n{told}"));
        let now = scene.facebook.report().totals;
        let same = (now.deletes, now.updates, now.creates) == (before.deletes, before.updates, before.creates);
        line.must(same, format!("{name}: the pages were changed: {now:?}"));
        scene.site.reset();
        let lived = scene.finish();
        line.lived(&lived, true);
        line.must(Scene::sums(&lived)[..3] == [0, 0, 0], format!("after {name}: {}", lived.told()));
    }
    let (report, expected) = scene.verdict();
    line.pages(&report, expected);
    line.acked = store::in_flight(&scene.store()).await.posted as u64;
    line.must(guards >= 2, format!("only {guards} guards"));
    line.tell("deletes", report.totals.deletes);
    line.tell("guards", guards);
    line.tell("alarms", alarms);
    line.end();
}
