//! One rule of a schedule, and its slots.

use crate::calendar::ByClock;
use crate::limits::Limits;
use crate::zone::{EARLIEST, LATEST, Zone, date_of};
use jiff::civil::Time;
use jobpipe_core::Millis;

/// An instant at which an import is to be launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Milliseconds since the epoch. Two slots of a schedule never share it.
    pub at: Millis,
    /// What a change of the clock has done to it.
    pub shift: Shift,
    /// The first of the schedule's rules that has it, by its place in `Schedule::rules`.
    pub rule: usize,
}

/// What a change of the clock (daylight saving) has done to a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shift {
    /// Nothing.
    None,
    /// The time was left out when the clock was put forward; the slot is the first instant after that.
    Moved {
        /// The (first) time that was wanted, in minutes since midnight.
        wanted: u16,
    },
    /// The clock shows this time twice; the rule names its times, and runs at the first only.
    Once,
    /// The clock shows this time twice; the rule goes by steps, and runs both times: this is the first.
    First,
    /// The same, the second time.
    Second,
}

/// A rule: `daily 06:00 Europe/Paris`, with its bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub(crate) when: When,
    pub(crate) zone: Zone,
    pub(crate) names_zone: bool,
    pub(crate) limits: Limits,
    /// As it is written, without a zone.
    pub(crate) text: String,
}

/// When a rule's slots come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum When {
    /// At every multiple of so many milliseconds since the epoch, so that everybody finds the same.
    Every(Millis),
    /// By a clock on a wall.
    ByClock(ByClock),
}

impl Rule {
    /// The zone whose clock it follows.
    #[must_use]
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Whether it says which; UTC otherwise.
    #[must_use]
    pub fn names_zone(&self) -> bool {
        self.names_zone
    }

    /// The first slot strictly after an instant; `None` when there is none in fifty years.
    #[must_use]
    pub fn next_after(&self, after: Millis) -> Option<Slot> {
        let after = self.limits.start.map_or(after, |start| after.max(start.saturating_sub(1)));
        let after = after.max(EARLIEST);
        if after >= LATEST {
            return None;
        }
        let found = match &self.when {
            When::Every(period) => self.next_multiple(*period, after),
            When::ByClock(clock) => clock.next(&self.zone, &self.limits, after),
        };
        found.filter(|slot| slot.at <= self.limits.end.unwrap_or(LATEST))
    }

    fn next_multiple(&self, period: Millis, after: Millis) -> Option<Slot> {
        let above = |after: Millis| after.div_euclid(period).checked_add(1)?.checked_mul(period);
        let mut at = above(after)?;
        // no more turns than there are dates left out
        loop {
            let date = date_of(self.zone.wall(at))?;
            if !self.limits.excludes(date) {
                return Some(Slot { at, shift: Shift::None, rule: 0 });
            }
            let next_day = self.zone.instant(date.tomorrow().ok()?.to_datetime(Time::midnight()))?;
            at = above(next_day - 1)?.max(above(at)?);
        }
    }
}
