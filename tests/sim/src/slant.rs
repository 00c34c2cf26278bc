//! Where a seed's story leads: half of them anywhere, the others towards what seldom happens by chance alone.

use crate::chance::Chance;
use crate::shape::{Form, Shape};
use crate::world::Faults;
use jobpipe_core::{GonePolicy, Pace};
use jobpipe_engine::EngineSettings;
use jobpipe_engine::failpoint::Point;
use std::time::Duration;

/// What a story is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slant {
    /// Anything.
    Any,
    /// Two work on one target: one stops amid its writes, another takes over, the first one wakes.
    Duel,
    /// Definitions and targets come, go and come back while drains are on their way.
    Definitions,
    /// A store is put back while drains are on their way.
    Restore,
    /// Records of two sources, whose pages fail for several runs.
    Sources,
    /// Only what changed is listed, and the end of a run takes long.
    Cursor,
    /// A listing changes between two attempts to read it.
    Listing,
    /// Tokens are refused and replaced all the time.
    Tokens,
    /// Posts are replaced, changed and withdrawn the moment they are made.
    Hasty,
    /// Runs are launched by a schedule, by all processes at once.
    Timetable,
}

/// What the story does how often.
#[derive(Debug, Clone)]
pub(crate) struct Habits {
    /// Runs under faults: at least, at most.
    pub runs: (u64, u64),
    /// Changes of the source before a run, at most.
    pub changes: u64,
    /// The definition changes before a run.
    pub redefine: f64,
    /// Only between two templates.
    pub flips: bool,
    /// A page takes a token again that it refused, rather than another one.
    pub mended: bool,
    /// A token is refused or replaced, in each turn.
    pub tokens: f64,
    /// A backup is made, in each turn.
    pub backup: f64,
    /// The store is lost or put back, after each run.
    pub disaster: f64,
    /// For how many seconds those who sleep through it do so, in milliseconds.
    pub sleep: (u64, u64),
    /// Seconds that a run is waited for, at most.
    pub patience: u64,
    /// Seconds for drains after a run.
    pub rest: &'static [u64],
    /// What changes in the source most, of [`crate::story`]'s kinds.
    pub kinds: &'static [usize],
    /// How long after its ARM a call may be sent.
    pub send_by: Duration,
}

impl Habits {
    fn usual() -> Self {
        Self {
            runs: (2, 4),
            changes: 6,
            redefine: 0.25,
            flips: false,
            mended: false,
            tokens: 0.05,
            backup: 0.0,
            disaster: 0.15,
            sleep: (3_000, 20_000),
            patience: 60,
            rest: &[0, 1, 5, 40],
            kinds: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
            send_by: Duration::from_secs(2),
        }
    }
}

/// Everything that a slant bends.
pub(crate) struct Bent<'a> {
    pub habits: &'a mut Habits,
    pub shape: &'a mut Shape,
    pub faults: &'a mut Faults,
    pub settings: &'a mut EngineSettings,
}

impl Slant {
    /// Every one.
    pub const ALL: [Self; 10] = [
        Self::Any,
        Self::Duel,
        Self::Definitions,
        Self::Restore,
        Self::Sources,
        Self::Cursor,
        Self::Listing,
        Self::Tokens,
        Self::Hasty,
        Self::Timetable,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// The slant of a seed.
    pub(crate) fn of(chance: &Chance) -> Self {
        use Slant::*;
        *chance.one(&[
            Any,
            Any,
            Any,
            Any,
            Any,
            Any,
            Timetable,
            Duel,
            Duel,
            Duel,
            Definitions,
            Definitions,
            Definitions,
            Restore,
            Restore,
            Sources,
            Sources,
            Cursor,
            Listing,
            Tokens,
            Hasty,
            Hasty,
        ])
    }

    /// How many processes share the store, if it matters.
    pub(crate) fn processes(self, chance: &Chance) -> Option<usize> {
        match self {
            Self::Duel | Self::Cursor | Self::Restore => Some(2),
            Self::Definitions | Self::Sources | Self::Timetable => Some(*chance.one(&[2, 2, 3])),
            Self::Listing => Some(1),
            Self::Hasty => Some(*chance.one(&[1, 1, 2])),
            Self::Any | Self::Tokens => None,
        }
    }

    /// Whether the store may be lost, if it matters.
    pub(crate) fn losable(self) -> Option<bool> {
        match self {
            Self::Restore => Some(true),
            Self::Duel
            | Self::Definitions
            | Self::Sources
            | Self::Cursor
            | Self::Listing
            | Self::Hasty
            | Self::Timetable => Some(false),
            Self::Any | Self::Tokens => None,
        }
    }

    /// Bends what was decided so far.
    pub(crate) fn bend(self, chance: &Chance, bent: Bent<'_>) {
        match self {
            Self::Any => towards(bent),
            Self::Duel => duel(chance, bent),
            Self::Definitions => definitions(chance, bent),
            Self::Restore => restore(chance, bent),
            Self::Sources => sources(chance, bent),
            Self::Cursor => cursor(chance, bent),
            Self::Listing => listing(bent),
            Self::Tokens => bent.habits.tokens = 0.5,
            Self::Hasty => hasty(chance, bent),
            Self::Timetable => timetable(chance, bent),
        }
    }

    /// What a story is told with when nothing is decided.
    pub(crate) fn habits() -> Habits {
        Habits::usual()
    }
}

/// Leads to the failpoint at which more happens.
fn towards(bent: Bent<'_>) {
    let Bent { habits, shape, faults, .. } = bent;
    match faults.focus {
        Point::DrainAttach | Point::DrainAttached => {
            // an adoption takes its time
            habits.disaster = 0.8;
            habits.backup = 0.15;
            habits.runs = (3, 4);
            habits.rest = &[12, 20];
        }
        Point::CloseGone => {
            shape.gone = shape.gone.map(|_| GonePolicy { after: 1, limit: 1.0 });
            habits.kinds = &[0, 7, 7, 8, 14, 14, 13];
        }
        Point::RelayHeld | Point::RelayReasons | Point::RelayDead => habits.kinds = &[0, 1, 1, 1, 2, 3, 10, 13],
        Point::AdmitDefinition => habits.redefine = 0.8,
        Point::FileWrite | Point::FileWritten => shape.files = true,
        _ => {}
    }
}

/// What is no part of the matter happens less.
fn calm(faults: &mut Faults) {
    faults.store_refuses *= 0.2;
    faults.store_lies *= 0.2;
    faults.failpoint *= 0.2;
    faults.kill *= 0.2;
    faults.source *= 0.2;
    faults.clock = 0.0;
}

fn stop_at(chance: &Chance, faults: &mut Faults, points: &[Point], often: f64) {
    faults.focus = *chance.one(points);
    faults.stop_there = often;
    faults.die_there = 0.0;
}

fn duel(chance: &Chance, bent: Bent<'_>) {
    let Bent { habits, shape, faults, settings } = bent;
    calm(faults);
    faults.page = *chance.one(&[0.1, 0.5]);
    faults.ambush = *chance.one(&[0.02, 0.05, 0.1]);
    faults.wakes = *chance.one(&[0.01, 0.15]);
    faults.wakes_to_die = *chance.one(&[0.0, 0.5]);
    let points = [Point::DrainArmed, Point::DrainSend, Point::DrainArm, Point::DrainSent, Point::DrainProbe];
    stop_at(chance, faults, &points, *chance.one(&[0.0, 0.1, 0.3]));
    settings.lease_ttl = Some(Duration::from_millis(1_200));
    shape.pace = shape.pace.filter(|_| chance.hit(0.6));
    habits.send_by = Duration::from_secs(*chance.one(&[2, 20]));
    habits.runs = (3, 5);
    habits.redefine = 0.6;
    habits.flips = chance.hit(0.6);
    habits.patience = 20;
    habits.rest = &[0, 1, 5, 5];
}

fn definitions(chance: &Chance, bent: Bent<'_>) {
    let Bent { habits, shape, faults, settings } = bent;
    calm(faults);
    faults.page = *chance.one(&[0.2, 0.6]);
    faults.busy = true;
    let points = [Point::DrainArm, Point::DrainArmed, Point::DrainDefinition];
    stop_at(chance, faults, &points, *chance.one(&[0.0, 0.1, 0.3]));
    faults.die_there = *chance.one(&[0.0, 0.1]);
    faults.ambush = *chance.one(&[0.0, 0.02, 0.05]);
    settings.lease_ttl = Some(Duration::from_millis(1_200));
    shape.named = chance.hit(0.8);
    shape.pace = Some(Pace { count: 1, every_ms: *chance.one(&[20, 400]), per_day: None });
    habits.runs = (4, 6);
    habits.redefine = 0.9;
    habits.flips = shape.named;
    habits.changes = 2;
    habits.patience = 10;
    habits.rest = &[0, 0, 1, 2];
}

fn restore(chance: &Chance, bent: Bent<'_>) {
    let Bent { habits, shape, faults, settings } = bent;
    calm(faults);
    let points = [Point::DrainProbe, Point::DrainAttach, Point::DrainAttached, Point::DrainSend];
    stop_at(chance, faults, &points, 0.3);
    faults.die_there = *chance.one(&[0.0, 0.3]);
    faults.ambush = *chance.one(&[0.0, 0.02]);
    faults.page = *chance.one(&[0.1, 0.5]);
    settings.lease_ttl = Some(Duration::from_millis(*chance.one(&[1_200, 3_000])));
    shape.pace = Some(Pace { count: 1, every_ms: *chance.one(&[100, 400]), per_day: None });
    habits.backup = 0.15;
    habits.disaster = 0.7;
    habits.sleep = *chance.one(&[(50, 1_500), (3_000, 20_000)]);
    habits.tokens = *chance.one(&[0.0, 0.1, 0.3]);
    habits.mended = chance.hit(0.5);
    habits.rest = &[0, 1, 2, 5];
}

fn sources(chance: &Chance, bent: Bent<'_>) {
    let Bent { habits, shape, faults, .. } = bent;
    calm(faults);
    stop_at(chance, faults, &[Point::RelayHeld, Point::RelayHeld, Point::CloseGone], *chance.one(&[0.0, 0.5]));
    shape.form = *chance.one(&[Form::Fork, Form::Ranked]);
    shape.ask = "details";
    shape.gone = Some(GonePolicy { after: *chance.one(&[1, 1, 2]), limit: 1.0 });
    habits.runs = (3, 5);
    habits.redefine = 0.0;
    habits.rest = &[0, 0, 1, 5];
    habits.kinds = &[15, 15, 7, 9, 9, 12, 13, 14];
}

fn cursor(chance: &Chance, bent: Bent<'_>) {
    let Bent { habits, shape, faults, .. } = bent;
    calm(faults);
    stop_at(chance, faults, &[Point::CloseImport], 0.5);
    shape.form = Form::Chain;
    shape.ask = "since";
    shape.gone = None;
    habits.runs = (4, 6);
    habits.rest = &[0, 0, 1];
    habits.kinds = &[0, 13, 13, 13, 7];
}

fn listing(bent: Bent<'_>) {
    let Bent { habits, shape, faults, .. } = bent;
    calm(faults);
    faults.focus = Point::TaskCommit;
    faults.die_there = 0.3;
    shape.form = Form::Chain;
    shape.ask = "details";
    habits.kinds = &[0, 11, 11, 11, 13];
}

fn hasty(chance: &Chance, bent: Bent<'_>) {
    let Bent { habits, shape, faults, .. } = bent;
    calm(faults);
    faults.page = *chance.one(&[0.0, 0.3, 0.6]);
    faults.read = *chance.one(&[0.0, 0.6]);
    faults.blink = *chance.one(&[0.0, 1.0]);
    faults.focus = *chance.one(&[Point::DrainArmed, Point::DrainSend, Point::DrainSent]);
    faults.die_there = *chance.one(&[0.0, 0.2, 0.4]);
    shape.pace = Some(Pace { count: 1, every_ms: 20, per_day: None }).filter(|_| chance.hit(0.5));
    shape.ask = if shape.form == Form::Lookup { "flat" } else { *chance.one(&["flat", "details"]) };
    habits.runs = (4, 7);
    habits.redefine = 0.1;
    habits.patience = 10;
    habits.rest = &[0, 0, 1];
    habits.kinds = &[0, 4, 4, 5, 6, 7, 13, 13];
}

fn timetable(chance: &Chance, bent: Bent<'_>) {
    let Bent { habits, faults, settings, .. } = bent;
    settings.launches = true;
    let points =
        [Point::SlotNoted, Point::SlotNoted, Point::SlotNoted, Point::SlotNext, Point::SlotNext, Point::AdmitImport];
    faults.focus = *chance.one(&points);
    faults.die_there = *chance.one(&[0.0, 0.3, 0.5]);
    habits.rest = &[0];
}
