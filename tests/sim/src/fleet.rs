//! The processes of one simulation, and what is done to them.

use crate::process::{self, Gate, Setup};
use crate::world::World;
use jobpipe_core::StoreError;
use jobpipe_engine::{Cx, EngineError, serve};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// One place where a process runs, dies and is started again.
struct Slot {
    gate: Arc<Gate>,
    engine: JoinHandle<Result<(), EngineError>>,
    /// Gone; another one starts then.
    again_at: Option<Instant>,
}

/// All of them.
pub(crate) struct Fleet {
    world: Arc<World>,
    setup: Setup,
    slots: Vec<Slot>,
    started: u64,
}

impl Fleet {
    pub(crate) fn new(world: Arc<World>, setup: Setup, processes: usize) -> Self {
        let mut fleet = Self { world, setup, slots: Vec::new(), started: 0 };
        for _ in 0..processes {
            let slot = fleet.start();
            fleet.slots.push(slot);
        }
        fleet
    }

    fn start(&mut self) -> Slot {
        self.started += 1;
        let gate = Gate::new(format!("w{}", self.started));
        self.world.tell(|| format!("{}  starts", gate.name));
        self.world.register(&gate);
        let cx = process::cx(&self.world, &gate, &self.setup);
        Slot { gate, engine: tokio::spawn(serve(cx)), again_at: None }
    }

    /// The ports of a process that only asks for something.
    pub(crate) fn client(&mut self) -> (Arc<Gate>, Arc<Cx>) {
        self.started += 1;
        let gate = Gate::new(format!("c{}", self.started));
        let cx = process::cx(&self.world, &gate, &self.setup);
        (gate, cx)
    }

    /// A moment passes, in which something may happen to someone.
    pub(crate) async fn turn(&mut self) {
        let chance = &self.world.chance;
        tokio::time::sleep(Duration::from_millis(chance.between(20, 300))).await;
        self.trouble();
        self.reap().await;
    }

    fn trouble(&self) {
        let world = &self.world;
        let running: Vec<&Slot> = self.slots.iter().filter(|slot| slot.again_at.is_none()).collect();
        if !running.is_empty() {
            let slot = running[world.chance.index(running.len())];
            if world.fault("killed", world.faults.kill) {
                world.tell(|| format!("{}  is killed", slot.gate.name));
                slot.gate.kill();
            } else if world.fault("stopped for a while", world.faults.pause) {
                let time = Duration::from_millis(world.chance.between(500, 9_000));
                world.tell(|| format!("{}  stops for {time:?}", slot.gate.name));
                slot.gate.pause(time);
            } else if world.fault("clock moved", world.faults.clock) {
                let by = i64::try_from(world.chance.between(0, 240_000)).unwrap_or(0) - 120_000;
                world.tell(|| format!("{}  its clock moves by {by} ms", slot.gate.name));
                slot.gate.move_clock(by);
            }
        }
        if world.fault("broker lost everything", world.faults.broker) {
            world.broker.lose_all();
        }
        if world.fault("broker repeated everything", world.faults.broker) {
            world.broker.redeliver();
        }
    }

    /// Sees who died, and starts others in their place after a while.
    async fn reap(&mut self) {
        for index in 0..self.slots.len() {
            let slot = &mut self.slots[index];
            if slot.again_at.is_none() && (slot.gate.is_dead() || slot.engine.is_finished()) {
                slot.gate.kill();
                slot.engine.abort();
                let wait =
                    if self.world.faulty.load(Ordering::Relaxed) { self.world.chance.between(5, 2_500) } else { 5 };
                slot.again_at = Some(Instant::now() + Duration::from_millis(wait));
                match (&mut slot.engine).await {
                    Ok(Ok(()))
                    | Ok(Err(EngineError::Killed(_)))
                    | Ok(Err(EngineError::Store(StoreError::Unavailable { .. } | StoreError::Closed { .. }))) => {}
                    Ok(Err(EngineError::Stage(error))) if error.code == "JP504" => {}
                    // one who slept while the store was replaced finds nothing of what it worked on
                    Ok(Err(
                        EngineError::Refused { code: "JP520", .. } | EngineError::Store(StoreError::Corrupt { .. }),
                    )) if self.world.monitor().stores > 0 => {}
                    Ok(Err(error)) => self.world.violated(|| format!("the engine gave up: {error}")),
                    Err(error) if error.is_cancelled() => {}
                    Err(error) => self.world.violated(|| format!("the engine panicked: {error}")),
                }
            }
            if self.slots[index].again_at.is_some_and(|at| at <= Instant::now()) {
                self.slots[index] = self.start();
            }
        }
    }

    /// Every process is killed; with `sleep`, some only stop for so many milliseconds after `quiet` and never learn what
    /// happened meanwhile.
    pub(crate) async fn end_all(&mut self, sleep: Option<(u64, u64)>, quiet: Duration) {
        for slot in &self.slots {
            if let Some((least, most)) = sleep.filter(|_| self.world.chance.hit(0.5)) {
                let time = quiet + Duration::from_millis(self.world.chance.between(least, most));
                self.world.tell(|| format!("{}  sleeps through it for {time:?}", slot.gate.name));
                slot.gate.sleep_through(time);
            } else {
                slot.gate.kill();
            }
        }
        self.reap().await;
        for slot in self.slots.iter_mut().filter(|slot| slot.again_at.is_some()) {
            slot.again_at = Some(Instant::now() + Duration::from_millis(50));
        }
    }
}
