//! The adapter on a real RabbitMQ: `AMQP_URL` where it is set, else one that `scripts/rabbitmq` starts.

#![allow(unreachable_pub, dead_code, reason = "hosts are shared with the tests of the engine, which use all of them")]
#![expect(clippy::unwrap_used, reason = "a test")]

mod aside;
mod hints;
#[path = "../../../engine/tests/world/hosts.rs"]
mod hosts;
mod outages;
mod place;
mod proxy;
mod reach;
mod shares;
mod suite;
