//! Who calls, and whether they may.

use super::call::Call;
use super::error::ApiError;
use crate::state::World;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// What a token stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// One page.
    Page(String),
    /// A person or system user with pages.
    User,
    /// A token that nothing is known of; pages made on demand take it.
    Anyone,
}

/// An admitted caller.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) role: Role,
    /// The app that the token belongs to.
    pub(crate) app: String,
}

/// Checks token, proof and page, in the order in which the Graph API complains.
pub(crate) fn admit(world: &mut World, call: &Call) -> Result<Caller, ApiError> {
    let token = call.token.as_deref().ok_or_else(ApiError::no_token)?;
    check_proof(world, call, token)?;
    let role = role_of(world, token)?;
    let Some(page) = call.route.page() else {
        let app = app_of(world, &role);
        return Ok(Caller { role, app });
    };
    if !world.pages.contains_key(page) {
        // Only naming a page makes it: a post cannot exist on a page that nobody has named.
        let post = call.route.post();
        if !(world.settings.auto_pages && post.is_none() && role == Role::Anyone) {
            return Err(ApiError::gone(post.unwrap_or(page)));
        }
        world.page_mut(page);
    }
    let known = &world.pages[page];
    if let Some(subcode) = known.revoked.filter(|_| role == Role::Anyone) {
        return Err(ApiError::dead_token(subcode));
    }
    match &role {
        Role::Page(own) if own == page => {}
        Role::Anyone if known.token.is_none() => {}
        Role::User if call.route.op() == crate::faults::OpKind::Read => {}
        Role::Anyone => return Err(ApiError::bad_token()),
        Role::Page(_) | Role::User => return Err(ApiError::foreign_page()),
    }
    let app = known.app.clone().unwrap_or_else(|| world.settings.app_id.clone());
    Ok(Caller { role, app })
}

/// What the token is; a revoked one is refused with the subcode of its death.
pub(crate) fn role_of(world: &World, token: &str) -> Result<Role, ApiError> {
    if world.settings.user_token.as_deref() == Some(token) {
        return Ok(Role::User);
    }
    let owner = world.pages.iter().find(|(_, page)| page.token.as_deref() == Some(token));
    match owner {
        Some((_, page)) if page.revoked.is_some() => Err(ApiError::dead_token(page.revoked.unwrap_or(460))),
        Some((id, _)) => Ok(Role::Page(id.clone())),
        None if world.settings.auto_pages => Ok(Role::Anyone),
        None => Err(ApiError::bad_token()),
    }
}

fn app_of(world: &World, role: &Role) -> String {
    let own = match role {
        Role::Page(id) => world.pages.get(id).and_then(|page| page.app.clone()),
        Role::User | Role::Anyone => None,
    };
    own.unwrap_or_else(|| world.settings.app_id.clone())
}

/// `appsecret_proof` = hex(HMAC-SHA256(key = app secret, message = token)).
fn check_proof(world: &World, call: &Call, token: &str) -> Result<(), ApiError> {
    let Some(secret) = &world.settings.app_secret else { return Ok(()) };
    match call.params.get("appsecret_proof") {
        None if world.settings.require_proof => Err(ApiError::proof(true)),
        None => Ok(()),
        Some(given) if proof(secret, token).is_some_and(|right| right.eq_ignore_ascii_case(given)) => Ok(()),
        Some(_) => Err(ApiError::proof(false)),
    }
}

fn proof(secret: &str, token: &str) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(token.as_bytes());
    Some(mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_is_the_hmac_of_the_token_under_the_secret() {
        // The widely published example: HMAC_SHA256("key", "The quick brown fox jumps over the lazy dog").
        let right = "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8";
        assert_eq!(proof("key", "The quick brown fox jumps over the lazy dog").as_deref(), Some(right));
    }
}
