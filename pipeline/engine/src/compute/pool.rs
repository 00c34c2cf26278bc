//! Computing in this process, on threads of its own.
//!
//! To hand a job to a thread, and its answer back, costs more than many a job does. So jobs that are ready at the same time
//! are handed over together: a thread that was called goes on until nothing waits.

use super::{Compute, Computed, Isolate, Job, compute, flatten, panicked, run_in_child, said};
use crate::error::Result;
use async_trait::async_trait;
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

/// How long a computation may take in this process.
pub const TIME: Duration = Duration::from_secs(60);

/// Computes in this process: at most so many at a time on blocking threads; suspects in a child.
pub struct Pool {
    threads: Arc<Threads>,
    isolate: Option<Arc<dyn Isolate>>,
    time: Duration,
}

impl Pool {
    /// A pool of `threads`; without `isolate` a suspect is computed like any other.
    #[must_use]
    pub fn new(threads: usize, isolate: Option<Arc<dyn Isolate>>) -> Self {
        let threads = Threads { most: threads.max(1), queue: Mutex::default() };
        Self { threads: Arc::new(threads), isolate, time: TIME }
    }

    /// Another limit than [`TIME`].
    #[must_use]
    pub fn with_time(self, time: Duration) -> Self {
        Self { time, ..self }
    }

    /// What panics or does not end is to be computed again where it can do no harm, each input by itself: its neighbours
    /// are not to blame.
    async fn run_here(&self, job: Job) -> Computed {
        let (answer, mut told) = oneshot::channel();
        let life = Arc::new(Life::default());
        self.threads.put(Waiting { job, life: Arc::clone(&life), answer });
        let mut wait = self.time;
        loop {
            match timeout(wait, &mut told).await {
                Ok(Ok(Ok(computed))) => return computed,
                Ok(Ok(Err(how))) => return self.broken(how),
                Ok(Err(_)) => return self.broken("the process ends".to_owned()),
                Err(_) => match life.left(self.time) {
                    Some(more) => wait = more,
                    None => {
                        // no thread can be ended from outside: it is left to itself, and goes with the process
                        self.threads.leave_one();
                        return Computed::Crashed(format!("it took more than {} s", self.time.as_secs_f32()));
                    }
                },
            }
        }
    }

    fn broken(&self, how: String) -> Computed {
        if self.isolate.is_some() { Computed::Crashed(how) } else { Computed::Failed(panicked(&how)) }
    }
}

#[async_trait]
impl Compute for Pool {
    async fn run(&self, job: Job) -> Result<Computed> {
        match &self.isolate {
            Some(isolate) if job.suspect => run_in_child(isolate.as_ref(), job).await,
            _ => Ok(self.run_here(job).await),
        }
    }
}

/// A job, and who waits for it: what it gave, or how it panicked.
struct Waiting {
    job: Job,
    life: Arc<Life>,
    answer: oneshot::Sender<std::result::Result<Computed, String>>,
}

/// How far a job is.
#[derive(Default)]
struct Life(Mutex<Stage>);

#[derive(Default)]
enum Stage {
    #[default]
    Waiting,
    Begun(Instant),
    Done,
    /// It took too long: nobody waits for it, and its thread counts no more.
    Left,
}

impl Life {
    fn lock(&self) -> MutexGuard<'_, Stage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) {
        *self.lock() = Stage::Begun(Instant::now());
    }

    /// False when it was left meanwhile.
    fn end(&self) -> bool {
        let mut stage = self.lock();
        if matches!(*stage, Stage::Left) {
            return false;
        }
        *stage = Stage::Done;
        true
    }

    /// What is left of `time`, counted from its begin; `None` when that is over: then it is left.
    fn left(&self, time: Duration) -> Option<Duration> {
        let mut stage = self.lock();
        let Stage::Begun(since) = *stage else { return Some(time) };
        let left = time.checked_sub(since.elapsed()).filter(|left| !left.is_zero());
        if left.is_none() {
            *stage = Stage::Left;
        }
        left
    }
}

/// The threads of a pool.
struct Threads {
    most: usize,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// Threads at work.
    busy: usize,
    /// More of them are about to be called.
    calling: bool,
}

impl Threads {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(self: &Arc<Self>, job: Waiting) {
        let mut queue = self.lock();
        queue.waiting.push_back(job);
        self.call(queue);
    }

    /// Sees to it that what waits is computed.
    fn call(self: &Arc<Self>, mut queue: MutexGuard<'_, Queue>) {
        if !queue.calling && queue.busy < self.most && !queue.waiting.is_empty() {
            queue.calling = true;
            drop(queue);
            tokio::spawn(begin(Arc::clone(self)));
        }
    }

    /// The next job of a thread; without one it is at work no more.
    fn next(&self) -> Option<Waiting> {
        let mut queue = self.lock();
        let next = queue.waiting.pop_front();
        queue.busy -= usize::from(next.is_none());
        next
    }

    /// A thread is left to itself: another may take its place.
    fn leave_one(self: &Arc<Self>) {
        let mut queue = self.lock();
        queue.busy -= 1;
        self.call(queue);
    }

    fn work(&self) {
        while let Some(Waiting { job, life, answer }) = self.next() {
            if answer.is_closed() {
                continue;
            }
            life.begin();
            let work = AssertUnwindSafe(|| flatten(compute(&job.chain, job.cut, job.gathered, &job.facts)));
            let done = std::panic::catch_unwind(work).map_err(|panic| said(&*panic));
            if !life.end() {
                return;
            }
            // nobody waits any more: the task was given up
            drop(answer.send(done));
        }
    }
}

/// Calls as many threads as there is work for.
async fn begin(threads: Arc<Threads>) {
    // what is about to be ready comes along
    tokio::task::yield_now().await;
    let more = {
        let mut queue = threads.lock();
        let more = queue.waiting.len().min(threads.most - queue.busy);
        queue.busy += more;
        queue.calling = false;
        more
    };
    for _ in 0..more {
        let threads = Arc::clone(&threads);
        tokio::task::spawn_blocking(move || threads.work());
    }
}

#[cfg(test)]
mod tests;
