//! One simulated process: it can be killed at any await, stopped for a while, and its wall clock moved.

use crate::broker::SimBroker;
use crate::pages::SimStages;
use crate::store::SimStore;
use crate::world::World;
use async_trait::async_trait;
use jobpipe_core::{Clock, Ids, Millis, Stop};
use jobpipe_engine::compute::Inline;
use jobpipe_engine::event::{Event, Events};
use jobpipe_engine::failpoint::{Dead, Failpoints, Point};
use jobpipe_engine::{Cx, EngineSettings, News};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long an engine waits at most before it asks a store again.
const PATIENCE: Duration = Duration::from_secs(10);

/// What every port of a process passes: closed while it is stopped, for ever when it is dead.
pub(crate) struct Gate {
    /// The process's name.
    pub name: String,
    dead: AtomicBool,
    /// It dies at the next failpoint.
    doomed: AtomicBool,
    /// It slept while the store was replaced: it may give up at what it does not find there.
    lost: AtomicBool,
    /// When the store failed it last: it waits, or is on its way out.
    failed: Mutex<Option<Instant>>,
    /// Until when it stops; the last time, when it is over.
    paused: Mutex<Option<Instant>>,
    woken: Notify,
    skew: AtomicI64,
}

impl Gate {
    pub(crate) fn new(name: String) -> Arc<Self> {
        Arc::new(Self {
            name,
            dead: AtomicBool::new(false),
            doomed: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            failed: Mutex::new(None),
            paused: Mutex::new(None),
            woken: Notify::new(),
            skew: AtomicI64::new(0),
        })
    }

    /// Returns when the process runs; never, once it is dead.
    pub(crate) async fn pass(&self) {
        loop {
            if self.is_dead() {
                std::future::pending::<()>().await;
            }
            let until = *self.paused.lock().unwrap_or_else(PoisonError::into_inner);
            match until {
                Some(until) if until > Instant::now() => {
                    let woken = self.woken.notified();
                    tokio::select! { biased; () = woken => {}, () = tokio::time::sleep_until(until) => {} }
                }
                _ => return,
            }
        }
    }

    pub(crate) fn kill(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }

    pub(crate) fn fail(&self) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    pub(crate) fn pause(&self, time: Duration) {
        let mut until = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(Some(Instant::now() + time));
    }

    /// It goes on now, if it is not dead; if it is doomed, to the next failpoint.
    pub(crate) fn wake(&self, doomed: bool) {
        self.doomed.store(doomed, Ordering::Relaxed);
        let mut until = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).min(Some(Instant::now()));
        drop(until);
        self.woken.notify_waiters();
    }

    /// True when the process is dead, stops, or stopped less than `recently` ago: others may think that it is gone.
    pub(crate) fn seems_gone(&self, recently: Duration) -> bool {
        let until = *self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = *self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_dead()
            || self.lost.load(Ordering::Relaxed)
            || failed.is_some_and(|failed| failed + PATIENCE + recently > Instant::now())
            || until.is_some_and(|until| until + recently > Instant::now())
    }

    /// The process stops, and the store is replaced meanwhile.
    pub(crate) fn sleep_through(&self, time: Duration) {
        self.lost.store(true, Ordering::Relaxed);
        self.pause(time);
    }

    pub(crate) fn move_clock(&self, by: i64) {
        self.skew.fetch_add(by, Ordering::Relaxed);
    }
}

struct SimClock {
    world: Arc<World>,
    gate: Arc<Gate>,
}

#[async_trait]
impl Clock for SimClock {
    fn now(&self) -> Millis {
        self.world.now() + self.gate.skew.load(Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        self.world.elapsed()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
        self.gate.pass().await;
    }
}

struct SimIds(Arc<World>);

impl Ids for SimIds {
    fn run(&self) -> String {
        format!("{:06}", self.0.nonce())
    }

    fn nonce(&self) -> u64 {
        self.0.nonce()
    }

    fn fraction(&self) -> f64 {
        self.0.chance.fraction()
    }
}

/// Nobody asks a simulated process to stop: it is killed.
struct NoStop;

impl Stop for NoStop {
    fn is_stopping(&self) -> bool {
        false
    }
}

/// Kills at named places.
struct SimFailpoints {
    world: Arc<World>,
    gate: Arc<Gate>,
}

impl Failpoints for SimFailpoints {
    fn hit(&self, point: Point) -> Result<(), Dead> {
        if self.gate.is_dead() {
            return Err(Dead);
        }
        let faults = &self.world.faults;
        let focused = faults.focus == point;
        let stops = if focused { faults.stop_there } else { faults.pause * 0.05 };
        if self.world.fault("stopped at a failpoint", stops) {
            let time = Duration::from_millis(self.world.chance.between(1_000, 9_000));
            self.world.tell(|| format!("{}  stops at {} for {time:?}", self.gate.name, point.name()));
            self.gate.pause(time);
        }
        let probability = if focused { faults.die_there + faults.failpoint } else { faults.failpoint };
        let doomed = self.gate.doomed.load(Ordering::Relaxed) && self.world.faulty.load(Ordering::Relaxed);
        if doomed || self.world.fault("killed at a failpoint", probability) {
            self.world.count(point.name());
            self.world.tell(|| format!("{}  killed at {}", self.gate.name, point.name()));
            self.gate.kill();
            return Err(Dead);
        }
        Ok(())
    }
}

struct SimEvents {
    world: Arc<World>,
    gate: Arc<Gate>,
}

impl Events for SimEvents {
    fn emit(&self, event: Event) {
        self.world.tell(|| match &event {
            Event::TaskDone { .. } => String::new(),
            event => format!("{}  event {event:?}", self.gate.name),
        });
    }
}

/// How processes are set up in one seed.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    /// Settings of the engine.
    pub settings: EngineSettings,
}

/// The ports of a new process.
pub(crate) fn cx(world: &Arc<World>, gate: &Arc<Gate>, setup: &Setup) -> Arc<Cx> {
    let many = setup.settings.lease_ttl.is_some();
    Arc::new(Cx {
        store: Arc::new(SimStore::new(Arc::clone(world), Arc::clone(gate), many)),
        broker: Arc::new(SimBroker::new(Arc::clone(world), Arc::clone(gate))),
        stages: Arc::new(SimStages::new(Arc::clone(world), Arc::clone(gate))),
        compute: Arc::new(Inline),
        clock: Arc::new(SimClock { world: Arc::clone(world), gate: Arc::clone(gate) }),
        ids: Arc::new(SimIds(Arc::clone(world))),
        events: Arc::new(SimEvents { world: Arc::clone(world), gate: Arc::clone(gate) }),
        failpoints: Arc::new(SimFailpoints { world: Arc::clone(world), gate: Arc::clone(gate) }),
        stop: Arc::new(NoStop),
        sabotage: world.rule,
        settings: setup.settings.clone(),
        owner: gate.name.clone(),
        news: News::default(),
        settling: jobpipe_engine::Settling::default(),
        known: Mutex::default(),
        dispatch: jobpipe_engine::Dispatch::default(),
    })
}
