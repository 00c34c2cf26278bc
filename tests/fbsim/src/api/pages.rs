//! Page nodes, `/me` and `/me/accounts`.

use super::access::{Caller, Role};
use super::call::Call;
use super::error::ApiError;
use super::fields::{self, Field};
use crate::state::World;
use serde_json::{Value, json};

const KNOWN: [&str; 9] =
    ["id", "name", "access_token", "link", "category", "tasks", "is_published", "fan_count", "followers_count"];

/// Shows a page.
pub(crate) fn read(world: &World, call: &Call, page: &str) -> Result<Value, ApiError> {
    Ok(fields::select(&node(world, page), &wanted(call, "id,name")?))
}

/// `/me`: the page of a page token.
pub(crate) fn me(world: &World, call: &Call, caller: &Caller) -> Result<Value, ApiError> {
    match &caller.role {
        Role::Page(page) => read(world, call, page),
        Role::User | Role::Anyone => Ok(json!({ "id": "1", "name": "Simulated User" })),
    }
}

/// `/me/accounts`: every page with its token, for the user token (for any, where pages are made on demand). It has
/// one page at most, without `next`.
pub(crate) fn accounts(world: &World, call: &Call, caller: &Caller) -> Result<Value, ApiError> {
    if let Role::Page(_) = caller.role {
        return Err(ApiError::param("Tried accessing nonexisting field (accounts) on node type (Page)"));
    }
    let wanted = wanted(call, "access_token,category,name,id,tasks")?;
    let data: Vec<Value> = world.pages.keys().map(|id| fields::select(&node(world, id), &wanted)).collect();
    Ok(json!({ "data": data }))
}

fn wanted(call: &Call, default: &str) -> Result<Vec<Field>, ApiError> {
    let wanted = fields::parse(call.params.get("fields").map_or(default, String::as_str))?;
    match wanted.iter().find(|field| !KNOWN.contains(&field.name.as_str())) {
        Some(Field { name, .. }) => {
            Err(ApiError::param(&format!("Tried accessing nonexisting field ({name}) on node type (Page)")))
        }
        None => Ok(wanted),
    }
}

fn node(world: &World, id: &str) -> Value {
    let token = world.pages.get(id).and_then(|page| page.token.clone()).unwrap_or_else(|| format!("sim-{id}"));
    json!({
        "id": id,
        "name": id,
        "access_token": token,
        "link": format!("https://www.facebook.com/{id}"),
        "category": "Employment Agency",
        "tasks": ["CREATE_CONTENT", "MANAGE", "MODERATE"],
        "is_published": true,
        "fan_count": 0,
        "followers_count": 0,
    })
}
