//! A post as the Graph API shows it.

use super::error::ApiError;
use super::fields::{self, Field};
use crate::clock::graph_time;
use crate::state::{Post, Version};
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

const KNOWN: [&str; 18] = [
    "id",
    "message",
    "created_time",
    "updated_time",
    "is_published",
    "scheduled_publish_time",
    "is_expired",
    "is_hidden",
    "application",
    "admin_creator",
    "permalink_url",
    "attachments",
    "from",
    "status_type",
    "full_picture",
    "story",
    "shares",
    "privacy",
];
/// Gone from posts since v3.3: a post's link is in its attachments.
const REMOVED: [&str; 8] = ["link", "name", "caption", "description", "object_id", "source", "type", "picture"];

/// The `fields` of a read of posts, checked; the three of the default if none are named.
pub(crate) fn wanted(text: Option<&String>) -> Result<Vec<Field>, ApiError> {
    let fields = fields::parse(text.map_or("id,message,created_time", String::as_str))?;
    for Field { name, .. } in &fields {
        if REMOVED.contains(&name.as_str()) {
            let message =
                "(#12) deprecate_post_aggregated_fields_for_attachement is deprecated for versions v3.3 and higher";
            return Err(ApiError::new(400, "OAuthException", 12, message.to_owned()));
        }
        if !KNOWN.contains(&name.as_str()) {
            return Err(ApiError::param(&format!(
                "Tried accessing nonexisting field ({name}) on node type (PagePost)"
            )));
        }
    }
    Ok(fields)
}

/// The wanted fields of one version of a post.
pub(crate) fn show(post: &Post, version: &Version, now_ms: i64, wanted: &[Field]) -> Value {
    let mut full = json!({
        "id": post.id,
        "created_time": graph_time(post.created_ms),
        "updated_time": graph_time(version.at_ms),
        "is_published": post.is_live(version, now_ms),
        "is_expired": false,
        "is_hidden": false,
        "permalink_url": format!("https://www.facebook.com/{}", post.id),
        "from": { "id": post.page, "name": post.page },
        "status_type": if post.link.is_some() { "shared_story" } else { "mobile_status_update" },
        "privacy": { "value": "EVERYONE" },
    });
    if !version.message.is_empty() {
        full["message"] = version.message.as_str().into();
    }
    if let Some(due) = post.scheduled_ms {
        full["scheduled_publish_time"] = (due / 1000).into();
    }
    if let Some(app) = &post.app {
        full["application"] = json!({ "id": app, "name": format!("app {app}") });
    }
    if let Some(link) = &post.link {
        full["attachments"] = json!({ "data": [attachment(link)] });
    }
    fields::select(&full, wanted)
}

fn attachment(link: &str) -> Value {
    let shimmed: String = byte_serialize(link.as_bytes()).collect();
    let shimmed = format!("https://l.facebook.com/l.php?u={shimmed}");
    json!({
        "title": link,
        "type": "share",
        "media_type": "link",
        "url": shimmed,
        "unshimmed_url": link,
        "target": { "url": shimmed },
    })
}
