//! T1 with a fleet: workers killed with -9 at random moments, others in their place.

use crate::chance::Chance;
use crate::fleet::{Fleet, Wanted, servers};
use crate::line::Line;
use crate::sizes::{full, size};

#[test]
fn t01_kills() {
    let mut chance = Chance::new();
    let mut line = Line::new("T1-fleet", &chance);
    let wanted = Wanted { offers: size(150, 2_000), pages: size(2, 5), pace: size(50, 500), ..Wanted::default() };
    let mut fleet = Fleet::start(wanted, servers());
    let run = fleet.submit();
    line.faults = fleet.strike(&run, &mut chance, size(4, 40), |fleet, chance, _| {
        let at = chance.of(0..=2) as usize;
        fleet.replace(at);
    });
    fleet.succeeds(&run);
    let again = fleet.claimed_again(&run);
    fleet.verdict(&mut line);
    line.tell("workers", 3);
    line.must(line.faults >= size(2, 30), format!("only {} kills", line.faults));
    line.tell("claimed_again", again);
    line.must(!full() || again > 0, "no kill met a task at work");
    line.end();
}
