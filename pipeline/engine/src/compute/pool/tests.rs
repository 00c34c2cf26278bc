//! Jobs that panic, that do not end, and that nobody waits for.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::batch::Cut;
use crate::compute::Link;
use crate::layout::Layout;
use jobpipe_core::{
    Gathered, Origin, Outcome, Plan, Record, Request, RunFacts, Stage as Code, StageCx, StageInput, TaskError,
};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};

/// Counts its records; panics over none of them, and waits over two for a word.
struct Strange(Mutex<Receiver<()>>);

#[async_trait]
impl Code for Strange {
    fn roots(&self, _: &RunFacts) -> std::result::Result<Vec<Request>, TaskError> {
        Ok(Vec::new())
    }

    async fn gather(&self, _: StageInput, _: &StageCx) -> std::result::Result<Gathered, TaskError> {
        Ok(Gathered::Records(Vec::new()))
    }

    fn compute(&self, gathered: Gathered, _: &RunFacts) -> std::result::Result<Outcome, TaskError> {
        let Gathered::Records(records) = gathered else { return Ok(Outcome::default()) };
        assert!(!records.is_empty(), "nothing to count");
        if records.len() == 2 {
            self.0.lock().unwrap().recv().unwrap();
        }
        Ok(Outcome { taken: records.len() as u64, ..Outcome::default() })
    }
}

/// A job of so many records.
struct Jobs(Arc<[Link]>);

impl Jobs {
    fn new() -> (Self, Sender<()>) {
        let (word, words) = channel();
        let code = Arc::new(Strange(Mutex::new(words)));
        let link = Link { name: "count".to_owned(), code, stored: false, kept: false };
        (Self(Arc::new([link])), word)
    }

    fn of(&self, records: usize) -> Job {
        let facts = RunFacts {
            import: "acme".to_owned(),
            run: "acme@1".to_owned(),
            seq: 1,
            started_at: 0,
            since: BTreeMap::new(),
            limit: None,
        };
        let record = |_| Record::new(json!({}), Origin::default());
        Job {
            layout: Arc::new(Layout::new(Plan { name: "acme".to_owned(), stages: Vec::new(), schedule: None })),
            chain: Arc::clone(&self.0),
            gathered: Gathered::Records((0..records).map(record).collect()),
            facts: Arc::new(facts),
            cut: Cut { records: 10, bytes: 1_000 },
            suspect: false,
        }
    }
}

fn taken(computed: Computed) -> std::result::Result<u64, String> {
    match computed {
        Computed::Done(outcome) => Ok(outcome.stages[0].counts.taken),
        Computed::Failed(error) => Err(error.message),
        Computed::Crashed(how) => Err(how),
    }
}

fn at_rest(pool: &Pool) -> bool {
    let queue = pool.threads.lock();
    queue.busy == 0 && queue.waiting.is_empty() && !queue.calling
}

async fn until(mut is: impl FnMut() -> bool) {
    while !is() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_jobs_are_each_answered_and_a_panic_is_one_job_s_own() {
    let (jobs, _word) = Jobs::new();
    let (pool, jobs) = (Arc::new(Pool::new(2, None)), Arc::new(jobs));
    let calls: Vec<_> = (0..5_000_usize)
        .map(|at| {
            let (pool, jobs) = (Arc::clone(&pool), Arc::clone(&jobs));
            let records = if at % 500 == 0 { 0 } else { 3 + at % 7 };
            tokio::spawn(async move { (records, taken(pool.run_here(jobs.of(records)).await)) })
        })
        .collect();
    for call in calls {
        match call.await.unwrap() {
            (0, told) => assert!(told.unwrap_err().contains("nothing to count")),
            (records, told) => assert_eq!(told, Ok(records as u64)),
        }
    }
    until(|| at_rest(&pool)).await;
}

#[tokio::test]
async fn one_that_does_not_end_gives_its_place_to_another() {
    let (jobs, word) = Jobs::new();
    let pool = Arc::new(Pool::new(1, None).with_time(Duration::from_secs(2)));
    let (other, job) = (Arc::clone(&pool), jobs.of(2));
    let stuck = tokio::spawn(async move { taken(other.run_here(job).await) });
    until(|| pool.threads.lock().busy == 1).await;
    // waits for the only thread longer than a job may take, and is not to blame
    assert_eq!(taken(pool.run_here(jobs.of(3)).await), Ok(3));
    assert!(stuck.await.unwrap().unwrap_err().contains("2 s"));
    until(|| at_rest(&pool)).await;
    word.send(()).unwrap();
    assert_eq!(taken(pool.run_here(jobs.of(4)).await), Ok(4));
    until(|| at_rest(&pool)).await;
}

#[tokio::test]
async fn what_nobody_waits_for_is_not_computed() {
    let (jobs, word) = Jobs::new();
    let pool = Arc::new(Pool::new(1, None));
    let ask = |records| {
        let (pool, job) = (Arc::clone(&pool), jobs.of(records));
        tokio::spawn(async move { taken(pool.run_here(job).await) })
    };
    let first = ask(2);
    until(|| pool.threads.lock().busy == 1 && pool.threads.lock().waiting.is_empty()).await;
    let given_up = ask(2);
    until(|| pool.threads.lock().waiting.len() == 1).await;
    given_up.abort();
    assert!(given_up.await.is_err());
    let last = ask(5);
    // a second word would be needed if the one in between were computed
    word.send(()).unwrap();
    assert_eq!((first.await.unwrap(), last.await.unwrap()), (Ok(2), Ok(5)));
}
