//! Consuming one queue: channels and consumers that are set up anew whenever something of them breaks.

use crate::aside;
use crate::envelope::{self, Opened};
use crate::lanes::{LANES, Lanes};
use crate::link::{Link, Session};
use crate::names::{Names, PRIORITIES};
use crate::publisher::{Letter, Publisher};
use crate::settings::AmqpSettings;
use crate::topology::{self, Purpose};
use futures::stream::{BoxStream, SelectAll};
use futures::{FutureExt, StreamExt};
use jobpipe_core::Delivery;
use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// So many acks are not waited with.
const ACKS_AT_ONCE: usize = 64;

/// So many messages are taken in before anything else is looked at.
const BURST: usize = 64;

/// What a set-up that failed rests before the next.
const REST: Duration = Duration::from_millis(500);

/// One queue, as far as this process consumes it.
#[derive(Debug)]
pub(crate) struct Subscription {
    queue: String,
    lanes: Mutex<Lanes>,
    /// Since when nothing is consumed, and why.
    trouble: Mutex<Option<(Instant, String)>>,
    /// Told when hints came, or trouble.
    arrived: Notify,
    /// Told when something may be acked.
    finished: Notify,
}

/// What the consuming needs of its broker.
#[derive(Debug, Clone)]
pub(crate) struct Ground {
    pub(crate) link: Arc<Link>,
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) names: Names,
    pub(crate) settings: Arc<AmqpSettings>,
    pub(crate) stop: CancellationToken,
}

impl Subscription {
    pub(crate) fn new(queue: &str) -> Self {
        Self {
            queue: queue.to_owned(),
            lanes: Mutex::default(),
            trouble: Mutex::default(),
            arrived: Notify::new(),
            finished: Notify::new(),
        }
    }

    pub(crate) fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trouble(&self) -> MutexGuard<'_, Option<(Instant, String)>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for hints; fails when nothing is consumed for longer than `patience`. May be given up at any time.
    pub(crate) async fn take(&self, most: usize, patience: Duration) -> Result<Vec<Delivery>, String> {
        loop {
            // made before looking, so that what comes between the look and the wait is not slept through
            let arrived = self.arrived.notified();
            let taken = self.lanes().take(most.max(1));
            if !taken.is_empty() {
                return Ok(taken);
            }
            let trouble = self.trouble().clone();
            let Some((since, why)) = trouble else {
                arrived.await;
                continue;
            };
            if since.elapsed() >= patience {
                // who asks again at once must not keep this thread from the mending
                tokio::task::yield_now().await;
                return Err(format!("nothing comes from the queue {} for {:.0?}: {why}", self.queue, since.elapsed()));
            }
            tokio::select! {
                () = arrived => {}
                () = sleep_until(since + patience) => {}
            }
        }
    }

    /// These may be acked.
    pub(crate) fn finish(&self, tags: &[u64]) {
        self.lanes().finish(tags);
        self.finished.notify_one();
    }

    /// Somebody is about to [`Subscription::run`] this.
    pub(crate) fn begins(&self) {
        *self.trouble() = Some((Instant::now(), "not consuming yet".to_owned()));
    }

    /// Consumes until the broker is closed.
    pub(crate) async fn run(self: Arc<Self>, ground: Ground) {
        loop {
            let session = tokio::select! {
                () = ground.stop.cancelled() => return,
                session = ground.link.up() => session,
            };
            let Some(session) = session else { return };
            let ended = self.session(&session, &ground).await;
            self.lanes().renew();
            let Some(why) = ended else { return };
            tracing::warn!(queue = self.queue, "consuming begins again: {why}");
            self.trouble().get_or_insert_with(|| (Instant::now(), String::new())).1 = why;
            self.arrived.notify_waiters();
            tokio::select! {
                () = ground.stop.cancelled() => return,
                () = sleep(REST.mul_f64(rand::Rng::random_range(&mut rand::rng(), 0.1..=1.0))) => {}
            }
        }
    }

    /// Consumes on one session until something breaks, and says what; `None` when the broker is closed.
    async fn session(&self, session: &Arc<Session>, ground: &Ground) -> Option<String> {
        let opened = tokio::select! {
            () = ground.stop.cancelled() => return None,
            why = session.failed() => return Some(why.to_string()),
            opened = tokio::time::timeout(ground.settings.confirm_timeout, self.open(session, ground)) => opened,
        };
        let (channels, messages) = match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(why)) => return Some(why),
            Err(_) => {
                let why = format!("no answer within {:?}", ground.settings.confirm_timeout);
                session.fail(why.as_str());
                return Some(why);
            }
        };
        *self.trouble() = None;
        let pump = Pump { to: self, ground, channels: &channels, asides: JoinSet::new() };
        tokio::select! {
            why = session.failed() => Some(why.to_string()),
            why = pump.run(messages) => why,
        }
    }

    /// Declares the queues, and consumes each on a channel of its own, so that the deliveries of a lane are in order.
    async fn open(&self, session: &Session, ground: &Ground) -> Result<(Vec<Channel>, Messages), String> {
        let names = &ground.names;
        topology::declare(session, names, &names.dead(), Purpose::Dead).await?;
        let mut channels = Vec::with_capacity(LANES);
        let mut messages = SelectAll::new();
        self.lanes().renew();
        for (lane, priority) in PRIORITIES.into_iter().enumerate() {
            let name = names.lane(&self.queue, priority)?;
            topology::declare(session, names, &name, Purpose::Hints).await?;
            let words = |error: lapin::Error| format!("the queue {name} cannot be consumed: {error}");
            let channel = session.connection.create_channel().await.map_err(words)?;
            channel.basic_qos(ground.settings.prefetch, BasicQosOptions::default()).await.map_err(words)?;
            let options = BasicConsumeOptions::default();
            let consumer = channel.basic_consume(topology::short(&name), "".into(), options, FieldTable::default());
            let consumer = consumer.await.map_err(words)?;
            // the end of a consumer is told, where the merged stream would only leave it out
            let stream = consumer.map(move |message| (lane, Some(message)));
            messages.push(stream.chain(futures::stream::iter([(lane, None)])).boxed());
            channels.push(channel);
        }
        Ok((channels, messages))
    }
}

type Message = (usize, Option<lapin::Result<lapin::message::Delivery>>);
type Messages = SelectAll<BoxStream<'static, Message>>;

/// Moves messages in and acks out, on one set of channels.
struct Pump<'a> {
    to: &'a Subscription,
    ground: &'a Ground,
    channels: &'a [Channel],
    /// Messages on their way to where they are put aside; each ends with its tag.
    asides: JoinSet<u64>,
}

impl Pump<'_> {
    async fn run(mut self, mut messages: Messages) -> Option<String> {
        let mut due: Option<Instant> = None;
        loop {
            let wait = due;
            tokio::select! {
                () = self.ground.stop.cancelled() => {
                    self.flush().await.ok();
                    return None;
                }
                message = messages.next() => {
                    if let Err(why) = self.take_in(message, &mut messages) {
                        return Some(why);
                    }
                }
                () = self.to.finished.notified() => due = due.or(Some(Instant::now() + self.ground.settings.ack_delay)),
                () = async { sleep_until(wait.unwrap_or_else(Instant::now)).await }, if wait.is_some() => {
                    due = None;
                    if let Err(error) = self.flush().await {
                        return Some(format!("an ack failed: {error}"));
                    }
                }
                Some(put) = self.asides.join_next() => {
                    if let Ok(tag) = put {
                        self.to.finish(&[tag]);
                    }
                }
            }
            if due.is_some() && self.to.lanes().done() >= ACKS_AT_ONCE {
                due = Some(Instant::now());
            }
        }
    }

    /// Takes in a message and those that came with it.
    fn take_in(&mut self, first: Option<Message>, messages: &mut Messages) -> Result<(), String> {
        let mut next = Some(first);
        let mut count = 0;
        while let Some(message) = next {
            let Some((lane, message)) = message else { return Err("the consumers have ended".to_owned()) };
            let Some(message) = message else {
                return Err("the broker cancelled the consumer: its queue was deleted, or has moved".to_owned());
            };
            self.one(lane, message.map_err(|error| error.to_string())?)?;
            count += 1;
            next = if count < BURST { messages.next().now_or_never() } else { None };
        }
        self.to.arrived.notify_waiters();
        Ok(())
    }

    fn one(&mut self, lane: usize, message: lapin::message::Delivery) -> Result<(), String> {
        let tag = message.delivery_tag;
        let mut lanes = self.to.lanes();
        if !lanes.delivered(lane, tag) {
            return Err(format!("the broker delivered {tag} out of order"));
        }
        let name = lanes.tag(lane, tag);
        match envelope::open(&message.data) {
            Opened::Hint(hint) => lanes.offer(lane, tag, hint),
            Opened::Unknown(why) => {
                let letter = aside::parked(&self.ground.names, &self.to.queue, message.data, &why);
                self.put_aside(name, letter);
            }
            Opened::Unreadable(why) => {
                let letter = aside::dead(&self.ground.names, &self.to.queue, message.data, &why);
                self.put_aside(name, letter);
            }
        }
        Ok(())
    }

    /// Publishes the message where it is kept, however long that takes; then it may be acked. Bounded by the prefetch.
    fn put_aside(&mut self, tag: u64, letter: Letter) {
        let publisher = Arc::clone(&self.ground.publisher);
        self.asides.spawn(async move {
            while let Err(why) = publisher.send(vec![letter.clone()]).await {
                tracing::warn!("a message cannot be put aside yet: {why}");
                sleep(REST).await;
            }
            tag
        });
    }

    async fn flush(&self) -> lapin::Result<()> {
        let frames = self.to.lanes().flush();
        for (channel, frames) in self.channels.iter().zip(frames) {
            for frame in frames {
                channel.basic_ack(frame.tag, BasicAckOptions { multiple: frame.multiple }).await?;
            }
        }
        Ok(())
    }
}
