//! Errors, in the shape and with the words of the Graph API.

use serde_json::{Value, json};

/// One refusal. The words of codes that jobpipe does not look at are not promised to be Meta's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    message: String,
    kind: &'static str,
    code: u32,
    subcode: Option<u32>,
    user: Option<(&'static str, String)>,
}

const OAUTH: &str = "OAuthException";
const GRAPH_METHOD: &str = "GraphMethodException";

impl ApiError {
    pub(crate) fn new(status: u16, kind: &'static str, code: u32, message: String) -> Self {
        Self { status, message, kind, code, subcode: None, user: None }
    }

    fn with(self, subcode: u32) -> Self {
        Self { subcode: Some(subcode), ..self }
    }

    /// 100: a parameter is missing, wrong or not for this object.
    pub(crate) fn param(what: &str) -> Self {
        Self::new(400, OAUTH, 100, format!("(#100) {what}"))
    }

    /// 100/33: there is no such object, or the caller may not see it.
    pub(crate) fn gone(id: &str) -> Self {
        let message = format!(
            "Unsupported get request. Object with ID '{id}' does not exist, cannot be loaded due to missing \
             permissions, or does not support this operation. Please read the Graph API documentation at \
             https://developers.facebook.com/docs/graph-api"
        );
        Self::new(400, GRAPH_METHOD, 100, message).with(33)
    }

    /// What this simulator (or the real API) does not have.
    pub(crate) fn unsupported(what: &str) -> Self {
        Self::new(400, GRAPH_METHOD, 100, format!("Unsupported request: the simulator has no {what}"))
    }

    /// 2500: a version or path that never was.
    pub(crate) fn unknown_path(path: &str) -> Self {
        Self::new(400, OAUTH, 2500, format!("Unknown path components: /{path}"))
    }

    /// 104: no token at all.
    pub(crate) fn no_token() -> Self {
        Self::new(400, OAUTH, 104, "An access token is required to request this resource.".to_owned())
    }

    /// 190: a token that never was one.
    pub(crate) fn bad_token() -> Self {
        Self::new(400, OAUTH, 190, "Invalid OAuth access token - Cannot parse access token".to_owned())
    }

    /// 190 with the reason for which the token died.
    pub(crate) fn dead_token(subcode: u32) -> Self {
        Self::new(400, OAUTH, 190, format!("Error validating access token: {}", dead_reason(subcode))).with(subcode)
    }

    /// 200: a good token, but of another page.
    pub(crate) fn foreign_page() -> Self {
        let message = "(#200) The permission(s) pages_manage_posts are not available. It could because either they \
                       are deprecated or need to be approved by App Review.";
        Self::new(403, OAUTH, 200, message.to_owned())
    }

    /// 10: the post was made by another app, or by hand.
    pub(crate) fn foreign_post() -> Self {
        Self::new(403, OAUTH, 10, "(#10) Application does not have permission for this action".to_owned())
    }

    /// 506: the page's previous post says the same.
    pub(crate) fn duplicate() -> Self {
        let user = "This status update is identical to the last one you posted. Try posting something different, or \
                    delete your previous update.";
        Self {
            user: Some(("Duplicate Status Update", user.to_owned())),
            ..Self::new(400, OAUTH, 506, "(#506) Duplicate status message".to_owned()).with(1_455_006)
        }
    }

    /// 80001: the page has used up its calls.
    pub(crate) fn page_throttled() -> Self {
        let message = "(#80001) There have been too many calls to this Page account. Wait a bit and try again. For \
                       more info, please refer to https://developers.facebook.com/docs/graph-api/overview/rate-limiting.";
        Self::new(400, OAUTH, 80001, message.to_owned()).with(2_446_079)
    }

    /// 4: the app has used up its calls.
    pub(crate) fn app_throttled() -> Self {
        Self::new(400, OAUTH, 4, "(#4) Application request limit reached".to_owned())
    }

    /// 1: the simulator itself failed, before it did anything.
    pub(crate) fn internal(reason: &dyn std::fmt::Display) -> Self {
        Self::new(500, OAUTH, 1, format!("the simulator failed, nothing was executed: {reason}"))
    }

    /// 100: `appsecret_proof` is missing (`None`) or wrong.
    pub(crate) fn proof(missing: bool) -> Self {
        let message = if missing {
            "API calls from the server require an appsecret_proof argument"
        } else {
            "Invalid appsecret_proof provided in the API argument"
        };
        Self::new(400, GRAPH_METHOD, 100, message.to_owned())
    }

    /// What the fault plan orders.
    pub(crate) fn from_fault(status: u16, code: u32, subcode: Option<u32>) -> Self {
        let known = match code {
            4 => Self::app_throttled(),
            190 => subcode.map_or_else(Self::bad_token, Self::dead_token),
            506 => Self::duplicate(),
            80001 => Self::page_throttled(),
            1 => Self::new(status, OAUTH, 1, "An unknown error occurred".to_owned()),
            2 => {
                Self::new(status, OAUTH, 2, "An unexpected error has occurred. Please retry your request later.".into())
            }
            368 => Self::new(
                status,
                OAUTH,
                368,
                "The action attempted has been deemed abusive or is otherwise disallowed".to_owned(),
            ),
            other => Self::new(status, OAUTH, other, format!("(#{other}) ordered by the fault plan")),
        };
        Self { status, subcode: subcode.or(known.subcode), ..known }
    }

    /// The body; `trace` becomes `fbtrace_id`.
    pub(crate) fn body(&self, trace: &str) -> Value {
        let mut error = json!({ "message": self.message, "type": self.kind, "code": self.code });
        if let Some(subcode) = self.subcode {
            error["error_subcode"] = subcode.into();
        }
        if let Some((title, text)) = &self.user {
            error["error_user_title"] = (*title).into();
            error["error_user_msg"] = text.as_str().into();
        }
        error["is_transient"] = matches!(self.code, 1 | 2).into();
        error["fbtrace_id"] = trace.into();
        json!({ "error": error })
    }
}

/// Why a token died, in the words that go with the subcode.
pub(crate) fn dead_reason(subcode: u32) -> &'static str {
    match subcode {
        458 => "The user has not authorized application.",
        459 => "You cannot access the app till you log in to www.facebook.com and follow the instructions given.",
        460 => {
            "The session has been invalidated because the user changed their password or Facebook has changed the \
             session for security reasons."
        }
        463 => "Session has expired.",
        464 => "Sessions for the user are not allowed because the user is not a confirmed user.",
        492 => "Impersonating page lacks permission: the user is no longer an administrator of the page.",
        _ => "The session is invalid because the user logged out.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_the_shape_of_the_graph_api() {
        let body = ApiError::dead_token(460).body("Atrace");
        let error = &body["error"];
        assert_eq!(error["type"], "OAuthException");
        assert_eq!(error["code"], 190);
        assert_eq!(error["error_subcode"], 460);
        assert_eq!(error["is_transient"], false);
        assert_eq!(error["fbtrace_id"], "Atrace");
        assert!(error["message"].as_str().unwrap().starts_with("Error validating access token:"));
    }

    #[test]
    fn an_ordered_error_keeps_its_status_and_subcode() {
        let error = ApiError::from_fault(403, 368, Some(1_390_008));
        assert_eq!((error.status, error.code, error.subcode), (403, 368, Some(1_390_008)));
        assert_eq!(ApiError::from_fault(400, 190, Some(460)), ApiError::dead_token(460));
        assert_eq!(ApiError::from_fault(500, 2, None).body("t")["error"]["is_transient"], true);
    }
}
