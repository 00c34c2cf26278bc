//! A story in which nobody asks for runs: the import is deployed, and launched by its schedule, by every process at once,
//! while people cancel, trigger and redeploy it and nobody is there for a while.

use crate::chance::Chance;
use crate::check;
use crate::monitor::IMPORT;
use crate::world::World;
use jobpipe_core::{DocKind, Plan, utc_text};
use jobpipe_engine::docs::{self, Read, ScheduleDoc};
use jobpipe_engine::scheduler::deploy;
use jobpipe_engine::{Cx, EngineError, Result};
use jobpipe_schedule::Schedule;
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// What is done to a deployed import.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    /// A version of it is deployed.
    Deploy(Box<Plan>),
    /// It is launched by hand.
    Trigger,
    /// It is launched no more.
    Withdraw,
}

impl Deed {
    pub(crate) async fn done(self, cx: Arc<Cx>) -> Result<()> {
        match self {
            Self::Deploy(plan) => deploy::deploy(&cx, &plan, "sim.yml").await.map(|_| ()),
            Self::Trigger => deploy::trigger(&cx, IMPORT, &cx.ids.run()).await.map(|_| ()),
            Self::Withdraw => match deploy::withdraw(&cx, IMPORT).await {
                // it was, and he was not told
                Err(EngineError::Refused { code: "JP611", .. }) => Ok(()),
                done => done,
            },
        }
    }
}

/// A schedule with its policies.
pub(crate) fn schedule(chance: &Chance) -> Json {
    json!({
        "every": chance.one(&["3s", "7s", "20s"]),
        "overlap": chance.one(&["skip", "queue_one", "cancel_other"]),
        "catch_up": chance.one(&["none", "last", "all"]),
        "jitter": chance.one(&["0s", "2s"]),
    })
}

/// Each slot that passed was launched, waits, or is counted as passed over.
pub(crate) async fn check(world: &World) {
    let read: Option<Read<ScheduleDoc>> =
        docs::read(&*world.store(), DocKind::Schedule, IMPORT).await.unwrap_or_default();
    let Some(deployed) = read.map(|read| read.doc) else { return };
    let Some(schedule) = deployed.schedule.as_ref().and_then(|json| Schedule::parse(json).ok()) else { return };
    let import = check::import(world).await;
    let passed = schedule.slots(deployed.since, import.last_slot).count();
    let skipped = import.skipped.as_ref().map_or(0, |skipped| skipped.count);
    // one that was triggered has no slot of the schedule
    let waiting = import.queue.iter().filter(|waiting| waiting.slot == utc_text(waiting.at)).count();
    let launched = world.monitor().launched.len();
    let told = launched + waiting + usize::try_from(skipped).unwrap_or(usize::MAX);
    if passed != told {
        world.violated(|| {
            format!("I11: of {passed} slots {launched} were launched, {waiting} wait and {skipped} were passed over")
        });
    }
}
