//! One claim: compute the chain; then store its output, commit, relay.

use crate::batch::{self, Batch, Cut};
use crate::compute::{Computed, Job, Link};
use crate::cx::Cx;
use crate::error::Result;
use crate::event::Event;
use crate::failpoint::Point;
use crate::known::Admitted;
use crate::layout::Layout;
use crate::relay::Stored;
use crate::sabotage::Rule;
use crate::settle::{self, Moment, Settled};
use crate::{files, relay};
use jobpipe_core::{
    Clock, Commit, ErrorClass, Gathered, Output, Record, RunFacts, StageCx, StageInput, StageKind, Stop, Task,
    TaskError, TaskInput, TaskLimit, TaskState,
};
use std::sync::Arc;
use std::time::Duration;

/// What may wait to be written, in the unit of [`Work::weight`].
pub(crate) const UNWRITTEN: u32 = 128;

/// A claimed task that was computed and not yet written.
pub(crate) struct Work {
    layout: Arc<Layout>,
    settled: Settled,
}

impl Work {
    /// What it holds in memory: one, and one more for every so many records.
    pub(crate) fn weight(&self) -> u32 {
        const RECORDS: usize = 64;
        let batches = self.settled.batches.iter().flat_map(|(_, batches)| batches);
        let records: usize = batches.map(|batch| batch.count).sum();
        u32::try_from(1 + records / RECORDS).unwrap_or(UNWRITTEN).min(UNWRITTEN)
    }

    /// For how long there will be no permit of its limit key, where it ended for want of one.
    pub(crate) fn throttled(&self) -> Option<Duration> {
        let waits = self.settled.retries.iter().filter(|(_, error, _)| error.class == ErrorClass::Throttled);
        let waits = waits.filter_map(|(_, error, _)| error.retry_after_ms).filter(|wait| *wait > 0);
        waits.max().map(Duration::from_millis)
    }
}

/// Computes a claimed task; `None` where its run is closed.
pub(crate) async fn work(cx: &Cx, task: &Task) -> Result<Option<Work>> {
    cx.at(Point::TaskClaimed)?;
    // a run closes when nothing of it is open: the lease was lost meanwhile. The only engine there is loses none
    if cx.settings.lease_ttl.is_some() && cx.is_over(&task.task.run).await? {
        return Ok(None);
    }
    let Admitted { layout, facts, .. } = cx.admitted(&task.task.run).await?;
    let done = compute(cx, &layout, &facts, task).await;
    let Some(mut settled) = relay::unless_over(cx, &task.task.run, done).await? else { return Ok(None) };
    if !cx.keeps(Rule::RetryFence) && !settled.retries.is_empty() {
        store(cx, task, settled.batches).await?;
        settled = compute(cx, &layout, &facts, task).await?;
    }
    Ok(Some(Work { layout, settled }))
}

/// Commits what was computed and relays it. What happens to the claim is in the store when this ends.
pub(crate) async fn write(cx: &Cx, task: &Task, Work { layout, settled }: Work) -> Result<()> {
    if !cx.keeps(Rule::SeenAfterCommit) {
        for follow in &settled.result.follow {
            relay::claim_requests(cx, &layout, &task.task, follow).await?;
        }
    }
    commit(cx, &layout, task, settled).await
}

async fn compute(cx: &Cx, layout: &Arc<Layout>, facts: &Arc<RunFacts>, task: &Task) -> Result<Settled> {
    if task.task.crashes > 0
        && let Some(halves) = settle::halve(task)
    {
        return Ok(halves);
    }
    let stage = layout.plan.stage(&task.task.stage);
    if stage.is_some_and(|stage| stage.kind == StageKind::Export) {
        return files::write(cx, layout, facts, task).await;
    }
    let moment = || Moment { now: cx.now(), fraction: cx.ids.fraction() };
    let chain = match layout.compiled(&*cx.stages, &task.task.stage) {
        Ok(chain) => chain,
        Err(error) => return Ok(settle::settle_failed(layout, task, &error, moment())),
    };
    let input = match &task.task.input {
        TaskInput::Requests(requests) => StageInput::Requests(requests.clone()),
        TaskInput::Batch(id) => StageInput::Records(load(cx, id).await?),
        TaskInput::Closing => StageInput::Records(Vec::new()),
    };
    let gathered = match gather(cx, &chain, stage.and_then(|stage| stage.task), input, facts).await {
        Ok(gathered) => gathered,
        Err(error) => return Ok(settle::settle_failed(layout, task, &error, moment())),
    };
    let suspect = task.task.crashes > 0;
    let cut = Cut { records: cx.settings.batch_records, bytes: cx.settings.batch_bytes };
    let job = Job { layout: Arc::clone(layout), chain, gathered, facts: Arc::clone(facts), cut, suspect };
    Ok(match cx.compute.run(job).await? {
        Computed::Done(outcome) => settle::settle(layout, task, *outcome, moment()),
        Computed::Failed(error) => settle::settle_failed(layout, task, &error, moment()),
        Computed::Crashed(how) => crashed(cx, layout, task, &how),
    })
}

/// Asks the outside, as long as a task may (`own`: as long as its stage says): past the soft limit the stage is told to
/// stop, and puts back what it has not asked yet; past the hard one it is abandoned.
async fn gather(
    cx: &Cx,
    chain: &[Link],
    own: Option<TaskLimit>,
    input: StageInput,
    facts: &Arc<RunFacts>,
) -> std::result::Result<Gathered, TaskError> {
    let Some(first) = chain.first() else { return Ok(Gathered::Records(Vec::new())) };
    let usual = || TaskLimit::of(u64::try_from(cx.settings.soft_limit.as_millis()).unwrap_or(u64::MAX));
    let limit = own.unwrap_or_else(usual);
    let hard = Duration::from_millis(limit.hard_ms);
    let until = cx.clock.monotonic() + Duration::from_millis(limit.soft_ms);
    let stop = Arc::new(SoftStop { process: Arc::clone(&cx.stop), clock: Arc::clone(&cx.clock), until });
    let stage_cx = StageCx { facts: Arc::clone(facts), clock: Arc::clone(&cx.clock), stop };
    tokio::select! {
        biased;
        gathered = first.code.gather(input, &stage_cx) => gathered,
        () = cx.clock.sleep(hard) => Err(broken_off(&first.name, hard, own.is_some())),
    }
}

/// Its task had all its time: `own` tells whether that is the stage's.
fn broken_off(stage: &str, hard: Duration, own: bool) -> TaskError {
    let raise = if own {
        "raise its `task:` in the import"
    } else {
        "give the stage more by `task:` in the import, or all stages by `limits: { task }` of the settings"
    };
    TaskError {
        class: ErrorClass::Transient,
        code: "JP197".to_owned(),
        message: format!(
            "stage `{stage}`: asking took more than {hard:?} and was broken off; {raise}, or raise the source's `rate:`"
        ),
        retry_after_ms: None,
    }
}

/// Tells a stage to stop when the process stops, or when the task has had its time.
struct SoftStop {
    process: Arc<dyn Stop>,
    clock: Arc<dyn Clock>,
    until: Duration,
}

impl Stop for SoftStop {
    fn is_stopping(&self) -> bool {
        self.process.is_stopping() || self.clock.monotonic() >= self.until
    }
}

async fn load(cx: &Cx, id: &str) -> Result<Vec<Record>> {
    batch::read(&*cx.store, id).await
}

/// What the death of a child process counts: it had this input and nothing else, so it proves more than the death of
/// the whole process, which may have been killed for reasons of its own while the input happened to be in flight.
const CHILD_DEATH: u32 = 4;

/// The child process died on this input: another crash of it, or the last one.
fn crashed(cx: &Cx, layout: &Layout, task: &Task, how: &str) -> Settled {
    if task.task.crashes + CHILD_DEATH >= cx.settings.crash_limit {
        let error = TaskError {
            class: ErrorClass::Poison,
            code: "JP190".to_owned(),
            message: format!(
                "this input ends every process that works on it, the last one so: {how}; it is set aside, its neighbours are done"
            ),
            retry_after_ms: None,
        };
        return settle::dead_whole(layout, task, &error, cx.now());
    }
    Settled {
        state: TaskState::Ready,
        not_before: cx.now(),
        input: None,
        result: jobpipe_core::TaskResult::default(),
        batches: Vec::new(),
        retries: Vec::new(),
    }
}

/// Stores the output, commits, and relays when the commit is this one's.
async fn commit(cx: &Cx, layout: &Layout, task: &Task, settled: Settled) -> Result<()> {
    let mut result = settled.result;
    // the commit replaces those of earlier attempts, which counted nothing but what they put back
    for (stage, counts) in task.result.iter().flat_map(|earlier| &earlier.counts) {
        result.counts.entry(stage.clone()).or_default().retried += counts.retried;
    }
    let mut stored = Stored::new();
    if !settled.batches.is_empty() {
        cx.at(Point::TaskOutput)?;
        (result.outputs, stored) = store(cx, task, settled.batches).await?;
    }
    let crashed = settled.state == TaskState::Ready && settled.input.is_none();
    let clean = if cx.keeps(Rule::CrashReset) { 0 } else { task.task.crashes };
    let commit = Commit {
        id: task.task.id.clone(),
        fence: task.fence,
        renewal: None,
        state: settled.state,
        not_before: settled.not_before,
        // only a child that died under us is a crash; every other end of a claim is a clean one
        crashes: if crashed { task.task.crashes + CHILD_DEATH } else { clean },
        input: settled.input,
        result,
        nonce: cx.ids.nonce(),
    };
    tell_retries(cx, task, &settled.retries);
    cx.at(Point::TaskCommit)?;
    let idle = commit.state.is_terminal() && relay::is_idle(layout, &commit.result);
    if !put(cx, &commit, idle).await? {
        tracing::debug!(task = %task.task.id, fence = task.fence, "another attempt committed");
        return clear_behind(cx, task, &stored).await;
    }
    cx.at(Point::TaskCommitted)?;
    if !commit.state.is_terminal() {
        cx.news.tell();
        return Ok(());
    }
    if idle {
        relay::tell(cx, &task.task, &commit.result, 0);
        cx.news.tell_of(&task.task.run);
        return Ok(());
    }
    relay::relay_result(cx, &task.task, &commit.result, &stored).await
}

/// One who slept until its run was cleared has stored what nobody would clear any more.
async fn clear_behind(cx: &Cx, task: &Task, stored: &Stored) -> Result<()> {
    if !stored.is_empty() && cx.run(&task.task.run).await?.doc.cleared {
        cx.store.run_purge(&task.task.run).await?;
    }
    Ok(())
}

/// Commits, and closes the task where nothing is left to relay; when the answer is lost, reads back whose nonce is there.
async fn put(cx: &Cx, commit: &Commit, idle: bool) -> Result<bool> {
    const TRIES: usize = 5;
    let mut last = None;
    for _ in 0..TRIES {
        let commits = vec![commit.clone()];
        let applied = if idle { cx.store.tasks_finish(commits).await } else { cx.store.tasks_commit(commits).await };
        match applied {
            Ok(applied) if applied.first() == Some(&true) => return Ok(true),
            Ok(_) if !cx.keeps(Rule::CommitNonce) => return Ok(true),
            Ok(_) => {
                let tasks = cx.store.tasks(std::slice::from_ref(&commit.id)).await?;
                return Ok(tasks.first().is_some_and(|task| task.nonce == commit.nonce));
            }
            Err(error @ jobpipe_core::StoreError::Unavailable { .. }) => last = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    last.map_or(Ok(false), |error| Err(error.into()))
}

/// Stores batches; gives what names them, and the records that are still needed by batch.
async fn store(cx: &Cx, task: &Task, made: Vec<(String, Vec<Batch>)>) -> Result<(Vec<Output>, Stored)> {
    let (mut outputs, mut batches, mut stored) = (Vec::new(), Vec::new(), Stored::new());
    let fence = if cx.keeps(Rule::BatchFence) { task.fence } else { 0 };
    for (stage, made) in made {
        for batch in made {
            let ordinal = batches.len();
            let id = format!("{}/{}/{fence}/{ordinal}", task.task.run, task.task.id);
            outputs.push(Output { stage: stage.clone(), batch: id.clone(), records: batch.live });
            if !batch.records.is_empty() {
                stored.insert(id.clone(), batch.records);
            }
            batches.push((id, batch.bytes));
        }
    }
    cx.store.batches_put(batches).await?;
    // without the rule another attempt's batch may be the one that is there
    if !cx.keeps(Rule::BatchFence) {
        stored.clear();
    }
    Ok((outputs, stored))
}

fn tell_retries(cx: &Cx, task: &Task, retries: &[(jobpipe_core::Request, TaskError, u64)]) {
    for (request, error, wait) in retries {
        let (run, stage) = (task.task.run.clone(), task.task.stage.clone());
        cx.emit(if error.class == ErrorClass::Throttled {
            Event::Waiting { run, stage, on: request.group.clone(), for_ms: *wait }
        } else {
            Event::Retry {
                run,
                stage,
                url: request.url.clone(),
                code: error.code.clone(),
                message: error.message.clone(),
                in_ms: *wait,
            }
        });
    }
}
