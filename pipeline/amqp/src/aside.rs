//! Messages that nobody can work on: dead letters with their reason, and those of a newer release.

use crate::envelope::{self, LARGEST, Opened};
use crate::link::{Link, Session};
use crate::names::Names;
use crate::publisher::Letter;
use crate::settings::AmqpSettings;
use crate::topology::{self, Purpose};
use jobpipe_core::DeadHint;
use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicGetOptions};
use lapin::types::{AMQPValue, FieldArray, FieldTable};
use std::sync::Arc;
use tokio::time::timeout;

/// Why a message was put aside, in the words of who did it.
const REASON: &str = "x-jobpipe-reason";

/// The queue that it came from.
const QUEUE: &str = "x-jobpipe-queue";

/// What is kept of a reason, in characters.
const LONGEST_REASON: usize = 500;

/// A dead letter.
pub(crate) fn dead(names: &Names, queue: &str, body: Vec<u8>, reason: &str) -> Letter {
    letter(names.dead(), Purpose::Dead, queue, body, reason)
}

/// A message for a newer release.
pub(crate) fn parked(names: &Names, queue: &str, body: Vec<u8>, reason: &str) -> Letter {
    letter(names.parked(), Purpose::Parked, queue, body, reason)
}

fn letter(to: String, purpose: Purpose, queue: &str, mut body: Vec<u8>, reason: &str) -> Letter {
    // what is no hint of ours is kept only so far as it helps to see what it was
    body.truncate(LARGEST * 4);
    let reason = reason.chars().take(LONGEST_REASON).collect();
    Letter { to, purpose, body, headers: vec![(REASON, reason), (QUEUE, queue.to_owned())] }
}

/// Gets dead letters out of their queue.
#[derive(Debug)]
pub(crate) struct Collector {
    link: Arc<Link>,
    names: Names,
    settings: Arc<AmqpSettings>,
    got: tokio::sync::Mutex<Got>,
}

/// What was given out and not settled yet, on a channel of its own: closing it gives them back.
#[derive(Debug, Default)]
struct Got {
    channel: Option<Channel>,
    /// Counts the channels, so that a settlement of before settles nothing now.
    epoch: u64,
    open: Vec<u64>,
}

// A tag names the channel (24 bits) and its delivery (40 bits).
const EPOCH_AT: u32 = 40;

impl Collector {
    pub(crate) fn new(link: Arc<Link>, names: Names, settings: Arc<AmqpSettings>) -> Self {
        Self { link, names, settings, got: tokio::sync::Mutex::default() }
    }

    /// Up to `most` dead letters that wait now. What was given out before and is not settled goes back first.
    pub(crate) async fn collect(&self, most: usize) -> Result<Vec<DeadHint>, String> {
        let session = self.link.up_within(self.settings.patience).await?;
        let mut got = self.got.lock().await;
        let limit = self.settings.confirm_timeout;
        let collected = tokio::select! {
            collected = timeout(limit, self.collect_on(&session, &mut got, most)) => collected,
            why = session.failed() => return Err(why.to_string()),
        };
        collected.unwrap_or_else(|_| Err(format!("no answer within {limit:?}"))).inspect_err(|_| got.channel = None)
    }

    async fn collect_on(&self, session: &Session, got: &mut Got, most: usize) -> Result<Vec<DeadHint>, String> {
        if !got.open.is_empty()
            && let Some(channel) = got.channel.take()
        {
            channel.close(200, "not settled".into()).await.ok();
        }
        let name = self.names.dead();
        let words = |error: lapin::Error| format!("the dead letters cannot be read: {error}");
        let channel = match got.channel.take().filter(|channel| channel.status().connected()) {
            Some(channel) => channel,
            None => {
                topology::declare(session, &self.names, &name, Purpose::Dead).await?;
                got.epoch = (got.epoch + 1) % (1 << (64 - EPOCH_AT));
                got.open.clear();
                session.connection.create_channel().await.map_err(words)?
            }
        };
        let mut dead = Vec::new();
        while dead.len() < most {
            let found = channel.basic_get(topology::short(&name), BasicGetOptions::default()).await.map_err(words)?;
            let Some(found) = found else { break };
            got.open.push(found.delivery.delivery_tag);
            let tag = (got.epoch << EPOCH_AT) | found.delivery.delivery_tag;
            dead.push(read(&found.delivery, tag));
        }
        got.channel = Some(channel);
        Ok(dead)
    }

    /// These are kept elsewhere now.
    pub(crate) async fn settle(&self, tags: &[u64]) -> Result<(), String> {
        let mut got = self.got.lock().await;
        let epoch = got.epoch;
        let Some(channel) = got.channel.clone() else { return Ok(()) };
        for tag in tags.iter().filter(|tag| *tag >> EPOCH_AT == epoch).map(|tag| tag & ((1 << EPOCH_AT) - 1)) {
            let Some(at) = got.open.iter().position(|open| *open == tag) else { continue };
            got.open.swap_remove(at);
            let acked = timeout(self.settings.confirm_timeout, channel.basic_ack(tag, BasicAckOptions::default()));
            let acked = acked.await.map_err(|_| "no answer".to_owned());
            acked.and_then(|acked| acked.map_err(|error| error.to_string())).inspect_err(|_| got.channel = None)?;
        }
        Ok(())
    }
}

fn read(message: &Delivery, tag: u64) -> DeadHint {
    let hint = match envelope::open(&message.data) {
        Opened::Hint(hint) => Some(hint),
        Opened::Unknown(_) | Opened::Unreadable(_) => None,
    };
    let headers = message.properties.headers().clone().unwrap_or_default();
    let own = text(headers.inner().get(REASON));
    let reason = own.or_else(|| brokers_reason(&headers)).unwrap_or_else(|| "no reason was given".to_owned());
    DeadHint { hint, reason, tag }
}

/// What the broker tells of a message that it moved itself.
fn brokers_reason(headers: &FieldTable) -> Option<String> {
    let Some(AMQPValue::FieldArray(deaths)) = headers.inner().get("x-death") else { return None };
    let AMQPValue::FieldTable(last) = first(deaths)? else { return None };
    let reason = text(last.inner().get("reason"))?;
    let queue = text(last.inner().get("queue")).unwrap_or_default();
    let words = match reason.as_str() {
        "rejected" => "a worker rejected it",
        "expired" => "it waited too long",
        "maxlen" => "the queue was full",
        "delivery_limit" => "too many workers broke while they had it",
        _ => "the broker gave it up",
    };
    Some(format!("{words} ({reason}, queue {queue})"))
}

fn first(array: &FieldArray) -> Option<&AMQPValue> {
    array.as_slice().first()
}

fn text(value: Option<&AMQPValue>) -> Option<String> {
    match value? {
        AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}
