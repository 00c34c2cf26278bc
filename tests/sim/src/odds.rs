//! What a seed makes likely: the faults, the settings, and where processes die.

use crate::chance::Chance;
use crate::world::Faults;
use jobpipe_engine::EngineSettings;
use jobpipe_engine::failpoint::Point;
use std::time::Duration;

/// Failpoints that are seldom reached, and how many times likelier than others it is that a seed looks at them.
const RARE: &[(Point, usize)] = &[
    (Point::DrainAttach, 16),
    (Point::CloseGone, 16),
    (Point::CloseGoneDone, 9),
    (Point::RelayReasons, 8),
    (Point::WakeDone, 10),
    (Point::RelayHeld, 14),
    (Point::EnsureRun, 8),
    (Point::DrainAttached, 11),
    (Point::CloseVerdict, 9),
    (Point::CloseImport, 6),
    (Point::CloseRun, 7),
    (Point::AdmitDefinition, 7),
    (Point::AdmitImport, 4),
    (Point::FileWrite, 5),
    (Point::FileWritten, 6),
    (Point::RelayDead, 6),
    (Point::WakeTarget, 5),
    (Point::EnsureRoots, 5),
    (Point::CloseFiles, 4),
    (Point::CloseStage, 4),
    (Point::DrainDefinition, 5),
    (Point::RelaySeen, 4),
    // reached only where the story is about a schedule
    (Point::SlotNoted, 0),
    (Point::SlotNext, 0),
];

/// The failpoint at which more happens than elsewhere.
fn focus(chance: &Chance) -> Point {
    let weight = |point: &Point| RARE.iter().find(|(rare, _)| rare == point).map_or(2, |(_, weight)| *weight);
    let mut left = chance.index(Point::ALL.iter().map(weight).sum());
    for point in Point::ALL {
        if left < weight(point) {
            return *point;
        }
        left -= weight(point);
    }
    Point::AdmitImport
}

/// `fleet`: several processes; `steady`: clocks are honest.
pub(crate) fn faults(chance: &Chance, fleet: bool, steady: bool) -> Faults {
    let some = |most: f64| if chance.hit(0.6) { most * chance.fraction() } else { 0.0 };
    Faults {
        store_refuses: some(0.01),
        store_lies: some(0.01),
        store_late: if fleet { some(0.02) } else { 0.0 },
        failpoint: some(0.01),
        focus: focus(chance),
        die_there: *chance.one(&[0.0, 0.3, 0.5, 0.5]),
        stop_there: if fleet { *chance.one(&[0.0, 0.1, 0.3]) } else { 0.0 },
        ambush: 0.0,
        wakes: 0.15,
        wakes_to_die: 0.0,
        hint: some(0.2),
        page: some(0.5),
        busy: false,
        read: some(0.3),
        blink: 0.0,
        source: some(0.15),
        kill: some(0.06),
        pause: some(0.06),
        clock: if steady { 0.0 } else { some(0.05) },
        broker: some(0.03),
    }
}

pub(crate) fn settings(chance: &Chance, fleet: bool) -> EngineSettings {
    let size = |of: &[usize]| *chance.one(of);
    EngineSettings {
        slots: size(&[1, 2, 4]),
        drains: size(&[1, 2, 4]),
        window: size(&[1, 2, 8, 64]),
        batch_records: size(&[1, 2, 5]),
        page: size(&[1, 2, 5, 50]),
        round: size(&[1, 3, 64]),
        crash_limit: u32::try_from(size(&[2, 3, 5, 12])).unwrap_or(5),
        lease_ttl: fleet.then_some(Duration::from_millis(*chance.one(&[1_200, 3_000]))),
        tick: Duration::from_millis(400),
        sweep_every: Duration::from_millis(1_200),
        keep_runs: size(&[1, 3]),
        ..EngineSettings::default()
    }
}
