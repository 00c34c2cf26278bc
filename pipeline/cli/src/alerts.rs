//! Alerts: trouble with deployed imports is told by a webhook or a command, once for all processes that look.

use crate::exit::{Failure, Outcome};
use crate::load::Process;
use jobpipe_config::settings::{Loaded, Notify};
use jobpipe_connectors::http::{HttpCall, HttpClient, HttpSettings, LocalLimiter, Method, shown_url};
use jobpipe_core::{DocKind, Millis, utc_text};
use jobpipe_engine::docs::{self, Alerted, ImportDoc, Read, RunDoc, ScheduleDoc};
use jobpipe_engine::scheduler::{deploy, to_tell, trouble};
use jobpipe_engine::{Cx, EngineError};
use secrecy::ExposeSecret;
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc::Sender;

/// How often all imports are looked at when nothing happens.
const LOOK: Duration = Duration::from_secs(60);
/// The shortest rest between two looks, whatever happens.
const REST: Duration = Duration::from_secs(1);
/// A look rests so many times as long as it took.
const SHARE: u32 = 20;
/// The longest that a message may take.
const LONGEST: Duration = Duration::from_secs(20);

/// Who is told.
pub(crate) struct Alerts {
    notify: Notify,
    webhook: Option<(url::Url, HttpClient)>,
    root: PathBuf,
    /// The environment's name.
    env: String,
}

impl Alerts {
    /// Those of a project; `None` when nobody is to be told.
    pub(crate) fn of(loaded: &Loaded, clock: &Arc<dyn jobpipe_core::Clock>) -> Outcome<Option<Self>> {
        let notify = loaded.settings.notify.clone();
        if !notify.is_wanted() {
            return Ok(None);
        }
        let webhook = match &notify.webhook {
            None => None,
            Some(secret) => {
                let text = secret.resolve(&Process::of(&loaded.project));
                let text =
                    text.map_err(|error| Failure::usage(format!("notify.webhook: {error} ({})", error.code())))?;
                let wrong = || Failure::usage("notify.webhook: the secret is no http or https URL");
                let url: url::Url = text.expose_secret().trim().parse().map_err(|_| wrong())?;
                let limiter = Arc::new(LocalLimiter::new(Arc::clone(clock)));
                let http = HttpClient::new(HttpSettings::from_settings(&loaded.settings), limiter, Arc::clone(clock));
                Some((url, http.map_err(|error| Failure::usage(error.to_string()))?))
            }
        };
        let (root, env) = (loaded.project.root.clone(), loaded.project.environment.clone());
        Ok(Some(Self { notify, webhook, root, env }))
    }

    /// Looks whenever something happens here, and now and then for what happens elsewhere, until nobody listens.
    pub(crate) async fn keep(self, cx: Arc<Cx>, said: Sender<String>) {
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

    async fn look(&self, cx: &Cx, said: &Sender<String>) -> Result<(), EngineError> {
        let millis = |period: jobpipe_config::grammar::Period| Millis::try_from(period.duration().as_millis());
        let fresh = self.notify.fresh.and_then(|fresh| millis(fresh).ok());
        let repeat = millis(self.notify.repeat).unwrap_or(Millis::MAX);
        let now = cx.store.time().await?;
        for (name, read) in deploy::all(cx).await? {
            let import: Option<Read<ImportDoc>> = docs::read(&*cx.store, DocKind::Import, &name).await?;
            let import = import.map(|read| read.doc).unwrap_or_default();
            let ended = if fresh.is_some() { ended(cx, &import).await? } else { None };
            let found = trouble(&read.doc, &import, ended, now, fresh);
            let Some((text, told)) = to_tell(found.as_ref(), read.doc.told.as_ref(), now, repeat) else { continue };
            let kind = found.as_ref().map_or("well", |found| found.kind);
            let message = json!({
                "import": name, "state": kind, "text": format!("{name}: {text}"), "env": self.env, "at": utc_text(now),
            });
            self.tell_once(cx, said, &name, &read, told, &message).await?;
        }
        Ok(())
    }

    /// Sends a message, if no other process has sent it. One that cannot be sent is tried again at a later look.
    async fn tell_once(
        &self,
        cx: &Cx,
        said: &Sender<String>,
        name: &str,
        read: &Read<ScheduleDoc>,
        told: Option<Alerted>,
        message: &Json,
    ) -> Result<(), EngineError> {
        let new = ScheduleDoc { told, ..read.doc.clone() };
        let Some(put) = docs::replace(&*cx.store, &*cx.ids, DocKind::Schedule, name, read, new).await? else {
            return Ok(());
        };
        let text = message["text"].as_str().unwrap_or_default();
        match self.send(message).await {
            Ok(()) => {
                let _nobody = said.send(format!("alert: {text}")).await;
            }
            Err(why) => {
                let _nobody = said.send(format!("alert: {text} (not sent: {why}; tried again)")).await;
                let back = ScheduleDoc { told: read.doc.told.clone(), ..put.doc.clone() };
                // whoever was faster looks at it anyway
                docs::replace(&*cx.store, &*cx.ids, DocKind::Schedule, name, &put, back).await?;
            }
        }
        Ok(())
    }

    async fn send(&self, message: &Json) -> Result<(), String> {
        let mut wrong = Vec::new();
        if let Some((url, http)) = &self.webhook {
            let body = Some(("application/json".to_owned(), message.to_string().into_bytes()));
            let call = HttpCall {
                method: Method::POST,
                body,
                robots: false,
                timeout: Some(LONGEST),
                ..HttpCall::get(url.clone())
            };
            // a webhook's address is its password
            let hidden =
                |text: String| text.replace(&shown_url(url), "the webhook").replace(url.as_str(), "the webhook");
            wrong.extend(http.fetch(&call).await.err().map(|error| hidden(error.to_string())));
        }
        if let Some(words) = &self.notify.command {
            wrong.extend(self.command(words, message).await.err());
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
    }

    async fn command(&self, words: &[String], message: &Json) -> Result<(), String> {
        let Some((program, arguments)) = words.split_first() else { return Ok(()) };
        let failed = |error: std::io::Error| format!("`{program}` cannot be run: {error}");
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).current_dir(&self.root).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::null()).kill_on_drop(true).spawn().map_err(failed)?;
        if let Some(mut input) = child.stdin.take() {
            // one that does not read may do its work all the same
            let _unread = input.write_all(format!("{message}\n").as_bytes()).await;
        }
        match tokio::time::timeout(LONGEST, child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("`{program}` ended with {status}")),
            Ok(Err(error)) => Err(failed(error)),
            Err(_) => Err(format!("`{program}` took longer than {} s", LONGEST.as_secs())),
        }
    }
}

/// When the last run was closed that was not cancelled.
async fn ended(cx: &Cx, import: &ImportDoc) -> Result<Option<Millis>, EngineError> {
    let Some(closed) = &import.closed else { return Ok(None) };
    let run: Option<Read<RunDoc>> = docs::read(&*cx.store, DocKind::Run, &closed.run).await?;
    Ok(run.and_then(|run| run.doc.ended_at))
}
