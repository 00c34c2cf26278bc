//! Who may write to a state, and what is asked of the engine by those who may not.

use crate::compose;
use crate::exit::{Failure, Outcome};
use crate::place::Place;
use jobpipe_core::{DocKind, StoreError};
use jobpipe_embedded::EngineLock;
use jobpipe_engine::docs::{self, Command, Read};
use jobpipe_engine::scheduler::{self, Order};
use jobpipe_engine::{Cx, admin};
use std::sync::Arc;
use std::time::Duration;

/// How long an engine may take to look at a wish.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often it is looked whether it did.
const TICK: Duration = Duration::from_millis(100);

/// Who may write to a state.
pub(crate) enum Role {
    /// This process alone: it has the engine's role.
    Alone(EngineLock),
    /// Everyone who connects to its server.
    Shared,
    /// Another process, which has the engine's role.
    Busy,
}

impl Role {
    pub(crate) fn of(place: &Place) -> Outcome<Self> {
        if place.servers.is_some() {
            return Ok(Self::Shared);
        }
        match EngineLock::acquire(&place.state) {
            Ok(lock) => Ok(Self::Alone(lock)),
            Err(StoreError::Busy { .. }) => Ok(Self::Busy),
            Err(error) => Err(error.into()),
        }
    }
}

/// Leaves a wish, and waits until the engine has looked at it.
pub(crate) async fn ask(cx: &Cx, command: &Command) -> Outcome<()> {
    let id = admin::wish(cx, command).await?;
    until_gone(cx, &id).await.map(|_| ())
}

/// Waits until a wish is gone, or an answer stands in its place.
async fn until_gone(cx: &Cx, id: &str) -> Outcome<Option<Command>> {
    let began = cx.clock.monotonic();
    loop {
        let left: Option<Read<Command>> = docs::read(&*cx.store, DocKind::Command, id).await?;
        match left.map(|read| read.doc) {
            None => return Ok(None),
            Some(answer @ Command::Answer { .. }) => return Ok(Some(answer)),
            Some(_) => {}
        }
        if cx.clock.monotonic().saturating_sub(began) > PATIENCE {
            return Err(Failure::failed("the engine at work has not answered yet; it, or the next one, will do it"));
        }
        cx.clock.sleep(TICK).await;
    }
}

/// One who gives orders about deployed imports, whoever works on the state.
pub(crate) struct Orders {
    /// The store, to be read.
    pub(crate) cx: Arc<Cx>,
    role: Role,
}

impl Orders {
    /// Orders for the state of `place`, which is made if there is none.
    pub(crate) async fn of(place: &Place) -> Outcome<Self> {
        let role = Role::of(place)?;
        let cx = match role {
            Role::Busy => compose::reader(place).await?,
            Role::Alone(_) | Role::Shared => compose::writer(place).await?,
        };
        Ok(Self { cx, role })
    }

    /// Has it done; what was done, in a sentence.
    ///
    /// # Errors
    /// What is refused, by this process or by the engine at work.
    pub(crate) async fn give(&self, order: &Order) -> Outcome<String> {
        if !matches!(self.role, Role::Busy) {
            return Ok(scheduler::obey(&self.cx, order).await?);
        }
        let id = admin::wish(&self.cx, &Command::Order(order.clone())).await?;
        match until_gone(&self.cx, &id).await? {
            Some(Command::Answer { text, refused: Some(code), .. }) => Err(Failure::usage(format!("{text} ({code})"))),
            Some(Command::Answer { text, .. }) => Ok(text),
            _ => Ok(format!("{}: the engine at work has done it", order.import())),
        }
    }

    /// What is to be said when nobody launches what is due.
    pub(crate) fn launched_by(&self) -> Option<&'static str> {
        match self.role {
            Role::Alone(_) => Some("nothing is launched while no `jobpipe up` is at work here"),
            Role::Shared | Role::Busy => None,
        }
    }
}
