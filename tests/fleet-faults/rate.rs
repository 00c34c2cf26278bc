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

/// The most requests that any second may have.
const MOST: usize = 6;

/// What the server saw.
struct Measured {
    requests: usize,
    expected: usize,
    most_in_a_second: usize,
    longest_gap: Duration,
    times: Vec<Duration>,
}

impl Measured {
    /// What is wrong with it.
    fn wrong(&self) -> Option<String> {
        if !(self.expected - MISSING..=self.expected + MISSING).contains(&self.requests) {
            return Some(format!("{} requests, not {}", self.requests, self.expected));
        }
        let most = self.most_in_a_second;
        (most > MOST).then(|| format!("{most} requests in one second: {:?}", self.times))
    }
}

#[test]
fn rate() {
    let mut chance = Chance::new();
    let mut line = Line::new("RATE", &chance);
    let seconds = size(20, 60);
    let mut measured = measure(seconds, &mut chance);
    line.faults = 1;
    // a machine that stood still for a moment is no fault of the limit: what is wrong with the limit is so again
    if let Some(wrong) = measured.wrong() {
        println!("measured again, as at first there were {wrong}");
        measured = measure(seconds, &mut chance);
        line.faults = 2;
    }
    line.tell("workers", 4);
    line.tell("seconds", seconds);
    line.tell("measured", line.faults);
    line.tell("requests", measured.requests);
    line.tell("most_in_a_second", measured.most_in_a_second);
    line.tell("longest_gap_ms", measured.longest_gap.as_millis());
    if let Some(wrong) = measured.wrong() {
        line.must(false, wrong);
    }
    line.end();
}

/// Runs four workers for so many seconds, one of them killed half-way.
fn measure(seconds: u64, chance: &mut Chance) -> Measured {
    let wanted = Wanted { offers: 500, pages: 1, workers: 4, rate: "5/s", ..Wanted::default() };
    let mut fleet = Fleet::start(wanted, servers());
    let run = fleet.submit();
    after(&fleet, Duration::from_secs(seconds / 2));
    fleet.replace(chance.of(0..=3) as usize);
    let whole = Duration::from_secs(seconds);
    after(&fleet, whole);
    let times = times(&fleet);
    let requests = times.iter().filter(|time| **time < whole).count();
    let within = |from: &Duration| {
        let until = *from + Duration::from_secs(1);
        times.iter().filter(|time| (*from..until).contains(*time)).count()
    };
    let most_in_a_second = times.iter().map(within).max().unwrap_or(0);
    let longest_gap = times.windows(2).map(|two| two[1] - two[0]).max().unwrap_or_default();
    fleet.cancel(&run);
    Measured { requests, expected: 5 * seconds as usize, most_in_a_second, longest_gap, times }
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
