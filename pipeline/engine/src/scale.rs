//! How many tasks a process computes at once, where that follows its backlog: twice as many with every look while hints
//! wait in its queues, and the fewest again once it has stood idle for a while.

use crate::cx::Cx;
use crate::error::Result;
use crate::event::Event;
use crate::gate::Gate;
use crate::patience::Patience;
use std::sync::Arc;
use std::time::Duration;

/// How often the backlog is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How long nothing may wait or run before slots are taken away.
const IDLE: Duration = Duration::from_secs(5);

/// Follows the backlog until the process stops, between `least` and the slots of the settings.
pub(crate) async fn run(cx: Arc<Cx>, mut patience: Patience, gate: Arc<Gate>, least: usize) -> Result<()> {
    let most = cx.settings.slots;
    let (mut looked, mut idle) = (Duration::ZERO, Duration::ZERO);
    while patience.goes_on() {
        cx.clock.sleep(cx.settings.tick).await;
        looked += cx.settings.tick;
        if looked < LOOK {
            continue;
        }
        let Some(waits) = patience.with(is_any_waiting(&cx).await).await? else { continue };
        let slots = gate.slots();
        idle = if waits || gate.free_slots() < slots { Duration::ZERO } else { idle + looked };
        looked = Duration::ZERO;
        let wanted = if waits {
            (slots * 2).min(most)
        } else if idle >= IDLE {
            least
        } else {
            slots
        };
        if wanted != slots {
            let now = gate.resize(wanted);
            cx.emit(Event::Notice { message: format!("{now} tasks at once from now on") });
        }
    }
    Ok(())
}

async fn is_any_waiting(cx: &Cx) -> Result<bool> {
    for queue in &cx.settings.queues {
        if cx.broker.depth(queue).await? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}
