//! Deliveries of one channel that were not acked yet, and how few frames ack them.

use std::collections::VecDeque;

/// One `basic.ack`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AckFrame {
    /// The delivery tag.
    pub(crate) tag: u64,
    /// Acks everything up to the tag.
    pub(crate) multiple: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// Delivered, and worked on.
    Open,
    /// May be acked.
    Done,
    /// Acked out of turn.
    Acked,
}

/// The deliveries of a channel from the oldest that is not acked. A channel counts its deliveries 1, 2, 3, …; acking a
/// number that is not open would end the channel, so every ack goes through here.
#[derive(Debug)]
pub(crate) struct AckWindow {
    /// The tag of the first mark.
    first: u64,
    marks: VecDeque<Mark>,
    done: usize,
}

impl Default for AckWindow {
    fn default() -> Self {
        Self { first: 1, marks: VecDeque::new(), done: 0 }
    }
}

impl AckWindow {
    /// A delivery came; false when its tag is not the next one, which no broker does.
    pub(crate) fn delivered(&mut self, tag: u64) -> bool {
        if tag != self.first + self.marks.len() as u64 {
            return false;
        }
        self.marks.push_back(Mark::Open);
        true
    }

    /// This one may be acked; false when it is not open (acked before, or never delivered).
    pub(crate) fn finish(&mut self, tag: u64) -> bool {
        let at = tag.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        match at.and_then(|at| self.marks.get_mut(at)) {
            Some(mark) if *mark == Mark::Open => {
                *mark = Mark::Done;
                self.done += 1;
                true
            }
            _ => false,
        }
    }

    /// How many may be acked.
    pub(crate) fn done(&self) -> usize {
        self.done
    }

    /// The frames that ack all that is done: one for everything before the oldest that is open, one each for the rest.
    pub(crate) fn flush(&mut self) -> Vec<AckFrame> {
        if self.done == 0 {
            return Vec::new();
        }
        let mut frames = Vec::new();
        let mut last_done = None;
        let mut count = 0;
        while let Some(mark) = self.marks.front().copied()
            && mark != Mark::Open
        {
            self.marks.pop_front();
            if mark == Mark::Done {
                last_done = Some(self.first);
                count += 1;
            }
            self.first += 1;
        }
        if let Some(tag) = last_done {
            frames.push(AckFrame { tag, multiple: count > 1 });
        }
        if count < self.done {
            for (tag, mark) in (self.first..).zip(&mut self.marks) {
                if *mark == Mark::Done {
                    *mark = Mark::Acked;
                    frames.push(AckFrame { tag, multiple: false });
                }
            }
        }
        self.done = 0;
        frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(count: u64) -> AckWindow {
        let mut window = AckWindow::default();
        for tag in 1..=count {
            assert!(window.delivered(tag));
        }
        window
    }

    #[test]
    fn one_frame_for_a_prefix() {
        let mut window = window(5);
        for tag in [2, 1, 3] {
            assert!(window.finish(tag));
        }
        assert_eq!(window.flush(), [AckFrame { tag: 3, multiple: true }]);
        assert_eq!(window.flush(), []);
        assert!(window.finish(4));
        assert_eq!(window.flush(), [AckFrame { tag: 4, multiple: false }]);
    }

    #[test]
    fn never_acks_what_is_open() {
        let mut window = window(6);
        for tag in [2, 4, 5] {
            assert!(window.finish(tag));
        }
        let each = [2, 4, 5].map(|tag| AckFrame { tag, multiple: false });
        assert_eq!(window.flush(), each, "1 and 3 are open");
        assert!(window.finish(1));
        assert_eq!(window.flush(), [AckFrame { tag: 1, multiple: false }], "2 was acked before");
        assert!(window.finish(3) && window.finish(6));
        assert_eq!(window.flush(), [AckFrame { tag: 6, multiple: true }]);
        assert!(window.delivered(7));
    }

    #[test]
    fn takes_no_ack_twice_and_none_of_a_stranger() {
        let mut window = window(2);
        assert!(window.finish(1));
        assert!(!window.finish(1));
        assert!(!window.finish(0) && !window.finish(3) && !window.finish(u64::MAX));
        window.flush();
        assert!(!window.finish(1));
        assert!(!window.delivered(9), "a gap is told");
        assert!(window.delivered(3));
    }
}
