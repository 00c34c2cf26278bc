//! Alerts: trouble with deployed imports is told by webhook, mail and command, once for all processes that look.

mod email;
mod message;
mod ways;

use crate::commands::worker::machine_name;
use crate::deployed::last_run;
use crate::exit::{Failure, Outcome};
use crate::load::Process;
use crate::place::Place;
use email::Mail;
use jobpipe_config::settings::{Loaded, Notify};
use jobpipe_connectors::http::{HttpClient, HttpSettings, LocalLimiter};
use jobpipe_core::{DocKind, Millis};
use jobpipe_engine::docs::{self, Alerted, ImportDoc, Read, ScheduleDoc};
use jobpipe_engine::scheduler::{deploy, to_tell, trouble};
use jobpipe_engine::{Cx, EngineError};
use message::{Message, Origin};
use secrecy::ExposeSecret;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Sender;
use ways::{Unsent, Way};

/// How often all imports are looked at when nothing happens.
const LOOK: Duration = Duration::from_secs(60);
/// The shortest rest between two looks, whatever happens.
const REST: Duration = Duration::from_secs(1);
/// A look rests so many times as long as it took.
const SHARE: u32 = 20;

/// Who is told.
pub(crate) struct Alerts {
    ways: Vec<Way>,
    /// An import without a run that succeeded for so long is told.
    fresh: Option<Millis>,
    /// The same trouble is told again after so long.
    repeat: Millis,
    origin: Origin,
    /// By import: what some have got and others have not.
    left: BTreeMap<String, Left>,
    /// By import: what was said last of a message that nobody got.
    complaints: BTreeMap<String, String>,
    /// The ways that failed in this look, by kind, and why: they are left alone until the next one.
    down: BTreeMap<&'static str, String>,
}

/// A message that is still owed to somebody.
struct Left {
    message: Message,
    /// By their place among the ways.
    ways: BTreeSet<usize>,
}

impl Alerts {
    /// Those of a project; `None` when nobody is to be told.
    pub(crate) fn of(loaded: &Loaded, place: &Place, clock: &Arc<dyn jobpipe_core::Clock>) -> Outcome<Option<Self>> {
        let notify = &loaded.settings.notify;
        if !notify.is_wanted() {
            return Ok(None);
        }
        let millis = |period: jobpipe_config::grammar::Period| Millis::try_from(period.ms()).unwrap_or(Millis::MAX);
        let (env, machine) = (loaded.project.environment.clone(), machine_name());
        Ok(Some(Self {
            ways: wired(loaded, notify, &machine, clock)?,
            fresh: notify.fresh.map(millis),
            repeat: millis(notify.repeat),
            origin: Origin { env, machine, store: place.shown() },
            left: BTreeMap::new(),
            complaints: BTreeMap::new(),
            down: BTreeMap::new(),
        }))
    }

    /// Looks whenever something happens here, and now and then for what happens elsewhere, until nobody listens.
    pub(crate) async fn keep(mut self, cx: Arc<Cx>, said: Sender<String>) {
        let mut heard = cx.news.subscribe();
        while !said.is_closed() {
            let began = cx.clock.monotonic();
            if let Err(error) = self.look(&cx, &said).await {
                tracing::warn!("alerts: {error}; looked again");
            }
            let took = cx.clock.monotonic().saturating_sub(began);
            cx.clock.sleep(REST.max(took * SHARE)).await;
            tokio::select! {
                () = cx.news.changed(&mut heard) => {}
                () = cx.clock.sleep(LOOK) => {}
            }
        }
    }

    async fn look(&mut self, cx: &Cx, said: &Sender<String>) -> Result<(), EngineError> {
        self.down.clear();
        let now = cx.store.time().await?;
        let all = deploy::all(cx).await?;
        let names: BTreeSet<&String> = all.iter().map(|(name, _)| name).collect();
        self.left.retain(|name, _| names.contains(name));
        self.complaints.retain(|name, _| names.contains(name));
        for (name, read) in all {
            let import: Option<Read<ImportDoc>> = docs::read(&*cx.store, DocKind::Import, &name).await?;
            let import = import.map(|read| read.doc).unwrap_or_default();
            let is_asked = self.fresh.is_some() || import.failures > 0;
            let last = if is_asked { last_run(cx, &import).await? } else { None };
            let ended = last.and_then(|run| run.ended_at);
            let found = trouble(&read.doc, &import, ended, now, self.fresh);
            let state = found.as_ref().map_or("well", |found| found.kind);
            let Some((text, told)) = to_tell(found.as_ref(), read.doc.told.as_ref(), now, self.repeat) else {
                self.tell_the_rest(said, &name, state).await;
                continue;
            };
            let since = match state {
                "paused" => import.paused.as_ref().map(|paused| paused.at),
                "failed" | "stale" => ended,
                _ => None,
            };
            let run = import.closed.map(|closed| closed.run);
            let message = Message { import: name, state, text, since, at: now, run };
            self.tell_once(cx, said, &read, told, message).await?;
        }
        Ok(())
    }

    /// Sends a message, if no other process has sent it. One that nobody got is anybody's to send at a later look; one
    /// that some have got is left to this process, so that they do not get it again.
    async fn tell_once(
        &mut self,
        cx: &Cx,
        said: &Sender<String>,
        read: &Read<ScheduleDoc>,
        told: Option<Alerted>,
        message: Message,
    ) -> Result<(), EngineError> {
        let name = message.import.clone();
        let new = ScheduleDoc { told, ..read.doc.clone() };
        let Some(put) = docs::replace(&*cx.store, &*cx.ids, DocKind::Schedule, &name, read, new).await? else {
            return Ok(());
        };
        let all: BTreeSet<usize> = (0..self.ways.len()).collect();
        let (owed, why) = self.send(&all, &message).await;
        let line = message.line();
        if owed.len() < all.len() {
            self.complaints.remove(&name);
            self.left.remove(&name);
            let mut line = format!("alert: {line}");
            if !owed.is_empty() {
                line.push_str(&format!(" (not to all: {why}; tried again)"));
                self.left.insert(name, Left { message, ways: owed });
            }
            let _nobody = said.send(line).await;
            return Ok(());
        }
        let line = format!("alert: {line} (not sent: {why}; tried again)");
        if self.complaints.get(&name) != Some(&line) {
            let _nobody = said.send(line.clone()).await;
            self.complaints.insert(name.clone(), line);
        }
        let back = ScheduleDoc { told: read.doc.told.clone(), ..put.doc.clone() };
        // whoever was faster looks at it anyway
        docs::replace(&*cx.store, &*cx.ids, DocKind::Schedule, &name, &put, back).await?;
        Ok(())
    }

    /// Sends what is still owed of an import's last message, if it is still so.
    async fn tell_the_rest(&mut self, said: &Sender<String>, name: &str, state: &str) {
        let left = self.left.remove(name).filter(|left| left.message.state == state);
        let Some(Left { message, ways }) = left else { return };
        let (owed, _told_before) = self.send(&ways, &message).await;
        if owed.is_empty() {
            let _nobody = said.send(format!("alert: {}: now all were told", message.import)).await;
        } else {
            self.left.insert(name.to_owned(), Left { message, ways: owed });
        }
    }

    /// Sends a message; gives the ways that it did not go, and why.
    async fn send(&mut self, ways: &BTreeSet<usize>, message: &Message) -> (BTreeSet<usize>, String) {
        let (mut owed, mut wrong) = (BTreeSet::new(), Vec::new());
        for at in ways {
            let Some(way) = self.ways.get(*at) else { continue };
            let sent = match self.down.get(way.kind()) {
                Some(why) => Err(Unsent { why: why.clone(), is_down: true }),
                None => way.send(message, &self.origin).await,
            };
            let Err(Unsent { why, is_down }) = sent else { continue };
            if is_down {
                self.down.insert(way.kind(), why.clone());
            }
            owed.insert(*at);
            if !wrong.contains(&why) {
                wrong.push(why);
            }
        }
        (owed, wrong.join("; "))
    }
}

/// The ways to tell somebody that the settings name.
fn wired(loaded: &Loaded, notify: &Notify, machine: &str, clock: &Arc<dyn jobpipe_core::Clock>) -> Outcome<Vec<Way>> {
    let mut ways = Vec::new();
    if let Some(secret) = &notify.webhook {
        let text = secret.resolve(&Process::of(&loaded.project));
        let text = text.map_err(|error| Failure::usage(format!("notify.webhook: {error} ({})", error.code())))?;
        let wrong = || Failure::usage("notify.webhook: the secret is no http or https URL");
        let url: url::Url = text.expose_secret().trim().parse().map_err(|_| wrong())?;
        let limiter = Arc::new(LocalLimiter::new(Arc::clone(clock)));
        let http = HttpClient::new(HttpSettings::from_settings(&loaded.settings), limiter, Arc::clone(clock));
        let http = Arc::new(http.map_err(|error| Failure::usage(error.to_string()))?);
        ways.push(Way::Webhook { url, http });
    }
    if let Some(email) = &notify.email {
        let mail = Arc::new(Mail::of(loaded, email, machine)?);
        ways.extend((0..mail.recipients()).map(|to| Way::Email { mail: Arc::clone(&mail), to }));
    }
    if let Some(words) = &notify.command {
        ways.push(Way::Command { words: words.clone(), root: loaded.project.root.clone() });
    }
    Ok(ways)
}
