//! T3: RabbitMQ stops and starts while three workers are at work; how long after its port opens work goes on.

use crate::chance::Chance;
use crate::fleet::{Fleet, Wanted, servers};
use crate::line::Line;
use crate::rabbitmq;
use crate::sizes::{full, size};
use std::time::{Duration, Instant};

#[test]
fn t03_broker_restarts() {
    let mut chance = Chance::new();
    let mut line = Line::new("T3", &chance);
    // slow enough that posting lasts longer than the restarts
    let wanted = Wanted { offers: size(150, 900), pages: 2, pace: size(50, 12), ..Wanted::default() };
    let mut fleet = Fleet::start(wanted, servers());
    let run = fleet.submit();
    let mut slowest = Duration::ZERO;
    line.faults = fleet.strike(&run, &mut chance, size(1, 5), |fleet, _, _| {
        rabbitmq::ctl(&["stop_app"]);
        rabbitmq::ctl(&["start_app"]);
        let opened = Instant::now();
        while rabbitmq::consumers(&fleet.database()) < 3 {
            assert!(opened.elapsed() < Duration::from_secs(60), "the workers do not come back");
        }
        slowest = slowest.max(opened.elapsed());
    });
    fleet.succeeds(&run);
    fleet.verdict(&mut line);
    line.recovered = line.faults;
    line.tell("slowest_recovery_s", format!("{:.1}", slowest.as_secs_f64()));
    line.must(line.faults == size(1, 5), format!("only {} restarts", line.faults));
    line.must(!full() || slowest < Duration::from_secs(10), "a worker took more than 10 s to be back");
    line.end();
}
