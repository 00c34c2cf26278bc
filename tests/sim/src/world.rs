//! What outlives every process: the store's server, the broker's, the source, the pages, the time; and who watches them.

use crate::chance::Chance;
use crate::monitor::Monitor;
use crate::pages::Pages;
use crate::process::Gate;
use crate::source::Source;
use jobpipe_conformance::{MemoryBroker, MemoryStore};
use jobpipe_core::Millis;
use jobpipe_engine::failpoint::Point;
use jobpipe_engine::sabotage::Rule;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Wall time at the start of every simulation.
pub(crate) const BEGIN: Millis = 1_795_000_000_000;

/// How likely each fault is, in one seed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Faults {
    /// A write is refused and not applied.
    pub store_refuses: f64,
    /// A write is applied and then reported failed.
    pub store_lies: f64,
    /// A write is applied although its process is gone by then.
    pub store_late: f64,
    /// A failpoint kills.
    pub failpoint: f64,
    /// A failpoint to which more happens.
    pub focus: Point,
    /// There it kills.
    pub die_there: f64,
    /// There it stops the process for a while.
    pub stop_there: f64,
    /// A process stops before it reads or writes rows, until another works on the same target.
    pub ambush: f64,
    /// It wakes with each step of the other.
    pub wakes: f64,
    /// It wakes to die at the next failpoint.
    pub wakes_to_die: f64,
    /// A hint is lost, doubled or late; each.
    pub hint: f64,
    /// A page's call goes wrong in some way.
    pub page: f64,
    /// What a page that errs says first of all is that it is busy.
    pub busy: bool,
    /// A page's read fails.
    pub read: f64,
    /// A new post will be hidden once, for less than the read lag.
    pub blink: f64,
    /// A source's answer fails.
    pub source: f64,
    /// The driver kills a process, in each of its turns.
    pub kill: f64,
    /// The driver stops a process for longer than a lease.
    pub pause: f64,
    /// The driver moves a process's wall clock.
    pub clock: f64,
    /// The driver makes the broker lose or repeat everything.
    pub broker: f64,
}

/// Everything outside the processes.
pub(crate) struct World {
    /// Chance of faults.
    pub chance: Chance,
    /// Whether anything goes wrong at all.
    pub faulty: AtomicBool,
    /// How likely what is.
    pub faults: Faults,
    /// How long after its ARM a call may be sent.
    pub send_by: Duration,
    /// The rule that is taken away.
    pub rule: Option<Rule>,
    began: tokio::time::Instant,
    store: Mutex<Arc<MemoryStore>>,
    /// The broker's server.
    pub broker: MemoryBroker,
    source: Mutex<Source>,
    pages: Mutex<Pages>,
    monitor: Mutex<Monitor>,
    gates: Mutex<BTreeMap<String, Arc<Gate>>>,
    /// Those who stopped amid work on a target.
    ambushes: Mutex<Vec<(String, Arc<Gate>)>>,
    nonces: AtomicU64,
    steps: AtomicU64,
    counts: Mutex<BTreeMap<&'static str, u64>>,
    trace: Option<Mutex<Vec<String>>>,
    violation: Mutex<Option<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub(crate) fn new(
        seed: u64,
        faults: Faults,
        send_by: Duration,
        rule: Option<Rule>,
        source: Source,
        pages: Pages,
        trace: bool,
    ) -> Self {
        Self {
            chance: Chance::new(seed, 2),
            faulty: AtomicBool::new(true),
            faults,
            send_by,
            rule,
            began: tokio::time::Instant::now(),
            store: Mutex::default(),
            broker: MemoryBroker::new(),
            source: Mutex::new(source),
            pages: Mutex::new(pages),
            monitor: Mutex::default(),
            gates: Mutex::default(),
            ambushes: Mutex::default(),
            nonces: AtomicU64::new(1),
            steps: AtomicU64::new(0),
            counts: Mutex::default(),
            trace: trace.then(Mutex::default),
            violation: Mutex::new(None),
        }
    }

    /// What the store holds now.
    pub(crate) fn store(&self) -> Arc<MemoryStore> {
        Arc::clone(&lock(&self.store))
    }

    /// The store is another one from now on.
    pub(crate) fn set_store(&self, store: Arc<MemoryStore>) {
        *lock(&self.store) = store;
    }

    pub(crate) fn source(&self) -> MutexGuard<'_, Source> {
        lock(&self.source)
    }

    pub(crate) fn pages(&self) -> MutexGuard<'_, Pages> {
        lock(&self.pages)
    }

    pub(crate) fn monitor(&self) -> MutexGuard<'_, Monitor> {
        lock(&self.monitor)
    }

    /// Time since the beginning.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// True time.
    pub(crate) fn now(&self) -> Millis {
        BEGIN + Millis::try_from(self.elapsed().as_millis()).unwrap_or(Millis::MAX)
    }

    /// A process that was started.
    pub(crate) fn register(&self, gate: &Arc<Gate>) {
        lock(&self.gates).insert(gate.name.clone(), Arc::clone(gate));
    }

    /// Processes that live, asleep or not.
    pub(crate) fn alive(&self) -> std::collections::BTreeSet<String> {
        lock(&self.gates).values().filter(|gate| !gate.is_dead()).map(|gate| gate.name.clone()).collect()
    }

    /// True when nobody could blame an observer for thinking that this process is gone.
    pub(crate) fn seems_gone(&self, name: &str) -> bool {
        lock(&self.gates).get(name).is_none_or(|gate| gate.seems_gone(Duration::from_millis(1_500)))
    }

    /// A process is about to read or write rows of a target: it may stop, until another works on the same target; and
    /// one who stopped there may wake. True when somebody does. `often`: how much likelier than elsewhere it stops.
    pub(crate) fn ambush(&self, gate: &Arc<Gate>, target: &str, often: f64) -> bool {
        let mut ambushes = lock(&self.ambushes);
        ambushes.retain(|(_, other)| !other.is_dead());
        let here = |(of, other): &(String, Arc<Gate>)| of == target && !Arc::ptr_eq(other, gate);
        if let Some(index) = ambushes.iter().position(here) {
            if !self.chance.hit(self.faults.wakes) {
                return false;
            }
            let (_, other) = ambushes.swap_remove(index);
            drop(ambushes);
            self.tell(|| format!("{}  wakes, while {} works on {target}", other.name, gate.name));
            other.wake(self.fault("killed as it wakes", self.faults.wakes_to_die));
            return true;
        }
        if self.fault("stopped amid work on a target", self.faults.ambush * often) {
            self.tell(|| format!("{}  stops amid its work on {target}", gate.name));
            gate.pause(Duration::from_millis(self.chance.between(2_000, 12_000)));
            ambushes.push((target.to_owned(), Arc::clone(gate)));
        }
        false
    }

    /// A number that was never given before.
    pub(crate) fn nonce(&self) -> u64 {
        self.nonces.fetch_add(1, Ordering::Relaxed)
    }

    /// True when this fault happens now; counted.
    pub(crate) fn fault(&self, name: &'static str, probability: f64) -> bool {
        let happens = self.faulty.load(Ordering::Relaxed) && self.chance.hit(probability);
        if happens {
            self.count(name);
        }
        happens
    }

    pub(crate) fn count(&self, name: &'static str) {
        *lock(&self.counts).entry(name).or_default() += 1;
    }

    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.counts).clone()
    }

    /// One step: a write of the store, a call of a page.
    pub(crate) fn step(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    /// True when the rule stands.
    pub(crate) fn keeps(&self, rule: Rule) -> bool {
        self.rule != Some(rule)
    }

    /// Writes a line of the trace, if there is one.
    pub(crate) fn tell(&self, line: impl FnOnce() -> String) {
        if let Some(trace) = &self.trace {
            lock(trace).push(format!("{:>9.3}  {}", self.elapsed().as_secs_f64(), line()));
        }
    }

    pub(crate) fn trace(&self) -> Vec<String> {
        self.trace.as_ref().map(|trace| lock(trace).clone()).unwrap_or_default()
    }

    /// An invariant does not hold. The first one counts.
    pub(crate) fn violated(&self, what: impl FnOnce() -> String) {
        let mut violation = lock(&self.violation);
        if violation.is_none() {
            let what = what();
            self.tell(|| format!("VIOLATION {what}"));
            *violation = Some(what);
        }
    }

    pub(crate) fn violation(&self) -> Option<String> {
        lock(&self.violation).clone()
    }
}
