//! What was told not long ago need not be told again.

use std::collections::HashMap;
use std::time::Duration;

/// Hints remembered at most, twice.
const MOST: usize = 8_192;

/// Hints that were published, in two generations: one lives between one and two times as long as the other may grow.
#[derive(Debug, Default)]
pub(super) struct Sent {
    young: HashMap<String, u64>,
    old: HashMap<String, u64>,
    since: Duration,
}

impl Sent {
    /// True when the task was not told of under this claim, not for `life` at least.
    pub(super) fn is_new(&mut self, id: &str, fence: u64, now: Duration, life: Duration) -> bool {
        if now.saturating_sub(self.since) >= life || self.young.len() >= MOST {
            self.old = std::mem::take(&mut self.young);
            self.since = now;
        }
        self.young.get(id) != Some(&fence) && self.old.get(id) != Some(&fence)
    }

    /// These were told of.
    pub(super) fn note(&mut self, told: Vec<(String, u64)>) {
        if self.young.len() < MOST {
            self.young.extend(told);
        }
    }

    /// These may be told of again.
    pub(super) fn forget(&mut self, ids: &[String]) {
        for id in ids {
            self.young.remove(id);
            self.old.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_repeated_after_a_while_or_after_another_claim() {
        const LIFE: Duration = Duration::from_secs(5);
        let at = Duration::from_secs;
        let mut sent = Sent::default();
        assert!(sent.is_new("a", 0, at(1), LIFE));
        sent.note(vec![("a".to_owned(), 0)]);
        assert!(!sent.is_new("a", 0, at(4), LIFE));
        assert!(sent.is_new("a", 1, at(4), LIFE), "it was claimed and put back");
        assert!(!sent.is_new("a", 0, at(6), LIFE), "a whole life at least");
        assert!(sent.is_new("a", 0, at(11), LIFE));
        sent.note(vec![("a".to_owned(), 0)]);
        sent.forget(&["a".to_owned()]);
        assert!(sent.is_new("a", 0, at(11), LIFE));
    }

    #[test]
    fn it_is_bounded() {
        let mut sent = Sent::default();
        for n in 0..100_000 {
            sent.is_new("x", 0, Duration::ZERO, Duration::MAX);
            sent.note(vec![(n.to_string(), 0)]);
        }
        assert!(sent.young.len() + sent.old.len() <= 2 * MOST);
    }
}
