//! Many stories, and what they come to.

use crate::{About, Told, tell};
use jobpipe_engine::failpoint::Point;
use jobpipe_engine::sabotage::Rule;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What many seeds came to.
#[derive(Debug, Default)]
pub struct Sum {
    /// Stories told.
    pub seeds: u64,
    /// Writes of the store and calls of pages in all of them.
    pub steps: u64,
    /// Virtual seconds.
    pub seconds: f64,
    /// How often each fault happened, and how often each failpoint killed.
    pub counts: BTreeMap<&'static str, u64>,
    /// The seeds that violated something, and what.
    pub violations: Vec<(u64, String)>,
}

impl Sum {
    /// Tells the stories `first..first + seeds` on all cores; with `once`, until one of them violates something.
    #[must_use]
    pub fn of(first: u64, seeds: u64, about: About, once: bool) -> Self {
        let next = AtomicU64::new(first);
        let sum = Mutex::new(Self::default());
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        let sofar = sum.lock().unwrap_or_else(PoisonError::into_inner);
                        let enough = once && !sofar.violations.is_empty();
                        drop(sofar);
                        if seed >= first + seeds || enough {
                            return;
                        }
                        let told = tell(seed, about, false);
                        sum.lock().unwrap_or_else(PoisonError::into_inner).add(told);
                    }
                });
            }
        });
        let mut sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
        sum.violations.sort();
        sum
    }

    fn add(&mut self, told: Told) {
        self.seeds += 1;
        self.steps += told.steps;
        self.seconds += told.seconds;
        for (name, count) in told.counts {
            *self.counts.entry(name).or_default() += count;
        }
        if let Some(violation) = told.violation {
            self.violations.push((told.seed, violation));
        }
    }

    /// Failpoints that killed less often than so many times, with how often.
    #[must_use]
    pub fn rare_points(&self, least: u64) -> Vec<(&'static str, u64)> {
        let count = |point: &Point| self.counts.get(point.name()).copied().unwrap_or(0);
        Point::ALL.iter().map(|point| (point.name(), count(point))).filter(|(_, count)| *count < least).collect()
    }

    /// Kinds of faults that happened less often than so many times, with how often.
    #[must_use]
    pub fn rare_faults(&self, least: u64) -> Vec<(&'static str, u64)> {
        let is_point = |name: &str| Point::ALL.iter().any(|point| point.name() == name);
        let counts = self.counts.iter().map(|(name, count)| (*name, *count));
        counts.filter(|(name, count)| *count < least && !is_point(name)).collect()
    }

    /// All of it, for people; the last line is for machines too.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = String::new();
        for (name, count) in &self.counts {
            writeln!(text, "  {count:>9}  {name}").ok();
        }
        for (seed, what) in self.violations.iter().take(20) {
            writeln!(text, "  seed {seed}: {what}").ok();
        }
        let (seeds, steps, violations) = (self.seeds, self.steps, self.violations.len());
        let (mean, virtual_s) = (steps / seeds.max(1), self.seconds);
        writeln!(
            text,
            "SIM seeds={seeds} steps={steps} steps_per_seed={mean} virtual_s={virtual_s:.0} violations={violations}"
        )
        .ok();
        text
    }

    /// What became of the missing rule.
    #[must_use]
    pub fn sabotage(&self, rule: Rule) -> String {
        let name = rule.name();
        match self.violations.first() {
            Some((seed, what)) => format!("SABOTAGE {name:<20} caught by seed {seed}: {what}"),
            None => format!("SABOTAGE {name:<20} NOT CAUGHT in {} seeds", self.seeds),
        }
    }
}
