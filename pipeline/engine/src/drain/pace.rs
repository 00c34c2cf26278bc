//! The pace of one target: GCRA in its document, written under its lease.

use crate::cx::Cx;
use crate::docs::TargetDoc;
use jobpipe_core::{Millis, Op, Pace};

const DAY: Millis = 86_400_000;

/// Permits of one round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pacing {
    now: Millis,
    permit_at_us: i64,
    day: i64,
    created_today: u32,
    quiet_until: Millis,
    left: usize,
}

impl Pacing {
    /// From the target's document.
    pub(super) fn new(cx: &Cx, doc: &TargetDoc) -> Self {
        Self::at(cx.now(), cx.settings.round, doc)
    }

    fn at(now: Millis, left: usize, doc: &TargetDoc) -> Self {
        let day = now.div_euclid(DAY);
        Self {
            now,
            permit_at_us: doc.permit_at_us,
            day,
            created_today: if doc.day == day { doc.created_today } else { 0 },
            quiet_until: doc.quiet_until,
            left,
        }
    }

    /// Takes a permit for one effect, or says when there is one.
    pub(super) fn take(&mut self, pace: &Pace, op: Op) -> Result<(), Millis> {
        if self.quiet_until > self.now {
            return Err(self.quiet_until);
        }
        if op == Op::Create && pace.per_day.is_some_and(|most| self.created_today >= most) {
            return Err((self.day + 1) * DAY);
        }
        // GCRA in microseconds; up to one second's worth of permits may be used at once, at least one
        let every = i64::try_from(pace.every_ms.max(1)).unwrap_or(DAY).saturating_mul(1_000);
        let interval = (every / i64::from(pace.count.max(1))).max(1);
        let tolerance = (every.min(1_000_000) - interval).max(0);
        let now = self.now.saturating_mul(1_000);
        if self.permit_at_us > now + tolerance {
            return Err((self.permit_at_us - tolerance).div_euclid(1_000) + 1);
        }
        if self.left == 0 {
            return Err(self.now);
        }
        self.left -= 1;
        self.permit_at_us = self.permit_at_us.max(now) + interval;
        if op == Op::Create {
            self.created_today += 1;
        }
        Ok(())
    }

    /// Writes the permits taken to the target.
    pub(super) fn store(&self, doc: &mut TargetDoc) {
        doc.permit_at_us = self.permit_at_us;
        doc.day = self.day;
        doc.created_today = self.created_today;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(pace: &Pace, until: Millis, doc: &mut TargetDoc) -> usize {
        let mut now = 1_000_000;
        let start = now;
        let mut taken = 0;
        while now < start + until {
            let mut pacing = Pacing::at(now, 1_000, doc);
            let next = loop {
                match pacing.take(pace, Op::Create) {
                    Ok(()) => taken += 1,
                    Err(at) => break at,
                }
            };
            pacing.store(doc);
            assert!(next >= now, "never back");
            now = next.max(now + 1);
        }
        taken
    }

    #[test]
    fn the_pace_holds_and_the_day_is_capped() {
        let minute = Pace { count: 1, every_ms: 60_000, per_day: None };
        assert_eq!(taken(&minute, 600_000, &mut TargetDoc::new("p")), 10);
        let fast = Pace { count: 500, every_ms: 1_000, per_day: None };
        let in_two = taken(&fast, 2_000, &mut TargetDoc::new("p"));
        assert!((1_000..=1_510).contains(&in_two), "{in_two}");
        let day = Pace { count: 60, every_ms: 60_000, per_day: Some(25) };
        assert_eq!(taken(&day, 3_600_000, &mut TargetDoc::new("p")), 25);
    }

    #[test]
    fn a_quiet_target_is_not_called() {
        let mut doc = TargetDoc::new("p");
        doc.quiet_until = 5_000;
        let pace = Pace { count: 1, every_ms: 1_000, per_day: None };
        assert_eq!(Pacing::at(1_000, 10, &doc).take(&pace, Op::Delete), Err(5_000));
        assert_eq!(Pacing::at(5_000, 10, &doc).take(&pace, Op::Delete), Ok(()));
    }
}
