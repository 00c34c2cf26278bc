//! T5: the store stands still for longer than a lease, and goes on.

use crate::chance::Chance;
use crate::fleet::{Fleet, Wanted, servers_of};
use crate::line::Line;
use crate::servers::Mongo;
use crate::sizes::size;
use std::time::Duration;

/// The workers of these tests hold what they have for 2 s.
const STANDS: Duration = Duration::from_secs(4);

#[test]
fn t05_store_stops() {
    let mut chance = Chance::new();
    let mut line = Line::new("T5", &chance);
    let mongo = Mongo::start(&[]);
    let wanted = Wanted { offers: size(100, 600), ..Wanted::default() };
    let mut fleet = Fleet::start(wanted, servers_of(&mongo));
    let run = fleet.submit();
    line.faults = fleet.strike(&run, &mut chance, size(1, 8), |_, _, _| {
        mongo.signal("STOP");
        // what is measured is that nothing goes wrong however long it stands
        std::thread::sleep(STANDS);
        mongo.signal("CONT");
    });
    fleet.succeeds(&run);
    fleet.verdict(&mut line);
    line.must(line.faults >= size(1, 5), format!("only {} stops", line.faults));
    line.end();
}
