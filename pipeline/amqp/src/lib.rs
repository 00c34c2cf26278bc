//! The broker of several machines: hints over RabbitMQ (AMQP 0-9-1), from release 3.10 on.
//!
//! [`AmqpBroker`] keeps two connections, one to publish and one to consume, so that a broker that takes no messages still
//! gives them. Each has a supervisor ([`link`]) that drops what is broken as a whole and connects anew; the client
//! library's own recovery is not used. Everything that belongs to a connection ends with it: an ack of before acks
//! nothing now, and a message without a confirm is told to be unknown. The store is the truth, so hints that are lost,
//! doubled or late cost time, never work.

mod address;
mod aside;
mod broker;
mod depth;
mod dial;
mod envelope;
mod lanes;
mod link;
mod names;
mod publisher;
mod settings;
mod state;
mod subscription;
mod topology;
mod turns;
mod window;

pub use broker::AmqpBroker;
pub use settings::AmqpSettings;
pub use state::BrokerState;
