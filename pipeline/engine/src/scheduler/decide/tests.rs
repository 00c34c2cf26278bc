use super::*;
use crate::docs::{OpenRun, Paused};
use jobpipe_core::RunFacts;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const HOUR: Millis = 3_600_000;
/// A full hour, and so a slot of `every 1h`.
const NOON: Millis = 495_660 * HOUR;

fn hourly(policies: &Json) -> Schedule {
    let mut map = json!({ "every": "1h" });
    for (key, value) in policies.as_object().unwrap() {
        map[key] = value.clone();
    }
    Schedule::parse(&map).unwrap()
}

fn import(last_slot: Millis) -> ImportDoc {
    ImportDoc { last_slot, ..ImportDoc::default() }
}

fn busy(last_slot: Millis) -> ImportDoc {
    ImportDoc { open: Some(run("acme@open")), ..import(last_slot) }
}

fn run(id: &str) -> OpenRun {
    let facts =
        RunFacts { import: "acme".into(), run: id.into(), seq: 1, started_at: 0, since: BTreeMap::new(), limit: None };
    OpenRun {
        definition: "d".into(),
        facts,
        targets: BTreeMap::new(),
        approved: false,
        launch: None,
        repair: false,
        retires: false,
    }
}

fn at(import: &ImportDoc, schedule: &Schedule, now: Millis) -> Act {
    following(import, schedule, &[], now)
}

fn following(import: &ImportDoc, schedule: &Schedule, ended: &[(String, Ended)], now: Millis) -> Act {
    decide(&Case { name: "acme", import, schedule: Some(schedule), since: 0, ended, now, watched: 0, sabotage: None })
}

fn started(act: Act) -> (String, ImportDoc) {
    match act {
        Act::Start { launch, import } => (launch.slot, *import),
        other => panic!("it starts nothing: {other:?}"),
    }
}

fn noted(act: Act) -> ImportDoc {
    match act {
        Act::Note { import } => *import,
        other => panic!("it notes nothing: {other:?}"),
    }
}

fn waits(act: Act) -> Option<Millis> {
    match act {
        Act::Wait { next, .. } => next,
        other => panic!("it does not wait: {other:?}"),
    }
}

#[test]
fn a_slot_is_taken_once() {
    let schedule = hourly(&json!({}));
    assert_eq!(waits(at(&import(NOON - HOUR), &schedule, NOON - 1)), Some(NOON));
    let (slot, new) = started(at(&import(NOON - HOUR), &schedule, NOON + 5));
    assert_eq!((slot.as_str(), new.last_slot), (utc_text(NOON).as_str(), NOON));
    assert_eq!(waits(at(&new, &schedule, NOON + 5)), Some(NOON + HOUR));
    // a clock that was set back gives it no second time
    assert_eq!(waits(at(&new, &schedule, NOON - HOUR)), Some(NOON + HOUR));
}

#[test]
fn slots_before_the_deployment_are_not_its_own() {
    let schedule = hourly(&json!({ "catch_up": "all" }));
    let fresh = ImportDoc::default();
    let case = Case {
        name: "acme",
        import: &fresh,
        schedule: Some(&schedule),
        since: NOON,
        ended: &[],
        now: NOON + 5,
        watched: 0,
        sabotage: None,
    };
    assert_eq!(waits(decide(&case)), Some(NOON + HOUR));
}

#[test]
fn a_paused_import_is_left_alone() {
    let paused = ImportDoc { paused: Some(Paused { why: "by hand".into(), at: 0 }), ..import(0) };
    assert_eq!(waits(at(&paused, &hourly(&json!({})), NOON)), None);
}

#[test]
fn overlap_says_what_becomes_of_a_slot_on_time() {
    let skipped = noted(at(&busy(NOON - HOUR), &hourly(&json!({ "overlap": "skip" })), NOON));
    assert_eq!((skipped.last_slot, skipped.queue.len()), (NOON, 0));
    assert_eq!(skipped.skipped.unwrap().count, 1);

    let one = hourly(&json!({ "overlap": "queue_one" }));
    let queued = noted(at(&busy(NOON - HOUR), &one, NOON));
    assert_eq!((queued.last_slot, queued.queue.len(), queued.skipped.clone()), (NOON, 1, None));
    let full = noted(at(&queued, &one, NOON + HOUR));
    assert_eq!((full.queue.clone(), full.skipped.clone().unwrap().count), (queued.queue, 1));
    let free = ImportDoc { open: None, ..full };
    let (slot, new) = started(at(&free, &one, NOON + HOUR + 5));
    assert_eq!((slot.as_str(), new.queue.len()), (utc_text(NOON).as_str(), 0), "what waits goes first");

    let cancel = hourly(&json!({ "overlap": "cancel_other" }));
    let queued = noted(at(&busy(NOON - HOUR), &cancel, NOON));
    assert_eq!(queued.queue[0].cancels.as_deref(), Some("acme@open"));
    let Act::Wait { cancel: Some(run), .. } = at(&queued, &cancel, NOON) else { panic!("it cancels nothing") };
    assert_eq!(run, "acme@open");
    let other = ImportDoc { open: Some(self::run("acme@other")), ..queued };
    let Act::Wait { cancel: None, .. } = at(&other, &cancel, NOON) else { panic!("it cancels another run") };
}

#[test]
fn catch_up_says_what_becomes_of_slots_that_were_missed() {
    let now = NOON + 5 * HOUR + HOUR / 2;
    let missed = noted(at(&import(NOON), &hourly(&json!({ "catch_up": "none" })), now));
    assert_eq!((missed.last_slot, missed.skipped.unwrap().count), (NOON + 5 * HOUR, 5));

    let (slot, last) = started(at(&import(NOON), &hourly(&json!({ "catch_up": "last" })), now));
    assert_eq!((slot, last.skipped.unwrap().count), (utc_text(NOON + 5 * HOUR), 4));

    let all = hourly(&json!({ "catch_up": "all" }));
    let (slot, first) = started(at(&import(NOON), &all, now));
    assert_eq!((slot, first.last_slot), (utc_text(NOON + HOUR), NOON + HOUR));
    // those that are left wait, whatever `overlap` says
    let rest = noted(at(&ImportDoc { open: Some(run("acme@open")), ..first }, &all, now));
    let slots: Vec<Millis> = rest.queue.iter().map(|waiting| waiting.at).collect();
    assert_eq!(slots, [2, 3, 4, 5].map(|hour| NOON + hour * HOUR));
    assert_eq!(rest.skipped, None);
    // one that is on time waits behind them
    let rest = noted(at(&ImportDoc { open: Some(run("acme@open")), ..import(NOON) }, &all, NOON + 3 * HOUR + 1));
    assert_eq!((rest.queue.len(), rest.last_slot, rest.skipped), (3, NOON + 3 * HOUR, None));
}

#[test]
fn a_slot_that_nobody_met_is_made_up_for_however_short_ago_it_was() {
    let policies = |catch_up| json!({ "every": "10s", "catch_up": catch_up, "overlap": "skip" });
    let now = NOON + 35_000;
    let met = |catch_up, watched| {
        let schedule = Schedule::parse(&policies(catch_up)).unwrap();
        let (import, schedule) = (busy(NOON), Some(&schedule));
        let case = Case { name: "acme", import: &import, schedule, since: 0, ended: &[], now, watched, sabotage: None };
        noted(decide(&case))
    };
    let slots = |doc: &ImportDoc| -> Vec<Millis> { doc.queue.iter().map(|waiting| waiting.at - NOON).collect() };
    let missed = met("all", now - 1_000);
    assert_eq!((slots(&missed), missed.skipped), (vec![10_000, 20_000, 30_000], None));
    // one that was met waits behind those that were not
    let missed = met("all", NOON + 15_000);
    assert_eq!((slots(&missed), missed.skipped), (vec![10_000, 20_000, 30_000], None));
    // all were met: the run before is still open, and `overlap` says what comes of the first
    let overlapped = met("all", NOON);
    assert_eq!(
        (slots(&overlapped), overlapped.last_slot, overlapped.skipped.unwrap().count),
        (vec![], NOON + 10_000, 1)
    );
    let last = met("last", now - 1_000);
    assert_eq!((slots(&last), last.last_slot, last.skipped.unwrap().count), (vec![], NOON + 30_000, 3));
}

#[test]
fn deadline_and_window_bound_how_late_a_slot_may_come() {
    let now = NOON + 5 * HOUR + HOUR / 2;
    let bounded = hourly(&json!({ "catch_up": "all", "window": "2h" }));
    let (slot, new) = started(at(&import(NOON), &bounded, now));
    assert_eq!((slot, new.skipped.unwrap().count), (utc_text(NOON + 4 * HOUR), 3));
    let late = noted(at(&import(NOON), &hourly(&json!({ "deadline": "10m" })), now));
    assert_eq!((late.last_slot, late.skipped.unwrap().count), (NOON + 5 * HOUR, 5));
    let (slot, _) = started(at(&import(NOON - HOUR), &hourly(&json!({ "deadline": "10m" })), NOON + 9 * 60_000));
    assert_eq!(slot, utc_text(NOON));
}

#[test]
fn jitter_delays_a_slot_and_is_the_same_for_all() {
    let schedule = hourly(&json!({ "jitter": "10m" }));
    let starts = NOON + jitter("acme", NOON, 600_000);
    assert!(starts > NOON, "choose another name: this one has no jitter here");
    assert_eq!(waits(at(&import(NOON - HOUR), &schedule, starts - 1)), Some(starts));
    assert_eq!(started(at(&import(NOON - HOUR), &schedule, starts)).0, utc_text(NOON));
}

#[test]
fn an_import_follows_another() {
    let schedule = Schedule::parse(&json!({ "after": "first" })).unwrap();
    let ended: Vec<(String, Ended)> =
        [(3, "first@a"), (4, "first@b")].map(|(seq, run)| ("first".to_owned(), Ended { run: run.into(), seq })).into();
    let new = noted(following(&import(0), &schedule, &ended, NOON));
    assert_eq!((new.after_seq["first"], new.skipped.clone().unwrap().count), (3, 1), "the last one is enough");
    let (slot, new) = started(following(&new, &schedule, &ended, NOON));
    assert_eq!((slot.as_str(), new.after_seq["first"]), ("after:first@b", 4));
    assert_eq!(waits(following(&new, &schedule, &ended, NOON)), None);
}

#[test]
fn a_backfill_lets_what_is_due_go_first_and_keeps_its_pace() {
    let schedule = hourly(&json!({}));
    let fill = Backfill {
        id: "x".into(),
        after: NOON - 4 * HOUR,
        until: NOON - 2 * HOUR,
        pace: 60_000,
        started: 0,
        skip: false,
    };
    let mut doc = ImportDoc { backfill: Some(fill), ..import(NOON - HOUR) };
    let (slot, _) = started(at(&doc, &schedule, NOON));
    assert_eq!(slot, utc_text(NOON));
    doc.last_slot = NOON;
    let (slot, mut next) = started(at(&doc, &schedule, NOON));
    assert_eq!(slot, format!("backfill-x:{}", utc_text(NOON - 3 * HOUR)));
    assert_eq!(waits(at(&next, &schedule, NOON + 1)), Some(NOON + 60_000));
    next.open = Some(run("acme@open"));
    assert!(waits(at(&next, &schedule, NOON + 60_000)).is_some());
    next.open = None;
    let (slot, last) = started(at(&next, &schedule, NOON + 60_000));
    assert_eq!(slot, format!("backfill-x:{}", utc_text(NOON - 2 * HOUR)));
    assert_eq!(noted(at(&last, &schedule, NOON + 120_000)).backfill, None);
}

#[test]
fn a_slot_that_comes_due_replaces_a_retry() {
    let retry = Waiting { slot: "s~1".into(), at: NOON - HOUR, not_before: NOON + 60_000, cancels: None, failed: 1 };
    let doc = ImportDoc { queue: VecDeque::from([retry]), ..import(NOON - HOUR) };
    let schedule = hourly(&json!({}));
    assert_eq!(waits(at(&doc, &schedule, NOON - 1)), Some(NOON));
    let (slot, new) = started(at(&doc, &schedule, NOON));
    assert_eq!((slot, new.queue.len()), (utc_text(NOON), 0));
    let alone = ImportDoc { last_slot: NOON, ..doc };
    assert_eq!(started(at(&alone, &schedule, NOON + 60_000)).0, "s~1");
}

/// A sequence of numbers that a seed fixes.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// Whatever happens, each slot becomes one run or none, in order; with `catch_up: all` none is missed that was not on
/// time while another was open.
#[test]
fn every_slot_is_taken_once_whatever_happens() {
    for seed in 0..2_000_u64 {
        let mut chance = Chance(seed);
        let overlap = ["skip", "queue_one", "cancel_other"][chance.below(3) as usize];
        let catch_up = ["none", "last", "all"][chance.below(3) as usize];
        let schedule = hourly(&json!({ "overlap": overlap, "catch_up": catch_up }));
        let (mut doc, mut now) = (import(NOON), NOON + 1);
        let mut starts: Vec<Millis> = Vec::new();
        for _ in 0..60 {
            match chance.below(4) {
                0 => now += i64::try_from(chance.below(40)).unwrap() * HOUR / 4,
                1 => now += 30_000,
                2 => doc.open = None,
                _ => {}
            }
            loop {
                match at(&doc, &schedule, now) {
                    Act::Start { launch, import } => {
                        assert!(doc.open.is_none(), "seed {seed}: two runs are open");
                        starts.push(launch.at);
                        doc = ImportDoc { open: Some(run(&format!("acme@{}", launch.slot))), ..*import };
                    }
                    Act::Note { import } => {
                        assert_ne!(*import, doc, "seed {seed}: it goes round in a circle");
                        doc = *import;
                    }
                    Act::Wait { next, .. } => {
                        assert!(next.is_some_and(|next| next > now), "seed {seed}: it sleeps for ever, or not at all");
                        break;
                    }
                }
            }
        }
        let waiting = doc.queue.iter().map(|waiting| waiting.at);
        let all: Vec<Millis> = starts.iter().copied().chain(waiting).collect();
        let once: BTreeSet<Millis> = all.iter().copied().collect();
        assert!(once.iter().eq(&all), "seed {seed}: not in order, or not once: {all:?}");
        let passed = u64::try_from((doc.last_slot - NOON) / HOUR).unwrap();
        let skipped = doc.skipped.as_ref().map_or(0, |skipped| skipped.count);
        assert_eq!(passed, all.len() as u64 + skipped, "seed {seed}: {overlap}, {catch_up}");
    }
}
