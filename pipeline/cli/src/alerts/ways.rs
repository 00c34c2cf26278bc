//! The ways to tell somebody: a webhook, a mail to one person, a command.

use super::email::{Mail, MailError};
use super::message::{Message, Origin};
use jobpipe_connectors::http::{HttpCall, HttpClient, Method, shown_url};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// The longest that a message may take on one way.
pub(super) const LONGEST: Duration = Duration::from_secs(20);

/// One way to tell somebody.
pub(super) enum Way {
    /// An object by POST.
    Webhook { url: url::Url, http: Arc<HttpClient> },
    /// A mail to one of its recipients: one who cannot be reached keeps nobody else from being told.
    Email { mail: Arc<Mail>, to: usize },
    /// The object on a program's standard input.
    Command { words: Vec<String>, root: PathBuf },
}

/// Why a message was not sent. Never holds a secret.
#[derive(Debug)]
pub(super) struct Unsent {
    pub(super) why: String,
    /// The next message would fare no better now.
    pub(super) is_down: bool,
}

impl Way {
    /// What it goes by: ways of one kind are down together.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Email { .. } => "email",
            Self::Command { .. } => "command",
        }
    }

    /// Sends a message.
    pub(super) async fn send(&self, message: &Message, origin: &Origin) -> Result<(), Unsent> {
        match self {
            Self::Webhook { url, http } => post(url, http, &message.json(origin)).await.map_err(down),
            Self::Command { words, root } => pipe(words, root, &message.json(origin)).await.map_err(down),
            Self::Email { mail, to } => mail.send(*to, message, origin).await.map_err(|error| match error {
                MailError::Refused(why) => Unsent { why, is_down: false },
                MailError::Down(why) => down(why),
            }),
        }
    }
}

fn down(why: String) -> Unsent {
    Unsent { why, is_down: true }
}

async fn post(url: &url::Url, http: &HttpClient, message: &Json) -> Result<(), String> {
    let body = Some(("application/json".to_owned(), message.to_string().into_bytes()));
    let call =
        HttpCall { method: Method::POST, body, robots: false, timeout: Some(LONGEST), ..HttpCall::get(url.clone()) };
    // a webhook's address is its password
    let hidden = |text: String| text.replace(&shown_url(url), "the webhook").replace(url.as_str(), "the webhook");
    http.fetch(&call).await.map(|_| ()).map_err(|error| hidden(error.to_string()))
}

async fn pipe(words: &[String], root: &Path, message: &Json) -> Result<(), String> {
    let Some((program, arguments)) = words.split_first() else { return Ok(()) };
    let failed = |error: std::io::Error| format!("`{program}` cannot be run: {error}");
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).current_dir(root).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.stderr(Stdio::null()).kill_on_drop(true).spawn().map_err(failed)?;
    let told = async {
        if let Some(mut input) = child.stdin.take() {
            // one that does not read may do its work all the same
            let _unread = input.write_all(format!("{message}\n").as_bytes()).await;
        }
        child.wait().await
    };
    match tokio::time::timeout(LONGEST, told).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!("`{program}` ended with {status}")),
        Ok(Err(error)) => Err(failed(error)),
        Err(_) => Err(format!("`{program}` took longer than {} s", LONGEST.as_secs())),
    }
}
