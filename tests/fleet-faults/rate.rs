//! The rate of a host over a whole fleet, measured at the server: robots.txt, the start, and a worker killed half-way
//! included.

use crate::chance::Chance;
use crate::fleet::{Fleet, Wanted, servers};
use crate::line::Line;
use crate::servers::until;
use crate::sizes::size;
use std::time::Duration;

/// Requests that may be missing: a permit whose time passes while the machine is busy is lost, and so are those of a worker
/// that is killed.
const MISSING: usize = 15;

#[test]
fn rate() {
    let mut chance = Chance::new();
    let mut line = Line::new("RATE", &chance);
    let wanted = Wanted { offers: 500, pages: 1, workers: 4, rate: "5/s", ..Wanted::default() };
    let mut fleet = Fleet::start(wanted, servers());
    let run = fleet.submit();
    let seconds = size(20, 60);
    after(&fleet, Duration::from_secs(seconds / 2));
    fleet.replace(chance.of(0..=3) as usize);
    line.faults = 1;
    let whole = Duration::from_secs(seconds);
    after(&fleet, whole);
    let times = times(&fleet);
    let requests = times.iter().filter(|time| **time < whole).count();
    let within = |from: &Duration| {
        let until = *from + Duration::from_secs(1);
        times.iter().filter(|time| (*from..until).contains(*time)).count()
    };
    let most = times.iter().map(within).max().unwrap_or(0);
    let mut apart: Vec<Duration> = times.windows(2).map(|two| two[1] - two[0]).collect();
    apart.sort_unstable();
    line.tell("workers", 4);
    line.tell("seconds", seconds);
    line.tell("requests", requests);
    line.tell("most_in_a_second", most);
    line.tell("longest_gap_ms", apart.last().map_or(0, Duration::as_millis));
    let expected = 5 * seconds as usize;
    line.must((expected - MISSING..=expected + MISSING).contains(&requests), format!("{requests} requests"));
    line.must(most <= 6, format!("{most} requests in one second: {times:?}"));
    fleet.cancel(&run);
    line.end();
}

/// When the site was asked, since the first time.
fn times(fleet: &Fleet) -> Vec<Duration> {
    let mut times: Vec<i64> = fleet.site.log().into_iter().map(|entry| entry.time_ms).collect();
    times.sort_unstable();
    let first = times.first().copied().unwrap_or(0);
    times.into_iter().map(|time| Duration::from_millis((time - first).unsigned_abs())).collect()
}

fn after(fleet: &Fleet, time: Duration) {
    until("nobody asks", || times(fleet).last().is_some_and(|last| *last >= time));
}
