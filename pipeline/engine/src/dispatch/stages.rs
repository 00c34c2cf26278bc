//! Stages that bound how many of their tasks are computed at once (`concurrency:`), in this process.
//!
//! As many tasks as run may wait to be the next ones, without a slot; what comes while there are as many is given back, and
//! nothing more is told of meanwhile.

use crate::layout::Layout;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Stages remembered at most; above it those at rest are forgotten.
const MOST: usize = 1_000;

/// Definition and stage.
type Name = (String, String);

/// Stages with a bound of their own.
#[derive(Debug, Default)]
pub(crate) struct Stages(Mutex<HashMap<Name, Stage>>);

#[derive(Debug, Clone)]
struct Stage {
    /// For those that are computed.
    turns: Arc<Semaphore>,
    /// For those and the next ones.
    places: Arc<Semaphore>,
    most: usize,
}

impl Stage {
    fn of(most: usize) -> Self {
        let places = most * 2;
        Self { turns: Arc::new(Semaphore::new(most)), places: Arc::new(Semaphore::new(places)), most: places }
    }

    fn is_at_rest(&self) -> bool {
        self.places.available_permits() == self.most
    }
}

/// A task's place among those that run and the next ones.
#[derive(Debug)]
pub(crate) struct Place {
    turns: Arc<Semaphore>,
    place: OwnedSemaphorePermit,
}

/// A task of the stage is computed as long as this lives.
#[derive(Debug)]
pub(crate) struct OnTurn {
    _turn: Option<OwnedSemaphorePermit>,
    _place: OwnedSemaphorePermit,
}

impl Place {
    /// Waits until so few others run that this one may.
    pub(crate) async fn turn(self) -> OnTurn {
        // it is never closed
        OnTurn { _turn: self.turns.acquire_owned().await.ok(), _place: self.place }
    }
}

impl Stages {
    /// A place for a task of a stage that computes at most `most` at once; `None` when all are taken.
    pub(crate) fn enter(&self, definition: &str, stage: &str, most: u32) -> Option<Place> {
        let mut stages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if stages.len() >= MOST {
            stages.retain(|_, stage| !stage.is_at_rest());
        }
        let name = (definition.to_owned(), stage.to_owned());
        let stage = stages.entry(name).or_insert_with(|| Stage::of(at_least_one(most)));
        let place = Arc::clone(&stage.places).try_acquire_owned().ok()?;
        Some(Place { turns: Arc::clone(&stage.turns), place })
    }

    /// How many more tasks of this stage could be claimed now.
    pub(crate) fn room(&self, layout: &Layout, stage: &str) -> usize {
        let Some(most) = layout.plan.stage(stage).and_then(|stage| stage.concurrency) else { return usize::MAX };
        let stages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = stages.get(&(layout.hash.clone(), stage.to_owned()));
        known.map_or(at_least_one(most) * 2, |stage| stage.places.available_permits())
    }

    /// How many more tasks that wait in a queue could be claimed now, whatever their stages are.
    pub(crate) fn room_in(&self, layout: &Layout, queue: &str) -> usize {
        let stages = layout.begin_in(queue).map(|stage| self.room(layout, &stage.name));
        stages.reduce(usize::saturating_add).unwrap_or(usize::MAX)
    }
}

fn at_least_one(most: u32) -> usize {
    usize::try_from(most.max(1)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn as_many_wait_as_run_and_no_more() {
        let stages = Stages::default();
        let enter = || stages.enter("plan", "crawl", 2);
        let mut running = vec![enter().unwrap().turn().await, enter().unwrap().turn().await];
        let waiting = enter().unwrap();
        let last = enter().unwrap();
        assert!(enter().is_none(), "two run and two wait");
        assert!(stages.enter("plan", "other", 1).is_some() && stages.enter("next", "crawl", 1).is_some());
        let turn = tokio::spawn(waiting.turn());
        tokio::task::yield_now().await;
        assert!(!turn.is_finished());
        running.pop();
        let _on_turn = turn.await.unwrap();
        assert!(enter().is_some());
        drop(last);
    }
}
