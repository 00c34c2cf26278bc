//! Starting and stopping the simulator.

use crate::connection::{Connection, CuttableListener};
use crate::faults::{FaultError, FaultPlan, FaultState};
use crate::journal::JournalError;
use crate::oracle::{self, Expectation, Report};
use crate::settings::{Options, Settings};
use crate::state::{Effect, World};
use crate::{api, control, view};
use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long running calls may take to end when the simulator is shut down.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the simulator did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Anyone who reaches the simulator controls it.
    #[error("the simulator listens on loopback only, not on {0}: use 127.0.0.1:PORT")]
    NotLoopback(SocketAddr),
    /// The address is taken, or not of this machine.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The fault plan means nothing.
    #[error("the fault plan: {0}")]
    Faults(#[from] FaultError),
}

/// What all handlers share.
pub(crate) struct Sim {
    world: Mutex<World>,
    stop: watch::Receiver<bool>,
}

impl Sim {
    /// The world, locked: never keep it over an await. Every change is made by one call that cannot stop half-way,
    /// so a panic elsewhere leaves it whole.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the shutdown; a dropped handle is one.
    pub(crate) async fn stopped(&self) {
        drop(self.stop.clone().wait_for(|stop| *stop).await);
    }
}

/// The simulator, not yet running.
#[derive(Debug)]
pub struct FbSim;

impl FbSim {
    /// Starts a simulator on the current runtime. It stops when the handle is dropped.
    pub async fn start(options: Options) -> Result<Handle, StartError> {
        if !options.listen.ip().is_loopback() {
            return Err(StartError::NotLoopback(options.listen));
        }
        options.faults.check()?;
        let world = World::open(&options)?;
        let failed = |source| StartError::Listen { address: options.listen, source };
        let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        let (stop, stopped) = watch::channel(false);
        let sim = Arc::new(Sim { world: Mutex::new(world), stop: stopped });
        let service = router(Arc::clone(&sim)).into_make_service_with_connect_info::<Connection>();
        let until = Arc::clone(&sim);
        let task = tokio::spawn(async move {
            let server = axum::serve(CuttableListener(listener), service);
            server.with_graceful_shutdown(async move { until.stopped().await }).await
        });
        Ok(Handle { addr, base_url: format!("http://{addr}"), sim, stop, task })
    }
}

fn router(sim: Arc<Sim>) -> Router {
    Router::new()
        .route("/", get(|| async { Redirect::to("/__sim/pages") }))
        .route("/__sim", get(|| async { Redirect::to("/__sim/pages") }))
        .nest("/__sim", control::router().merge(view::router()))
        .fallback(api::serve)
        .with_state(sim)
}

/// A running simulator.
pub struct Handle {
    /// Where it listens.
    pub addr: SocketAddr,
    /// What to use as the Graph API's address, without a slash at its end: `http://127.0.0.1:PORT`.
    pub base_url: String,
    sim: Arc<Sim>,
    stop: watch::Sender<bool>,
    task: JoinHandle<io::Result<()>>,
}

impl Handle {
    /// Every write executed so far, oldest first.
    #[must_use]
    pub fn effects(&self) -> Vec<Effect> {
        self.sim.world().effects.clone()
    }

    /// How many writes were executed so far: cheap enough to be asked all the time.
    #[must_use]
    pub fn executed(&self) -> usize {
        self.sim.world().effects.len()
    }

    /// What was executed and what is visible now.
    #[must_use]
    pub fn report(&self) -> Report {
        oracle::report(&self.sim.world(), None)
    }

    /// The report, with what is lost and what is unexpected.
    #[must_use]
    pub fn report_against(&self, expected: &Expectation) -> Report {
        oracle::report(&self.sim.world(), Some(expected))
    }

    /// Replaces the fault plan; its counts start at 0.
    pub fn set_faults(&self, plan: FaultPlan) -> Result<(), FaultError> {
        plan.check()?;
        self.sim.world().faults = FaultState::new(plan);
        Ok(())
    }

    /// Changes how the simulator behaves from the next call on.
    pub fn change_settings(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.sim.world().settings);
    }

    /// Answers every call of a page with 80001 for so long; zero ends it.
    pub fn throttle(&self, page: &str, time: Duration) {
        let mut world = self.sim.world();
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let until = world.now_ms().saturating_add_unsigned(ms);
        world.page_mut(page).throttled_until = until;
    }

    /// Sets the only token that a page accepts, and revives it.
    pub fn set_token(&self, page: &str, token: &str) {
        let mut world = self.sim.world();
        let page = world.page_mut(page);
        page.token = Some(token.to_owned());
        page.revoked = None;
    }

    /// Refuses every call of a page with 190 and this subcode, until a token is set.
    pub fn revoke_token(&self, page: &str, subcode: u32) {
        self.sim.world().page_mut(page).revoked = Some(subcode);
    }

    /// Makes a post as the page's owner would; its id.
    pub fn admin_post(&self, page: &str, message: &str, link: Option<&str>) -> Result<String, JournalError> {
        let mut world = self.sim.world();
        let made = world.post_by_hand(page.to_owned(), message.to_owned(), link.map(str::to_owned))?;
        Ok(made.post.clone())
    }

    /// Removes a post as the page's owner would. False if there is none.
    pub fn admin_delete(&self, post: &str) -> Result<bool, JournalError> {
        self.sim.world().delete_by_hand(post)
    }

    /// Writes another message over that of a post as the page's owner would. False if there is none.
    pub fn admin_edit(&self, post: &str, message: &str) -> Result<bool, JournalError> {
        self.sim.world().edit_by_hand(post, message)
    }

    /// Forgets every post, write and count; tokens, settings and faults stay.
    pub fn reset(&self) -> Result<(), JournalError> {
        self.sim.world().reset()
    }

    /// Ends the running calls, closes the port and frees the journal.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        let mut task = self.task;
        if tokio::time::timeout(PATIENCE, &mut task).await.is_err() {
            task.abort();
        }
        // a connection that ends a moment later still holds the world
        self.sim.world().release();
    }
}
