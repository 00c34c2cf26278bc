//! What people order of deployed imports, as a value: so that it can be left for the engine that holds the store.

use super::deploy::{self, Outcome};
use super::retire;
use crate::cx::Cx;
use crate::docs::Backfill;
use crate::error::Result;
use jobpipe_core::{Plan, utc_text};
use serde::{Deserialize, Serialize};

/// One order. Obeyed twice it does what it does once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Launch this plan from now on.
    Deploy {
        /// The plan.
        plan: Box<Plan>,
        /// The file that it was read from.
        source: String,
    },
    /// Launch what an earlier version was.
    RollBack {
        /// The import's name.
        import: String,
        /// The version.
        version: u64,
    },
    /// Launch it no more.
    Withdraw {
        /// The import's name.
        import: String,
    },
    /// Launch it no more, and delete what it has posted.
    Retire {
        /// The import's name.
        import: String,
        /// The part of the id after `@` of the run that does so, which nobody else uses.
        slot: String,
    },
    /// Launch nothing until it is resumed.
    Pause {
        /// The import's name.
        import: String,
        /// Why, in words.
        why: String,
    },
    /// Launch it again.
    Resume {
        /// The import's name.
        import: String,
    },
    /// Launch it now.
    Trigger {
        /// The import's name.
        import: String,
        /// The part of the run's id after `@`, which nobody else uses.
        slot: String,
    },
    /// Run past slots.
    Backfill {
        /// The import's name.
        import: String,
        /// Which, and how.
        wish: Backfill,
    },
    /// Leave the rest of a backfill.
    EndBackfill {
        /// The import's name.
        import: String,
    },
}

impl Order {
    /// The import that it is about.
    #[must_use]
    pub fn import(&self) -> &str {
        match self {
            Self::Deploy { plan, .. } => &plan.name,
            Self::RollBack { import, .. }
            | Self::Withdraw { import }
            | Self::Retire { import, .. }
            | Self::Pause { import, .. }
            | Self::Resume { import }
            | Self::Trigger { import, .. }
            | Self::Backfill { import, .. }
            | Self::EndBackfill { import } => import,
        }
    }
}

/// Does it; what was done, in a sentence for people.
///
/// # Errors
/// What [`deploy`]'s functions refuse; what the store says.
pub async fn obey(cx: &Cx, order: &Order) -> Result<String> {
    let name = order.import();
    Ok(match order {
        Order::Deploy { plan, source } => match deploy::deploy(cx, plan, source).await? {
            Outcome::Deployed(version) => format!("{name}: version {version} is deployed"),
            Outcome::Unchanged(version) => format!("{name}: version {version} is deployed already"),
        },
        Order::RollBack { version, .. } => match deploy::roll_back(cx, name, *version).await? {
            Outcome::Deployed(new) => format!("{name}: version {version} is deployed again, as version {new}"),
            Outcome::Unchanged(held) => format!("{name}: version {held} is the same already"),
        },
        Order::Withdraw { .. } => {
            deploy::withdraw(cx, name).await?;
            format!("{name}: launched no more; its versions are kept, and so is what it has posted")
        }
        Order::Retire { slot, .. } => {
            let run = retire::retire(cx, name, slot).await?;
            format!("{name}: launched no more; {run} has what it posted deleted, and it is retired then")
        }
        Order::Pause { why, .. } => {
            deploy::pause(cx, name, why).await?;
            format!("{name}: paused; a run that is open goes on")
        }
        Order::Resume { .. } => {
            deploy::resume(cx, name).await?;
            format!("{name}: launched again; slots of the pause are not made up for")
        }
        Order::Trigger { slot, .. } => {
            let run = deploy::trigger(cx, name, slot).await?;
            format!("{run} is launched as soon as no other run of `{name}` is open")
        }
        Order::Backfill { wish, .. } => {
            let slots = deploy::backfill(cx, name, wish.clone()).await?;
            let (after, until) = (utc_text(wish.after), utc_text(wish.until));
            format!("{name}: {slots} slots after {after} up to {until} are run, one after the other")
        }
        Order::EndBackfill { .. } => {
            if deploy::end_backfill(cx, name).await? {
                format!("{name}: the rest of its backfill is left; a run of it that is open goes on")
            } else {
                format!("{name}: there is no backfill to end")
            }
        }
    })
}
