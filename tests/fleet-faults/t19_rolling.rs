//! T19: workers are asked to end, one after the other, again and again: each ends in time and charges nobody.

use crate::chance::Chance;
use crate::fleet::{Fleet, Wanted, servers};
use crate::line::Line;
use crate::sizes::{full, size};
use std::time::{Duration, Instant};

/// What a worker may take to end.
const IN_TIME: Duration = Duration::from_secs(25);

#[test]
fn t19_rolling() {
    let mut chance = Chance::new();
    let mut line = Line::new("T19", &chance);
    let wanted = Wanted { offers: size(150, 1_500), pace: size(20, 500), ..Wanted::default() };
    let mut fleet = Fleet::start(wanted, servers());
    let run = fleet.submit();
    let (mut slowest, mut met, mut left) = (Duration::ZERO, 0, 0);
    line.faults = fleet.strike(&run, &mut chance, size(3, 24), |fleet, _, at| {
        let at = (at % 3) as usize;
        let process = fleet.workers[at].id();
        met += fleet.held_by(&run, process);
        fleet.workers[at].signal("TERM");
        let asked = Instant::now();
        assert!(fleet.workers[at].end().success(), "a worker that is asked to end ends well");
        slowest = slowest.max(asked.elapsed());
        left += fleet.held_by(&run, process);
        fleet.restart(at);
    });
    let ended = fleet.succeeds(&run);
    fleet.verdict(&mut line);
    line.must(!full() || met > 0, "nobody was asked to end amid a task");
    line.must(left == 0, format!("{left} tasks were left to be taken for crashed"));
    for (stage, counts) in ended["stages"].as_object().unwrap() {
        line.must(counts["retried"] == 0, format!("an attempt was charged: {stage} {counts}"));
    }
    line.must(slowest < IN_TIME, "a worker took more than 25 s to end");
    line.must(line.faults >= size(2, 18), format!("only {} were asked to end", line.faults));
    line.tell("slowest_end_s", format!("{:.1}", slowest.as_secs_f64()));
    line.end();
}
