//! Starting a run: one compare-and-set on the import decides, then anyone may insert what it decided.

use crate::cx::Cx;
use crate::docs::{self, ClosedRun, ImportDoc, OpenRun, Read, RunDoc, ScheduleDoc, Waiting};
use crate::error::{EngineError, Result};
use crate::event::Event;
use crate::failpoint::Point;
use crate::layout::Layout;
use crate::repair;
use crate::sabotage::Rule;
use jobpipe_core::{DocKind, NewTask, Plan, RunFacts, StageKind, StagePlan, TargetRef, TaskInput};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// How a run is wished for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wish {
    /// At most so many records from each crawl; such a run moves no cursor and infers nothing gone.
    pub limit: Option<u64>,
    /// Guards are approved beforehand.
    pub approved: bool,
    /// An open run of another definition is gone on with.
    pub resume: bool,
    /// An open run of another definition is cancelled for this one.
    pub supersede: bool,
    /// The part of the run's id after `@`; a new UUID when there is none.
    pub slot: Option<String>,
    /// Ids of dead letters: only what they are about is worked on.
    pub repair: Vec<String>,
}

impl Wish {
    /// True when `run` is the one that this wish started.
    fn is_of(&self, run: &str) -> bool {
        self.slot.as_deref().is_some_and(|slot| run.rsplit_once('@').is_some_and(|(_, other)| other == slot))
    }
}

/// What admission decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admitted {
    /// A new run.
    Started(String),
    /// The open run goes on.
    Resumed {
        /// Its id.
        run: String,
        /// It goes on with the definition it started with, which is not the one given.
        pinned: bool,
    },
    /// The open run is being cancelled; ask again when it is closed.
    Superseding(String),
}

/// What to do about an import, as read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Decision {
    Start,
    Resume { pinned: bool },
    Supersede,
    Refuse,
}

fn decide(import: &ImportDoc, definition: &str, wish: &Wish) -> Decision {
    match &import.open {
        None => Decision::Start,
        Some(open) if !wish.repair.is_empty() && !wish.is_of(&open.facts.run) => Decision::Refuse,
        Some(open) if open.definition == definition => Decision::Resume { pinned: false },
        Some(_) if wish.supersede => Decision::Supersede,
        Some(_) if wish.resume => Decision::Resume { pinned: true },
        Some(_) => Decision::Refuse,
    }
}

/// Admits a run of `plan`, or goes on with the open one.
pub async fn admit(cx: &Cx, plan: &Plan, wish: &Wish) -> Result<Admitted> {
    let definition = plan.hash();
    let targets = resolve(cx, plan)?;
    cx.at(Point::AdmitDefinition)?;
    docs::insert(&*cx.store, &*cx.ids, DocKind::Definition, &definition, plan).await?;
    loop {
        let import = import(cx, &plan.name).await?;
        if let Some(run) = begun(cx, &import.doc, &plan.name, wish).await? {
            return Ok(Admitted::Resumed { run, pinned: false });
        }
        let decision = if cx.keeps(Rule::AdmitOpen) { decide(&import.doc, &definition, wish) } else { Decision::Start };
        match decision {
            Decision::Resume { pinned } => {
                let Some(open) = &import.doc.open else { continue };
                ensure(cx, open).await?;
                let run = open.facts.run.clone();
                cx.emit(Event::RunStarted { run: run.clone(), resumed: true });
                return Ok(Admitted::Resumed { run, pinned });
            }
            Decision::Supersede => {
                let Some(open) = &import.doc.open else { continue };
                ensure(cx, open).await?;
                crate::admin::cancel(cx, &open.facts.run).await?;
                return Ok(Admitted::Superseding(open.facts.run.clone()));
            }
            Decision::Refuse => return Err(refuse(&import.doc, &plan.name, wish)),
            Decision::Start => {
                let schedule: Option<Read<ScheduleDoc>> = docs::read(&*cx.store, DocKind::Schedule, &plan.name).await?;
                if schedule.is_some_and(|schedule| schedule.doc.retiring.is_some()) {
                    return Err(crate::scheduler::retiring(&plan.name));
                }
                let open = open_run(cx, plan, &definition, &targets, &import.doc, wish);
                can_begin(cx, plan, &open)?;
                if open.repair {
                    repair::keep(cx, &Layout::new(plan.clone()), &open.facts.run, &wish.repair).await?;
                }
                if let Some(run) = start(cx, &plan.name, &import, import.doc.clone(), open).await? {
                    return Ok(Admitted::Started(run));
                }
            }
        }
    }
}

/// Starts the run of a launch: `new` is what the import becomes beside it. `None` when another was faster.
pub(crate) async fn launch(
    cx: &Cx,
    plan: &Plan,
    definition: &str,
    read: &Read<ImportDoc>,
    new: ImportDoc,
    launch: Waiting,
) -> Result<Option<String>> {
    let targets = resolve(cx, plan)?;
    let wish = Wish { slot: Some(launch.slot.clone()), ..Wish::default() };
    let open = OpenRun { launch: Some(launch), ..open_run(cx, plan, definition, &targets, &new, &wish) };
    can_begin(cx, plan, &open)?;
    start(cx, &plan.name, read, new, open).await
}

/// Makes the requests that a run would begin with, before anybody decides that it begins: one that has none to begin with
/// would stay open, and end each engine that looks for them.
fn can_begin(cx: &Cx, plan: &Plan, open: &OpenRun) -> Result<()> {
    if open.repair {
        // it begins with what is stored
        return Ok(());
    }
    for stage in plan.stages.iter().filter(|stage| has_roots(open, stage)) {
        let code = cx.stages.stage(plan, &stage.name).map_err(EngineError::Stage)?;
        code.roots(&open.facts).map_err(EngineError::Stage)?;
    }
    Ok(())
}

/// Starts the run that ends an import with its posts: of the definition and the targets of its last closed run, which are
/// those that its posts are of. What waited for it is dropped. `None` when another was faster.
pub(crate) async fn retire(
    cx: &Cx,
    name: &str,
    read: &Read<ImportDoc>,
    closed: &ClosedRun,
    slot: &str,
) -> Result<Option<String>> {
    let layout = cx.layout(&closed.definition).await?;
    // who asks for all posts to be deleted is not asked whether so many may be
    let wish = Wish { slot: Some(slot.to_owned()), approved: true, ..Wish::default() };
    let open = open_run(cx, &layout.plan, &closed.definition, &closed.targets, &read.doc, &wish);
    let new = ImportDoc { queue: VecDeque::new(), backfill: None, ..read.doc.clone() };
    start(cx, name, read, new, OpenRun { retires: true, ..open }).await
}

/// One compare-and-set takes the import for the run; then the run is inserted.
async fn start(cx: &Cx, name: &str, read: &Read<ImportDoc>, new: ImportDoc, open: OpenRun) -> Result<Option<String>> {
    let new = ImportDoc { seq: open.facts.seq, open: Some(open.clone()), ..new };
    cx.at(Point::AdmitImport)?;
    if docs::replace(&*cx.store, &*cx.ids, DocKind::Import, name, read, new).await?.is_none() {
        return Ok(None);
    }
    ensure(cx, &open).await?;
    cx.emit(Event::RunStarted { run: open.facts.run.clone(), resumed: false });
    Ok(Some(open.facts.run))
}

/// The run that this wish has started already, if it has a slot and is not open any more: whoever asks a second time (two
/// engines that obey one command, one that died before it said so) starts nothing. Read after the import, so that a start
/// in between is met by the compare-and-set.
async fn begun(cx: &Cx, import: &ImportDoc, name: &str, wish: &Wish) -> Result<Option<String>> {
    let Some(slot) = &wish.slot else { return Ok(None) };
    let run = format!("{name}@{slot}");
    if import.open.as_ref().is_some_and(|open| open.facts.run == run) {
        return Ok(None);
    }
    Ok(cx.store.doc(DocKind::Run, &run).await?.map(|_| run))
}

fn refuse(import: &ImportDoc, name: &str, wish: &Wish) -> EngineError {
    let run = import.open.as_ref().map_or("", |open| open.facts.run.as_str());
    if !wish.repair.is_empty() {
        return EngineError::Refused {
            code: "JP527",
            message: format!(
                "run {run} of import `{name}` is still open, and dead letters are retried by a run of their own: \
                 wait for its end, or cancel it (`jobpipe runs cancel {run}`)"
            ),
        };
    }
    EngineError::Refused {
        code: "JP522",
        message: format!(
            "run {run} of import `{name}` is still open and was started with another definition; \
             go on with that one (--resume), or cancel it and start anew with this file (--new)"
        ),
    }
}

fn resolve(cx: &Cx, plan: &Plan) -> Result<BTreeMap<String, Vec<TargetRef>>> {
    let layout = Layout::new(plan.clone());
    let mut targets = BTreeMap::new();
    for export in layout.effects() {
        let sink = cx.stages.sink(plan, &export.name).map_err(EngineError::Stage)?;
        targets.insert(export.name.clone(), sink.targets().map_err(EngineError::Stage)?);
    }
    Ok(targets)
}

fn open_run(
    cx: &Cx,
    plan: &Plan,
    definition: &str,
    targets: &BTreeMap<String, Vec<TargetRef>>,
    import: &ImportDoc,
    wish: &Wish,
) -> OpenRun {
    let slot = wish.slot.clone().unwrap_or_else(|| cx.ids.run());
    OpenRun {
        definition: definition.to_owned(),
        facts: RunFacts {
            import: plan.name.clone(),
            run: format!("{}@{slot}", plan.name),
            seq: import.seq + 1,
            started_at: cx.now(),
            since: import.since.clone(),
            limit: wish.limit,
        },
        targets: targets.clone(),
        approved: wish.approved,
        launch: None,
        repair: !wish.repair.is_empty(),
        retires: false,
    }
}

/// The import's document, made if there is none.
pub async fn import(cx: &Cx, name: &str) -> Result<Read<ImportDoc>> {
    loop {
        if let Some(import) = docs::read(&*cx.store, DocKind::Import, name).await? {
            return Ok(import);
        }
        let new = ImportDoc { seq: first_seq(cx), ..ImportDoc::default() };
        docs::insert(&*cx.store, &*cx.ids, DocKind::Import, name, &new).await?;
    }
}

/// What the numbers of an import's runs begin above. On a store that several processes share it is the time: one of them
/// may sleep while the store is lost or put back, and what it then still writes has the number of a run of old. Numbers
/// from now on are greater than those, so that it stands in nobody's way.
pub(crate) fn first_seq(cx: &Cx) -> u64 {
    if cx.settings.lease_ttl.is_some() { u64::try_from(cx.now()).unwrap_or(0) } else { 0 }
}

/// Inserts the run and its root tasks if absent; anyone may repeat it.
pub async fn ensure(cx: &Cx, open: &OpenRun) -> Result<()> {
    let run = &open.facts.run;
    cx.at(Point::EnsureRun)?;
    docs::insert(&*cx.store, &*cx.ids, DocKind::Run, run, &RunDoc::new(open.clone())).await?;
    let layout = cx.layout(&open.definition).await?;
    let mut roots = Vec::new();
    for stage in layout.working().filter(|stage| has_roots(open, stage)) {
        let tasks = root_tasks(cx, &layout, open, &stage.name).await?;
        for task in &tasks {
            if let TaskInput::Requests(requests) = &task.input {
                let prints: Vec<String> = requests.iter().map(|request| request.id.clone()).collect();
                cx.store.seen_claim(run, &stage.name, &prints, &task.id).await?;
            }
        }
        roots.extend(tasks);
    }
    cx.at(Point::EnsureRoots)?;
    cx.store.tasks_insert(roots).await?;
    cx.news.tell_of(run);
    Ok(())
}

/// Whether a run may have tasks that start this stage.
pub(crate) fn has_roots(open: &OpenRun, stage: &StagePlan) -> bool {
    open.repair || (stage.kind == StageKind::Crawl && stage.from.is_empty() && !open.retires)
}

/// The tasks that start a stage; empty for one that is `from` others, but for what a repair run works on.
pub async fn root_tasks(cx: &Cx, layout: &Layout, open: &OpenRun, stage: &str) -> Result<Vec<NewTask>> {
    if open.repair {
        let all = repair::roots(cx, &open.facts.run).await?;
        return Ok(all.into_iter().filter(|task| task.stage == stage).collect());
    }
    let Some(plan) = layout.plan.stage(stage) else { return Ok(Vec::new()) };
    let code = cx.stages.stage(&layout.plan, stage).map_err(EngineError::Stage)?;
    let requests = code.roots(&open.facts).map_err(EngineError::Stage)?;
    Ok(requests
        .into_iter()
        .map(|request| {
            let group = request.group.clone();
            NewTask::new(&open.facts.run, stage, &plan.queue, &group, TaskInput::Requests(vec![request]))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(definition: &str) -> ImportDoc {
        let facts = RunFacts {
            import: "acme".into(),
            run: "acme@1".into(),
            seq: 1,
            started_at: 0,
            since: BTreeMap::new(),
            limit: None,
        };
        let open = OpenRun {
            definition: definition.into(),
            facts,
            targets: BTreeMap::new(),
            approved: false,
            launch: None,
            repair: false,
            retires: false,
        };
        ImportDoc { open: Some(open), ..ImportDoc::default() }
    }

    #[test]
    fn an_import_has_one_open_run() {
        let wish = Wish::default();
        assert_eq!(decide(&ImportDoc::default(), "d1", &wish), Decision::Start);
        assert_eq!(decide(&open("d1"), "d1", &wish), Decision::Resume { pinned: false });
        assert_eq!(decide(&open("d1"), "d2", &wish), Decision::Refuse);
        assert_eq!(
            decide(&open("d1"), "d2", &Wish { resume: true, ..wish.clone() }),
            Decision::Resume { pinned: true }
        );
        assert_eq!(decide(&open("d1"), "d2", &Wish { supersede: true, ..wish }), Decision::Supersede);
    }
}
