//! From what a chain gave to what its commit writes: which failures are tried again, which are dead, which hold heads.
//! Pure: the same outcome, time and chance give the same commit.

use crate::batch::Batch;
use crate::compute::ChainOutcome;
use crate::layout::Layout;
use jobpipe_core::{
    DeadLetter, ErrorClass, Follow, Millis, NewTask, Reason, Request, RetryPolicy, Task, TaskError, TaskInput,
    TaskResult, TaskState, json,
};

/// What a commit is made of; batches are stored before it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settled {
    /// `Done`, `Ready` or `Dead`.
    pub state: TaskState,
    /// For `Ready`: when.
    pub not_before: Millis,
    /// For `Ready`: the input to try.
    pub input: Option<TaskInput>,
    /// The outbox.
    pub result: TaskResult,
    /// Batches to store, by stage.
    pub batches: Vec<(String, Vec<Batch>)>,
    /// What to tell those who watch: (stage, request, error, wait).
    pub retries: Vec<(Request, TaskError, u64)>,
}

/// Time and chance, as they were when the chain ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// Wall time.
    pub now: Millis,
    /// In `[0, 1)`.
    pub fraction: f64,
}

/// Delay before try number `attempts + 1`: full jitter over an exponential, at least what the server asked for.
#[must_use]
pub(crate) fn delay(policy: &RetryPolicy, attempts: u32, error: &TaskError, fraction: f64) -> u64 {
    let asked = error.retry_after_ms.unwrap_or(0);
    if error.class == ErrorClass::Throttled {
        return asked.max(1);
    }
    let top = policy.base_ms.saturating_mul(1_u64 << attempts.min(20)).min(policy.max_ms).max(1);
    // between half and the whole of the step, so that a retry is neither at once nor in step with others
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a delay, bounded by max_ms"
    )]
    let jittered = (top as f64 * (0.5 + fraction / 2.0)) as u64;
    jittered.max(asked)
}

/// Settles a chain that was computed.
#[must_use]
pub(crate) fn settle(layout: &Layout, task: &Task, outcome: ChainOutcome, moment: Moment) -> Settled {
    let mut settled = Settled {
        state: TaskState::Done,
        not_before: 0,
        input: None,
        result: TaskResult::default(),
        batches: Vec::new(),
        retries: Vec::new(),
    };
    let mut again: Vec<(Request, TaskError, u64)> = Vec::new();
    let mut fruit = false;
    for done in outcome.stages {
        let stage = done.stage;
        let mut counts = done.counts;
        let out = done.outcome;
        for (request, error) in out.failed {
            match judge(layout, &stage, request, error, moment) {
                Fate::Again(request, error, wait) => {
                    counts.retried += u64::from(error.class != ErrorClass::Throttled);
                    again.push((request, error, wait));
                }
                Fate::Lost(request, error) => {
                    counts.dead += 1;
                    fruit = true;
                    lose(layout, task, &stage, &request, &error, moment.now, &mut settled.result);
                }
            }
        }
        for letter in out.dead {
            settled.result.dead.push(complete(layout, task, &stage, letter, moment.now));
        }
        settled.result.reasons.extend(out.reasons);
        if !out.follow.is_empty() {
            settled.result.follow.push(Follow { stage: stage.clone(), requests: out.follow });
        }
        if let Some(cursor) = out.cursor {
            settled.result.cursors.insert(stage.clone(), cursor);
        }
        fruit |= counts.taken > 0;
        settled.result.counts.insert(stage.clone(), counts);
        if !done.batches.is_empty() {
            settled.batches.push((stage, done.batches));
        }
    }
    put_back(task, again, fruit, moment, settled)
}

enum Fate {
    Again(Request, TaskError, u64),
    Lost(Request, TaskError),
}

fn judge(layout: &Layout, stage: &str, mut request: Request, error: TaskError, moment: Moment) -> Fate {
    let policy = layout.plan.stage(stage).map(|plan| plan.retry).unwrap_or_default();
    match error.class {
        ErrorClass::Throttled => {
            let wait = delay(&policy, 0, &error, moment.fraction);
            Fate::Again(request, error, wait)
        }
        ErrorClass::Transient if request.attempts < policy.times => {
            let wait = delay(&policy, request.attempts, &error, moment.fraction);
            request.attempts += 1;
            Fate::Again(request, error, wait)
        }
        _ => Fate::Lost(request, error),
    }
}

/// Puts what failed back: the task itself when nothing else came of it, else a child of its own, past `seen`.
fn put_back(
    task: &Task,
    again: Vec<(Request, TaskError, u64)>,
    fruit: bool,
    moment: Moment,
    mut settled: Settled,
) -> Settled {
    let Some(wait) = again.iter().map(|(_, _, wait)| *wait).max() else { return settled };
    let not_before = moment.now.saturating_add(i64::try_from(wait).unwrap_or(i64::MAX));
    let requests: Vec<Request> = again.iter().map(|(request, _, _)| request.clone()).collect();
    settled.result.error = again.first().map(|(_, error, _)| error.clone());
    settled.retries = again;
    let empty = settled.result.follow.is_empty() && settled.result.reasons.is_empty() && settled.batches.is_empty();
    if !fruit && empty {
        settled.state = TaskState::Ready;
        settled.not_before = not_before;
        settled.input = Some(TaskInput::Requests(requests));
        return settled;
    }
    let old = &task.task;
    let mut child = NewTask::new(&old.run, &old.stage, &old.queue, &old.group, TaskInput::Requests(requests));
    // a throttled rest has the attempts it had: its parent's id keeps the ids of one chain of rests apart
    child.id = json::hash_parts(&[&child.id, "rest of", &old.id]);
    child.not_before = not_before;
    settled.result.children.push(child);
    settled
}

fn lose(
    layout: &Layout,
    task: &Task,
    stage: &str,
    request: &Request,
    error: &TaskError,
    now: Millis,
    result: &mut TaskResult,
) {
    let missing = error.class == ErrorClass::Missing;
    if request.listing {
        result.reasons.push(Reason {
            stage: stage.to_owned(),
            what: format!("listings failed: {}", error.code),
            not_exhaustive: true,
            not_clean: true,
        });
    } else if !missing {
        result.held.push(request.url.clone());
        result.reasons.push(Reason {
            stage: stage.to_owned(),
            what: format!("pages failed: {}", error.code),
            not_exhaustive: false,
            not_clean: true,
        });
    }
    result.dead.push(DeadLetter {
        id: json::hash_parts(&[&task.task.run, stage, "request", &request.id]),
        import: layout.plan.name.clone(),
        run: task.task.run.clone(),
        stage: stage.to_owned(),
        task: task.task.id.clone(),
        url: request.url.clone(),
        key: String::new(),
        error: error.clone(),
        at: now,
        input: serde_json::to_value(request).unwrap_or_default(),
    });
}

fn complete(layout: &Layout, task: &Task, stage: &str, letter: DeadLetter, now: Millis) -> DeadLetter {
    let print = json::hash_hex(&letter.input);
    DeadLetter {
        id: json::hash_parts(&[&task.task.run, stage, "record", &letter.key, &letter.url, &print]),
        import: layout.plan.name.clone(),
        run: task.task.run.clone(),
        stage: stage.to_owned(),
        task: task.task.id.clone(),
        at: now,
        ..letter
    }
}

/// Settles a task whose whole input failed: each request on its own, a batch as one.
#[must_use]
pub(crate) fn settle_failed(layout: &Layout, task: &Task, error: &TaskError, moment: Moment) -> Settled {
    let stage = task.task.stage.clone();
    match &task.task.input {
        TaskInput::Requests(requests) => {
            let failed = requests.iter().map(|request| (request.clone(), error.clone())).collect();
            let outcome = jobpipe_core::Outcome { failed, ..Default::default() };
            let done = crate::compute::StageDone {
                stage,
                outcome,
                batches: Vec::new(),
                counts: jobpipe_core::Counts::default(),
            };
            settle(layout, task, ChainOutcome { stages: vec![done] }, moment)
        }
        TaskInput::Batch(_) | TaskInput::Closing => dead_whole(layout, task, error, moment.now),
    }
}

/// A task that dies with everything it was to work on; which keys that were is not known.
#[must_use]
pub(crate) fn dead_whole(layout: &Layout, task: &Task, error: &TaskError, now: Millis) -> Settled {
    let stage = task.task.stage.clone();
    let mut result = TaskResult { error: Some(error.clone()), ..TaskResult::default() };
    if let TaskInput::Requests(requests) = &task.task.input {
        for request in requests {
            lose(layout, task, &stage, request, error, now, &mut result);
        }
    } else {
        result.reasons.push(Reason {
            stage: stage.clone(),
            what: format!("a batch was lost: {}", error.code),
            not_exhaustive: true,
            not_clean: true,
        });
        result.dead.push(DeadLetter {
            id: json::hash_parts(&[&task.task.run, &stage, "task", &task.task.id]),
            import: layout.plan.name.clone(),
            run: task.task.run.clone(),
            stage: stage.clone(),
            task: task.task.id.clone(),
            url: String::new(),
            key: String::new(),
            error: error.clone(),
            at: now,
            input: serde_json::to_value(&task.task.input).unwrap_or_default(),
        });
    }
    let dead = u64::try_from(result.dead.len()).unwrap_or(u64::MAX);
    result.counts.insert(stage, jobpipe_core::Counts { dead, ..Default::default() });
    Settled { state: TaskState::Dead, not_before: 0, input: None, result, batches: Vec::new(), retries: Vec::new() }
}

/// A suspect of several inputs, halved: two children that stay suspects. `None` for a single input.
#[must_use]
pub(crate) fn halve(task: &Task) -> Option<Settled> {
    let TaskInput::Requests(requests) = &task.task.input else { return None };
    if requests.len() < 2 {
        return None;
    }
    let (left, right) = requests.split_at(requests.len() / 2);
    let old = &task.task;
    let children = [left, right]
        .into_iter()
        .map(|half| {
            let mut child =
                NewTask::new(&old.run, &old.stage, &old.queue, &old.group, TaskInput::Requests(half.to_vec()));
            child.id = json::hash_parts(&[&child.id, "half of", &old.id]);
            child.crashes = old.crashes;
            child
        })
        .collect();
    Some(Settled {
        state: TaskState::Done,
        not_before: 0,
        input: None,
        result: TaskResult { children, ..TaskResult::default() },
        batches: Vec::new(),
        retries: Vec::new(),
    })
}
