//! What a worker says of itself: events, and its connections when they are lost and when they are back.

use crate::terminal;
use crate::watch::Format;
use crate::watch::words::Words;
use jobpipe_amqp::{AmqpBroker, BrokerState};
use jobpipe_core::DocKind;
use jobpipe_engine::Cx;
use jobpipe_engine::event::Event;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Sender;

/// How often connections are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// A new connection may take so long before it counts as lost.
const CONNECTING: Duration = Duration::from_secs(3);

/// Tells people or programs.
pub(crate) struct Teller {
    format: Format,
    words: Words,
}

impl Teller {
    /// `at`: the options with which other verbs find the state from here.
    pub(crate) fn new(format: Format, at: String) -> Self {
        Self { format, words: Words::new(at) }
    }

    /// Says something that no event says.
    pub(crate) fn say(&self, text: &str) {
        tracing::info!("{text}");
        match self.format {
            Format::Human => terminal::say(text),
            Format::Json => terminal::say(&serde_json::json!(Event::Notice { message: text.to_owned() }).to_string()),
        }
    }

    /// Tells an event: all of them to programs, to people what they may want to know.
    pub(crate) fn event(&mut self, event: &Event) {
        crate::watch::log(event);
        if self.format == Format::Json {
            match serde_json::to_string(event) {
                Ok(line) => terminal::say(&line),
                Err(error) => tracing::error!(%error, "an event is not JSON"),
            }
            return;
        }
        let text = match event {
            Event::StageClosed { run, stage } => Some(format!("done:  {run}: {stage}")),
            // how it went is not known here: its dead letters were told
            Event::RunClosed { run } => Some(format!("ended: {run}")),
            other => self.words.tell(other),
        };
        if let Some(text) = text {
            terminal::say(&text);
        }
    }
}

/// One connection.
struct Link {
    what: &'static str,
    /// Since when it is away, on the own clock.
    lost: Option<Duration>,
}

impl Link {
    /// What is to be said now that its trouble is `why`; `None` = it works.
    fn now(&mut self, why: Option<String>, now: Duration) -> Option<String> {
        match (why, self.lost) {
            (Some(why), None) => {
                self.lost = Some(now);
                Some(format!("lost:  {}: {why}; work goes on when it is back", self.what))
            }
            (None, Some(since)) => {
                self.lost = None;
                Some(format!("back:  {}, after {} s", self.what, now.saturating_sub(since).as_secs().max(1)))
            }
            _ => None,
        }
    }
}

/// Says when a connection is lost, and when it is back, until nobody listens.
pub(crate) async fn watch(cx: Arc<Cx>, amqp: Option<Arc<AmqpBroker>>, said: Sender<String>) {
    let (store, broker) = (store(Arc::clone(&cx), said.clone()), broker(cx, amqp, said));
    tokio::join!(store, broker);
}

async fn store(cx: Arc<Cx>, said: Sender<String>) {
    let mut link = Link { what: "the store", lost: None };
    loop {
        // any read does: it goes all the way to the primary
        let why = cx.store.doc(DocKind::Store, "epoch").await.err().map(|error| error.to_string());
        let line = link.now(why, cx.clock.monotonic());
        if let Some(line) = line
            && said.send(line).await.is_err()
        {
            return;
        }
        cx.clock.sleep(LOOK).await;
    }
}

async fn broker(cx: Arc<Cx>, amqp: Option<Arc<AmqpBroker>>, said: Sender<String>) {
    let Some(amqp) = amqp else { return };
    let mut link = Link { what: "the broker", lost: None };
    let began = cx.clock.monotonic();
    let mut connected = false;
    loop {
        let now = cx.clock.monotonic();
        let why = match amqp.state() {
            BrokerState::Connected => {
                connected = true;
                None
            }
            BrokerState::Reconnecting { .. } if !connected && now.saturating_sub(began) < CONNECTING => None,
            state => Some(state.to_string()),
        };
        if let Some(line) = link.now(why, now)
            && said.send(line).await.is_err()
        {
            return;
        }
        cx.clock.sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_connection_is_told_once_and_so_is_its_return() {
        let mut link = Link { what: "the store", lost: None };
        let at = Duration::from_secs;
        assert_eq!(link.now(None, at(1)), None);
        let lost = link.now(Some("no answer".into()), at(2)).unwrap();
        assert!(lost.starts_with("lost:  the store: no answer"), "{lost}");
        assert_eq!(link.now(Some("still none".into()), at(3)), None);
        assert_eq!(link.now(None, at(7)).unwrap(), "back:  the store, after 5 s");
        assert_eq!(link.now(None, at(8)), None);
    }
}
