//! The hints of one queue that are in this process: fetched in three lanes, given out in weighted turns, acked by lane.

use crate::turns::Turns;
use crate::window::{AckFrame, AckWindow};
use jobpipe_core::{Delivery, Hint};
use std::collections::VecDeque;

/// One lane of each priority.
pub(crate) const LANES: usize = 3;

// A tag names the epoch (20 bits), the lane (2 bits) and the delivery of the channel (42 bits: 4 trillion).
const LANE_AT: u32 = 42;
const EPOCH_AT: u32 = 44;
const EPOCHS: u64 = 1 << (64 - EPOCH_AT);
const DELIVERY: u64 = (1 << LANE_AT) - 1;

#[derive(Debug, Default)]
struct Lane {
    /// Not given out yet.
    ready: VecDeque<(u64, Hint)>,
    window: AckWindow,
}

/// What this process has of one queue. It begins anew, empty, with every set of channels: an epoch.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    epoch: u64,
    lanes: [Lane; LANES],
    turns: Turns,
    /// Hints given out, ever.
    given: u64,
}

impl Lanes {
    /// Forgets everything: the broker tells it again to the next channels. Acks of before are dropped from now on.
    pub(crate) fn renew(&mut self) {
        self.epoch = (self.epoch + 1) % EPOCHS;
        self.lanes = Default::default();
    }

    /// A message came; false when its tag cannot be.
    pub(crate) fn delivered(&mut self, lane: usize, tag: u64) -> bool {
        tag <= DELIVERY && self.lanes.get_mut(lane).is_some_and(|lane| lane.window.delivered(tag))
    }

    /// What the message told.
    pub(crate) fn offer(&mut self, lane: usize, tag: u64, hint: Hint) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.ready.push_back((tag, hint));
        }
    }

    /// Up to `most` hints, each lane in its turn.
    pub(crate) fn take(&mut self, most: usize) -> Vec<Delivery> {
        let mut taken = Vec::new();
        while taken.len() < most {
            let waiting = self.lanes.each_ref().map(|lane| !lane.ready.is_empty());
            let Some(at) = self.turns.next(waiting) else { break };
            let Some((tag, hint)) = self.lanes.get_mut(at).and_then(|lane| lane.ready.pop_front()) else { break };
            taken.push(Delivery { hint, tag: self.tag(at, tag) });
        }
        self.given += taken.len() as u64;
        taken
    }

    /// The name of a delivery for whoever acks it.
    pub(crate) fn tag(&self, lane: usize, tag: u64) -> u64 {
        (self.epoch << EPOCH_AT) | ((lane as u64) << LANE_AT) | tag
    }

    /// True when the delivery belongs to these channels.
    pub(crate) fn is_current(&self, tag: u64) -> bool {
        tag >> EPOCH_AT == self.epoch
    }

    /// These may be acked; what is of an older epoch, or not known, is passed over.
    pub(crate) fn finish(&mut self, tags: &[u64]) {
        for tag in tags.iter().copied().filter(|tag| tag >> EPOCH_AT == self.epoch) {
            let lane = usize::try_from((tag >> LANE_AT) & 3).unwrap_or(LANES);
            if let Some(lane) = self.lanes.get_mut(lane) {
                lane.window.finish(tag & DELIVERY);
            }
        }
    }

    /// How many may be acked.
    pub(crate) fn done(&self) -> usize {
        self.lanes.iter().map(|lane| lane.window.done()).sum()
    }

    /// What to send on the channel of each lane.
    pub(crate) fn flush(&mut self) -> [Vec<AckFrame>; LANES] {
        self.lanes.each_mut().map(|lane| lane.window.flush())
    }

    /// Hints that wait here.
    pub(crate) fn waiting(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.ready.len() as u64).sum()
    }

    /// Hints given out, ever.
    pub(crate) fn given(&self) -> u64 {
        self.given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(at: u64) -> Hint {
        Hint { task: at.to_string(), run: "r".to_owned(), queue: "q".to_owned() }
    }

    fn fill(lanes: &mut Lanes, lane: usize, count: u64) {
        for tag in 1..=count {
            assert!(lanes.delivered(lane, tag));
            lanes.offer(lane, tag, hint(tag));
        }
    }

    #[test]
    fn an_ack_of_before_acks_nothing_now() {
        let mut lanes = Lanes::default();
        lanes.renew();
        fill(&mut lanes, 1, 2);
        let old: Vec<u64> = lanes.take(2).iter().map(|delivery| delivery.tag).collect();
        lanes.renew();
        fill(&mut lanes, 1, 2);
        lanes.finish(&old);
        assert_eq!(lanes.done(), 0);
        let new: Vec<u64> = lanes.take(2).iter().map(|delivery| delivery.tag).collect();
        assert!(lanes.is_current(new[0]) && !lanes.is_current(old[0]));
        lanes.finish(&new);
        lanes.finish(&new);
        lanes.finish(&[u64::MAX, 0, 1]);
        assert_eq!(lanes.done(), 2);
        assert_eq!(lanes.flush(), [vec![], vec![AckFrame { tag: 2, multiple: true }], vec![]]);
    }

    #[test]
    fn gives_lanes_in_turns_and_each_in_order() {
        let mut lanes = Lanes::default();
        for lane in 0..LANES {
            fill(&mut lanes, lane, 100);
        }
        let taken = lanes.take(20);
        let of = |lane: u64| taken.iter().filter(|delivery| (delivery.tag >> LANE_AT) & 3 == lane).collect::<Vec<_>>();
        assert_eq!([of(0).len(), of(1).len(), of(2).len()], [12, 6, 2]);
        assert_eq!(of(1).iter().map(|delivery| delivery.tag & DELIVERY).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        assert_eq!((lanes.waiting(), lanes.given()), (280, 20));
    }
}
