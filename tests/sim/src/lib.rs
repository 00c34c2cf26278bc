//! The simulation: the real engine over ports in memory, with everything that can go wrong decided by a seed.
//!
//! Time is virtual, one thread does everything, and every choice comes from the seed: the same seed tells the same story.

mod broker;
mod chance;
mod check;
mod fleet;
mod monitor;
mod odds;
mod pages;
mod process;
mod shape;
mod slant;
mod source;
mod stages;
mod store;
mod story;
mod sum;
mod tamper;
mod timetable;
mod world;

pub use slant::Slant;
pub use sum::Sum;

use jobpipe_engine::sabotage::Rule;
use std::collections::BTreeMap;

/// What one seed came to.
#[derive(Debug)]
pub struct Told {
    /// The seed.
    pub seed: u64,
    /// Writes of the store and calls of pages.
    pub steps: u64,
    /// How often each fault happened.
    pub counts: BTreeMap<&'static str, u64>,
    /// The first invariant that did not hold.
    pub violation: Option<String>,
    /// What happened, line by line, if it was asked for.
    pub trace: Vec<String>,
    /// Virtual seconds.
    pub seconds: f64,
}

/// What stories are told about; by default anything.
#[derive(Debug, Clone, Copy, Default)]
pub struct About {
    /// The engine lacks this rule.
    pub rule: Option<Rule>,
    /// Every story leads there.
    pub slant: Option<Slant>,
}

/// Tells the story of a seed.
#[must_use]
pub fn tell(seed: u64, about: About, trace: bool) -> Told {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let Ok(runtime) = runtime else {
        return Told {
            seed,
            steps: 0,
            counts: BTreeMap::new(),
            violation: Some("the runtime could not be made".to_owned()),
            trace: Vec::new(),
            seconds: 0.0,
        };
    };
    let world = runtime.block_on(async { story::Story::new(seed, about, trace).tell().await });
    let seconds = runtime.block_on(async { world.elapsed().as_secs_f64() });
    Told {
        seed,
        steps: world.steps(),
        counts: world.counts(),
        violation: world.violation(),
        trace: world.trace(),
        seconds,
    }
}
