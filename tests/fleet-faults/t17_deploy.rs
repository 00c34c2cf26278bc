//! T17: workers are replaced one by one and the import changes while a run goes on: it ends under the definition that it
//! began with, and the next one has the new definition.

use crate::chance::Chance;
use crate::fleet::{Fleet, Wanted, servers};
use crate::line::Line;
use crate::sizes::size;

#[test]
fn t17_deploy() {
    let mut chance = Chance::new();
    let mut line = Line::new("T17", &chance);
    let wanted = Wanted { offers: size(120, 600), pace: size(10, 100), ..Wanted::default() };
    let mut fleet = Fleet::start(wanted, servers());
    let run = fleet.submit();
    line.faults = fleet.strike(&run, &mut chance, 3, |fleet, _, at| {
        fleet.write_import("$title at $city");
        let at = at as usize;
        fleet.workers[at].signal("TERM");
        assert!(fleet.workers[at].end().success());
        fleet.restart(at);
    });
    fleet.succeeds(&run);
    let report = fleet.pages.report();
    line.must(report.totals.updates == 0, "the open run used the new definition");
    let next = fleet.submit();
    line.must(next != run, "a closed run was gone on with");
    fleet.succeeds(&next);
    fleet.verdict_of(&mut line, |offer| format!("{} at {}", offer.title, offer.city));
    line.tell("updates", fleet.pages.report().totals.updates);
    line.must(line.faults == 3, format!("only {} workers were replaced", line.faults));
    line.end();
}
