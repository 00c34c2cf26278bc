//! The queues of the broker: durable quorum queues of a fixed form, the same on every release from 3.10 to 4.x.

use crate::link::Session;
use crate::names::Names;
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{Channel, ErrorKind, Queue};

/// How many hints a queue holds. The dispatcher keeps at most 1,000 out: more is a fault elsewhere, and must not fill the
/// broker's disk.
const MOST_HINTS: i32 = 200_000;

/// How many dead letters, and how many parked messages, are kept; the oldest go first.
const MOST_ASIDE: i32 = 100_000;

/// How often a hint may come back from workers that broke, before it is a dead letter. High: every hint that a process
/// had fetched is charged when it ends; who crashes on which task is counted in the store.
const DELIVERY_LIMIT: i32 = 100;

/// How long a parked message is kept, in milliseconds: a week.
const PARKED_FOR: i32 = 7 * 24 * 3_600 * 1_000;

/// What a queue is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Holds hints.
    Hints,
    /// Holds dead letters.
    Dead,
    /// Holds messages that this release is too old for.
    Parked,
}

/// Declares a queue. One that exists in another form, or that this user may not declare, will do when it is there.
pub(crate) async fn declare(session: &Session, names: &Names, name: &str, purpose: Purpose) -> Result<(), String> {
    let args = arguments(names, purpose);
    let active = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let Err(refused) = on_channel(session, name, active, args).await else { return Ok(()) };
    if !is_refusal(&refused) {
        return Err(format!("the queue {name} cannot be declared: {refused}"));
    }
    match count(session, name).await {
        Ok(_) => {
            tracing::debug!(queue = name, "a queue is used as it is: {refused}");
            Ok(())
        }
        Err(_) => Err(format!("the queue {name} cannot be declared: {refused}")),
    }
}

/// How many messages wait in a queue; the error tells when it is not there.
pub(crate) async fn count(session: &Session, name: &str) -> lapin::Result<u32> {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    on_channel(session, name, passive, FieldTable::default()).await.map(|queue| queue.message_count())
}

/// True where the broker refused one thing, and the connection lives.
fn is_refusal(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(_)) && error.is_amqp_soft_error()
}

/// Asks on a channel of its own: a refusal closes it.
async fn on_channel(
    session: &Session,
    name: &str,
    options: QueueDeclareOptions,
    args: FieldTable,
) -> lapin::Result<Queue> {
    let channel: Channel = session.connection.create_channel().await?;
    let queue = channel.queue_declare(short(name), options, args).await?;
    channel.close(200, "done".into()).await?;
    Ok(queue)
}

/// A name that is known to be short enough ([`Names::lane`]); what were longer is cut, never a panic.
pub(crate) fn short(name: &str) -> ShortString {
    ShortString::try_new(name).unwrap_or_default()
}

fn arguments(names: &Names, purpose: Purpose) -> FieldTable {
    let mut args = FieldTable::default();
    let text = |value: &str| AMQPValue::LongString(LongString::from(value));
    args.insert("x-queue-type".into(), text("quorum"));
    match purpose {
        Purpose::Hints => {
            // the default exchange delivers dead letters: it can be neither deleted nor unbound
            args.insert("x-dead-letter-exchange".into(), text(""));
            args.insert("x-dead-letter-routing-key".into(), text(&names.dead()));
            args.insert("x-delivery-limit".into(), AMQPValue::LongInt(DELIVERY_LIMIT));
            args.insert("x-max-length".into(), AMQPValue::LongInt(MOST_HINTS));
            args.insert("x-overflow".into(), text("reject-publish"));
        }
        Purpose::Dead | Purpose::Parked => {
            // they have no dead letters of their own: a limit on deliveries would drop them
            args.insert("x-delivery-limit".into(), AMQPValue::LongInt(i32::MAX));
            args.insert("x-max-length".into(), AMQPValue::LongInt(MOST_ASIDE));
            args.insert("x-overflow".into(), text("drop-head"));
            if purpose == Purpose::Parked {
                args.insert("x-message-ttl".into(), AMQPValue::LongInt(PARKED_FOR));
            }
        }
    }
    args
}
