//! What every step of the engine is given.

use crate::dispatch::{self, Dispatch};
use crate::docs::{self, Read, RunDoc};
use crate::error::{EngineError, Result};
use crate::event::{Event, Events};
use crate::failpoint::{Failpoints, Point};
use crate::known::Known;
use crate::sabotage::Rule;
use jobpipe_core::{Broker, Clock, DocKind, Hint, Ids, Millis, Stages, StateStore, Stop};
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// What a process does that is not fit for a task: a folder where its file is to lie may not be written, say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum WhenUnfit {
    /// It ends, whosever task it is.
    #[default]
    Ends,
    /// It ends for those of this import, for whose run it was begun. What others have to mend waits for them.
    EndsFor(String),
    /// The task waits, and the process goes on: it serves all imports.
    Waits,
}

impl WhenUnfit {
    /// Whether a task of `run` waits.
    pub(crate) fn waits(&self, run: &str) -> bool {
        match self {
            Self::Ends => false,
            Self::EndsFor(import) => run.split_once('@').is_none_or(|(of, _)| of != import),
            Self::Waits => true,
        }
    }
}

/// Settings of the engine, all with defaults that suit one machine.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineSettings {
    /// What people call this process.
    pub name: String,
    /// Queues that this process works on. The only process there is works on every queue: hints of a queue that is not
    /// among these go to the first of them. Targets are drained by who works on `export`.
    pub queues: Vec<String>,
    /// Tasks that run at once.
    pub slots: usize,
    /// Where their number follows the backlog: so many while there is none, and up to `slots` while there is.
    pub least_slots: Option<usize>,
    /// Targets that are drained at once.
    pub drains: usize,
    /// Hints of a queue kept out at a time, at most.
    pub window: usize,
    /// Records in a stored batch at most.
    pub batch_records: usize,
    /// Bytes of JSON in a stored batch at most.
    pub batch_bytes: usize,
    /// Heads or rows read at a time.
    pub page: usize,
    /// Calls that one round of a drain arms at most.
    pub round: usize,
    /// Crashes after which one input alone is dead: deaths of the whole process while it was in flight count one each,
    /// deaths of a child process that had nothing else count four.
    pub crash_limit: u32,
    /// This process launches deployed imports when they are due.
    pub launches: bool,
    /// What it does where it is not fit for a task.
    pub when_unfit: WhenUnfit,
    /// How long a loop waits at most before it looks again, and whether to stop.
    pub tick: std::time::Duration,
    /// How long a lease that stands still is left to its owner, where several engines share the store. `None`: this
    /// process is the only engine there is, so that what others held when it began is free at once.
    pub lease_ttl: Option<std::time::Duration>,
    /// How long the sweep waits between rounds. What was told to the broker is told again after as long.
    pub sweep_every: std::time::Duration,
    /// How long a task may ask the outside before it is told to end soon, where its stage does not say: what it has not
    /// asked yet is put back. Half a minute later it is abandoned.
    pub soft_limit: std::time::Duration,
    /// Runs kept whole; older closed ones keep only their document.
    pub keep_runs: usize,
    /// Bytes that sorting a file's records may hold in memory.
    pub sort_bytes: usize,
    /// Folder for spilled records.
    pub spill: std::path::PathBuf,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            name: String::new(),
            queues: ["crawl", "transform", "export"].map(str::to_owned).to_vec(),
            slots: 16,
            least_slots: None,
            drains: 8,
            window: 1_000,
            batch_records: 1_000,
            batch_bytes: 1 << 20,
            page: 500,
            round: 64,
            crash_limit: 12,
            launches: false,
            when_unfit: WhenUnfit::Ends,
            lease_ttl: None,
            tick: std::time::Duration::from_millis(100),
            sweep_every: std::time::Duration::from_secs(5),
            soft_limit: std::time::Duration::from_secs(600),
            keep_runs: 3,
            sort_bytes: 48 << 20,
            spill: std::env::temp_dir(),
        }
    }
}

/// "Something may be ready, complete or due": never missed by one who subscribed before. Those who wait are woken in the
/// order in which they came, so that a simulation replays.
#[derive(Debug, Default)]
pub struct News {
    count: AtomicU64,
    told: Notify,
    /// Runs of which something ended here, since the last look at them.
    runs: Mutex<BTreeSet<String>>,
}

/// How far somebody has heard.
#[derive(Debug)]
pub struct Heard(u64);

impl News {
    /// Tells everyone.
    pub fn tell(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.told.notify_waiters();
    }

    /// Tells everyone, and that something of a run ended: it may close.
    pub fn tell_of(&self, run: &str) {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).insert(run.to_owned());
        self.tell();
    }

    /// The runs that were told of since this was asked last.
    pub(crate) fn runs(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.runs.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on.
    #[must_use]
    pub fn subscribe(&self) -> Heard {
        Heard(self.count.load(Ordering::SeqCst))
    }

    /// True when there is something that `heard` has not heard.
    #[must_use]
    pub fn is_news(&self, heard: &Heard) -> bool {
        self.count.load(Ordering::SeqCst) != heard.0
    }

    /// Waits until there is something that `heard` has not heard.
    pub async fn changed(&self, heard: &mut Heard) {
        loop {
            // made before looking, so that what is told between the look and the wait is not slept through
            let told = self.told.notified();
            let count = self.count.load(Ordering::SeqCst);
            if count != heard.0 {
                heard.0 = count;
                return;
            }
            told.await;
        }
    }
}

/// What must settle before it proves anything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Settles {
    /// An attempt whose end is unknown, by its nonce.
    Attempt(u64),
    /// A target that is attached, under an epoch.
    Attach(String, u64),
    /// A post that its target says does not exist, by target and id.
    Post(String, String),
}

/// Since when this process has known of what settles, on its own monotonic clock.
///
/// What must settle settles by the wall clock in the row *and* by what this process saw itself: a clock that was set
/// forward, or one of another machine that is late, makes nobody hasty.
#[derive(Debug, Default)]
pub struct Settling(Mutex<HashMap<Settles, Duration>>);

/// How many are remembered at most; beyond, all are seen anew, which only takes longer.
const SETTLING: usize = 100_000;

impl Settling {
    /// For how long it has been known here; from `now` on, if it was not.
    pub(crate) fn known_for(&self, what: Settles, now: Duration) -> Duration {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= SETTLING {
            seen.clear();
        }
        now.saturating_sub(*seen.entry(what).or_insert(now))
    }
}

/// The ports and settings. One a process.
pub struct Cx {
    /// The truth.
    pub store: Arc<dyn StateStore>,
    /// The hints.
    pub broker: Arc<dyn Broker>,
    /// What definitions mean.
    pub stages: Arc<dyn Stages>,
    /// Where CPU work runs.
    pub compute: Arc<dyn crate::compute::Compute>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub ids: Arc<dyn Ids>,
    /// Who watches.
    pub events: Arc<dyn Events>,
    /// Where to die.
    pub failpoints: Arc<dyn Failpoints>,
    /// Whether to stop.
    pub stop: Arc<dyn Stop>,
    /// The rule that is taken away: `None` outside the simulation.
    pub sabotage: Option<Rule>,
    /// Settings.
    pub settings: EngineSettings,
    /// The name of this process in leases.
    pub owner: String,
    /// Woken when there may be something to dispatch, to close or to drain.
    pub news: News,
    /// What settles.
    pub settling: Settling,
    /// What was read and need not be read again.
    pub known: Mutex<Known>,
    /// What was told to the broker.
    pub dispatch: Dispatch,
}

impl Cx {
    /// Dies here if a test says so.
    pub fn at(&self, point: Point) -> Result<()> {
        self.failpoints.hit(point).map_err(|_| EngineError::Killed(point.name()))
    }

    /// True unless the simulation took the rule away.
    #[must_use]
    pub fn keeps(&self, rule: Rule) -> bool {
        self.sabotage != Some(rule)
    }

    /// Wall time.
    pub fn now(&self) -> Millis {
        self.clock.now()
    }

    /// Tells those who watch.
    pub fn emit(&self, event: Event) {
        self.events.emit(event);
    }

    /// The run, which must exist.
    pub async fn run(&self, run: &str) -> Result<Read<RunDoc>> {
        docs::read(&*self.store, DocKind::Run, run)
            .await?
            .ok_or_else(|| EngineError::Refused { code: "JP520", message: format!("there is no run `{run}`") })
    }

    /// The queue in which hints of `queue` are put: its own, and where this process is the only one the first of those it
    /// works on.
    pub(crate) fn worked_on<'a>(&'a self, queue: &'a str) -> &'a str {
        if self.settings.lease_ttl.is_some() {
            return queue;
        }
        let known = self.settings.queues.iter().find(|known| *known == queue).or(self.settings.queues.first());
        known.map_or(queue, String::as_str)
    }

    /// Tells the broker of tasks that were just made, as long as their queues are shallow; the dispatcher tells the rest,
    /// and what gets lost.
    pub async fn hint(&self, hints: Vec<Hint>) -> Result<()> {
        dispatch::tell_at_once(self, hints).await
    }
}
