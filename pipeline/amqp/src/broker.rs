//! The broker's port over AMQP.

use crate::address::Address;
use crate::aside::{self, Collector};
use crate::depth::Gauge;
use crate::envelope;
use crate::link::{Link, Session};
use crate::names::{Names, PRIORITIES};
use crate::publisher::{Letter, Publisher};
use crate::settings::AmqpSettings;
use crate::state::BrokerState;
use crate::subscription::{Ground, Subscription};
use crate::topology::{self, Purpose};
use async_trait::async_trait;
use jobpipe_core::{Broker, BrokerError, DeadHint, Delivery, Hint, Priority};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// Queues that one process may know; each that is consumed takes three channels.
const MOST_QUEUES: usize = 256;

/// What an orderly end may take, for each of its two steps.
const GOODBYE: Duration = Duration::from_secs(3);

/// A [`Broker`] over RabbitMQ. Dropping it ends its connections; [`AmqpBroker::close`] does so in order.
#[derive(Debug)]
pub struct AmqpBroker {
    ground: Ground,
    collector: Collector,
    queues: Mutex<BTreeMap<String, Arc<Queue>>>,
    /// Ends the connections; the consuming ends before.
    stop_links: CancellationToken,
    links: Mutex<Vec<JoinHandle<()>>>,
    consuming: Mutex<Vec<JoinHandle<()>>>,
}

/// What this process knows of one queue.
#[derive(Debug)]
struct Queue {
    lanes: [String; 3],
    subscription: Arc<Subscription>,
    consumed: std::sync::atomic::AtomicBool,
    gauge: Mutex<Gauge>,
    /// Held by who counts: the session on which the queue was last declared.
    counting: tokio::sync::Mutex<u64>,
}

impl Queue {
    fn gauge(&self) -> MutexGuard<'_, Gauge> {
        self.gauge.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn estimate(&self, most: Duration) -> Option<u64> {
        let given = self.subscription.lanes().given();
        self.gauge().estimate(most, given, Instant::now())
    }
}

impl Drop for AmqpBroker {
    fn drop(&mut self) {
        self.ground.stop.cancel();
        self.stop_links.cancel();
    }
}

impl AmqpBroker {
    /// Begins to connect, and does not wait for it: for who would rather wait for a broker than fail without one.
    ///
    /// `urls` (`amqp://user:password@host:5672/vhost`, or `amqps`) are the members of one cluster, tried in turn. Fails
    /// only for URLs or settings that can never work. Needs a tokio runtime.
    pub fn open(urls: &[String], settings: AmqpSettings) -> Result<Self, BrokerError> {
        settings.check().map_err(failed)?;
        if urls.is_empty() {
            return Err(failed("no URL of a broker was given"));
        }
        let addresses: Result<Arc<[Address]>, String> =
            urls.iter().map(|url| Address::parse(url, settings.heartbeat)).collect();
        let addresses = addresses.map_err(failed)?;
        let names = Names::new(&settings.prefix);
        let settings = Arc::new(settings);
        let stop_links = CancellationToken::new();
        let start = |role| Link::start(role, Arc::clone(&addresses), Arc::clone(&settings), stop_links.clone());
        let (publish, publishing) = start("publish");
        let (consume, consuming) = start("consume");
        let consume = Arc::new(consume);
        let ground = Ground {
            link: Arc::clone(&consume),
            publisher: Arc::new(Publisher::new(publish, names.clone(), Arc::clone(&settings))),
            names: names.clone(),
            settings: Arc::clone(&settings),
            stop: CancellationToken::new(),
        };
        Ok(Self {
            ground,
            collector: Collector::new(consume, names, settings),
            queues: Mutex::default(),
            stop_links,
            links: Mutex::new(vec![publishing, consuming]),
            consuming: Mutex::default(),
        })
    }

    /// [`AmqpBroker::open`], and waits until it is connected. Fails with what each address answered when that takes longer
    /// than all of them may.
    pub async fn connect(urls: &[String], settings: AmqpSettings) -> Result<Self, BrokerError> {
        let tries = u32::try_from(urls.len()).unwrap_or(u32::MAX);
        let most = settings.connect_timeout.saturating_mul(tries).saturating_add(Duration::from_millis(500));
        let broker = Self::open(urls, settings)?;
        broker.ground.publisher.link().up_within(most).await.map_err(failed)?;
        broker.ground.link.up_within(most).await.map_err(failed)?;
        Ok(broker)
    }

    /// How the connections are.
    #[must_use]
    pub fn state(&self) -> BrokerState {
        BrokerState::of(&self.ground.publisher.link().state(), &self.ground.link.state())
    }

    /// Ends in order: sends the acks that wait, then closes the connections. Hints that were fetched and not acked go back
    /// to the queue.
    pub async fn close(&self) {
        self.ground.stop.cancel();
        finish(&self.consuming).await;
        self.stop_links.cancel();
        finish(&self.links).await;
    }

    fn queue(&self, name: &str) -> Result<Arc<Queue>, String> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(name) {
            return Ok(Arc::clone(queue));
        }
        if queues.len() >= MOST_QUEUES {
            return Err(format!("a process can use at most {MOST_QUEUES} queues"));
        }
        let lane = |priority| self.ground.names.lane(name, priority);
        let [high, normal, low] = PRIORITIES;
        let queue = Arc::new(Queue {
            lanes: [lane(high)?, lane(normal)?, lane(low)?],
            subscription: Arc::new(Subscription::new(name)),
            consumed: std::sync::atomic::AtomicBool::new(false),
            gauge: Mutex::default(),
            counting: tokio::sync::Mutex::default(),
        });
        queues.insert(name.to_owned(), Arc::clone(&queue));
        Ok(queue)
    }

    /// The queue, and somebody consumes it from now on.
    fn consumed(&self, name: &str) -> Result<Arc<Queue>, String> {
        let queue = self.queue(name)?;
        if !queue.consumed.swap(true, std::sync::atomic::Ordering::SeqCst) {
            queue.subscription.begins();
            let run = Arc::clone(&queue.subscription).run(self.ground.clone());
            self.consuming.lock().unwrap_or_else(PoisonError::into_inner).push(tokio::spawn(run));
        }
        Ok(queue)
    }

    async fn publish_all(&self, priority: Priority, hints: &[Hint]) -> Result<(), String> {
        let mut letters = Vec::with_capacity(hints.len());
        let mut counts: BTreeMap<&str, (Arc<Queue>, u64)> = BTreeMap::new();
        for hint in hints {
            match counts.get_mut(hint.queue.as_str()) {
                Some((_, count)) => *count += 1,
                None => drop(counts.insert(&hint.queue, (self.queue(&hint.queue)?, 1))),
            }
            let to = self.ground.names.lane(&hint.queue, priority)?;
            letters.push(Letter { to, purpose: Purpose::Hints, body: envelope::close(hint)?, headers: Vec::new() });
        }
        let sent = self.ground.publisher.send(letters).await;
        // what may have arrived counts as well: the next count of the broker sets it right
        for (queue, count) in counts.into_values() {
            queue.gauge().published(count);
        }
        sent
    }

    async fn count(&self, name: &str) -> Result<u64, String> {
        let queue = self.queue(name)?;
        let most = self.ground.settings.depth_every;
        if let Some(depth) = queue.estimate(most) {
            return Ok(depth);
        }
        let mut declared = queue.counting.lock().await;
        if let Some(depth) = queue.estimate(most) {
            return Ok(depth);
        }
        let (mark, limit) = (queue.gauge().mark(), self.ground.settings.confirm_timeout);
        let session = self.ground.link.up_within(self.ground.settings.patience).await?;
        let counted = tokio::select! {
            counted = timeout(limit, self.count_lanes(&session, &queue.lanes, &mut declared)) => counted,
            why = session.failed() => return Err(why.to_string()),
        };
        let counted = counted.map_err(|_| "no answer to the count of a queue".to_owned())??;
        let (waiting, given) = {
            let lanes = queue.subscription.lanes();
            (lanes.waiting(), lanes.given())
        };
        let mut gauge = queue.gauge();
        gauge.counted(counted + waiting, mark, given, Instant::now());
        Ok(counted + waiting + gauge.mark() - mark)
    }

    /// What waits in the queues of the broker. They are made once on every session, and when one of them was deleted.
    async fn count_lanes(&self, session: &Session, lanes: &[String; 3], declared: &mut u64) -> Result<u64, String> {
        let names = &self.ground.names;
        if *declared != session.generation {
            topology::declare(session, names, &names.dead(), Purpose::Dead).await?;
            for lane in lanes {
                topology::declare(session, names, lane, Purpose::Hints).await?;
            }
            *declared = session.generation;
        }
        let mut sum = 0;
        for lane in lanes {
            match topology::count(session, lane).await {
                Ok(count) => sum += u64::from(count),
                Err(error) if error.is_amqp_soft_error() => {
                    topology::declare(session, names, lane, Purpose::Hints).await?;
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(sum)
    }

    /// Publishes a copy to where it is kept; then the delivery may be acked. A delivery of before comes again by itself.
    async fn put_aside(&self, queue: &str, delivery: &Delivery, letter: Letter) -> Result<(), String> {
        let queue = self.queue(queue)?;
        if queue.subscription.lanes().is_current(delivery.tag) {
            self.ground.publisher.send(vec![letter]).await?;
            queue.subscription.finish(&[delivery.tag]);
        }
        Ok(())
    }
}

#[async_trait]
impl Broker for AmqpBroker {
    async fn publish(&self, hints: Vec<Hint>) -> Result<(), BrokerError> {
        self.publish_all(Priority::Normal, &hints).await.map_err(failed)
    }

    async fn receive(&self, queue: &str, most: usize) -> Result<Vec<Delivery>, BrokerError> {
        let queue = self.consumed(queue).map_err(failed)?;
        queue.subscription.take(most, self.ground.settings.patience).await.map_err(failed)
    }

    async fn ack(&self, queue: &str, tags: &[u64]) -> Result<(), BrokerError> {
        if !tags.is_empty() {
            self.queue(queue).map_err(failed)?.subscription.finish(tags);
        }
        Ok(())
    }

    async fn depth(&self, queue: &str) -> Result<usize, BrokerError> {
        let depth = self.count(queue).await.map_err(failed)?;
        Ok(usize::try_from(depth).unwrap_or(usize::MAX))
    }

    async fn publish_at(&self, priority: Priority, hints: Vec<Hint>) -> Result<(), BrokerError> {
        self.publish_all(priority, &hints).await.map_err(failed)
    }

    async fn park(&self, queue: &str, delivery: &Delivery, reason: &str) -> Result<(), BrokerError> {
        let body = envelope::close(&delivery.hint).map_err(failed)?;
        let letter = aside::parked(&self.ground.names, queue, body, reason);
        self.put_aside(queue, delivery, letter).await.map_err(failed)
    }

    async fn dead(&self, most: usize) -> Result<Vec<DeadHint>, BrokerError> {
        self.collector.collect(most).await.map_err(failed)
    }

    async fn settle_dead(&self, tags: &[u64]) -> Result<(), BrokerError> {
        self.collector.settle(tags).await.map_err(failed)
    }
}

fn failed(message: impl Into<String>) -> BrokerError {
    BrokerError { message: message.into() }
}

/// Waits for tasks that were told to end.
async fn finish(tasks: &Mutex<Vec<JoinHandle<()>>>) {
    let tasks = std::mem::take(&mut *tasks.lock().unwrap_or_else(PoisonError::into_inner));
    let all = futures::future::join_all(tasks);
    if timeout(GOODBYE, all).await.is_err() {
        tracing::warn!("the broker's connections did not end in order within {GOODBYE:?}");
    }
}
