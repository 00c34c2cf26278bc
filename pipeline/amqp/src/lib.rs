//! The broker of several machines: hints over RabbitMQ (AMQP 0-9-1), from release 3.10 on.
//!
//! [`AmqpBroker`] keeps two connections, one to publish and one to consume, so that a broker that takes no messages still
//! gives them. Each has a supervisor ([`link`]) that drops what is broken as a whole and connects anew; the client
//! library's own recovery is not used. Everything that belongs to a connection ends with it: an ack of before acks
//! nothing now, and a message without a confirm is told to be unknown. The store is the truth, so hints that are lost,
//! doubled or late cost time, never work.
//!
//! On the broker, all durable quorum queues on the default exchange, made when they are first needed:
//!
//! | queue | holds |
//! |---|---|
//! | `PREFIX.v1.QUEUE.high`, `.normal`, `.low` | hints; six, three and one of ten turns; at most 200,000, then publishing is refused |
//! | `PREFIX.v1.dead` | messages that cannot be read, that came back 100 times, or that somebody rejected; with the reason |
//! | `PREFIX.v1.parked` | messages of a later release, for a week |
//!
//! A message is JSON of at most 1 KiB: `{"v":1,"task":…,"run":…,"queue":…}`. A user needs `configure`, `write` and `read`
//! on `^PREFIX\.v1\.`, and `write` on `amq.default`; without `configure`, the queues must be there.

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
