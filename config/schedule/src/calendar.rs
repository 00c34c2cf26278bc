//! Days and times of day, and the instants at which a zone's clock shows them.
//!
//! Clocks that are put forward or back follow the rules of Vixie's cron. A rule that names its times (`daily 02:30`,
//! `30 2 * * *`) is launched once for each: at the first instant after a gap that swallowed it, and at the first of two.
//! A rule that goes by steps (`*/30 * * * *`, a window) goes on by the clock: what a gap swallowed is not made up for,
//! and what comes twice is launched twice.

use crate::rule::{Shift, Slot};
use crate::zone::{DAY, Stretch, Wall, Zone, bounded, date_of, midnight};
use crate::{cron::CronDays, limits::Limits};
use jiff::civil::{Date, Weekday};
use jobpipe_core::Millis;

/// How far ahead a slot is looked for: more than the 40 years between two Mondays that are 29 February.
const HORIZON: Millis = 50 * 366 * 86_400_000;

/// Days of the calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Days {
    /// Those of some days of the week; bit 0 is Sunday.
    OfWeek(u8),
    /// Those with a number in the month, from 1; a month without it has none.
    OfMonth(i8),
    /// The last one of each month.
    LastOfMonth,
    /// As a cron line's last three fields say.
    Cron(CronDays),
}

/// Times of a day, in minutes since its midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Times {
    /// These minutes of these hours, a bit each.
    Grid { hours: u32, minutes: u64 },
    /// From the first to the last one in steps; past 1,440 it goes on into the next day.
    Steps { from: u16, to: u16, step: u16 },
}

/// A rule that follows a clock on a wall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ByClock {
    pub(crate) days: Days,
    pub(crate) times: Times,
    /// Whether it names its times, rather than going by steps.
    pub(crate) fixed: bool,
}

impl Days {
    /// Every day.
    pub(crate) const ALL: Self = Self::OfWeek(0b111_1111);

    /// Whether a date is one of them.
    pub(crate) fn has(&self, date: Date) -> bool {
        match self {
            Self::OfWeek(days) => days & (1 << date.weekday().to_sunday_zero_offset()) != 0,
            Self::OfMonth(day) => date.day() == *day,
            Self::LastOfMonth => date.day() == date.days_in_month(),
            Self::Cron(days) => days.has(date),
        }
    }
}

/// The bit of a day in [`Days::OfWeek`].
pub(crate) fn day_bit(day: Weekday) -> u8 {
    1 << day.to_sunday_zero_offset()
}

impl Times {
    /// One time of day.
    pub(crate) fn one(minute: u16) -> Self {
        Self::Grid { hours: 1 << (minute / 60), minutes: 1 << (minute % 60) }
    }

    /// The first one at or after a minute.
    fn from(self, minute: u32) -> Option<u32> {
        match self {
            Self::Grid { hours, minutes } => {
                let (hour, rest) = (minute / 60, minute % 60);
                let in_hour = minutes.checked_shr(rest).filter(|left| *left != 0);
                if let Some(left) = in_hour.filter(|_| hour < 24 && hours & (1 << hour) != 0) {
                    return Some(minute + left.trailing_zeros());
                }
                let later = hours.checked_shr(hour + 1).filter(|left| *left != 0 && minutes != 0)?;
                Some((hour + 1 + later.trailing_zeros()) * 60 + minutes.trailing_zeros())
            }
            Self::Steps { from, to, step } => {
                let (from, step) = (u32::from(from), u32::from(step).max(1));
                let found = from + minute.saturating_sub(from).div_ceil(step) * step;
                (found <= u32::from(to)).then_some(found)
            }
        }
    }

    /// Whether the last of them belong to the day after.
    fn pass_midnight(self) -> bool {
        matches!(self, Self::Steps { to, .. } if to >= 1_440)
    }
}

impl ByClock {
    /// The first slot after an instant, by the clock of a zone.
    pub(crate) fn next(&self, zone: &Zone, limits: &Limits, after: Millis) -> Option<Slot> {
        let first = bounded(after.saturating_add(1));
        let last = bounded(first.saturating_add(HORIZON));
        let mut stretch = zone.stretch(first);
        while stretch.from <= last {
            if let Some(slot) = self.in_stretch(&stretch, limits, first, last) {
                return Some(slot);
            }
            if stretch.until > last {
                return None;
            }
            stretch = zone.stretch(stretch.until);
        }
        None
    }

    /// The first slot of a stretch that is not before `first`.
    fn in_stretch(&self, stretch: &Stretch, limits: &Limits, first: Millis, last: Millis) -> Option<Slot> {
        let begin = first.max(stretch.from);
        let end = stretch.until.min(last.saturating_add(1));
        let mut from = ceiling(begin) + stretch.offset;
        if self.fixed && stretch.from >= first {
            // the clock's times that the change has swallowed
            let (gap, closed) = (ceiling(stretch.from) + stretch.before, ceiling(stretch.from) + stretch.offset);
            if let Some(wanted) = self.on_wall(limits, gap, closed) {
                return Some(Slot { at: stretch.from, shift: Shift::Moved { wanted: minute_of_day(wanted) }, rule: 0 });
            }
        }
        if self.fixed && stretch.from > Millis::MIN {
            // what the clock showed before it was put back has had its turn
            from = from.max(ceiling(stretch.from) + stretch.before);
        }
        let found = self.on_wall(limits, from, ceiling(end) + stretch.offset)?;
        Some(Slot { at: (found - stretch.offset) * 1_000, shift: self.shift(stretch, found), rule: 0 })
    }

    /// Whether the clock shows a time of this stretch twice.
    fn shift(&self, stretch: &Stretch, wall: Wall) -> Shift {
        let comes_again = stretch.until < Millis::MAX && wall >= ceiling(stretch.until) + stretch.after;
        let came_before = stretch.from > Millis::MIN && wall < ceiling(stretch.from) + stretch.before;
        match (comes_again, came_before) {
            (true, _) if self.fixed => Shift::Once,
            (true, _) => Shift::First,
            (false, true) => Shift::Second,
            (false, false) => Shift::None,
        }
    }

    /// The first time that is wanted from `from` up to, not including, `until` on the wall.
    fn on_wall(&self, limits: &Limits, from: Wall, until: Wall) -> Option<Wall> {
        if from >= until {
            return None;
        }
        let mut date = date_of(from)?;
        if self.times.pass_midnight() {
            date = date.yesterday().ok()?;
        }
        loop {
            let midnight = midnight(date);
            if midnight >= until {
                return None;
            }
            if self.days.has(date) && !limits.excludes(date) {
                let minute = (from - midnight).max(0).unsigned_abs().div_ceil(60);
                let found = u32::try_from(minute).ok().and_then(|minute| self.times.from(minute));
                if let Some(found) = found.map(|minute| midnight + Wall::from(minute) * 60) {
                    return (found < until).then_some(found);
                }
            }
            date = date.tomorrow().ok()?;
        }
    }
}

/// Milliseconds as seconds, rounded up; the ends of time stay far away.
fn ceiling(at: Millis) -> Wall {
    at.div_euclid(1_000) + Wall::from(at.rem_euclid(1_000) != 0)
}

fn minute_of_day(wall: Wall) -> u16 {
    u16::try_from(wall.rem_euclid(DAY) / 60).unwrap_or(0)
}
