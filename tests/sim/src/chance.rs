//! Chance: everything that a seed decides comes from here, in the order in which it is asked.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::{Mutex, PoisonError};

/// A sequence of random choices that the seed fixes.
pub(crate) struct Chance(Mutex<StdRng>);

impl Chance {
    /// The sequence `lane` of a seed: lanes do not disturb one another.
    pub(crate) fn new(seed: u64, lane: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(lane))))
    }

    /// True with this probability.
    pub(crate) fn hit(&self, probability: f64) -> bool {
        probability > 0.0 && self.fraction() < probability
    }

    /// In `[0, 1)`.
    pub(crate) fn fraction(&self) -> f64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).random()
    }

    /// In `from..=to`.
    pub(crate) fn between(&self, from: u64, to: u64) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).random_range(from..=to)
    }

    /// One of them.
    pub(crate) fn one<'a, T>(&self, of: &'a [T]) -> &'a T {
        &of[self.index(of.len())]
    }

    /// Below `count`.
    pub(crate) fn index(&self, count: usize) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).random_range(0..count.max(1))
    }
}
