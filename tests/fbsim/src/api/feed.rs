//! `POST /{page}/feed`: a new post.

use super::access::Caller;
use super::call::Call;
use super::error::ApiError;
use super::params::{self, Params};
use crate::clock::parse_time_ms;
use crate::state::{World, Write, WriteOp};
use serde_json::{Value, json};
use url::Url;

/// Characters of a message.
const MAX_MESSAGE: usize = 63_206;
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// Makes a post, or refuses it before anything was done.
pub(crate) fn create(world: &mut World, call: &Call, caller: &Caller, page: &str) -> Result<Value, ApiError> {
    let message = checked_message(&call.params)?.unwrap_or_default();
    let link = checked_link(&call.params)?;
    if message.is_empty() && link.is_none() {
        return Err(ApiError::param("Either message or link is required: the post is empty"));
    }
    let scheduled_ms = schedule(&call.params, world.now_ms())?;
    let published = params::boolean(&call.params, "published")?.unwrap_or(true);
    if published && scheduled_ms.is_some() {
        return Err(ApiError::param("You cannot specify a scheduled publish time on a published post"));
    }
    if world.settings.duplicate_check && published && previous_message(world, page) == Some(message.as_str()) {
        return Err(ApiError::duplicate());
    }
    let write = Write {
        op: WriteOp::Create,
        page: page.to_owned(),
        post: None,
        message,
        link,
        published,
        scheduled_ms,
        app: Some(caller.app.clone()),
    };
    let effect = world.execute(write).map_err(|error| ApiError::internal(&error))?;
    Ok(json!({ "id": effect.post }))
}

/// The `message`, if given, not too long.
pub(crate) fn checked_message(params: &Params) -> Result<Option<String>, ApiError> {
    match params.get("message") {
        Some(message) if message.chars().count() > MAX_MESSAGE => {
            Err(ApiError::param(&format!("The message is longer than {MAX_MESSAGE} characters")))
        }
        message => Ok(message.cloned()),
    }
}

fn checked_link(params: &Params) -> Result<Option<String>, ApiError> {
    let Some(link) = params.get("link").filter(|link| !link.is_empty()) else { return Ok(None) };
    let is_web = Url::parse(link).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if is_web { Ok(Some(link.clone())) } else { Err(ApiError::param("link URL is not properly formatted")) }
}

/// `scheduled_publish_time`, from ten minutes to thirty days ahead.
pub(crate) fn schedule(params: &Params, now_ms: i64) -> Result<Option<i64>, ApiError> {
    let Some(text) = params.get("scheduled_publish_time") else { return Ok(None) };
    let due = parse_time_ms(text);
    match due {
        Some(due) if (now_ms + 10 * MINUTE_MS..=now_ms + 30 * DAY_MS).contains(&due) => Ok(Some(due)),
        _ => Err(ApiError::param("The specified scheduled publish time is invalid.")),
    }
}

/// The message of the newest post that the page shows, as Facebook compares with that one alone.
fn previous_message<'a>(world: &'a World, page: &str) -> Option<&'a str> {
    let now = world.now_ms();
    let posts = &world.pages.get(page)?.posts;
    let live = |id: &String| {
        let post = world.posts.get(id)?;
        post.present().filter(|version| post.is_live(version, now))
    };
    posts.iter().rev().find_map(live).map(|version| version.message.as_str()).filter(|message| !message.is_empty())
}
