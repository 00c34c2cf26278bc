//! The adapter on a real RabbitMQ: `AMQP_URL` where it is set, else one that `scripts/rabbitmq` starts.

#![expect(clippy::unwrap_used, reason = "a test")]

mod aside;
mod hints;
mod outages;
mod place;
mod proxy;
mod reach;
mod suite;
