//! Publishing: in windows, each message confirmed, and each known to have reached a queue.

use crate::link::{Link, Session};
use crate::names::Names;
use crate::settings::AmqpSettings;
use crate::topology::{self, Purpose};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel, Confirmation};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::timeout;

/// A quorum queue that was just made, or whose node went, refuses everything until it has a leader: mostly so long.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
/// A queue that still refuses after pauses that grew to this does so for another reason.
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// One message for one queue.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    /// The broker's name of the queue.
    pub(crate) to: String,
    pub(crate) purpose: Purpose,
    pub(crate) body: Vec<u8>,
    /// Text headers.
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// Publishes over one connection.
#[derive(Debug)]
pub(crate) struct Publisher {
    link: Link,
    names: Names,
    settings: Arc<AmqpSettings>,
    /// Messages that may be on their way.
    room: Semaphore,
    open: Mutex<Open>,
}

/// What belongs to one session.
#[derive(Debug, Default)]
struct Open {
    generation: u64,
    channel: Option<Channel>,
    declared: BTreeSet<String>,
}

/// How a window ended, where every message got an answer.
#[derive(Debug, Default)]
struct Answers {
    /// Came back: there is no such queue.
    returned: Vec<Letter>,
    /// The broker's words on those that came back.
    why: String,
    /// Refused by the queue: surely not there, so they may be sent again.
    refused: Vec<Letter>,
}

impl Publisher {
    pub(crate) fn new(link: Link, names: Names, settings: Arc<AmqpSettings>) -> Self {
        let room = Semaphore::new(settings.window);
        Self { link, names, settings, room, open: Mutex::default() }
    }

    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    /// Resolves when the broker has all of them. After an error it may have any of them.
    pub(crate) async fn send(&self, letters: Vec<Letter>) -> Result<(), String> {
        let mut letters = letters;
        while !letters.is_empty() {
            let rest = letters.split_off(letters.len().min(self.settings.window));
            self.window(letters).await?;
            letters = rest;
        }
        Ok(())
    }

    async fn window(&self, letters: Vec<Letter>) -> Result<(), String> {
        let count = letters.len();
        let many = u32::try_from(count).unwrap_or(u32::MAX);
        let _room = self.room.acquire_many(many).await.map_err(|error| error.to_string())?;
        let session = self.link.open_within(self.settings.patience).await?;
        let mut answers = self.once(&session, letters).await?;
        let mut pause = FIRST_PAUSE;
        while !answers.refused.is_empty() && pause < LAST_PAUSE {
            tokio::time::sleep(pause).await;
            pause *= 2;
            let again = self.once(&session, std::mem::take(&mut answers.refused)).await?;
            answers.returned.extend(again.returned);
            answers.refused = again.refused;
        }
        if !answers.refused.is_empty() {
            let refused = answers.refused.len();
            return Err(format!(
                "the broker refused {refused} of {count} messages: the queue is full, or has no leader"
            ));
        }
        if answers.returned.is_empty() {
            return Ok(());
        }
        // somebody deleted the queue: declare it, and once more
        {
            let mut open = self.open.lock().await;
            for letter in &answers.returned {
                open.declared.remove(&letter.to);
            }
        }
        let again = self.once(&session, answers.returned).await?;
        if again.returned.is_empty() && again.refused.is_empty() {
            return Ok(());
        }
        let lost = again.returned.len() + again.refused.len();
        Err(format!("the broker has no queue for {lost} of {count} messages: {}", again.why))
    }

    async fn once(&self, session: &Session, letters: Vec<Letter>) -> Result<Answers, String> {
        let answers = self.answered(session, letters).await;
        if answers.is_err() {
            // confirms that nobody waits for any more go with their channel
            self.open.lock().await.channel = None;
        }
        answers
    }

    async fn answered(&self, session: &Session, letters: Vec<Letter>) -> Result<Answers, String> {
        let most = self.settings.confirm_timeout;
        let count = letters.len();
        let unknown = |why: &str| format!("it is unknown whether the broker has {count} messages: {why}");
        tokio::select! {
            biased;
            answered = timeout(most, self.exchange(session, letters)) => match answered {
                Ok(Ok(answers)) => Ok(answers),
                Ok(Err(why)) => Err(unknown(&why)),
                Err(_) => match session.blocked() {
                    Some((_, why)) => Err(unknown(&format!("the broker takes none: {why}"))),
                    None => {
                        let why = format!("no confirm within {most:?}");
                        session.fail(why.as_str());
                        Err(unknown(&why))
                    }
                },
            },
            why = session.failed() => Err(unknown(&why)),
        }
    }

    async fn exchange(&self, session: &Session, letters: Vec<Letter>) -> Result<Answers, String> {
        let channel = self.channel(session, &letters).await?;
        let mandatory = BasicPublishOptions { mandatory: true, immediate: false };
        let mut confirms = FuturesUnordered::new();
        for letter in letters {
            let properties = properties(&letter);
            let sent =
                channel.basic_publish("".into(), topology::short(&letter.to), mandatory, &letter.body, properties);
            let confirm = sent.await.map_err(|error| error.to_string())?;
            confirms.push(async move { (confirm.await, letter) });
        }
        let mut answers = Answers::default();
        while let Some((confirm, letter)) = confirms.next().await {
            match confirm.map_err(|error| error.to_string())? {
                Confirmation::Ack(None) => {}
                Confirmation::Ack(Some(back)) => {
                    answers.why = format!("{} ({})", back.reply_text, back.reply_code);
                    answers.returned.push(letter);
                }
                Confirmation::Nack(_) => answers.refused.push(letter),
                Confirmation::NotRequested => return Err("the channel gives no confirms".to_owned()),
            }
        }
        Ok(answers)
    }

    /// The channel with confirms of this session; the queues of the letters are declared.
    async fn channel(&self, session: &Session, letters: &[Letter]) -> Result<Channel, String> {
        let mut open = self.open.lock().await;
        if open.generation != session.generation {
            *open = Open { generation: session.generation, ..Open::default() };
        }
        let dead = self.names.dead();
        let hints = letters.iter().map(|letter| (letter.to.as_str(), letter.purpose));
        for (name, purpose) in std::iter::once((dead.as_str(), Purpose::Dead)).chain(hints) {
            if !open.declared.contains(name) {
                topology::declare(session, &self.names, name, purpose).await?;
                open.declared.insert(name.to_owned());
            }
        }
        if let Some(channel) = open.channel.as_ref().filter(|channel| channel.status().connected()) {
            return Ok(channel.clone());
        }
        let channel = session.connection.create_channel().await.map_err(|error| error.to_string())?;
        channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(|error| error.to_string())?;
        open.channel = Some(channel.clone());
        Ok(channel)
    }
}

fn properties(letter: &Letter) -> BasicProperties {
    let properties = BasicProperties::default().with_delivery_mode(2).with_content_type("application/json".into());
    if letter.headers.is_empty() {
        return properties;
    }
    let mut headers = FieldTable::default();
    for (name, text) in &letter.headers {
        headers.insert((*name).into(), AMQPValue::LongString(LongString::from(text.as_str())));
    }
    properties.with_headers(headers)
}
