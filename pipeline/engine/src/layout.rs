//! How a plan is cut: chains of stages that share a task, and ledgers that exports are kept in step from.

use crate::compute::Link;
use jobpipe_core::{Feed, Plan, Sink, StageKind, StagePlan, Stages, TaskError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A plan with what the engine derives from it.
#[derive(Debug)]
pub struct Layout {
    /// The plan.
    pub plan: Plan,
    /// Its hash.
    pub hash: String,
    /// Its ledgers.
    pub ledgers: Vec<Ledger>,
    sinks: Made<dyn Sink>,
    chains: Made<[Link]>,
}

/// What was made of this plan so far, by stage. An error is not kept: a secret that is missing now may be there later.
struct Made<T: ?Sized>(Mutex<BTreeMap<String, Arc<T>>>);

impl<T: ?Sized> Made<T> {
    fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// Made once.
    fn get(&self, stage: &str, make: impl FnOnce() -> Result<Arc<T>, TaskError>) -> Result<Arc<T>, TaskError> {
        let kept = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = kept().get(stage) {
            return Ok(Arc::clone(made));
        }
        let made = make()?;
        kept().insert(stage.to_owned(), Arc::clone(&made));
        Ok(made)
    }
}

impl<T: ?Sized> std::fmt::Debug for Made<T> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("made")
    }
}

/// The heads that some exports share: one for each set of stages that exports are `from`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// `import/stage` (several stages joined by `+`).
    pub id: String,
    /// The stages whose records it holds, in the order of `from`: among equals the first wins.
    pub sources: Vec<String>,
    /// Exports that need heads: effects, snapshots, changes.
    pub tracked: bool,
}

impl Layout {
    /// Derives chains and ledgers.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let hash = plan.hash();
        let mut ledgers: Vec<Ledger> = Vec::new();
        for export in plan.stages.iter().filter(|stage| stage.kind == StageKind::Export) {
            let id = ledger_id(&plan.name, &export.from);
            let tracked = export.feed != Feed::Run;
            match ledgers.iter_mut().find(|ledger| ledger.id == id) {
                Some(ledger) => ledger.tracked |= tracked,
                None => ledgers.push(Ledger { id, sources: export.from.clone(), tracked }),
            }
        }
        Self { plan, hash, ledgers, sinks: Made::new(), chains: Made::new() }
    }

    /// The sink of an export.
    pub fn sink(&self, stages: &dyn Stages, export: &str) -> Result<Arc<dyn Sink>, TaskError> {
        self.sinks.get(export, || stages.sink(&self.plan, export))
    }

    /// What a task of `first` computes.
    pub(crate) fn compiled(&self, stages: &dyn Stages, first: &str) -> Result<Arc<[Link]>, TaskError> {
        let link = |stage: &StagePlan| -> Result<Link, TaskError> {
            let code = stages.stage(&self.plan, &stage.name)?;
            let kept = self.ledgers_fed_by(&stage.name).next().is_some();
            Ok(Link { name: stage.name.clone(), code, stored: self.is_stored(stage), kept })
        };
        self.chains.get(first, || self.chain(first).into_iter().map(link).collect())
    }

    /// The ledger that an export is kept in step from.
    #[must_use]
    pub fn ledger_of(&self, export: &StagePlan) -> String {
        ledger_id(&self.plan.name, &export.from)
    }

    /// The ledgers with heads that records of `stage` belong to, and the stage's rank there.
    pub fn ledgers_fed_by<'a>(&'a self, stage: &'a str) -> impl Iterator<Item = (&'a Ledger, u32)> + 'a {
        self.ledgers.iter().filter(|ledger| ledger.tracked).filter_map(move |ledger| {
            let at = ledger.sources.iter().position(|source| source == stage)?;
            Some((ledger, u32::try_from(at).unwrap_or(u32::MAX)))
        })
    }

    /// The stages that run under one claim with `first`, `first` included, in order.
    #[must_use]
    pub fn chain(&self, first: &str) -> Vec<&StagePlan> {
        let mut chain = Vec::new();
        let mut next = self.plan.stage(first);
        while let Some(stage) = next {
            chain.push(stage);
            next = self.chained_after(stage);
        }
        chain
    }

    /// The one stage that shares its tasks: its only input is this stage, this stage feeds no other, same queue.
    fn chained_after<'a>(&'a self, stage: &'a StagePlan) -> Option<&'a StagePlan> {
        let mut children = self.plan.children(&stage.name).filter(|child| child.kind != StageKind::Export);
        let child = children.next()?;
        (children.next().is_none() && child.from.len() == 1 && child.queue == stage.queue).then_some(child)
    }

    /// The stages whose tasks wait in a queue; one that shares the tasks of another has none.
    pub fn begin_in<'a>(&'a self, queue: &'a str) -> impl Iterator<Item = &'a StagePlan> + 'a {
        let chained = |stage: &StagePlan| {
            let mut before = self.plan.stages.iter().filter_map(|before| self.chained_after(before));
            before.any(|after| after.name == stage.name)
        };
        let begin = self.plan.stages.iter().filter(|stage| stage.feed != Feed::Heads);
        begin.filter(move |stage| stage.queue == queue && !chained(stage))
    }

    /// The stages that take stored batches of `stage`: all its children that do not share its tasks.
    #[must_use]
    pub fn stored_children<'a>(&'a self, stage: &'a StagePlan) -> Vec<&'a StagePlan> {
        let chained = self.chained_after(stage).map(|child| &child.name);
        self.plan
            .children(&stage.name)
            .filter(|child| child.kind != StageKind::Export && Some(&child.name) != chained)
            .collect()
    }

    /// True when records of `stage` are stored: an export or a stage outside the chain takes them.
    #[must_use]
    pub fn is_stored(&self, stage: &StagePlan) -> bool {
        let exported = self.plan.children(&stage.name).any(|child| child.kind == StageKind::Export);
        exported || !self.stored_children(stage).is_empty()
    }

    /// The stages that have tasks while the run is open: all but exports.
    pub fn working(&self) -> impl Iterator<Item = &StagePlan> {
        self.plan.stages.iter().filter(|stage| stage.kind != StageKind::Export)
    }

    /// The exports that write one file at the closing.
    pub fn files(&self) -> impl Iterator<Item = &StagePlan> {
        self.exports().filter(|stage| stage.feed != Feed::Heads)
    }

    /// The exports to targets with effects.
    pub fn effects(&self) -> impl Iterator<Item = &StagePlan> {
        self.exports().filter(|stage| stage.feed == Feed::Heads)
    }

    fn exports(&self) -> impl Iterator<Item = &StagePlan> {
        self.plan.stages.iter().filter(|stage| stage.kind == StageKind::Export)
    }

    /// What a ledger does about missing records: the strictest policy of its sources; `None` = nothing is inferred.
    #[must_use]
    pub fn gone_policy(&self, ledger: &Ledger) -> Option<jobpipe_core::GonePolicy> {
        let mut policy: Option<jobpipe_core::GonePolicy> = None;
        for source in &ledger.sources {
            let one = self.plan.stage(source)?.gone?;
            policy = Some(match policy {
                None => one,
                Some(all) => {
                    jobpipe_core::GonePolicy { after: all.after.max(one.after), limit: all.limit.min(one.limit) }
                }
            });
        }
        policy
    }
}

fn ledger_id(import: &str, from: &[String]) -> String {
    format!("{import}/{}", from.join("+"))
}
