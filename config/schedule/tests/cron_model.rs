//! Slots against a cron of another make (`model`), over zones with odd rules and the years 2024-2030.
//!
//! The seed is printed; `SCHEDULE_SEED=N` repeats a run.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod model;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jobpipe_schedule::Schedule;
use model::{Line, Minute, MonthDay, Part, WeekDay};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{RngSeed, TestRunner};
use serde_json::json;

/// Half hours, quarters of hours, gaps and overlaps at and over midnight, of two hours, twice a year around Ramadan,
/// and none.
const ZONES: &[&str] = &[
    "UTC",
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/Asuncion",
    "America/Havana",
    "America/New_York",
    "America/Nuuk",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Almaty",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Atlantic/Azores",
    "Australia/Adelaide",
    "Australia/Lord_Howe",
    "Europe/Chisinau",
    "Europe/Dublin",
    "Europe/Paris",
    "Pacific/Chatham",
    "Pacific/Easter",
    "Pacific/Kiritimati",
];

fn zone(name: &str) -> TimeZone {
    TimeZoneDatabase::bundled().get(name).unwrap()
}

fn stamp(minute: Minute) -> Timestamp {
    Timestamp::from_second(minute * 60).unwrap()
}

fn first_minute(year: i16) -> Minute {
    jiff::civil::date(year, 1, 1).to_zoned(TimeZone::UTC).unwrap().timestamp().as_second() / 60
}

/// The instants of 2024-2030 at which a zone's clock is changed.
fn changes(zone: &TimeZone) -> Vec<Minute> {
    let last = first_minute(2031);
    let later = zone.following(stamp(first_minute(2024)));
    later.map(|change| change.timestamp().as_second() / 60).take_while(|minute| *minute < last).collect()
}

/// Fails where the slots of a line differ from the model's runs.
fn agrees(line: &Line, name: &str, after: Minute, until: Minute) -> Result<(), String> {
    let rules = zone(name);
    let offset = |minute| i64::from(rules.to_offset(stamp(minute)).seconds()) / 60;
    let wanted: Vec<String> =
        model::runs(line, after, until, offset).into_iter().map(|at| stamp(at).to_string()).collect();
    let schedule = match Schedule::parse(&json!({ "cron": line.to_string(), "zone": name })) {
        Ok(schedule) => schedule,
        Err(error) if wanted.is_empty() && error.problem.contains("never comes") => return Ok(()),
        Err(error) => return Err(format!("`{line}` cannot be read: {error}")),
    };
    let slots = |after: Minute| schedule.slots(after * 60_000, until * 60_000).map(|slot| slot.at);
    let all: Vec<i64> = slots(after).collect();
    let found: Vec<String> = all.iter().map(|at| Timestamp::from_millisecond(*at).unwrap().to_string()).collect();
    if found != wanted {
        return Err(format!("`{line}` {name}\n found {found:?}\nwanted {wanted:?}"));
    }
    // wherever one begins to look, the slots are the same
    let begin = (after + 2 * until) / 3;
    if !slots(begin).eq(all.into_iter().filter(|at| *at > begin * 60_000)) {
        return Err(format!("`{line}` {name}: other slots from {} on", stamp(begin)));
    }
    Ok(())
}

fn parts(least: u32, most: u32) -> impl Strategy<Value = Vec<Part>> {
    let one = (least..=most).prop_map(Part::One);
    let range = (least..=most, least..=most, 1_u32..5).prop_map(|(a, b, step)| Part::Range {
        from: a.min(b),
        to: a.max(b),
        step,
    });
    let star = (2_u32..=((most - least) / 2).max(2)).prop_map(|step| Part::Star { step });
    let some = prop_oneof![4 => one, 2 => range, 1 => star];
    prop_oneof![2 => Just(vec![Part::Star { step: 1 }]), 5 => prop::collection::vec(some, 1..4)]
}

fn lines() -> impl Strategy<Value = Line> {
    let days = prop_oneof![
        6 => Just(MonthDay::Plain(vec![Part::Star { step: 1 }])),
        4 => parts(1, 31).prop_map(MonthDay::Plain),
        1 => Just(MonthDay::Last),
        1 => Just(MonthDay::LastWeekday),
        2 => (1_u32..=31).prop_map(MonthDay::Near),
    ];
    let weekdays = prop_oneof![
        6 => Just(WeekDay::Plain(vec![Part::Star { step: 1 }])),
        4 => parts(0, 7).prop_map(WeekDay::Plain),
        1 => (0_u32..=7).prop_map(WeekDay::Last),
        1 => (0_u32..=7, 1_u32..=5).prop_map(|(day, nth)| WeekDay::Nth(day, nth)),
    ];
    let months = prop_oneof![3 => Just(vec![Part::Star { step: 1 }]), 1 => parts(1, 12)];
    // the hours in which clocks are changed come more often than others
    let hours = prop_oneof![parts(0, 23), parts(0, 3)];
    (parts(0, 59), hours, days, months, weekdays, any::<bool>()).prop_map(
        |(minutes, hours, days, months, weekdays, names)| Line { minutes, hours, days, months, weekdays, names },
    )
}

#[test]
fn slots_are_the_runs_of_another_cron() {
    let seed = match std::env::var("SCHEDULE_SEED") {
        Ok(text) => text.parse().unwrap(),
        Err(_) => 20_261_123,
    };
    eprintln!("SCHEDULE_SEED={seed}");
    let config =
        ProptestConfig { cases: 500, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Default::default() };
    // some days around a change of the clock, or anywhere
    let place = (select(ZONES), any::<prop::sample::Index>(), any::<bool>(), 0_i64..7 * 525_600, -6_000_i64..1_000);
    TestRunner::new(config)
        .run(&(lines(), place), |(line, (name, which, anywhere, minute, shift))| {
            let changes = changes(&zone(name));
            let near = if anywhere || changes.is_empty() { None } else { Some(*which.get(&changes) + shift) };
            let after = near.unwrap_or(first_minute(2024) + minute);
            agrees(&line, name, after, after + 5 * 1_440).map_err(TestCaseError::fail)
        })
        .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
}

/// Every change of every zone, with lines that name their times and lines that go by steps.
#[test]
fn every_change_of_the_clock_in_every_zone() {
    let every_day = || MonthDay::Plain(vec![Part::Star { step: 1 }]);
    let any_month = || vec![Part::Star { step: 1 }];
    let line = |minutes: &[Part], hours: &[Part], days: MonthDay, weekdays: WeekDay| Line {
        minutes: minutes.to_vec(),
        hours: hours.to_vec(),
        days,
        months: any_month(),
        weekdays,
        names: false,
    };
    let any_weekday = || WeekDay::Plain(vec![Part::Star { step: 1 }]);
    let (star, one) = (|step| [Part::Star { step }], |value| [Part::One(value)]);
    let mut lines = vec![
        line(&star(15), &star(1), every_day(), any_weekday()),
        line(&one(0), &star(1), every_day(), any_weekday()),
        line(&star(20), &one(2), every_day(), any_weekday()),
        line(&[Part::One(0), Part::One(30)], &[Part::Range { from: 0, to: 4, step: 1 }], every_day(), any_weekday()),
        line(&one(45), &[Part::One(23), Part::One(0)], MonthDay::Last, WeekDay::Plain(vec![Part::One(6)])),
        line(&one(30), &one(23), every_day(), WeekDay::Plain(vec![Part::One(6)])),
    ];
    for hour in 0..4 {
        lines.push(line(&one(30), &one(hour), every_day(), any_weekday()));
    }
    let mut seen = 0;
    for name in ZONES {
        for change in changes(&zone(name)) {
            seen += 1;
            for line in &lines {
                agrees(line, name, change - 700, change + 700).unwrap_or_else(|error| panic!("{error}"));
            }
        }
    }
    assert!(seen > 150, "only {seen} changes of clocks");
}

/// The other forms are cron lines in words.
#[test]
fn forms_in_words_have_the_slots_of_their_cron_lines() {
    let same = [
        ("hourly", "0 * * * *"),
        ("daily", "0 0 * * *"),
        ("daily 0:00-23:30 every 30m", "*/30 * * * *"),
        ("daily 02:30", "30 2 * * *"),
        ("weekdays 01:15", "15 1 * * 1-5"),
        ("weekends 23:45", "45 23 * * 0,6"),
        ("weekly", "0 0 * * 0"),
        ("weekly sun,wed 00:30", "30 0 * * sun,wed"),
        ("monthly 31 02:00", "0 2 31 * *"),
        ("monthly last 00:00", "0 0 L * *"),
        ("weekdays 1:00-4:40 every 20m", "*/20 1-4 * * 1-5"),
        ("weekends 0:30-23:30 every 1h", "30 * * * 6,7"),
    ];
    for name in ZONES {
        for (words, line) in same {
            let slots = |line: &str| {
                let schedule = Schedule::parse(&json!(format!("{line} {name}"))).unwrap();
                let (after, until) = (first_minute(2026) * 60_000, first_minute(2027) * 60_000);
                schedule.slots(after, until).map(|slot| slot.at).collect::<Vec<_>>()
            };
            let (found, wanted) = (slots(words), slots(line));
            assert!(wanted.len() >= 7 && found == wanted, "{words} is not `{line}` in {name}");
        }
    }
}
