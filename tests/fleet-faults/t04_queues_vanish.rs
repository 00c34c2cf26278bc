//! T4: queues are purged and deleted under three workers: hints are lost, and no task with them.

use crate::chance::Chance;
use crate::fleet::{Fleet, Wanted, servers};
use crate::line::Line;
use crate::rabbitmq;
use crate::sizes::size;

#[test]
fn t04_queues_vanish() {
    let mut chance = Chance::new();
    let mut line = Line::new("T4", &chance);
    let wanted = Wanted { offers: size(150, 1_000), pace: size(10, 50), ..Wanted::default() };
    let mut fleet = Fleet::start(wanted, servers());
    let run = fleet.submit();
    let (mut purged, mut deleted) = (0, 0);
    line.faults = fleet.strike(&run, &mut chance, size(2, 12), |fleet, _, at| {
        let delete = at % 2 == 1;
        let count = rabbitmq::spoil(&fleet.database(), delete);
        assert!(count > 0, "the queues are named after the database");
        *if delete { &mut deleted } else { &mut purged } += count;
    });
    fleet.succeeds(&run);
    fleet.verdict(&mut line);
    line.tell("purged", purged);
    line.tell("deleted", deleted);
    line.must(purged > 0 && deleted > 0, "nothing was purged and deleted");
    line.end();
}
