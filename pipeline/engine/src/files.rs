//! The one task of a file export: it reads what the file is made of in its order, and gives it to the stage.

use crate::admission;
use crate::batch;
use crate::cx::Cx;
use crate::docs;
use crate::error::{EngineError, Result};
use crate::event::Event;
use crate::failpoint::Point;
use crate::heads;
use crate::layout::{Layout, Ledger};
use crate::settle::Settled;
use crate::sort::{Merge, Sorter};
use async_trait::async_trait;
use jobpipe_core::{
    Counts, DocKind, Fate, Feed, FileRecord, Head, RecordReader, RunFacts, StageCx, StagePlan, Stamps, StateStore,
    StoreError, Task, TaskId, TaskResult, TaskState, Version, Wanted, Written,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Records handed to the stage at a time.
const CHUNK: usize = 500;

/// Writes the file of an export, and notes in the run where it lies.
pub(crate) async fn write(cx: &Cx, layout: &Layout, facts: &Arc<RunFacts>, task: &Task) -> Result<Settled> {
    let stage = layout.plan.stage(&task.task.stage).ok_or_else(|| EngineError::Refused {
        code: "JP521",
        message: format!("the definition of run {} has no stage `{}`", facts.run, task.task.stage),
    })?;
    let export = cx.stages.file(&layout.plan, &stage.name).map_err(EngineError::Stage)?;
    let lost = Arc::new(AtomicBool::new(false));
    let silent = Arc::new(Mutex::new(None));
    let mut reader = Fenced {
        records: reader(cx, layout, facts, stage).await?,
        store: Arc::clone(&cx.store),
        task: task.task.id.clone(),
        fence: task.fence,
        lost: Arc::clone(&lost),
        silent: Arc::clone(&silent),
    };
    let stage_cx = StageCx { facts: Arc::clone(facts), clock: Arc::clone(&cx.clock), stop: Arc::clone(&cx.stop) };
    cx.at(Point::FileWrite)?;
    let written = match export.write(&mut reader, &stage_cx).await {
        Ok(written) => written,
        // another has the task now: the commit of this claim is refused, and that is all
        Err(_) if lost.load(Ordering::Relaxed) => return Ok(done(TaskResult::default())),
        Err(error) => {
            let silent = silent.lock().unwrap_or_else(PoisonError::into_inner).take();
            return Err(silent.map_or(EngineError::Stage(error), EngineError::Store));
        }
    };
    cx.at(Point::FileWritten)?;
    note(cx, &facts.run, &stage.name, &written).await?;
    cx.emit(Event::FileWritten {
        run: facts.run.clone(),
        stage: stage.name.clone(),
        path: written.path.clone(),
        records: written.records,
    });
    let counts = Counts { taken: written.records, given: written.records, ..Counts::default() };
    let result = TaskResult { counts: [(stage.name.clone(), counts)].into(), ..TaskResult::default() };
    Ok(done(result))
}

fn done(result: TaskResult) -> Settled {
    Settled { state: TaskState::Done, not_before: 0, input: None, result, batches: Vec::new(), retries: Vec::new() }
}

/// Looks at its claim once more before it says that all records were read: whoever lost it (a process that was stopped
/// for longer than its lease) must not replace the file of the one who has it now, or of a later run.
struct Fenced {
    records: Box<dyn RecordReader>,
    store: Arc<dyn StateStore>,
    task: TaskId,
    fence: u64,
    lost: Arc<AtomicBool>,
    /// That the store did not answer is no failure of the stage, which hears of it first.
    silent: Arc<Mutex<Option<StoreError>>>,
}

impl Fenced {
    fn heard(&self, error: StoreError) -> StoreError {
        if let StoreError::Unavailable { .. } = &error {
            *self.silent.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
        }
        error
    }
}

#[async_trait]
impl RecordReader for Fenced {
    async fn next(&mut self) -> std::result::Result<Vec<FileRecord>, StoreError> {
        let chunk = self.records.next().await.map_err(|error| self.heard(error))?;
        if chunk.is_empty() {
            let tasks = self.store.tasks(std::slice::from_ref(&self.task)).await.map_err(|error| self.heard(error))?;
            if !tasks.first().is_some_and(|task| task.state == TaskState::Running && task.fence == self.fence) {
                self.lost.store(true, Ordering::Relaxed);
                return Err(StoreError::Unavailable { message: "another process works on this file now".to_owned() });
            }
        }
        Ok(chunk)
    }
}

async fn note(cx: &Cx, id: &str, stage: &str, written: &Written) -> Result<()> {
    loop {
        let run = cx.run(id).await?;
        let mut new = run.doc.clone();
        new.files.insert(stage.to_owned(), written.clone());
        if docs::replace(&*cx.store, &*cx.ids, DocKind::Run, id, &run, new).await?.is_some() {
            return Ok(());
        }
    }
}

async fn reader(cx: &Cx, layout: &Layout, facts: &RunFacts, stage: &StagePlan) -> Result<Box<dyn RecordReader>> {
    let ledger = layout.ledger_of(stage);
    let seq = facts.seq;
    let store = Arc::clone(&cx.store);
    Ok(match stage.feed {
        Feed::Snapshot => Box::new(Snapshot { store, ledger, after: String::new() }),
        Feed::Changes => {
            let closed = admission::import(cx, &facts.import).await?.doc.closed;
            let late = closed.filter(|closed| closed.untold.contains(&ledger)).map(|closed| closed.seq);
            Box::new(Changes { store, ledger, seq, late, above: (late.unwrap_or(seq), String::new()) })
        }
        Feed::Run | Feed::Batches | Feed::Heads => Box::new(sorted(cx, layout, &facts.run, &ledger).await?),
    })
}

/// The committed batches of the run, sorted.
async fn sorted(cx: &Cx, layout: &Layout, run: &str, ledger: &str) -> Result<RunRecords> {
    let ledger = layout.ledgers.iter().find(|one| one.id == ledger);
    let mut sorter = Sorter::new(&cx.settings.spill, cx.settings.sort_bytes);
    let mut after = String::new();
    loop {
        let tasks = cx.store.tasks_of(run, None, &after, cx.settings.page).await?;
        let Some(last) = tasks.last() else { break };
        after.clone_from(&last.task.id);
        for task in tasks.iter().filter(|task| task.state == TaskState::Done) {
            let Some(result) = &task.result else { continue };
            for output in &result.outputs {
                push_batch(cx, ledger, output, &mut sorter).await?;
            }
        }
    }
    Ok(RunRecords { merge: sorter.finish()?, last_key: None })
}

async fn push_batch(
    cx: &Cx,
    ledger: Option<&Ledger>,
    output: &jobpipe_core::Output,
    sorter: &mut Sorter,
) -> Result<()> {
    let Some(place) = ledger.and_then(|ledger| ledger.sources.iter().position(|source| *source == output.stage)) else {
        return Ok(());
    };
    let place = u32::try_from(place).unwrap_or(u32::MAX);
    let lines = batch::lines(&*cx.store, &output.batch).await?;
    for part in batch::parts(&output.batch, &lines) {
        let (known, body) = part?;
        let body = match known.fate {
            Fate::Live => body,
            Fate::Withdrawn => &[],
            Fate::Held => continue,
        };
        let rank = place.saturating_mul(1 << 16).saturating_add(known.origin.rank);
        sorter.push(&known.key, rank, body)?;
    }
    Ok(())
}

/// The records of a run: one a key, the one that its head would be; all of those without a key.
struct RunRecords {
    merge: Merge,
    last_key: Option<String>,
}

#[async_trait]
impl RecordReader for RunRecords {
    async fn next(&mut self) -> std::result::Result<Vec<FileRecord>, StoreError> {
        let mut chunk = Vec::new();
        while chunk.len() < CHUNK {
            let Some(record) = self.merge.next()? else { break };
            if !record.key.is_empty() && self.last_key.as_ref() == Some(&record.key) {
                continue;
            }
            self.last_key = Some(record.key.clone());
            if !record.body.is_empty() {
                chunk.push(FileRecord { change: None, key: record.key, json: record.body });
            }
        }
        Ok(chunk)
    }
}

/// All live heads.
struct Snapshot {
    store: Arc<dyn StateStore>,
    ledger: String,
    after: String,
}

#[async_trait]
impl RecordReader for Snapshot {
    async fn next(&mut self) -> std::result::Result<Vec<FileRecord>, StoreError> {
        let heads = self.store.heads_live(&self.ledger, &self.after, CHUNK).await?;
        if let Some(last) = heads.last() {
            self.after.clone_from(&last.key);
        }
        Ok(heads.into_iter().map(|head| FileRecord::new(None, head.key, &head.body)).collect())
    }
}

/// The heads that the run changed, and those whose removal by the run before was approved after its files were written.
struct Changes {
    store: Arc<dyn StateStore>,
    ledger: String,
    seq: u64,
    /// The run before, if removals of it are untold.
    late: Option<u64>,
    above: (u64, String),
}

#[async_trait]
impl RecordReader for Changes {
    async fn next(&mut self) -> std::result::Result<Vec<FileRecord>, StoreError> {
        loop {
            let heads = self.store.heads_walk(&self.ledger, self.above.clone(), self.seq, CHUNK).await?;
            let Some(last) = heads.last() else { return Ok(Vec::new()) };
            self.above = (last.stamps.changed_gen, last.key.clone());
            let heads = heads.into_iter().filter(|head| self.tells(&head.stamps));
            let chunk: Vec<FileRecord> = heads.filter_map(|head| changed(head, self.late)).collect();
            if !chunk.is_empty() {
                return Ok(chunk);
            }
        }
    }
}

impl Changes {
    /// Of the run before only late removals are left to be told, also where another reason to remove came on top.
    fn tells(&self, head: &Stamps) -> bool {
        let removed = head.wanted == Wanted::Gone || is_late(head.before.as_ref(), self.late);
        head.changed_gen == self.seq || (Some(head.changed_gen) == self.late && removed)
    }
}

/// True for the version that an untold removal made.
fn is_late(version: Option<&Version>, late: Option<u64>) -> bool {
    version.is_some_and(|version| version.wanted == Wanted::Gone && Some(version.changed_gen) == late)
}

/// The version before, as the files so far tell it: what is removed and untold is still there, unless no run ever saw it.
fn told(before: Option<&Version>, late: Option<u64>) -> Option<Version> {
    let wanted = |version: &Version| match version.hash.is_empty() {
        false if is_late(before, late) => Wanted::Live,
        _ => version.wanted,
    };
    before.map(|version| Version { wanted: wanted(version), ..version.clone() })
}

/// How the run changed a head, as a reader of the file sees it; `None` when nothing visible happened.
fn changed(head: Head, late: Option<u64>) -> Option<FileRecord> {
    let stamps = &head.stamps;
    let before = told(stamps.before.as_ref(), late);
    if !heads::differs(before.as_ref(), stamps) {
        return None;
    }
    let was_live = before.is_some_and(|before| before.wanted == Wanted::Live);
    let change = match (was_live, stamps.wanted) {
        (false, Wanted::Live) => "new",
        (true, Wanted::Live) => "changed",
        (true, Wanted::Gone | Wanted::Withdrawn) => "gone",
        (false, _) | (_, Wanted::Stub) => return None,
    };
    Some(FileRecord::new(Some(change), head.key, &head.body))
}
