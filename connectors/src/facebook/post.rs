//! What a page is to have of a record: the message, the link, and the marker in one of them.

use super::marker;
use super::pages::Page;
use jobpipe_core::{Content, ErrorClass, Millis, Rendered, RowId, TaskError, json, utc_text};
use jobpipe_expr::{Subject, Value, Vars};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use url::Url;

/// Facebook takes no longer message, in characters.
const LONGEST_MESSAGE: usize = 63_206;
/// No longer link is sent, in bytes.
const LONGEST_LINK: usize = 8_000;
/// Part of the fingerprint: moves when the same values make another post.
const VERSION: &str = "facebook post 1";

/// A post as it is sent; what a row keeps as its payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Post {
    /// The text, with the marker where there is no link.
    pub(super) message: String,
    /// The link, with the marker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) link: Option<String>,
}

/// The three values of an export that make a post.
#[derive(Debug, Clone, Default)]
pub(super) struct Template {
    pub(super) wanted: Option<Value>,
    pub(super) message: Option<Value>,
    pub(super) link: Option<Value>,
}

impl Template {
    /// What `page` is to have of the record `body`. An error is a dead letter: the record, not the page, is at fault.
    ///
    /// `now` is for `where` alone: what is posted may not depend on it, or it would never be the same twice.
    pub(super) fn render(&self, row: &RowId, page: &Page, now: Millis, body: &Json) -> Result<Rendered, TaskError> {
        let subject = Subject::new(body);
        let vars = Vars::new().with("page", page.variable()).with("key", row.key.clone());
        if let Some(wanted) = &self.wanted {
            let vars = vars.clone().with("now", utc_text(now - now.rem_euclid(1_000)));
            if evaluate(row, "where", Some(wanted), &subject, &vars)? != Some(Json::Bool(true)) {
                return Ok(Rendered::Nothing);
            }
        }
        let value = |name: &str, value: &Option<Value>| evaluate(row, name, value.as_ref(), &subject, &vars);
        let refuse = |what: String| refusal(row, &what);
        let message = text(value("message", &self.message)?).map_err(|kind| refuse(format!("`message` is {kind}")))?;
        let link = text(value("link", &self.link)?).map_err(|kind| refuse(format!("`link` is {kind}")))?;
        let link = link.map(|link| parse(&link)).transpose().map_err(refuse)?;
        let message = message.unwrap_or_default();
        if message.is_empty() && link.is_none() {
            return Err(refuse("both `message` and `link` are empty".to_owned()));
        }
        let length = message.chars().count();
        if length > LONGEST_MESSAGE - marker::IN_MESSAGE {
            return Err(refuse(format!(
                "`message` has {length} characters, and facebook takes {LONGEST_MESSAGE}: use truncate"
            )));
        }
        compose(row, &message, link.as_ref()).map_err(refuse)
    }
}

/// The post of a message and a link, of which one at least is there.
fn compose(row: &RowId, message: &str, link: Option<&Url>) -> Result<Rendered, String> {
    let marker = marker::of(row);
    let identity = link.map_or(String::new(), Url::to_string);
    let hash = fingerprint(message, &identity);
    let post = match link {
        Some(link) => Post { message: message.to_owned(), link: Some(marker::mark_link(link, &marker).into()) },
        None => Post { message: marker::mark_message(message, &marker), link: None },
    };
    let payload = serde_json::to_value(post).map_err(|error| error.to_string())?;
    Ok(Rendered::Content { content: Content { hash: Some(hash), identity }, payload })
}

/// What is compared of a post: its message and its link, both without the marker.
pub(super) fn fingerprint(message: &str, link: &str) -> String {
    json::hash_parts(&[VERSION, message, link])
}

/// An absolute http(s) link, in the one spelling that is compared.
fn parse(link: &str) -> Result<Url, String> {
    let start: String = link.chars().take(80).collect();
    if link.len() > LONGEST_LINK {
        return Err(format!("`link` is longer than {LONGEST_LINK} bytes: {start}..."));
    }
    match Url::parse(link) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        Ok(_) => Err(format!("`link` is no http or https address: {start}")),
        Err(why) => Err(format!("`link` is no address ({why}): {start}")),
    }
}

/// The text of a value; nothing for null, for no value and for blank text.
fn text(value: Option<Json>) -> Result<Option<String>, &'static str> {
    let text = match value {
        None | Some(Json::Null) => return Ok(None),
        Some(Json::String(text)) => text.trim().to_owned(),
        Some(Json::Number(number)) => number.to_string(),
        Some(Json::Bool(_)) => return Err("true or false, not text"),
        Some(Json::Array(_)) => return Err("a list, not text"),
        Some(Json::Object(_)) => return Err("a map, not text"),
    };
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn evaluate(
    row: &RowId,
    name: &str,
    value: Option<&Value>,
    subject: &Subject<'_>,
    vars: &Vars,
) -> Result<Option<Json>, TaskError> {
    let Some(value) = value else { return Ok(None) };
    value.eval(subject, vars).map_err(|error| TaskError {
        code: error.code().to_owned(),
        ..refusal(row, &format!("`{name}` of the record: {error}"))
    })
}

fn refusal(row: &RowId, what: &str) -> TaskError {
    let message = format!(
        "export `{}`, record `{}`: {what}; correct the export or what the transform gives it",
        row.export, row.key
    );
    TaskError { class: ErrorClass::Permanent, code: super::code::RENDER.to_owned(), message, retry_after_ms: None }
}
