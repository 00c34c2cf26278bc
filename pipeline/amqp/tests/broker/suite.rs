//! The suite of the port.

use crate::place::{self, Guard};
use async_trait::async_trait;
use jobpipe_amqp::{AmqpBroker, AmqpSettings};
use jobpipe_core::{Broker, BrokerError, Delivery, Hint, Priority};
use std::sync::Arc;
use std::time::Duration;

/// Notes which queues are used, so that they can be deleted.
struct Noted {
    broker: AmqpBroker,
    prefix: String,
}

#[async_trait]
impl Broker for Noted {
    async fn publish(&self, hints: Vec<Hint>) -> Result<(), BrokerError> {
        hints.iter().for_each(|hint| place::uses(&self.prefix, &hint.queue));
        self.broker.publish(hints).await
    }
    async fn publish_at(&self, priority: Priority, hints: Vec<Hint>) -> Result<(), BrokerError> {
        hints.iter().for_each(|hint| place::uses(&self.prefix, &hint.queue));
        self.broker.publish_at(priority, hints).await
    }
    async fn receive(&self, queue: &str, most: usize) -> Result<Vec<Delivery>, BrokerError> {
        place::uses(&self.prefix, queue);
        self.broker.receive(queue, most).await
    }
    async fn ack(&self, queue: &str, tags: &[u64]) -> Result<(), BrokerError> {
        self.broker.ack(queue, tags).await
    }
    async fn depth(&self, queue: &str) -> Result<usize, BrokerError> {
        place::uses(&self.prefix, queue);
        self.broker.depth(queue).await
    }
}

/// The depth is counted once, and then followed: the suite asks for exact numbers.
async fn broker() -> (Arc<dyn Broker>, Guard) {
    let guard = place::beside_others().await;
    let settings = AmqpSettings { depth_every: Duration::from_secs(600), ..place::settings() };
    let broker = place::connect(&place::url(), &settings).await;
    (Arc::new(Noted { broker, prefix: settings.prefix }), guard)
}

jobpipe_conformance::broker_suite!(broker);
