//! T18: the file, which is made at a barrier of what all workers have read, is the same byte for byte however they die.

use crate::chance::Chance;
use crate::fleet::{Fleet, Wanted, servers};
use crate::line::Line;
use crate::sizes::size;
use std::collections::BTreeSet;

#[test]
fn t18_barrier() {
    let mut chance = Chance::new();
    let mut line = Line::new("T18", &chance);
    let wanted = Wanted { offers: size(120, 1_000), pace: size(50, 500), ..Wanted::default() };
    let mut fleet = Fleet::start(wanted, servers());
    let mut files = BTreeSet::new();
    for round in 0..size(2, 8) {
        let run = fleet.submit();
        // the last round is quiet: what it writes is what all must have written
        let faults = if round + 1 == size(2, 8) { 0 } else { size(3, 6) };
        line.faults += fleet.strike(&run, &mut chance, faults, |fleet, chance, _| {
            let at = chance.of(0..=2) as usize;
            fleet.replace(at);
        });
        fleet.succeeds(&run);
        files.extend(fleet.files());
    }
    line.must(files.len() == 1, format!("{} different files", files.len()));
    fleet.verdict(&mut line);
    line.must(line.faults >= size(2, 16), format!("only {} kills", line.faults));
    line.end();
}
