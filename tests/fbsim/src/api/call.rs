//! A request, read: which version, which node or edge, which parameters, whose token.

use super::error::ApiError;
use super::params::{self, Params};
use crate::faults::OpKind;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};

/// Oldest version that is still served; older ones and paths without a version get it.
const OLDEST: (u32, u32) = (21, 0);
const NEWEST: (u32, u32) = (26, 0);
/// A post's message has at most 63,206 characters; nothing that this API takes is near this size.
const MAX_BODY: usize = 1 << 20;

/// A listing of posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    /// What the page shows: `feed`, `posts` and `published_posts`.
    Live(&'static str),
    /// `scheduled_posts`: waiting for their hour.
    Scheduled,
    /// `ads_posts`: neither shown nor scheduled.
    Dark,
}

impl Edge {
    fn named(name: &str) -> Option<Self> {
        match name {
            "feed" => Some(Self::Live("feed")),
            "posts" => Some(Self::Live("posts")),
            "published_posts" => Some(Self::Live("published_posts")),
            "scheduled_posts" => Some(Self::Scheduled),
            "ads_posts" => Some(Self::Dark),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Live(name) => name,
            Self::Scheduled => "scheduled_posts",
            Self::Dark => "ads_posts",
        }
    }
}

/// What a call is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    CreatePost { page: String },
    UpdatePost { page: String, post: String },
    DeletePost { page: String, post: String },
    ReadPost { page: String, post: String },
    ReadPage { page: String },
    List { page: String, edge: Edge },
    Me,
    Accounts,
    DebugToken,
    Unknown { op: OpKind, what: String },
}

impl Route {
    fn find(method: &Method, path: &[&str]) -> Self {
        let op = match *method {
            Method::POST => OpKind::Update,
            Method::DELETE => OpKind::Delete,
            _ => OpKind::Read,
        };
        let unknown = || Self::Unknown { op, what: format!("{method} /{}", path.join("/")) };
        match (op, path) {
            (OpKind::Read, ["debug_token"]) => Self::DebugToken,
            (OpKind::Read, ["me"]) => Self::Me,
            (OpKind::Read, ["me", "accounts"]) => Self::Accounts,
            (_, [node]) => match (op, page_of_post(node)) {
                (OpKind::Update, Some(page)) => Self::UpdatePost { page, post: (*node).to_owned() },
                (OpKind::Delete, Some(page)) => Self::DeletePost { page, post: (*node).to_owned() },
                (OpKind::Read, Some(page)) => Self::ReadPost { page, post: (*node).to_owned() },
                (OpKind::Read, None) if is_page_id(node) => Self::ReadPage { page: (*node).to_owned() },
                _ => unknown(),
            },
            (OpKind::Update, [page, "feed"]) if is_page_id(page) => Self::CreatePost { page: (*page).to_owned() },
            (OpKind::Read, [page, edge]) if is_page_id(page) => match Edge::named(edge) {
                Some(edge) => Self::List { page: (*page).to_owned(), edge },
                None => unknown(),
            },
            _ => unknown(),
        }
    }

    /// The sort of call, for the fault plan.
    pub(crate) fn op(&self) -> OpKind {
        match self {
            Self::CreatePost { .. } => OpKind::Create,
            Self::UpdatePost { .. } => OpKind::Update,
            Self::DeletePost { .. } => OpKind::Delete,
            Self::Unknown { op, .. } => *op,
            Self::ReadPost { .. }
            | Self::ReadPage { .. }
            | Self::List { .. }
            | Self::Me
            | Self::Accounts
            | Self::DebugToken => OpKind::Read,
        }
    }

    /// The page that is named, by itself or as part of a post's id.
    pub(crate) fn page(&self) -> Option<&str> {
        match self {
            Self::CreatePost { page }
            | Self::UpdatePost { page, .. }
            | Self::DeletePost { page, .. }
            | Self::ReadPost { page, .. }
            | Self::ReadPage { page }
            | Self::List { page, .. } => Some(page),
            Self::Me | Self::Accounts | Self::DebugToken | Self::Unknown { .. } => None,
        }
    }

    /// The post that is named.
    pub(crate) fn post(&self) -> Option<&str> {
        match self {
            Self::UpdatePost { post, .. } | Self::DeletePost { post, .. } | Self::ReadPost { post, .. } => Some(post),
            Self::CreatePost { .. }
            | Self::ReadPage { .. }
            | Self::List { .. }
            | Self::Me
            | Self::Accounts
            | Self::DebugToken
            | Self::Unknown { .. } => None,
        }
    }
}

/// A Graph call.
pub(crate) struct Call {
    /// The version that serves it, as `v26.0`.
    pub(crate) version: String,
    pub(crate) route: Route,
    pub(crate) params: Params,
    pub(crate) token: Option<String>,
    /// Where the client believes to be, for the `next` of a listing.
    pub(crate) host: String,
    pub(crate) if_none_match: Option<String>,
}

impl Call {
    /// Reads a request; what is no Graph call at all is refused.
    pub(crate) async fn read(parts: &Parts, body: Body) -> Result<Self, ApiError> {
        let bytes = axum::body::to_bytes(body, MAX_BODY)
            .await
            .map_err(|_| ApiError::param("the body is broken off or larger than 1 MiB"))?;
        let text = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let kind = text(header::CONTENT_TYPE).unwrap_or_default();
        let mut params = params::read(parts.uri.query().unwrap_or_default(), &kind, &bytes)?;
        let mut path: Vec<&str> = parts.uri.path().split('/').filter(|part| !part.is_empty()).collect();
        let version = match path.first().copied().and_then(parse_version) {
            Some(asked) if asked > NEWEST => return Err(ApiError::unknown_path(path[0])),
            Some(asked) => {
                path.remove(0);
                asked.max(OLDEST)
            }
            None => OLDEST,
        };
        // The Graph API takes DELETE also as a POST that says so.
        let method = match params.remove("method").map(|method| method.to_ascii_lowercase()) {
            Some(method) if parts.method == Method::POST && method == "delete" => Method::DELETE,
            _ => parts.method.clone(),
        };
        let token = bearer(&parts.headers).or_else(|| params.get("access_token").cloned());
        Ok(Self {
            version: format!("v{}.{}", version.0, version.1),
            route: Route::find(&method, &path),
            token: token.filter(|token| !token.is_empty()),
            params,
            host: text(header::HOST).unwrap_or_else(|| "127.0.0.1".to_owned()),
            if_none_match: text(header::IF_NONE_MATCH),
        })
    }
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("oauth")).then(|| token.trim().to_owned())
}

fn parse_version(part: &str) -> Option<(u32, u32)> {
    let (major, minor) = part.strip_prefix('v')?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Whether the text may name a page.
pub(crate) fn is_page_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// The page of `{page}_{digits}`, with ten digits at least, so that a page may be called `acme_2`.
fn page_of_post(node: &str) -> Option<String> {
    let (page, digits) = node.rsplit_once('_')?;
    let is_post = is_page_id(page) && digits.len() >= 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_post.then(|| page.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_id_is_told_from_a_page_id() {
        assert_eq!(page_of_post("acme-paris_122100000000001").as_deref(), Some("acme-paris"));
        assert_eq!(page_of_post("17_122100000000001").as_deref(), Some("17"));
        assert_eq!(page_of_post("acme_2024"), None);
        assert_eq!(page_of_post("acme_12210000000000x"), None);
    }

    #[test]
    fn a_route_is_found_by_method_and_path() {
        let create = Route::CreatePost { page: "a".to_owned() };
        assert_eq!(Route::find(&Method::POST, &["a", "feed"]), create);
        let list = Route::find(&Method::GET, &["a", "published_posts"]);
        assert_eq!(list, Route::List { page: "a".to_owned(), edge: Edge::Live("published_posts") });
        assert!(matches!(Route::find(&Method::POST, &["a", "photos"]), Route::Unknown { .. }));
        assert!(matches!(Route::find(&Method::DELETE, &["a"]), Route::Unknown { .. }));
    }
}
