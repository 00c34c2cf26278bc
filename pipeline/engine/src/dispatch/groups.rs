//! Limit keys that have no permits: how many of their tasks may run here, learned from what their limit said.
//!
//! A task that waits for a permit gives its slot back (its stage puts the rest of its requests back, charging nothing).
//! This is what keeps the next ones from taking that slot only to wait again: after such an end the key may have half as
//! many tasks at work, and one more for every ten seconds that go well, until nothing holds it back.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Keys remembered at most; above it those at rest are forgotten.
const MOST: usize = 10_000;

/// What a task waits that comes while its key has enough at work.
const TURN: Duration = Duration::from_secs(1);

/// How long it must go well before one more may run.
const WELL: Duration = Duration::from_secs(10);

/// Limit keys, as far as this process has met their limits.
#[derive(Debug, Default)]
pub(crate) struct Groups(Mutex<HashMap<String, Group>>);

#[derive(Debug, Default)]
struct Group {
    /// Tasks that are computed now.
    running: usize,
    /// How many may be; `None` = no bound.
    most: Option<usize>,
    /// Nobody asks before.
    until: Duration,
    /// Since when as many may run as do.
    since: Duration,
}

impl Group {
    fn room(&self, now: Duration) -> usize {
        if self.until > now { 0 } else { self.most.unwrap_or(usize::MAX).saturating_sub(self.running) }
    }

    fn is_at_rest(&self, now: Duration) -> bool {
        self.running == 0 && self.most.is_none() && self.until <= now
    }
}

/// A task of the key is computed as long as this lives.
#[derive(Debug)]
pub(crate) struct Entered<'a> {
    groups: &'a Groups,
    group: &'a str,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let mut groups = self.groups.lock();
        if let Some(group) = groups.get_mut(self.group) {
            group.running = group.running.saturating_sub(1);
            if group.running == 0 && group.most.is_none() && group.until.is_zero() {
                groups.remove(self.group);
            }
        }
    }
}

impl Groups {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Group>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many more tasks of the key could begin now.
    pub(crate) fn room(&self, group: &str, now: Duration) -> usize {
        self.lock().get(group).map_or(usize::MAX, |group| group.room(now))
    }

    /// A task of the key begins, or has to wait so long before it asks again. Tasks without a key always begin.
    pub(crate) fn enter<'a>(&'a self, group: &'a str, now: Duration) -> Result<Option<Entered<'a>>, Duration> {
        if group.is_empty() {
            return Ok(None);
        }
        let mut groups = self.lock();
        if groups.len() >= MOST {
            groups.retain(|_, group| !group.is_at_rest(now));
        }
        let state = groups.entry(group.to_owned()).or_default();
        if state.room(now) == 0 {
            return Err(state.until.saturating_sub(now).max(TURN));
        }
        state.running += 1;
        Ok(Some(Entered { groups: self, group }))
    }

    /// A task of the key ended because there was no permit, and none will be for so long.
    pub(crate) fn throttled(&self, group: &str, wait: Duration, now: Duration) {
        if let Some(state) = self.lock().get_mut(group) {
            state.most = Some((state.running / 2).max(1));
            state.until = state.until.max(now + wait);
            state.since = now;
        }
    }

    /// A task of the key ended well. With room for `enough`, nothing holds the key back.
    pub(crate) fn eased(&self, group: &str, enough: usize, now: Duration) {
        let mut groups = self.lock();
        let Some(state) = groups.get_mut(group) else { return };
        let Some(most) = state.most.filter(|_| now.saturating_sub(state.since) >= WELL) else { return };
        state.since = now;
        state.most = Some(most + 1).filter(|most| *most < enough);
        if state.most.is_none() {
            state.until = Duration::ZERO;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    #[test]
    fn a_key_without_permits_gets_fewer_slots_and_regains_them() {
        let groups = Groups::default();
        let mut running: Vec<_> = (0..8).map(|_| groups.enter("slow", NOW).unwrap()).collect();
        groups.throttled("slow", Duration::from_secs(3), NOW);
        assert_eq!(groups.enter("slow", NOW).unwrap_err(), Duration::from_secs(3), "nobody asks meanwhile");
        assert!(groups.enter("quick", NOW).is_ok() && groups.enter("", NOW).unwrap().is_none());
        let later = NOW + Duration::from_secs(3);
        assert_eq!(groups.room("slow", later), 0, "8 run, 4 may");
        running.truncate(3);
        assert_eq!(groups.room("slow", later), 1);
        running.push(groups.enter("slow", later).unwrap());
        assert_eq!(groups.enter("slow", later).unwrap_err(), TURN);
        running.clear();
        for most in 5..8 {
            let well = NOW + WELL * (most - 4);
            groups.eased("slow", 8, well);
            groups.eased("slow", 8, well + WELL / 2);
            assert_eq!(groups.room("slow", well), most as usize);
        }
        let later = NOW + WELL * 4;
        groups.eased("slow", 8, later);
        assert_eq!(groups.room("slow", later), usize::MAX);
        drop(groups.enter("slow", later));
        drop(groups.enter("quick", later));
        assert!(groups.lock().is_empty(), "what nothing holds back is not remembered");
    }

    #[test]
    fn one_always_may() {
        let groups = Groups::default();
        let only = groups.enter("slow", NOW).unwrap();
        groups.throttled("slow", Duration::from_millis(1), NOW);
        drop(only);
        assert_eq!(groups.room("slow", NOW + Duration::from_millis(1)), 1);
    }
}
