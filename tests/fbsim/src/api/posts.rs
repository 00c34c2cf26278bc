//! `GET`, `POST` and `DELETE` of one post.

use super::access::Caller;
use super::call::Call;
use super::error::ApiError;
use super::{feed, params, post_view};
use crate::faults::{Fault, FaultKind};
use crate::state::{Post, Version, World, Write, WriteOp};
use serde_json::{Value, json};

/// Fields of a post that were fixed when it was made.
const FIXED: [&str; 4] = ["link", "attached_media", "child_attachments", "published"];

/// Shows a post, as old as reads are at the moment.
pub(crate) fn read(world: &World, call: &Call, id: &str, fault: Option<Fault>) -> Result<Value, ApiError> {
    let wanted = post_view::wanted(call.params.get("fields"))?;
    let now = seen_at(world, fault);
    let post = world.posts.get(id).ok_or_else(|| ApiError::gone(id))?;
    let version = post.as_of(now).ok_or_else(|| ApiError::gone(id))?;
    Ok(post_view::show(post, version, now, &wanted))
}

/// The time whose world a read sees.
pub(crate) fn seen_at(world: &World, fault: Option<Fault>) -> i64 {
    let ordered = fault.filter(|fault| fault.kind == FaultKind::ReadLag).map_or(0, |fault| fault.ms);
    world.now_ms().saturating_sub_unsigned(world.settings.read_lag_ms.max(ordered))
}

/// Edits the message, publishes a draft or moves its hour.
pub(crate) fn update(world: &mut World, call: &Call, caller: &Caller, id: &str) -> Result<Value, ApiError> {
    let (post, version) = owned(world, caller, id)?;
    if let Some(name) = FIXED.iter().find(|name| call.params.contains_key(**name)) {
        return Err(ApiError::param(&format!("{name} cannot be changed by an update of a post")));
    }
    let message = feed::checked_message(&call.params)?;
    let publish = params::boolean(&call.params, "is_published")?;
    let due = feed::schedule(&call.params, world.now_ms())?;
    if message.is_none() && publish.is_none() && due.is_none() {
        return Err(ApiError::param("Nothing to update: message, is_published or scheduled_publish_time is required"));
    }
    if publish == Some(false) && post.is_live(version, world.now_ms()) {
        return Err(ApiError::param("A published post cannot be unpublished"));
    }
    let published = version.published || publish == Some(true);
    if published && due.is_some() {
        return Err(ApiError::param("You cannot specify a scheduled publish time on a published post"));
    }
    let write = Write {
        message: message.unwrap_or_else(|| version.message.clone()),
        published,
        scheduled_ms: due.or(post.scheduled_ms),
        ..again(WriteOp::Update, post, version, caller)
    };
    success(world, write)
}

/// Removes a post.
pub(crate) fn delete(world: &mut World, caller: &Caller, id: &str) -> Result<Value, ApiError> {
    let (post, version) = owned(world, caller, id)?;
    let write = again(WriteOp::Delete, post, version, caller);
    success(world, write)
}

fn success(world: &mut World, write: Write) -> Result<Value, ApiError> {
    world.execute(write).map(|_| json!({ "success": true })).map_err(|error| ApiError::internal(&error))
}

/// A write to a post that changes nothing yet.
fn again(op: WriteOp, post: &Post, version: &Version, caller: &Caller) -> Write {
    Write {
        op,
        page: post.page.clone(),
        post: Some(post.id.clone()),
        message: version.message.clone(),
        link: post.link.clone(),
        published: version.published,
        scheduled_ms: post.scheduled_ms,
        app: Some(caller.app.clone()),
    }
}

/// A post that is there and was made by the caller's app.
fn owned<'a>(world: &'a World, caller: &Caller, id: &str) -> Result<(&'a Post, &'a Version), ApiError> {
    let post = world.posts.get(id).ok_or_else(|| ApiError::gone(id))?;
    let version = post.present().ok_or_else(|| ApiError::gone(id))?;
    if post.app.as_deref() != Some(caller.app.as_str()) {
        return Err(ApiError::foreign_post());
    }
    Ok((post, version))
}
