//! Days on which clocks are changed, each rule with the instants that are right. The zones' rules are facts; the
//! instants were worked out by hand.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jobpipe_schedule::{Schedule, Shift, Zone};
use serde_json::{Value as Json, json};

/// The slots of a schedule after one instant and up to another, by a zone's clock and with its offset.
fn slots(schedule: &Json, zone: &str, after: &str, until: &str) -> Vec<String> {
    shifts(schedule, zone, after, until).into_iter().map(|(text, _)| text).collect()
}

fn shifts(schedule: &Json, zone: &str, after: &str, until: &str) -> Vec<(String, Shift)> {
    let schedule = Schedule::parse(schedule).unwrap();
    let zone = Zone::find(zone).unwrap();
    let (after, until) = (zone.read(after).unwrap(), zone.read(until).unwrap());
    let slots: Vec<_> = schedule.slots(after, until).collect();
    // one by one gives the same as all at once
    let mut at = after;
    for slot in &slots {
        assert_eq!(schedule.next_after(at).as_ref(), Some(slot));
        assert!(slot.at > at, "time runs backwards");
        at = slot.at;
    }
    assert!(schedule.next_after(at).is_none_or(|slot| slot.at > until));
    slots.iter().map(|slot| (zone.show(slot.at).split_off(4), slot.shift)).collect()
}

fn in_new_york(line: &str, after: &str, until: &str) -> Vec<String> {
    slots(&json!(format!("{line} America/New_York")), "America/New_York", after, until)
}

#[test]
fn a_time_that_the_gap_swallows_is_launched_right_after_it() {
    // New York, 8 March 2026: 02:00 -> 03:00
    for line in ["30 2 * * *", "daily 02:30"] {
        assert_eq!(
            in_new_york(line, "2026-03-07", "2026-03-10"),
            ["2026-03-07 02:30 -05:00", "2026-03-08 03:00 -04:00", "2026-03-09 02:30 -04:00"],
            "{line}"
        );
    }
    // before and after the gap nothing changes
    assert_eq!(in_new_york("59 1 * * *", "2026-03-08", "2026-03-09"), ["2026-03-08 01:59 -05:00"]);
    assert_eq!(in_new_york("0 3 * * *", "2026-03-08", "2026-03-09"), ["2026-03-08 03:00 -04:00"]);
}

#[test]
fn a_time_that_comes_twice_is_launched_once_and_at_the_first() {
    // New York, 1 November 2026: 02:00 -> 01:00
    for line in ["30 1 * * *", "daily 01:30"] {
        assert_eq!(
            in_new_york(line, "2026-10-31", "2026-11-03"),
            ["2026-10-31 01:30 -04:00", "2026-11-01 01:30 -04:00", "2026-11-02 01:30 -05:00"],
            "{line}"
        );
    }
    assert_eq!(in_new_york("0 2 * * *", "2026-11-01", "2026-11-02"), ["2026-11-01 02:00 -05:00"]);
}

#[test]
fn steps_skip_the_gap_and_run_through_both_hours() {
    for line in ["*/30 * * * *", "daily 00:00-23:59 every 30m"] {
        assert_eq!(
            in_new_york(line, "2026-11-01T00:00", "2026-11-01T02:30"),
            [
                "2026-11-01 00:30 -04:00",
                "2026-11-01 01:00 -04:00",
                "2026-11-01 01:30 -04:00",
                "2026-11-01 01:00 -05:00",
                "2026-11-01 01:30 -05:00",
                "2026-11-01 02:00 -05:00",
                "2026-11-01 02:30 -05:00",
            ],
            "{line}"
        );
        assert_eq!(
            in_new_york(line, "2026-03-08T01:00", "2026-03-08T04:00"),
            [
                "2026-03-08 01:30 -05:00",
                "2026-03-08 03:00 -04:00",
                "2026-03-08 03:30 -04:00",
                "2026-03-08 04:00 -04:00"
            ],
            "{line}"
        );
    }
    // steps within the hour that is not there
    assert_eq!(in_new_york("*/20 2 * * *", "2026-03-08", "2026-03-09").len(), 0);
    assert_eq!(in_new_york("hourly", "2026-11-01T00:00", "2026-11-01T03:00").len(), 4);
    assert_eq!(in_new_york("hourly", "2026-03-08T00:00", "2026-03-08T04:00").len(), 3);
}

#[test]
fn a_list_of_times_names_them_as_one_time_does() {
    // as Vixie's cron has it: without a `*` in the minutes or hours, each time is launched once
    assert_eq!(
        in_new_york("30 2,14 * * *", "2026-03-08", "2026-03-09"),
        ["2026-03-08 03:00 -04:00", "2026-03-08 14:30 -04:00"]
    );
    // two that the gap swallows, and one that is at its end: one instant, one launch
    assert_eq!(in_new_york("0,30 2,3 * * *", "2026-03-08", "2026-03-08T03:29"), ["2026-03-08 03:00 -04:00"]);
    assert_eq!(
        in_new_york("30 1,13 * * *", "2026-11-01", "2026-11-02"),
        ["2026-11-01 01:30 -04:00", "2026-11-01 13:30 -05:00"]
    );
}

#[test]
fn what_a_change_has_done_is_told() {
    let told = |line: &str, after: &str, until: &str| -> Vec<Shift> {
        let all = shifts(&json!(format!("{line} America/New_York")), "America/New_York", after, until);
        all.into_iter().map(|(_, shift)| shift).collect()
    };
    assert_eq!(told("30 2 * * *", "2026-03-07", "2026-03-09"), [Shift::None, Shift::Moved { wanted: 150 }]);
    assert_eq!(told("30 1 * * *", "2026-11-01", "2026-11-03"), [Shift::Once, Shift::None]);
    assert_eq!(told("0 * * * *", "2026-11-01", "2026-11-01T02:00"), [Shift::First, Shift::Second, Shift::None]);
    assert_eq!(told("every 1h", "2026-11-01", "2026-11-01T02:00"), [Shift::None, Shift::None, Shift::None]);
}

#[test]
fn changes_of_half_an_hour_at_midnight_and_over_midnight() {
    // zone, line, after, until, slots
    let cases: &[(&str, &str, &str, &str, &[&str])] = &[
        // 02:00 -> 02:30
        ("Australia/Lord_Howe", "15 2 * * *", "2026-10-04", "2026-10-05", &["2026-10-04 02:30 +11:00"]),
        // 02:00 -> 01:30
        ("Australia/Lord_Howe", "45 1 * * *", "2026-04-05", "2026-04-06", &["2026-04-05 01:45 +11:00"]),
        // 24:00 -> 01:00: a day without a midnight
        ("America/Santiago", "0 0 * * *", "2026-09-05T12:00", "2026-09-06T12:00", &["2026-09-06 01:00 -03:00"]),
        ("America/Santiago", "daily", "2026-09-05T12:00", "2026-09-06T12:00", &["2026-09-06 01:00 -03:00"]),
        // 24:00 -> 23:00: an evening with two
        ("America/Santiago", "30 23 * * *", "2026-04-04T12:00", "2026-04-05T12:00", &["2026-04-04 23:30 -03:00"]),
        ("America/Santiago", "30 23-23/1 * * *", "2026-04-04T12:00", "2026-04-05T12:00", &["2026-04-04 23:30 -03:00"]),
        (
            "America/Santiago",
            "30 * * * *",
            "2026-04-04T22:30",
            "2026-04-05T00:00",
            &["2026-04-04 23:30 -03:00", "2026-04-04 23:30 -04:00"],
        ),
        // Saturday 23:00 -> Sunday 00:00: Saturday's run is launched on Sunday, and not lost
        ("America/Nuuk", "30 23 * * sat", "2026-03-28", "2026-03-30", &["2026-03-29 00:00 -01:00"]),
        ("America/Nuuk", "weekly sat 23:30", "2026-03-28", "2026-03-30", &["2026-03-29 00:00 -01:00"]),
        // 01:00 -> 03:00
        ("Antarctica/Troll", "30 1 * * *", "2026-03-29", "2026-03-30", &["2026-03-29 03:00 +02:00"]),
        // Ramadan: 18 February 2026 is within it from the 15th on; 03:00 -> 02:00, back on 22 March, 02:00 -> 03:00
        ("Africa/Casablanca", "30 2 * * *", "2026-02-15", "2026-02-16", &["2026-02-15 02:30 +01:00"]),
        ("Africa/Casablanca", "30 2 * * *", "2026-03-22", "2026-03-23", &["2026-03-22 03:00 +01:00"]),
        // no changes at all
        ("Pacific/Kiritimati", "30 2 * * *", "2026-03-08", "2026-03-09", &["2026-03-08 02:30 +14:00"]),
        ("America/Sao_Paulo", "0 0 * * *", "2026-11-01T12:00", "2026-11-02T12:00", &["2026-11-02 00:00 -03:00"]),
        ("Asia/Kathmandu", "hourly", "2026-11-01T00:00", "2026-11-01T01:00", &["2026-11-01 01:00 +05:45"]),
    ];
    for (zone, line, after, until, expected) in cases {
        assert_eq!(slots(&json!(format!("{line} {zone}")), zone, after, until), *expected, "{line} {zone}");
    }
}

#[test]
fn fields_mean_what_a_crontab_means() {
    // line, the first two dates from 2026-11-01 (a Sunday) on
    let cases = [
        ("0 0 * * 1", ["2026-11-02", "2026-11-09"]),
        ("0 0 * * MON", ["2026-11-02", "2026-11-09"]),
        ("0 0 * * 0", ["2026-11-08", "2026-11-15"]),
        ("0 0 * * 7", ["2026-11-08", "2026-11-15"]),
        // the 13th or a Friday
        ("0 0 13 * 5", ["2026-11-06", "2026-11-13"]),
        ("0 0 20 * 5", ["2026-11-06", "2026-11-13"]),
        ("0 0 L * *", ["2026-11-30", "2026-12-31"]),
        ("0 0 LW * *", ["2026-11-30", "2026-12-31"]),
        // 15 November 2026 is a Sunday
        ("0 0 15W * *", ["2026-11-16", "2026-12-15"]),
        ("0 0 * * 5#2", ["2026-11-13", "2026-12-11"]),
        ("0 0 * * FRI#L", ["2026-11-27", "2026-12-25"]),
        ("0 0 * * 5L", ["2026-11-27", "2026-12-25"]),
        ("0 0 29 feb *", ["2028-02-29", "2032-02-29"]),
        ("@yearly", ["2027-01-01", "2028-01-01"]),
        ("@weekly", ["2026-11-08", "2026-11-15"]),
        ("@monthly", ["2026-12-01", "2027-01-01"]),
    ];
    for (line, expected) in cases {
        let found = slots(&json!(line), "UTC", "2026-11-01", "2032-12-31");
        let found: Vec<&str> = found.iter().take(2).map(|slot| slot.get(..10).unwrap()).collect();
        assert_eq!(found, expected, "{line}");
    }
}
