//! T14: a record is seen as its first version, its second one, withdrawn and not listed, in every order, a kill in every
//! run: what is last seen is what stays, and nothing comes back.

use crate::chance::Chance;
use crate::line::Line;
use crate::scene::{Scene, Wanted};
use crate::{alone, size, store};
use fbsim::{Expectation, ExpectedPost, WriteOp};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// As what a source shows a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    First,
    Second,
    Withdrawn,
    Absent,
}

const ALL: [Shown; 4] = [Shown::First, Shown::Second, Shown::Withdrawn, Shown::Absent];

/// Every order of the four.
fn orders() -> Vec<[Shown; 4]> {
    let mut all = Vec::new();
    for code in 0..256_usize {
        let order = [0, 2, 4, 6].map(|shift| ALL[code >> shift & 3]);
        if ALL.iter().all(|shown| order.contains(shown)) {
            all.push(order);
        }
    }
    all
}

fn title(record: usize, shown: Shown) -> Option<String> {
    match shown {
        Shown::First => Some(format!("Nurse {record}")),
        Shown::Second => Some(format!("Head nurse {record}")),
        Shown::Withdrawn | Shown::Absent => None,
    }
}

fn link(record: usize) -> String {
    format!("https://acme.test/jobs/{record}")
}

/// The source as it is at a step.
fn write_source(scene: &Scene, records: &[[Shown; 4]], step: usize) {
    let shown = records.iter().enumerate().filter(|(_, order)| order[step] != Shown::Absent);
    let list: Vec<_> = shown
        .map(|(record, order)| {
            let title = title(record, order[step]);
            let status = if title.is_some() { "open" } else { "closed" };
            serde_json::json!({ "url": link(record), "title": title.unwrap_or("closed".into()), "status": status })
        })
        .collect();
    // as one who writes sources with care does: whole or not at all
    std::fs::write(scene.path("offers.tmp"), serde_json::Value::from(list).to_string()).unwrap();
    std::fs::rename(scene.path("offers.tmp"), scene.path("offers.json")).unwrap();
}

fn import(scene: &Scene) -> String {
    format!(
        "name: acme\ncrawl: {{ json: ./offers.json }}\n\
         transform:\n  key: .url\n  where: .status == \"open\"\n  gone: {{ after: 1 runs, limit: 100% }}\n\
         export:\n  - facebook: [{}]\n    message: $title\n    link: .url\n    pace: {{ rate: {}/s, per_day: unlimited }}\n\
         \x20 - jsonl: out/current.jsonl\n    write: snapshot\n",
        scene.page_names(),
        // in the short form a run lasts longer than a busy machine takes to kill it
        size(50, 2_000)
    )
}

/// Effects that show an earlier state of their record after a later one.
fn resurrected(scene: &Scene, records: &[[Shown; 4]]) -> u64 {
    let mut last: BTreeMap<(String, usize), usize> = BTreeMap::new();
    let mut back = 0;
    for effect in scene.facebook.effects() {
        let link = effect.link.unwrap_or_default();
        let number = link.split('?').next().and_then(|link| link.rsplit('/').next()).and_then(|id| id.parse().ok());
        let Some(record) = number else { continue };
        let order: &[Shown; 4] = &records[record];
        let is = |shown: &Shown| match effect.op {
            WriteOp::Delete => title(record, *shown).is_none(),
            _ => title(record, *shown).as_ref() == Some(&effect.message),
        };
        // of withdrawn and absent, the next one that has not been shown yet may have been the reason
        let before = last.get(&(effect.page.clone(), record)).copied().unwrap_or(0);
        match (before..order.len()).find(|step| is(&order[*step])) {
            Some(step) => {
                last.insert((effect.page, record), step);
            }
            None => back += 1,
        }
    }
    back
}

/// How often a run is begun that is to be killed.
const TRIES: usize = 4;

/// Kills a run amid its effects, or soon after its first tasks; false when it has ended first.
fn kill(scene: &Scene, records: usize, chance: &mut Chance, line: &mut Line) -> bool {
    let effects = chance.of(1..=records as u64) as usize;
    let (from, moment) = (scene.facebook.executed(), chance.below(Duration::from_millis(4)));
    let mut since = None;
    let lived = scene.run(&[]).until(|seen| {
        if since.is_none() && (scene.facebook.executed() >= from + effects || seen.count("task_done") > 1) {
            since = Some(Instant::now());
        }
        since.is_some_and(|since: Instant| since.elapsed() >= moment)
    });
    line.lived(&lived, line.faults > 0);
    line.faults += u64::from(lived.killed);
    lived.killed
}

#[tokio::test(flavor = "multi_thread")]
async fn t14_orders() {
    let _alone = alone().await;
    let mut chance = Chance::new();
    let mut line = Line::new("T14", &chance);
    let scene = Scene::start(Wanted { offers: 0, pages: 2, latency_ms: 1, ..Wanted::default() }).await;
    scene.import(&import(&scene));
    let orders = orders();
    line.must(orders.len() == 24, format!("{} orders", orders.len()));
    let records: Vec<[Shown; 4]> = (0..size(4, 42)).flat_map(|_| orders.clone()).collect();
    for step in 0..4 {
        write_source(&scene, &records, step);
        // a run that is killed is sometimes left to the next step, whose source is another one
        for _ in 0..size(1, 3) {
            // one that had nothing left to do may end before it can be killed: then the next one is
            let mut tries = 0..TRIES;
            while tries.next().is_some() && !kill(&scene, records.len(), &mut chance, &mut line) {}
        }
        if chance.of(0..=1) == 1 {
            line.lived(&scene.finish(), true);
        }
    }
    // the run that a kill left open may have read an older source; the one after it reads the last
    line.lived(&scene.finish(), true);
    line.lived(&scene.finish(), false);
    let posts = records.iter().enumerate().filter_map(|(record, order)| {
        let message = title(record, order[3])?;
        Some(ExpectedPost { message: Some(message), link: Some(link(record)), ..Default::default() })
    });
    let posts: Vec<ExpectedPost> = posts.collect();
    let expected = Expectation { expected: scene.page_ids().map(|page| (page, posts.clone())).collect() };
    line.pages(&scene.facebook.report_against(&expected), posts.len() * 2);
    line.acked = store::in_flight(&scene.store()).await.posted as u64;
    line.must(line.acked == line.expected, "the ledger is not in step");
    line.must(scene.records("current.jsonl") == posts.len(), "the file is not in step");
    let back = resurrected(&scene, &records);
    line.must(back == 0, format!("{back} posts show what was over"));
    line.dead = store::letters(&scene.store()).await.len() as u64;
    line.must(line.faults >= 4, format!("only {} kills", line.faults));
    line.tell("orders", orders.len());
    line.tell("records", records.len());
    line.tell("resurrected", back);
    line.end();
}
