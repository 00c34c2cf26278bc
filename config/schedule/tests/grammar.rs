//! What a schedule may say, what it means, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::needless_pass_by_value, reason = "a literal is handed over as it is")]

use jobpipe_schedule::{CatchUp, Overlap, Policy, Schedule, Zone};
use serde_json::{Value as Json, json};

fn schedule(json: Json) -> Schedule {
    Schedule::parse(&json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn error(json: Json) -> String {
    Schedule::parse(&json).map_or_else(|error| error.to_string(), |good| panic!("{json}: {good:?}"))
}

/// Slots by the clock of the schedule's first zone.
fn slots(json: Json, after: &str, until: &str) -> Vec<String> {
    let schedule = schedule(json);
    let zone = schedule.zone();
    let (after, until) = (zone.read(after).unwrap(), zone.read(until).unwrap());
    schedule.slots(after, until).map(|slot| zone.show(slot.at).get(..20).unwrap().to_owned()).collect()
}

#[test]
fn lines_in_words() {
    let cases = [
        ("every 15m", "every 15 minutes"),
        ("every 1h", "every hour"),
        ("every 90s", "every 90 seconds"),
        ("every 2d Europe/Paris", "every 2 days, Europe/Paris"),
        ("hourly", "hourly, UTC"),
        ("daily", "daily 00:00, UTC"),
        ("daily 6:00", "daily 06:00, UTC"),
        ("daily 06:00 Europe/Paris", "daily 06:00, Europe/Paris"),
        ("Daily 06:00 europe/paris", "daily 06:00, Europe/Paris"),
        ("daily 06:00 CET", "daily 06:00, CET"),
        ("weekdays 9:00-18:00 every 30m", "weekdays 09:00-18:00 every 30 minutes, UTC"),
        ("weekends 22:00-6:00 every 1h", "weekends 22:00-06:00 every hour, UTC"),
        ("weekly mon 06:00", "weekly on Monday 06:00, UTC"),
        ("weekly sun,Friday,wed 06:00", "weekly on Wednesday, Friday, Sunday 06:00, UTC"),
        ("weekly", "weekly on Sunday 00:00, UTC"),
        ("monthly 15 06:00", "monthly on day 15 06:00, UTC"),
        ("monthly last 06:00", "monthly on the last day 06:00, UTC"),
        ("monthly", "monthly on day 1 00:00, UTC"),
        ("after acme-api", "after acme-api"),
        ("*/15 9-17 * * *", "cron */15 9-17 * * *, UTC (every 15 minutes, of hour 9-17)"),
        (
            "0 0 L * fri#2",
            "cron 0 0 L * fri#2, UTC (at 00:00, on the last day of the month or the 2nd Friday of the month)",
        ),
        ("0 6 * * 1-5", "cron 0 6 * * 1-5, UTC (at 06:00, on Monday to Friday)"),
    ];
    for (line, words) in cases {
        assert_eq!(schedule(json!(line)).describe(), words, "{line}");
    }
}

#[test]
fn every_is_anchored_at_the_epoch_and_so_the_same_for_everybody() {
    let quarter = schedule(json!("every 15m"));
    let all: Vec<i64> = quarter.slots(0, 86_400_000).map(|slot| slot.at).collect();
    assert_eq!(all, (1..=96).map(|slot| slot * 900_000).collect::<Vec<_>>());
    // wherever one begins to look
    for period in ["7m", "15m", "1h", "25h", "3d", "1s", "36h30m"] {
        let schedule = schedule(json!(format!("every {period}")));
        let until = 1_800_000_000_000_i64 + 20 * 86_400_000;
        for begin in [1_800_000_000_000_i64, 1_799_999_999_999, 1_800_003_661_007, 1_801_000_000_001] {
            let mine: Vec<i64> = schedule.slots(begin, until).take(500).map(|slot| slot.at).collect();
            let theirs = schedule.slots(begin - 200_000_000, until).map(|slot| slot.at);
            let theirs: Vec<i64> = theirs.filter(|at| *at > begin).take(500).collect();
            assert!(!mine.is_empty());
            assert_eq!(mine, theirs, "every {period} from {begin}");
        }
    }
    // a zone does not move them
    let utc = slots(json!("every 6h"), "2026-11-01", "2026-11-03");
    assert_eq!(utc.len(), 8);
    let in_paris = schedule(json!("every 6h Europe/Paris"));
    assert!(in_paris.slots(0, 86_400_000 * 400).all(|slot| slot.at % 21_600_000 == 0));
}

#[test]
fn windows_end_where_they_say() {
    assert_eq!(
        slots(json!("weekdays 9:00-10:00 every 30m Europe/Paris"), "2026-11-06", "2026-11-10"),
        [
            "Fri 2026-11-06 09:00",
            "Fri 2026-11-06 09:30",
            "Fri 2026-11-06 10:00",
            "Mon 2026-11-09 09:00",
            "Mon 2026-11-09 09:30",
            "Mon 2026-11-09 10:00"
        ]
    );
    assert_eq!(slots(json!("daily 9:00-10:00 every 25m"), "2026-11-06", "2026-11-07").len(), 3);
    // past midnight it is still the day's on which it began
    assert_eq!(
        slots(json!("weekdays 22:00-2:00 every 2h"), "2026-11-06", "2026-11-09T23:59"),
        [
            "Fri 2026-11-06 00:00",
            "Fri 2026-11-06 02:00",
            "Fri 2026-11-06 22:00",
            "Sat 2026-11-07 00:00",
            "Sat 2026-11-07 02:00",
            "Mon 2026-11-09 22:00"
        ][1..]
    );
}

#[test]
fn several_schedules_are_one_with_each_instant_once() {
    let two = json!(["daily 06:00 Europe/Paris", { "cron": "0 */6 * * *" }]);
    assert_eq!(
        slots(two.clone(), "2026-06-01T01:00", "2026-06-01T23:59"),
        [
            "Mon 2026-06-01 02:00",
            "Mon 2026-06-01 06:00",
            "Mon 2026-06-01 08:00",
            "Mon 2026-06-01 14:00",
            "Mon 2026-06-01 20:00"
        ]
    );
    let same = json!({ "daily": ["06:00", "18:00"], "every": "6h", "cron": "0 6 * * *" });
    let same = schedule(same);
    assert_eq!(same.rules.len(), 4);
    let found: Vec<(i64, usize)> = same.slots(0, 86_400_000).map(|slot| (slot.at / 3_600_000, slot.rule)).collect();
    assert_eq!(found, [(6, 0), (12, 0), (18, 0), (24, 0)]);
    let both = schedule(two);
    assert_eq!(both.describe().matches("; ").count(), 1);
    assert_eq!(both.zones().iter().map(|zone| zone.name()).collect::<Vec<_>>(), ["Europe/Paris", "UTC"]);
}

#[test]
fn dates_start_and_end_bound_a_schedule() {
    let bounded = json!({
        "daily": "06:00", "zone": "Europe/Paris", "except": ["2026-12-25", "2026-12-26"],
        "start": "2026-12-23", "end": "2026-12-28"
    });
    let days = ["Wed 2026-12-23", "Thu 2026-12-24", "Sun 2026-12-27", "Mon 2026-12-28"];
    let found = slots(bounded.clone(), "2026-01-01", "2027-12-31");
    assert_eq!(found, days.map(|day| format!("{day} 06:00")));
    assert_eq!(
        schedule(bounded).describe(),
        "daily 06:00, Europe/Paris, from 2026-12-23, until 2026-12-28, except 2026-12-25, 2026-12-26"
    );
    // to the minute, by the zone's own clock, both ends in
    let exact =
        json!({ "every": "1h", "zone": "Asia/Kathmandu", "start": "2026-12-01T05:45", "end": "2026-12-01T02:00:00Z" });
    assert_eq!(
        slots(exact, "2026-01-01", "2027-01-01"),
        ["05:45", "06:45", "07:45"].map(|t| format!("Tue 2026-12-01 {t}"))
    );
    // dates left out are the zone's; with `every` the next slot is one of the common ones
    let every = json!({ "every": "7h", "zone": "America/New_York", "except": "2026-12-25" });
    let all = slots(json!("every 7h America/New_York"), "2026-12-24", "2026-12-27");
    let left: Vec<String> = all.into_iter().filter(|slot| !slot.contains("12-25")).collect();
    assert_eq!(slots(every, "2026-12-24", "2026-12-27"), left);
    // a window that passes midnight belongs to the day on which it began
    let night = json!({ "daily": "22:00-2:00 every 2h", "except": "2026-12-25" });
    let found = slots(night, "2026-12-24T23:00", "2026-12-26T23:00");
    assert_eq!(found, ["Fri 2026-12-25 00:00", "Fri 2026-12-25 02:00", "Sat 2026-12-26 22:00"]);
}

#[test]
fn policies_have_defaults_and_are_of_the_import() {
    assert_eq!(schedule(json!("every 1h")).policy, Policy::default());
    let default = Policy::default();
    assert_eq!((default.overlap, default.catch_up, default.retry), (Overlap::Skip, CatchUp::Last, 0));
    let all = json!({
        "every": "15m", "overlap": "queue_one", "catch_up": "all", "window": "2d", "deadline": "10m", "jitter": "1m",
        "pause_on_failure": 3, "retry": 2, "after": ["acme-api", "globex"]
    });
    let all = schedule(all);
    assert_eq!(
        all.policy,
        Policy {
            overlap: Overlap::QueueOne,
            catch_up: CatchUp::All,
            window: Some(172_800_000),
            deadline: Some(600_000),
            jitter: 60_000,
            pause_on_failure: Some(3),
            retry: 2,
        }
    );
    assert_eq!(all.after, ["acme-api", "globex"]);
    // said with one of several schedules they hold for all
    let list = json!(["daily 06:00", { "cron": "0 * * * *", "overlap": "cancel_other" }, "after acme-api"]);
    assert_eq!(schedule(list.clone()).policy.overlap, Overlap::CancelOther);
    assert_eq!(schedule(list).after, ["acme-api"]);
    let twice = json!([{ "daily": "06:00", "overlap": "skip" }, { "every": "1h", "overlap": "queue_one" }]);
    assert!(error(twice).starts_with("schedule[1].overlap: `overlap` is said twice, and differently"));
}

#[test]
fn it_is_kept_as_it_is_written() {
    for written in
        [json!("every 1h"), json!({ "every": "15m", "jitter": "1m" }), json!(["daily 06:00", { "cron": "0 6 * * *" }])]
    {
        let schedule: Schedule = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(serde_json::to_value(&schedule).unwrap(), written);
    }
    assert!(serde_json::from_value::<Schedule>(json!("sometimes")).is_err());
}

#[test]
fn what_is_refused_is_told_with_its_key() {
    let cases = [
        (json!("sometimes"), "`sometimes` is not a schedule: expected a schedule such as"),
        (json!(""), "`` is not a schedule"),
        (json!(7), "`7` is not a schedule"),
        (json!([]), "an empty list"),
        (json!([["hourly"]]), "schedule[0]: a list in a list"),
        (json!("every"), "`every` is not"),
        (json!("every 0s"), "expected a time between 1s and ten years"),
        (json!("every 900ms"), "expected a time between"),
        (json!("every 99999d"), "expected a time between"),
        (json!("daily 25:00"), "`daily 25:00` is not"),
        (json!("daily 6"), "`daily 6` is not"),
        (json!("daily 6:5"), "`daily 6:5` is not"),
        (json!("daily 06:00 Europe/Pariss"), "and `Europe/Pariss` is not one"),
        (json!("weekdays 9:00-9:00 every 5m"), "whose end is not its beginning"),
        (json!("weekdays 9:00-18:00 every 90s"), "whole minutes"),
        (json!("weekdays 9:00-18:00"), "is not a schedule"),
        (json!("weekly monkey 06:00"), "is not a schedule"),
        (json!("monthly 32 06:00"), "is not a schedule"),
        (json!("61 * * * *"), "a cron line of five fields"),
        (json!("0 0 0 * * *"), "this one has 6"),
        (json!("0 0 * *"), "this one has 4"),
        (json!("0 0 1,,2 * *"), "empty place"),
        (json!("0 0 31 2 *"), "`0 0 31 2 *` never comes in fifty years"),
        (json!("0 0 * * L"), "never comes"),
        (json!({ "cron": "every 15m" }), "schedule.cron: `every 15m` is not"),
        (json!({ "cron": "daily" }), "schedule.cron: `daily` is not"),
        (json!({ "every": ["1h", "sometimes"] }), "schedule.every[1]: `sometimes` is not"),
        (
            json!([{ "daily": "06:00", "except": ["2026-12-25", "xmas"] }]),
            "schedule[0].except[1]: `xmas` is not a date",
        ),
        (json!({ "daily": "06:00", "except": "2026-02-30" }), "schedule.except: `2026-02-30` is not a date"),
        (json!({ "daily": "06:00", "zone": "Mars" }), "schedule.zone: `Mars`"),
        (json!({ "daily": "06:00 UTC", "zone": "Europe/Paris" }), "schedule.daily: `06:00 UTC` names another zone"),
        (json!({ "daily": "06:00", "start": "soon" }), "schedule.start: `soon` is not a time"),
        (
            json!({ "daily": "06:00", "start": "2026-12-24", "end": "2026-12-23" }),
            "never comes between `start` and `end`",
        ),
        (json!({ "overlap": "skip" }), "it does not say when"),
        (json!({ "every": "1h", "overlap": "sometimes" }), "schedule.overlap: `sometimes` cannot be read here"),
        (json!({ "every": "1h", "catch_up": "some" }), "expected `none` or `last` or `all`"),
        (json!({ "every": "1h", "deadline": "0s" }), "schedule.deadline: `0s`"),
        (json!({ "every": "1h", "jitter": "1h" }), "schedule.jitter: a jitter as long as `every 1h`"),
        (json!({ "daily": "06:00", "jitter": "25h" }), "expected at most 1d"),
        (json!({ "every": "1h", "pause_on_failure": 0 }), "schedule.pause_on_failure: `0` cannot"),
        (json!({ "every": "1h", "retry": 101 }), "a whole number up to 100"),
        (json!({ "every": "1h", "after": "no name" }), "schedule.after: `no name` is not the name of an import"),
        (json!({ "every": "1h", "evry": "1h" }), "schedule.evry: unknown key `evry`"),
    ];
    for (json, expected) in cases {
        let told = error(json.clone());
        assert!(told.contains(expected), "{json}: {told}");
    }
    let all = Schedule::read(&json!({ "every": "x", "overlap": "y", "zone": "z", "q": 1 })).unwrap_err();
    assert_eq!(all.len(), 4, "{all:?}");
}

#[test]
fn times_are_read_as_people_write_them() {
    let paris = Zone::find("Europe/Paris").unwrap();
    for (text, expected) in [
        ("2026-11-23", "Mon 2026-11-23 00:00 +01:00"),
        ("2026-11-23T06:30", "Mon 2026-11-23 06:30 +01:00"),
        ("2026-11-23 06:30:15", "Mon 2026-11-23 06:30:15 +01:00"),
        ("2026-11-23T06:30:00Z", "Mon 2026-11-23 07:30 +01:00"),
        ("2026-11-23T06:30:00-05:00", "Mon 2026-11-23 12:30 +01:00"),
        // twice, and not at all
        ("2026-10-25T02:30", "Sun 2026-10-25 02:30 +02:00"),
        ("2026-03-29T02:30", "Sun 2026-03-29 03:30 +02:00"),
    ] {
        assert_eq!(paris.read(text).map(|at| paris.show(at)).as_deref(), Some(expected), "{text}");
    }
    for wrong in ["", "soon", "2026-13-01", "26-11-23", "2026-11-23T", "2026-11-23T25:00", "06:30", "2026-11-23x06:30"]
    {
        assert_eq!(paris.read(wrong), None, "{wrong}");
    }
}

#[test]
fn the_ends_of_time_are_no_trouble() {
    for json in [json!("every 15m"), json!("daily 06:00 Europe/Paris"), json!("*/5 * * * * Asia/Tehran")] {
        let schedule = schedule(json);
        for at in [i64::MIN, i64::MIN + 1, -1, i64::MAX - 1, i64::MAX] {
            let _any = schedule.next_after(at);
        }
        assert_eq!(schedule.slots(i64::MAX, i64::MAX).count(), 0);
        assert_eq!(schedule.slots(10, 5).count(), 0);
    }
}
