//! `jobpipe schedule`: what it tells of when imports run.

mod support;

use support::Project;

fn next(args: &[&str]) -> String {
    let project = Project::new();
    let done = project.jobpipe(&[&["schedule", "next"], args].concat()).expect(0);
    assert_eq!(done.err, "");
    for line in done.out.lines() {
        assert!(line.chars().count() <= 80, "too wide: {line}");
    }
    done.out
}

#[test]
fn a_time_that_is_left_out_is_moved_and_told() {
    insta::assert_snapshot!(
        next(&["30 2 * * *", "--tz", "America/New_York", "--from", "2026-03-07", "--count", "3"]),
        @r"
    cron 30 2 * * *, America/New_York (at 02:30)
    zone: America/New_York

    America/New_York             UTC
    Sat 2026-03-07 02:30 -05:00  2026-03-07T07:30:00Z
    Sun 2026-03-08 03:00 -04:00  2026-03-08T07:00:00Z  moved: 02:30 is left out
    Mon 2026-03-09 02:30 -04:00  2026-03-09T06:30:00Z
    "
    );
}

#[test]
fn times_that_come_twice_are_told() {
    insta::assert_snapshot!(
        next(&["*/30 * * * * America/New_York", "--from", "2026-11-01T00:30", "--count", "5"]),
        @r"
    cron */30 * * * *, America/New_York (every 30 minutes)
    zone: America/New_York

    America/New_York             UTC
    Sun 2026-11-01 01:00 -04:00  2026-11-01T05:00:00Z  twice, this is the first
    Sun 2026-11-01 01:30 -04:00  2026-11-01T05:30:00Z  twice, this is the first
    Sun 2026-11-01 01:00 -05:00  2026-11-01T06:00:00Z  twice, this is the second
    Sun 2026-11-01 01:30 -05:00  2026-11-01T06:30:00Z  twice, this is the second
    Sun 2026-11-01 02:00 -05:00  2026-11-01T07:00:00Z
    "
    );
    insta::assert_snapshot!(
        next(&["daily 01:30 America/New_York", "--from", "2026-10-31T12:00", "--count", "2"]),
        @r"
    daily 01:30, America/New_York
    zone: America/New_York

    America/New_York             UTC
    Sun 2026-11-01 01:30 -04:00  2026-11-01T05:30:00Z  twice, runs at the first
    Mon 2026-11-02 01:30 -05:00  2026-11-02T06:30:00Z
    "
    );
}

#[test]
fn without_a_zone_it_is_utc_and_that_is_told() {
    insta::assert_snapshot!(next(&["weekdays 9:00-18:00 every 4h", "--from", "2026-11-20T12:30", "--count", "4"]), @r"
    weekdays 09:00-18:00 every 4 hours, UTC
    zone: UTC, as none is named

    UTC
    Fri 2026-11-20 13:00 +00:00
    Fri 2026-11-20 17:00 +00:00
    Mon 2026-11-23 09:00 +00:00
    Mon 2026-11-23 13:00 +00:00
    ");
    insta::assert_snapshot!(next(&["every 90s", "--from", "2026-11-20T12:30:00Z", "--count", "2"]), @r"
    every 90 seconds
    zone: UTC, as none is named

    UTC
    Fri 2026-11-20 12:31:30 +00:00
    Fri 2026-11-20 12:33 +00:00
    ");
}

#[test]
fn an_import_has_all_its_schedules_shown() {
    let project = Project::new();
    let import = "name: acme
schedule:
  - { daily: 06:00, zone: Europe/Paris, except: 2026-12-25, jitter: 5m, end: 2026-12-27 }
  - { cron: \"0 12 * * 1-5\", zone: America/New_York, end: 2026-12-27 }
  - after globex
crawl: { json: ./x.json }
";
    project.write("import.yml", import);
    let from = ["schedule", "next", "import.yml", "--from", "2026-12-24"];
    let done = project.jobpipe(&from).expect(0);
    assert!(done.out.lines().all(|line| line.chars().count() <= 80), "{}", done.out);
    insta::assert_snapshot!(done.out, @r"
    1  daily 06:00, Europe/Paris, until 2026-12-27, except 2026-12-25
    2  cron 0 12 * * 1-5, America/New_York, until 2026-12-27 (at 12:00, on Monday t…
    jitter: each run begins up to 5m later
    after globex: whenever a run of it has ended

       by its own clock             UTC
    1  Thu 2026-12-24 06:00 +01:00  2026-12-24T05:00:00Z
    2  Thu 2026-12-24 12:00 -05:00  2026-12-24T17:00:00Z
    2  Fri 2026-12-25 12:00 -05:00  2026-12-25T17:00:00Z
    1  Sat 2026-12-26 06:00 +01:00  2026-12-26T05:00:00Z
    1  Sun 2026-12-27 06:00 +01:00  2026-12-27T05:00:00Z
    that is all: there are no further times
    ");
    // all by one clock
    let one = project.jobpipe(&[&from[..], &["--tz", "Asia/Kathmandu", "--count", "2"]].concat()).expect(0);
    insta::assert_snapshot!(one.out, @r"
    1  daily 06:00, Europe/Paris, until 2026-12-27, except 2026-12-25
    2  cron 0 12 * * 1-5, America/New_York, until 2026-12-27 (at 12:00, on Monday t…
    jitter: each run begins up to 5m later
    after globex: whenever a run of it has ended

       Asia/Kathmandu               UTC
    1  Thu 2026-12-24 10:45 +05:45  2026-12-24T05:00:00Z
    2  Thu 2026-12-24 22:45 +05:45  2026-12-24T17:00:00Z
    ");
    project.write("plain.yml", "name: plain\ncrawl: { json: ./x.json }\n");
    let plain = project.jobpipe(&["schedule", "next", "plain.yml"]).expect(2);
    assert!(plain.err.contains("plain.yml has no `schedule`"), "{}", plain.err);
    project.write("after.yml", "name: after\nschedule: { after: acme }\ncrawl: { json: ./x.json }\n");
    let after = project.jobpipe(&["schedule", "next", "after.yml"]).expect(0);
    assert_eq!(after.out, "after acme: whenever a run of it has ended\nno times from then on\n");
}

#[test]
fn programs_get_one_object_a_line() {
    let project = Project::new();
    let args = ["schedule", "next", "30 2 * * *", "--tz", "Europe/Paris", "--from", "2026-03-28T12:00"];
    let lines = project.jobpipe(&[&args[..], &["--count", "2", "--format", "json"]].concat()).expect(0).json();
    let expected = serde_json::json!([
        {
            "utc": "2026-03-29T01:00:00Z", "local": "2026-03-29T03:00:00+02:00", "zone": "Europe/Paris",
            "schedule": lines[0]["schedule"], "change": "moved", "wanted": "02:30"
        },
        {
            "utc": "2026-03-30T00:30:00Z", "local": "2026-03-30T02:30:00+02:00", "zone": "Europe/Paris",
            "schedule": lines[0]["schedule"], "change": null
        },
    ]);
    assert_eq!(serde_json::Value::Array(lines), expected);
}

#[test]
fn from_now_on_is_the_default() {
    let project = Project::new();
    let lines = project.jobpipe(&["schedule", "next", "every 1s", "--format", "json"]).expect(0).json();
    assert_eq!(lines.len(), 10);
    let first = lines[0]["utc"].as_str().unwrap();
    assert!(("2026-01-01".."2100-01-01").contains(&first), "{first}");
}

#[test]
fn what_cannot_be_read_is_told_with_status_2() {
    let project = Project::new();
    project.write("bad.yml", "name: acme\nschedule: { every: sometimes }\ncrawl: { json: ./x.json }\n");
    for (args, expected) in [
        (&["sometimes"][..], "error: `sometimes` is not a schedule: expected a schedule such as `every 15m`"),
        (&["0 0 31 2 *"], "never comes in fifty years (JP034)".split(" (").next().unwrap()),
        (&["hourly", "--tz", "Mars/Olympus"], "error: `Mars/Olympus` is not a time zone"),
        (&["hourly", "--from", "soon"], "error: `soon` is not a time"),
        (&["bad.yml"], "bad.yml:2:20"),
        (&["absent.yml"], "absent.yml"),
    ] {
        let done = project.jobpipe(&[&["schedule", "next"], args].concat()).expect(2);
        assert!(done.err.contains(expected), "{args:?}: {}", done.err);
        assert_eq!(done.out, "");
    }
}
