//! The asking: each request of a task on its own, several at a time.

use futures::StreamExt as _;
use jobpipe_connectors::http::{Auth, HttpCall, Method, http_date};
use jobpipe_core::{Answer, ErrorClass, Request, StageCx, TaskError, utc_text};
use jobpipe_expr::{SettingError, Subject, ValueKind, Vars};
use secrecy::SecretString;
use serde_json::{Value as Json, json};
use url::Url;

use super::ask::{Ask, Role};
use super::budget::Allowance;
use super::definition::AuthSettings;
use super::location::Location;
use super::stage::CrawlStage;
use crate::failure::{code, eval_failed, permanent};

/// Requests of one task that are under way at once, where the import says nothing.
const AT_ONCE: usize = 4;

/// Credentials and headers of the import, read for one task.
struct Sent {
    auth: Option<Auth>,
    /// Secret headers; none of them goes to a stranger.
    secret: Vec<(String, SecretString)>,
}

/// Asks for all of `requests`; each has its own answer, in their order.
pub(super) async fn gather(stage: &CrawlStage, requests: Vec<Request>, cx: &StageCx) -> Vec<Answer> {
    let sent = read_settings(stage);
    let vars = stage.vars(&cx.facts);
    let at_once = stage.definition.spec.concurrency.map_or(AT_ONCE, |most| usize::try_from(most).unwrap_or(AT_ONCE));
    let asked = futures::stream::iter(requests.into_iter().map(|request| {
        let (sent, vars) = (&sent, &vars);
        async move {
            let result = match sent {
                Ok(sent) => ask(stage, &request, sent, vars, cx).await,
                Err(error) => Err(error.clone()),
            };
            let at = cx.clock.now();
            match result {
                Ok((head, body)) => Answer { request, result: Ok(head), body, at },
                Err(error) => Answer { request, result: Err(error), body: Vec::new(), at },
            }
        }
    }));
    asked.buffered(at_once.max(1)).collect().await
}

/// One request: the head of its answer (final URL, content type) and the body.
async fn ask(
    stage: &CrawlStage,
    request: &Request,
    sent: &Sent,
    vars: &Vars,
    cx: &StageCx,
) -> Result<(Json, Vec<u8>), TaskError> {
    if cx.stop.is_stopping() {
        let message = format!("{}: not asked, as the process stops", request.url);
        let code = code::STOPPING.to_owned();
        return Err(TaskError { class: ErrorClass::Throttled, code, message, retry_after_ms: Some(0) });
    }
    if Allowance::new(stage.budget, &cx.facts).is_late(cx.clock.now()) {
        return Err(permanent(code::TIME, format!("{}: not asked, as `max: {{ time }}` is used up", request.url)));
    }
    let ask = Ask::read(request)?;
    match &ask.to {
        Location::Url(url) => fetch(stage, url, &ask, sent, vars).await,
        Location::File(path) => read_file(stage, path.clone()).await,
    }
}

async fn fetch(
    stage: &CrawlStage,
    url: &Url,
    ask: &Ask,
    sent: &Sent,
    vars: &Vars,
) -> Result<(Json, Vec<u8>), TaskError> {
    let spec = &stage.definition.spec;
    let tools = &stage.tools;
    let trusted = stage.trusted.covers(url);
    let mut headers = open_headers(stage, ask, vars)?;
    if trusted {
        headers.extend(sent.secret.iter().cloned());
    }
    let call = HttpCall {
        method: method(stage, ask),
        auth: sent.auth.clone().filter(|_| trusted),
        headers,
        body: ask.body.as_ref().map(|body| ("application/json".to_owned(), body.to_string().into_bytes())),
        rate: tools.rate(spec, url.host_str().unwrap_or_default()),
        robots: spec.robots == jobpipe_config::spec::Robots::Obey,
        timeout: tools.timeout(spec),
        url: url.clone(),
    };
    let answer = tools.http.fetch(&call).await?;
    let date = answer.headers.get("date").and_then(|date| http_date(date)).map(utc_text);
    let head =
        json!({ "url": answer.url, "status": answer.status, "content_type": answer.content_type(), "date": date });
    Ok((head, answer.body))
}

/// Detail pages are links, and so are got; everything else is asked for as the import says.
fn method(stage: &CrawlStage, ask: &Ask) -> Method {
    match (ask.role, stage.definition.method()) {
        (Role::Source, "POST") => Method::POST,
        (Role::Source | Role::Detail, _) => Method::GET,
    }
}

async fn read_file(stage: &CrawlStage, path: String) -> Result<(Json, Vec<u8>), TaskError> {
    let files = stage.tools.files.clone();
    let shown = path.clone();
    let read = tokio::task::spawn_blocking(move || files.read(&path)).await;
    let answer =
        read.map_err(|_| permanent(code::READ, format!("{shown}: reading it was broken off; run again")))??;
    Ok((json!({ "content_type": answer.content_type }), answer.body))
}

/// Headers without secrets, evaluated on the record that led to the request.
fn open_headers(stage: &CrawlStage, ask: &Ask, vars: &Vars) -> Result<Vec<(String, SecretString)>, TaskError> {
    let record = Json::Object(ask.record.clone());
    let subject = Subject::new(&record);
    let mut headers = Vec::new();
    for (name, value) in stage.definition.headers.iter().filter(|(_, value)| !is_secret(value.kind())) {
        let text = value.eval(&subject, vars).map_err(|error| eval_failed(&format!("`headers.{name}`"), &error))?;
        match text {
            None | Some(Json::Null) => {}
            Some(Json::String(text)) => headers.push((name.clone(), text.into())),
            Some(other) => headers.push((name.clone(), other.to_string().into())),
        }
    }
    Ok(headers)
}

fn is_secret(kind: &ValueKind) -> bool {
    matches!(kind, ValueKind::Setting(_))
}

/// Reads credentials late: once a task, never kept.
fn read_settings(stage: &CrawlStage) -> Result<Sent, TaskError> {
    let lookup = stage.tools.lookup.as_ref();
    let unset =
        |error: &SettingError| permanent(code::SETTING, format!("stage `{}`: {error} ({})", stage.name, error.code()));
    let resolve = |setting: &jobpipe_expr::Setting| setting.resolve(lookup).map_err(|error| unset(&error));
    let auth = match &stage.definition.auth {
        None => None,
        Some(AuthSettings::Bearer(token)) => Some(Auth::Bearer(resolve(token)?)),
        Some(AuthSettings::Basic { user, password }) => {
            Some(Auth::Basic { user: resolve(user)?, password: resolve(password)? })
        }
    };
    let mut secret = Vec::new();
    for (name, value) in &stage.definition.headers {
        if let ValueKind::Setting(setting) = value.kind() {
            secret.push((name.clone(), resolve(setting)?));
        }
    }
    Ok(Sent { auth, secret })
}
