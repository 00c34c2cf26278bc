//! The suite of the port.

use crate::place::{self, Guard};
use jobpipe_amqp::AmqpSettings;
use jobpipe_core::Broker;
use std::sync::Arc;
use std::time::Duration;

/// The depth is counted once, and then followed: the suite asks for exact numbers.
async fn broker() -> (Arc<dyn Broker>, Guard) {
    let guard = place::beside_others().await;
    let settings = AmqpSettings { depth_every: Duration::from_secs(600), ..place::settings() };
    (Arc::new(place::connect(&place::url(), &settings).await), guard)
}

jobpipe_conformance::broker_suite!(broker);
