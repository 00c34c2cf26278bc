//! `/debug_token`: what a token is good for.

use super::access::{Role, role_of};
use super::call::Call;
use super::error::{ApiError, dead_reason};
use crate::state::World;
use serde_json::{Value, json};

const SCOPES: [&str; 3] = ["pages_show_list", "pages_manage_posts", "pages_read_engagement"];

/// Describes `input_token`.
pub(crate) fn read(world: &World, call: &Call) -> Result<Value, ApiError> {
    let token =
        call.params.get("input_token").ok_or_else(|| ApiError::param("The parameter input_token is required"))?;
    let dead = world.pages.iter().find(|(_, page)| page.token.as_ref() == Some(token) && page.revoked.is_some());
    if let Some((id, page)) = dead {
        let subcode = page.revoked.unwrap_or(460);
        let error = json!({
            "code": 190,
            "message": format!("Error validating access token: {}", dead_reason(subcode)),
            "subcode": subcode,
        });
        let data = json!({
            "app_id": world.settings.app_id, "type": "PAGE", "is_valid": false, "profile_id": id, "scopes": [],
            "error": error,
        });
        return Ok(json!({ "data": data }));
    }
    let mut data = json!({
        "app_id": world.settings.app_id,
        "is_valid": true,
        "issued_at": 0,
        "expires_at": 0,
        "data_access_expires_at": 0,
        "scopes": SCOPES,
        "user_id": "1",
    });
    match role_of(world, token) {
        Ok(Role::Page(id)) => {
            data["type"] = "PAGE".into();
            if let Some(app) = world.pages.get(&id).and_then(|page| page.app.as_deref()) {
                data["app_id"] = app.into();
            }
            data["profile_id"] = id.into();
        }
        Ok(Role::User | Role::Anyone) => data["type"] = "USER".into(),
        Err(_) => {
            let error = json!({ "code": 190, "message": "Invalid OAuth access token." });
            data = json!({ "is_valid": false, "scopes": [], "error": error });
        }
    }
    Ok(json!({ "data": data }))
}
