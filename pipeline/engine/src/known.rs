//! What this process has read of definitions and runs, and need not read again.

use crate::cx::Cx;
use crate::docs::{self, ImportDoc, Read, RunDoc, RunState};
use crate::error::Result;
use crate::layout::Layout;
use jobpipe_core::{DocKind, Plan, RunFacts, StoreError};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;

/// Definitions by their hash, and runs.
#[derive(Debug, Default)]
pub struct Known {
    layouts: HashMap<String, Arc<Layout>>,
    runs: HashMap<String, Run>,
    /// Runs that wait because something of them cannot be made here, and when that was told, on the own clock.
    unfit: HashMap<String, Duration>,
}

impl Known {
    /// Remembers a layout. When there are many, those that nobody uses are forgotten: what they were made of is stored.
    fn keep(&mut self, definition: &str, layout: &Arc<Layout>) {
        if self.layouts.len() >= MOST_LAYOUTS {
            self.layouts.retain(|_, layout| Arc::strong_count(layout) > 1);
        }
        if self.layouts.len() >= MOST_LAYOUTS {
            self.layouts.clear();
        }
        self.layouts.insert(definition.to_owned(), Arc::clone(layout));
    }

    /// Whether it is time to tell (again) that a run waits because something of it cannot be made here.
    pub(crate) fn tells_unfit(&mut self, run: &str, now: Duration) -> bool {
        if self.unfit.get(run).is_some_and(|told| now.saturating_sub(*told) < UNFIT_TOLD) {
            return false;
        }
        self.unfit.retain(|_, told| now.saturating_sub(*told) < UNFIT_TOLD);
        self.unfit.insert(run.to_owned(), now);
        true
    }
}

/// How often that is told of a run.
const UNFIT_TOLD: Duration = Duration::from_secs(60);

/// A run as it was read.
#[derive(Debug)]
struct Run {
    admitted: Admitted,
    /// Whether it was closed at the last look, and when that was, on the own clock.
    closed: bool,
    looked: Duration,
}

/// What never changes of a run.
#[derive(Debug, Clone)]
pub(crate) struct Admitted {
    /// The definition.
    pub layout: Arc<Layout>,
    /// The facts.
    pub facts: Arc<RunFacts>,
    /// Numbers of the cancelled runs before it: the next one joins them only when it is closed.
    cancelled: Arc<OnceCell<BTreeSet<u64>>>,
}

/// Runs that are remembered; above it all are read anew, as they are needed.
const MOST: usize = 256;

/// Definitions that are remembered, with all that was made of them.
const MOST_LAYOUTS: usize = 1_024;

/// For how long a look at a run is good.
const LOOK: Duration = Duration::from_secs(1);

impl Cx {
    pub(crate) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The layout of a stored definition.
    pub async fn layout(&self, definition: &str) -> Result<Arc<Layout>> {
        let known = self.known().layouts.get(definition).cloned();
        if let Some(layout) = known {
            return Ok(layout);
        }
        let stored: Option<Read<Plan>> = docs::read(&*self.store, DocKind::Definition, definition).await?;
        let plan = stored.ok_or_else(|| StoreError::Corrupt {
            what: format!("definition {definition}"),
            message: "it is named by a run but not stored".to_owned(),
        })?;
        let layout = Arc::new(Layout::new(plan.doc));
        self.known().keep(definition, &layout);
        Ok(layout)
    }

    /// What admission decided of a run: read once.
    pub(crate) async fn admitted(&self, run: &str) -> Result<Admitted> {
        let known = self.known().runs.get(run).map(|known| known.admitted.clone());
        match known {
            Some(admitted) => Ok(admitted),
            None => self.look_at(run).await.map(|(admitted, _)| admitted),
        }
    }

    /// True when the run was closed a moment ago, or is now.
    ///
    /// Tasks of one run share a look, which is up to a second old. That is soon enough, for nobody relies on the answer: a
    /// run closes only when nothing of it is open, so one that works on a task of a closed run has lost its lease, or its
    /// relay was done by another. It may have been put to sleep after any look, however new, and so is stopped by what
    /// stops a sleeper: its commit by the fence, what it tells of by the state of the task, its heads by their numbers.
    /// The look spares the work. Nor does a cancel need a newer one: it takes the tasks that are ready, those that run may
    /// end, and the run stays open until they have.
    pub(crate) async fn is_over(&self, run: &str) -> Result<bool> {
        let now = self.clock.monotonic();
        let known = self.known().runs.get(run).map(|known| (known.closed, now.saturating_sub(known.looked)));
        match known {
            Some((closed, age)) if age < LOOK => Ok(closed),
            _ => self.look_at(run).await.map(|(_, closed)| closed),
        }
    }

    async fn look_at(&self, id: &str) -> Result<(Admitted, bool)> {
        // before the reading, which may take its time
        let looked = self.clock.monotonic();
        let run: RunDoc = self.run(id).await?.doc;
        let closed = run.state == RunState::Closed;
        let layout = self.layout(&run.open.definition).await?;
        let mut known = self.known();
        if let Some(known) = known.runs.get_mut(id) {
            (known.closed, known.looked) = (closed, looked);
            return Ok((known.admitted.clone(), closed));
        }
        if known.runs.len() >= MOST {
            known.runs.clear();
        }
        let admitted = Admitted { layout, facts: Arc::new(run.open.facts), cancelled: Arc::default() };
        known.runs.insert(id.to_owned(), Run { admitted: admitted.clone(), closed, looked });
        Ok((admitted, closed))
    }
}

impl Admitted {
    /// Numbers of cancelled runs: heads that they changed last are not planned. While this run is open none is added, for
    /// an import has one open run at a time.
    pub(crate) async fn cancelled(&self, cx: &Cx) -> Result<&BTreeSet<u64>> {
        let read = async || -> Result<BTreeSet<u64>> {
            let import: Option<Read<ImportDoc>> =
                docs::read(&*cx.store, DocKind::Import, &self.layout.plan.name).await?;
            Ok(import.map(|import| import.doc.cancelled).unwrap_or_default())
        };
        self.cancelled.get_or_try_init(read).await
    }
}

#[cfg(test)]
mod tests;
