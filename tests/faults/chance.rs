//! Chance that can be repeated.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::ops::RangeInclusive;
use std::time::Duration;

/// A seeded generator.
pub struct Chance {
    pub seed: u64,
    rng: StdRng,
}

impl Chance {
    /// The seed of `JOBPIPE_FAULTS_SEED`, else a fixed one: a test that fails fails again.
    pub fn new() -> Self {
        let seed = std::env::var("JOBPIPE_FAULTS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_122);
        Self { seed, rng: StdRng::seed_from_u64(seed) }
    }

    /// A number of the range.
    pub fn of(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.rng.random_range(range)
    }

    /// A time below `most`.
    pub fn below(&mut self, most: Duration) -> Duration {
        Duration::from_micros(self.of(0..=u64::try_from(most.as_micros()).unwrap_or(u64::MAX)))
    }

    /// So many different numbers below `end`, in order.
    pub fn pick(&mut self, count: usize, end: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..end).collect();
        self.shuffle(&mut all);
        all.truncate(count);
        all.sort_unstable();
        all
    }

    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for last in (1..all.len()).rev() {
            all.swap(last, self.of(0..=last as u64) as usize);
        }
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.rng.random()).collect()
    }
}
