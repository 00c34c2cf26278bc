//! One connection that is kept up: its supervisor connects, watches, drops what is broken as a whole, and connects anew.

use crate::address::Address;
use crate::dial::{Cord, Dialled, dial};
use crate::settings::AmqpSettings;
use futures::{Stream, StreamExt};
use lapin::{Connection, Event};
use rand::Rng;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// How often the supervisor looks whether the library has noticed the end of a connection without telling.
const GLANCE: Duration = Duration::from_millis(500);

/// What a polite end of a connection may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// A connection from its opening to its end. What belongs to one is worth nothing on the next.
#[derive(Debug)]
pub(crate) struct Session {
    /// Counts the sessions of a link from 1.
    pub(crate) generation: u64,
    pub(crate) connection: Connection,
    /// Why it must end; the first reason stays.
    fault: watch::Sender<Option<Arc<str>>>,
    /// Since when the broker refuses what is published, and its words.
    blocked: watch::Sender<Option<(Instant, Arc<str>)>>,
    cord: Cord,
}

impl Session {
    /// Ends the session.
    pub(crate) fn fail(&self, why: impl Into<Arc<str>>) {
        let why = why.into();
        self.fault.send_if_modified(|fault| {
            let first = fault.is_none();
            if first {
                *fault = Some(why);
            }
            first
        });
    }

    /// Waits for its end, and says why.
    pub(crate) async fn failed(&self) -> Arc<str> {
        let mut fault = self.fault.subscribe();
        let ended = fault.wait_for(Option::is_some).await;
        ended.ok().and_then(|why| why.clone()).unwrap_or_else(|| "the connection has ended".into())
    }

    /// Since when, and why, the broker takes no messages.
    pub(crate) fn blocked(&self) -> Option<(Instant, Arc<str>)> {
        self.blocked.borrow().clone()
    }

    /// Waits until the broker takes messages.
    async fn unblocked(&self) {
        // an error would mean that the sender is gone, which lives in self
        self.blocked.subscribe().wait_for(Option::is_none).await.ok();
    }
}

/// How a link is.
#[derive(Debug, Clone)]
pub(crate) enum LinkState {
    /// Connected.
    Up(Arc<Session>),
    /// Not connected, since then and for that reason.
    Down(Instant, Arc<str>),
    /// Closed for good by this process.
    Closed,
}

/// A connection that is kept up, for one purpose.
#[derive(Debug)]
pub(crate) struct Link {
    state: watch::Receiver<LinkState>,
}

impl Link {
    /// Starts the supervisor; it ends, and says goodbye, when `stop` is told.
    pub(crate) fn start(
        role: &'static str,
        addresses: Arc<[Address]>,
        settings: Arc<AmqpSettings>,
        stop: CancellationToken,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let first = LinkState::Down(Instant::now(), "not connected yet".into());
        let (sender, state) = watch::channel(first);
        let supervisor = Supervisor { role, addresses, settings, stop, state: sender };
        (Self { state }, tokio::spawn(supervisor.run()))
    }

    pub(crate) fn state(&self) -> LinkState {
        self.state.borrow().clone()
    }

    /// Waits for a session, as long as it takes; `None` once the link is closed.
    pub(crate) async fn up(&self) -> Option<Arc<Session>> {
        let mut state = self.state.clone();
        let state = state.wait_for(|state| !matches!(state, LinkState::Down(..))).await.ok()?;
        match &*state {
            LinkState::Up(session) => Some(Arc::clone(session)),
            _ => None,
        }
    }

    /// Waits for a session, at most so long; the error says what is wrong with the connection.
    pub(crate) async fn up_within(&self, most: Duration) -> Result<Arc<Session>, String> {
        if let Ok(Some(session)) = timeout(most, self.up()).await {
            return Ok(session);
        }
        match self.state() {
            LinkState::Up(session) => Ok(session),
            LinkState::Down(since, why) => Err(format!("not connected for {:.0?}: {why}", since.elapsed())),
            LinkState::Closed => Err("the connection was closed by this process".to_owned()),
        }
    }

    /// [`Link::up_within`], and the broker takes messages.
    pub(crate) async fn open_within(&self, most: Duration) -> Result<Arc<Session>, String> {
        let begun = Instant::now();
        let session = self.up_within(most).await?;
        let left = most.saturating_sub(begun.elapsed());
        if timeout(left, session.unblocked()).await.is_err()
            && let Some((since, why)) = session.blocked()
        {
            return Err(format!("the broker takes no messages for {:.0?}: {why}", since.elapsed()));
        }
        Ok(session)
    }
}

struct Supervisor {
    role: &'static str,
    addresses: Arc<[Address]>,
    settings: Arc<AmqpSettings>,
    stop: CancellationToken,
    state: watch::Sender<LinkState>,
}

impl Supervisor {
    async fn run(self) {
        let stop = self.stop.clone();
        let mut generation = 0;
        let mut most = self.settings.reconnect_first;
        let mut at = 0;
        loop {
            let dialled = tokio::select! {
                () = stop.cancelled() => break,
                dialled = self.dial_each(&mut at) => dialled,
            };
            match dialled {
                Ok(dialled) => {
                    generation += 1;
                    let begun = Instant::now();
                    if self.session(dialled, generation).await.is_none() {
                        break;
                    }
                    // a broker that drops every connection at once is not asked faster and faster
                    if begun.elapsed() > self.settings.reconnect_most {
                        most = self.settings.reconnect_first;
                    }
                }
                Err(why) => self.down(&why),
            }
            let wait = most.mul_f64(rand::rng().random_range(0.0..=1.0));
            most = (most * 2).min(self.settings.reconnect_most);
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.state.send_replace(LinkState::Closed);
    }

    /// Tries every address once, beginning with the one that worked last.
    async fn dial_each(&self, at: &mut usize) -> Result<Dialled, String> {
        let mut failures = Vec::new();
        for _ in 0..self.addresses.len() {
            let Some(address) = self.addresses.get(*at % self.addresses.len().max(1)) else { break };
            match dial(address, &self.settings, self.role).await {
                Ok(dialled) => return Ok(dialled),
                Err(why) => failures.push(why),
            }
            *at = at.wrapping_add(1);
        }
        Err(failures.join("; "))
    }

    /// Lives through one session; `None` when this process closed it.
    async fn session(&self, dialled: Dialled, generation: u64) -> Option<()> {
        let events = dialled.connection.events_listener();
        let session = Arc::new(Session {
            generation,
            connection: dialled.connection,
            fault: watch::Sender::new(None),
            blocked: watch::Sender::new(None),
            cord: dialled.cord,
        });
        tracing::info!(role = self.role, generation, "connected to the broker");
        self.state.send_replace(LinkState::Up(Arc::clone(&session)));
        let why = tokio::select! {
            () = self.stop.cancelled() => None,
            why = session.failed() => Some(why),
            why = watch_events(&session, events) => Some(why.into()),
            why = watch_silence(&session, &self.settings) => Some(why.into()),
        };
        match &why {
            None => session.fail("the connection was closed by this process"),
            Some(why) => {
                self.down(why);
                session.fail(Arc::clone(why));
            }
        }
        if session.connection.status().connected() {
            timeout(GOODBYE, session.connection.close(200, "bye".into())).await.ok();
        }
        session.cord.cut();
        why.map(|_| ())
    }

    fn down(&self, why: &str) {
        self.state.send_modify(|state| match state {
            LinkState::Down(_, reason) => {
                if **reason != *why {
                    tracing::warn!(role = self.role, "the broker is away: {why}");
                    *reason = why.into();
                }
            }
            _ => {
                tracing::warn!(role = self.role, "the broker is away: {why}");
                *state = LinkState::Down(Instant::now(), why.into());
            }
        });
    }
}

/// Follows what the broker tells of the connection until it ends.
async fn watch_events(session: &Session, events: impl Stream<Item = Event> + Send) -> String {
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event {
            Event::ConnectionBlocked(why) => {
                tracing::warn!("the broker takes no messages: {why}");
                session.blocked.send_replace(Some((Instant::now(), why.into())));
            }
            Event::ConnectionUnblocked => {
                tracing::info!("the broker takes messages again");
                session.blocked.send_replace(None);
            }
            // of one channel: who uses that channel is told
            Event::Error(error) if error.is_amqp_soft_error() => {}
            Event::Error(error) => return error.to_string(),
            _ => {}
        }
    }
    "the connection has ended".to_owned()
}

/// Ends when the connection is over though nothing was told, or does not answer although it should.
async fn watch_silence(session: &Session, settings: &AmqpSettings) -> String {
    let mut probed = Instant::now();
    loop {
        tokio::time::sleep(GLANCE.min(settings.probe_every)).await;
        if !session.connection.status().connected() {
            return "the connection has ended".to_owned();
        }
        // a broker that blocks a connection does not read from it
        if session.blocked().is_some() || probed.elapsed() < settings.probe_every {
            continue;
        }
        let answer = tokio::select! {
            answer = timeout(settings.confirm_timeout, probe(session)) => answer,
            () = blocks(session) => continue,
        };
        match answer {
            Ok(Ok(())) => probed = Instant::now(),
            Ok(Err(error)) => return format!("a probe failed: {error}"),
            Err(_) => return format!("no answer to a probe within {:?}", settings.confirm_timeout),
        }
    }
}

async fn probe(session: &Session) -> lapin::Result<()> {
    let channel = session.connection.create_channel().await?;
    channel.close(200, "probe".into()).await
}

async fn blocks(session: &Session) {
    session.blocked.subscribe().wait_for(Option::is_some).await.ok();
}
