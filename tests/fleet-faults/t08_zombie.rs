//! T8: a worker stands still for longer than its leases, others take over what it held, and it wakes amid its work.

use crate::chance::Chance;
use crate::fleet::{Fleet, Wanted, servers};
use crate::line::Line;
use crate::sizes::size;
use std::time::Duration;

/// The workers of these tests hold what they have for 2 s, and those who watch them look now and then.
const SLEEPS: Duration = Duration::from_secs(6);

#[test]
fn t08_zombie() {
    let mut chance = Chance::new();
    let mut line = Line::new("T8", &chance);
    let wanted = Wanted { offers: size(150, 600), pace: size(50, 50), ..Wanted::default() };
    let mut fleet = Fleet::start(wanted, servers());
    let run = fleet.submit();
    line.faults = fleet.strike(&run, &mut chance, size(1, 8), |fleet, chance, _| {
        let at = chance.of(0..=2) as usize;
        fleet.workers[at].signal("STOP");
        // what is measured is that nothing goes wrong however long it sleeps
        std::thread::sleep(SLEEPS);
        fleet.workers[at].signal("CONT");
    });
    fleet.succeeds(&run);
    fleet.verdict(&mut line);
    line.must(line.faults >= size(1, 4), format!("only {} sleepers", line.faults));
    line.end();
}
