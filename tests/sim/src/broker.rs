//! The broker as a process sees it: hints may be lost, doubled, late and shuffled.

use crate::process::Gate;
use crate::world::World;
use async_trait::async_trait;
use jobpipe_core::{Broker, BrokerError, Delivery, Hint};
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct SimBroker {
    world: Arc<World>,
    gate: Arc<Gate>,
}

impl SimBroker {
    pub(crate) fn new(world: Arc<World>, gate: Arc<Gate>) -> Self {
        Self { world, gate }
    }
}

#[async_trait]
impl Broker for SimBroker {
    async fn publish(&self, hints: Vec<Hint>) -> Result<(), BrokerError> {
        self.gate.pass().await;
        let world = &self.world;
        let mut sent = Vec::new();
        for hint in hints {
            if world.fault("hint lost", world.faults.hint) {
                continue;
            }
            if world.fault("hint doubled", world.faults.hint) {
                sent.push(hint.clone());
            }
            if world.fault("hint late", world.faults.hint) {
                let wait = Duration::from_millis(world.chance.between(10, 5_000));
                let world = Arc::clone(world);
                tokio::spawn(async move {
                    tokio::time::sleep(wait).await;
                    world.broker.publish(vec![hint]).await.ok();
                });
                continue;
            }
            sent.push(hint);
        }
        if sent.len() > 1 && world.fault("hints shuffled", world.faults.hint * 3.0) {
            sent.reverse();
        }
        world.broker.publish(sent).await
    }

    async fn receive(&self, queue: &str, most: usize) -> Result<Vec<Delivery>, BrokerError> {
        self.gate.pass().await;
        let deliveries = self.world.broker.receive(queue, most).await?;
        self.gate.pass().await;
        Ok(deliveries)
    }

    async fn ack(&self, queue: &str, tags: &[u64]) -> Result<(), BrokerError> {
        self.gate.pass().await;
        self.world.broker.ack(queue, tags).await
    }

    async fn depth(&self, queue: &str) -> Result<usize, BrokerError> {
        self.gate.pass().await;
        self.world.broker.depth(queue).await
    }
}
