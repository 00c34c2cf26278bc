//! Repair runs: what failed is worked on once more, and nothing else. A repair run has the definition of the run in which
//! its inputs failed; they are its root tasks. It lists no source, so nothing counts as missing, no cursor moves, and the
//! files of a whole run are not written.
//!
//! The inputs are copies, stored before the run is admitted: the run that they come from may be cleared meanwhile.

use crate::batch::{self, Cut};
use crate::cx::Cx;
use crate::error::{EngineError, Result};
use crate::layout::Layout;
use jobpipe_core::{DeadLetter, NewTask, Record, Request, StoreError, TaskInput};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Dead letters that one run may take up.
const MOST: usize = 10_000;
/// Bytes of JSON that their inputs may take.
const LARGEST: usize = 8 << 20;

fn refused(code: &'static str, message: String) -> EngineError {
    EngineError::Refused { code, message }
}

/// Where the root tasks of a repair run are kept until it is cleared.
fn place(run: &str) -> String {
    format!("{run}/repair/0/0")
}

/// Keeps copies of what the letters are about, as the root tasks of `run`. Doing it twice is doing it once.
pub(crate) async fn keep(cx: &Cx, layout: &Layout, run: &str, letters: &[String]) -> Result<()> {
    if cx.store.batch(&place(run)).await?.is_some() {
        return Ok(());
    }
    if letters.len() > MOST {
        let message = format!("{} dead letters are too many for one run: retry at most {MOST}", letters.len());
        return Err(refused("JP528", message));
    }
    let mut inputs = Inputs { cx, layout, run, requests: BTreeMap::new(), known: BTreeSet::new(), batches: Vec::new() };
    for id in letters {
        // one that is gone was dropped, or settled by another run
        if let Some(letter) = cx.store.dead_one(id).await? {
            inputs.add(&letter).await?;
        }
    }
    let (tasks, mut batches) = inputs.into_tasks();
    if tasks.is_empty() {
        return Err(refused("JP526", "none of these dead letters is there any more".to_owned()));
    }
    let bytes = serde_json::to_vec(&tasks).unwrap_or_default();
    if bytes.len() > LARGEST {
        return Err(refused("JP528", "these dead letters hold too much for one run: retry fewer at a time".to_owned()));
    }
    batches.push((place(run), bytes));
    cx.store.batches_put(batches).await?;
    Ok(())
}

/// The root tasks of a repair run, of all its stages.
pub(crate) async fn roots(cx: &Cx, run: &str) -> Result<Vec<NewTask>> {
    let id = place(run);
    let corrupt = |message: String| StoreError::Corrupt { what: format!("batch {id}"), message };
    let bytes = cx.store.batch(&id).await?;
    let bytes = bytes.ok_or_else(|| corrupt("a repair run needs it, and it is not stored".to_owned()))?;
    Ok(serde_json::from_slice(&bytes).map_err(|error| corrupt(error.to_string()))?)
}

/// Removes dead letters, each named with the run that it is of: one that another run has put in its place stays. Gives how
/// many went; doing it twice is doing it once.
pub async fn forget(cx: &Cx, letters: &[(String, String)]) -> Result<usize> {
    let mut same = Vec::new();
    for (id, run) in letters {
        let found = cx.store.dead_one(id).await?;
        same.extend(found.filter(|found| found.run == *run).map(|found| found.id));
    }
    cx.store.dead_delete(&same).await?;
    Ok(same.len())
}

/// What is to be worked on.
struct Inputs<'a> {
    cx: &'a Cx,
    layout: &'a Layout,
    run: &'a str,
    /// By stage and limit key.
    requests: BTreeMap<(String, String), Vec<Request>>,
    /// Stage and fingerprint of each of these.
    known: BTreeSet<(String, String)>,
    /// Stage, id and bytes.
    batches: Vec<(String, String, Vec<u8>)>,
}

impl Inputs<'_> {
    async fn add(&mut self, letter: &DeadLetter) -> Result<()> {
        if letter.import != self.layout.plan.name || self.layout.plan.stage(&letter.stage).is_none() {
            let message = format!("dead letter {} is of another definition: retry it by itself", letter.id);
            return Err(refused("JP529", message));
        }
        if let Ok(request) = Request::deserialize(&letter.input) {
            self.ask(&letter.stage, request);
            return Ok(());
        }
        if let Ok(TaskInput::Batch(id)) = TaskInput::deserialize(&letter.input)
            && let Some(bytes) = self.cx.store.batch(&id).await?
        {
            self.batch(&letter.stage, bytes);
            return Ok(());
        }
        let tasks = self.cx.store.tasks(std::slice::from_ref(&letter.task)).await?;
        if let Some(task) = tasks.into_iter().next()
            && let TaskInput::Requests(requests) = task.task.input
        {
            // a record is read again from where it came from: as it lies here it would only fail once more
            let (from, others): (Vec<_>, Vec<_>) = requests.into_iter().partition(|one| one.url == letter.url);
            let from = if from.is_empty() { others } else { from };
            from.into_iter().for_each(|request| self.ask(&task.task.stage, request));
            return Ok(());
        }
        self.record(letter)
    }

    fn ask(&mut self, stage: &str, request: Request) {
        if self.known.insert((stage.to_owned(), request.id.clone())) {
            let of = self.requests.entry((stage.to_owned(), request.group.clone())).or_default();
            of.push(Request { attempts: 0, ..request });
        }
    }

    fn batch(&mut self, stage: &str, bytes: Vec<u8>) {
        let id = format!("{}/repair/0/{}", self.run, self.batches.len() + 1);
        self.batches.push((stage.to_owned(), id, bytes));
    }

    fn record(&mut self, letter: &DeadLetter) -> Result<()> {
        let record = Record::deserialize(&letter.input).map_err(|_| {
            let message = format!(
                "dead letter {}: what it was read from is not kept any more; `jobpipe runs retry {}` asks the whole source",
                letter.id, letter.import
            );
            refused("JP530", message)
        })?;
        let cut = Cut { records: 1, bytes: LARGEST };
        for batch in batch::encode(&[record], cut)? {
            self.batch(&letter.stage, batch.bytes);
        }
        Ok(())
    }

    /// The root tasks, and the batches that some of them take.
    fn into_tasks(self) -> (Vec<NewTask>, Vec<(String, Vec<u8>)>) {
        let stage_of = |name: &str| self.layout.plan.stage(name);
        let queue = |name: &str| stage_of(name).map(|stage| stage.queue.clone()).unwrap_or_default();
        let mut tasks = Vec::new();
        for ((stage, group), requests) in self.requests {
            let (listings, others): (Vec<_>, Vec<_>) = requests.into_iter().partition(|request| request.listing);
            let size = stage_of(&stage).map_or(1, |stage| stage.bundle.max(1));
            let bundles = listings.chunks(1).chain(others.chunks(usize::try_from(size).unwrap_or(1)));
            let queue = queue(&stage);
            tasks
                .extend(bundles.map(|bundle| {
                    NewTask::new(self.run, &stage, &queue, &group, TaskInput::Requests(bundle.to_vec()))
                }));
        }
        let mut batches = Vec::new();
        for (stage, id, bytes) in self.batches {
            tasks.push(NewTask::new(self.run, &stage, &queue(&stage), "", TaskInput::Batch(id.clone())));
            batches.push((id, bytes));
        }
        (tasks, batches)
    }
}
