//! Dead letters of the broker. The store is the truth: a dead hint only means that somebody must look at its task. One that
//! is still ready was delivered over and over while nobody came to claim it: that counts as a crash of it, so that what
//! ends every process that touches it becomes a suspect, and dead in the end.

use crate::cx::Cx;
use crate::error::Result;
use crate::patience::Patience;
use crate::sweep;
use std::sync::Arc;
use std::time::Duration;

/// How often they are looked for.
const EVERY: Duration = Duration::from_secs(5);
/// Taken at a time.
const AT_ONCE: usize = 100;

/// Collects until the process stops.
pub(crate) async fn run(cx: Arc<Cx>, mut patience: Patience) -> Result<()> {
    let mut waited = Duration::ZERO;
    while patience.goes_on() {
        cx.clock.sleep(cx.settings.tick).await;
        waited += cx.settings.tick;
        if waited >= EVERY {
            waited = Duration::ZERO;
            patience.with(collect(&cx).await).await?;
        }
    }
    Ok(())
}

/// Looks at the tasks of all dead hints that wait now.
async fn collect(cx: &Cx) -> Result<()> {
    loop {
        let dead = cx.broker.dead(AT_ONCE).await?;
        for letter in &dead {
            let Some(hint) = &letter.hint else {
                tracing::warn!(reason = letter.reason, "a message that is no hint of ours was thrown away");
                continue;
            };
            tracing::warn!(task = hint.task, reason = letter.reason, "a hint is dead; its task is looked at");
            let ids = std::slice::from_ref(&hint.task);
            for task in cx.store.tasks_claim(ids, &cx.owner, cx.now()).await? {
                sweep::free(cx, &task, &format!("its hint died in the broker ({})", letter.reason)).await?;
                cx.news.tell();
            }
        }
        cx.broker.settle_dead(&dead.iter().map(|letter| letter.tag).collect::<Vec<_>>()).await?;
        if dead.len() < AT_ONCE {
            return Ok(());
        }
    }
}
