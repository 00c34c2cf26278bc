//! T12: inputs that panic, abort, loop for ever, overflow the stack or take 4 GB: each of them is dead with the reason,
//! and its neighbours are done.

use crate::chance::Chance;
use crate::line::Line;
use crate::process::{Running, children, lives};
use crate::scene::{Scene, Wanted};
use crate::{alone, size, store};
use jobpipe_core::ErrorClass;
use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

/// What an input does, and what its dead letter says: one of these.
const KINDS: [(&str, &[&str]); 5] = [
    ("panic", &["JP199", "panicked on this input (this input is poison)"]),
    ("abort", &["JP190", "signal: 6"]),
    ("loop", &["JP190", "it took more than"]),
    // as the system ends it: Rust's guard page aborts, others end with a fault
    ("stack", &["JP190", "signal: "]),
    ("memory", &["JP190", "signal: 6"]),
];

/// As a container does: no more than so much memory, in KiB, for the whole process.
const MEMORY_KIB: u64 = 3_500_000;

#[tokio::test(flavor = "multi_thread")]
async fn t12_poison() {
    let _alone = alone().await;
    let mut chance = Chance::new();
    let mut line = Line::new("T12", &chance);
    let (offers, each) = (size(100, 5_000), size(1, 4));
    let scene = Scene::start(Wanted { offers, ..Wanted::default() }).await;
    let all = scene.site.offers();
    let mut poisoned = BTreeMap::new();
    for (at, kind) in chance.pick(each * KINDS.len(), all.len()).into_iter().zip((0..).map(|at| at % KINDS.len())) {
        scene.site.describe(&all[at].reference, &format!("jobpipe-poison: {}", KINDS[kind].0)).unwrap();
        poisoned.insert(format!("{}{}", scene.site.base_url, all[at].path()), KINDS[kind]);
    }
    let script = format!("ulimit -v {MEMORY_KIB}; exec {} run import.yml --format json", env!("CARGO_BIN_EXE_jobpipe"));
    let mut starts = 0;
    let last = loop {
        let mut command = Command::new("sh");
        command.args(["-c", &script]).env("JOBPIPE_POISON", "5s");
        scene.dress(&mut command);
        let lived = Running::start(command).end();
        line.lived(&lived, starts > 0);
        starts += 1;
        if lived.code.is_some() || starts > 60 {
            break lived;
        }
        line.faults += 1;
    };
    line.must(last.state() == "partial", last.told());
    let letters = store::letters(&scene.store()).await;
    let mut dead: BTreeMap<&str, usize> = BTreeMap::new();
    for letter in &letters {
        let Some((kind, says)) = poisoned.get(&letter.url) else {
            line.must(false, format!("a neighbour is dead: {letter:?}"));
            continue;
        };
        *dead.entry(kind).or_default() += 1;
        let told = format!("{} {}", letter.error.code, letter.error.message);
        line.must(says.iter().all(|word| told.contains(word)), format!("{kind}: {told}"));
        line.must(letter.error.class == ErrorClass::Poison, format!("{kind}: {:?}", letter.error.class));
    }
    line.dead = letters.len() as u64;
    line.expected_dead = poisoned.len() as u64;
    for (kind, _) in KINDS {
        line.tell(kind, dead.get(kind).copied().unwrap_or(0));
    }
    let mut expected = scene.expectation();
    for posts in expected.expected.values_mut() {
        posts.retain(|post| !poisoned.contains_key(post.link.as_deref().unwrap_or_default()));
    }
    line.pages(&scene.facebook.report_against(&expected), all.len() - poisoned.len());
    line.acked = store::in_flight(&scene.store()).await.posted as u64;
    line.must(scene.records("current.jsonl") == all.len() - poisoned.len(), "the file lacks a neighbour");
    line.must(starts <= 60, format!("{starts} starts"));
    line.tell("starts", starts);
    line.must(orphan_ends().await, "a child that loops outlives its parent");
    line.end();
}

/// The parent is killed while its child loops: nobody is left who could end the child, so it must end by itself.
async fn orphan_ends() -> bool {
    let scene = Scene::start(Wanted { offers: 1, ..Wanted::default() }).await;
    scene.site.describe(&scene.site.offers()[0].reference, "jobpipe-poison: loop").unwrap();
    let running = scene.run(&[("JOBPIPE_POISON", "5s")]);
    let (parent, mut child) = (running.id(), None);
    let lived = running.until(|_| {
        child = children(parent).first().copied();
        child.is_some()
    });
    let Some(child) = child.filter(|_| lived.killed) else { return false };
    let killed = Instant::now();
    while lives(child) && killed.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_millis(50));
    }
    !lives(child)
}
