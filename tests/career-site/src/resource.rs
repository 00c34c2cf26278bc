//! What a request asks for, read from its path and query.

use axum::extract::Query;
use axum::http::Uri;
use std::collections::BTreeMap;

/// One address of the site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    Home,
    /// A page of the listing, from 1 on.
    Listing(u32),
    /// An offer's page, by its reference.
    Detail(String),
    /// A page of the API, from 1 on.
    Api(ApiQuery),
    /// An offer in the API, by its reference.
    ApiDetail(String),
    Feed,
    Robots,
    Style,
    /// What robots.txt forbids.
    Private,
    /// A query that means nothing, and why.
    Bad(&'static str),
    Unknown,
}

/// Parameters of the API's listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiQuery {
    pub(crate) page: u32,
    pub(crate) per_page: u32,
    /// As it was given, for the `next` address.
    pub(crate) updated_since: Option<String>,
    pub(crate) updated_since_ms: Option<i64>,
}

const DEFAULT_PER_PAGE: u32 = 50;
const MAX_PER_PAGE: u32 = 100;

impl Resource {
    pub(crate) fn find(uri: &Uri) -> Self {
        let Ok(Query(query)) = Query::<BTreeMap<String, String>>::try_from_uri(uri) else {
            return Self::Bad("the query cannot be read");
        };
        let path: Vec<&str> = uri.path().split('/').filter(|part| !part.is_empty()).collect();
        match path[..] {
            [] => Self::Home,
            ["jobs"] => number(&query, "page", 1).map_or(Self::Bad("page is a number from 1 on"), Self::Listing),
            ["jobs", reference] => Self::Detail(reference.to_owned()),
            ["api", "v1", "jobs"] => ApiQuery::read(&query).map_or_else(Self::Bad, Self::Api),
            ["api", "v1", "jobs", reference] => Self::ApiDetail(reference.to_owned()),
            ["feed.xml"] => Self::Feed,
            ["robots.txt"] => Self::Robots,
            ["style.css"] => Self::Style,
            ["private", ..] => Self::Private,
            _ => Self::Unknown,
        }
    }
}

impl ApiQuery {
    fn read(query: &BTreeMap<String, String>) -> Result<Self, &'static str> {
        let per_page = number(query, "per_page", DEFAULT_PER_PAGE).filter(|per_page| *per_page <= MAX_PER_PAGE);
        let updated_since = query.get("updated_since").filter(|text| !text.is_empty()).cloned();
        let updated_since_ms = match &updated_since {
            Some(text) => Some(crate::clock::parse_iso(text).ok_or("updated_since is a date, such as 2026-11-22")?),
            None => None,
        };
        Ok(Self {
            page: number(query, "page", 1).ok_or("page is a number from 1 on")?,
            per_page: per_page.ok_or("per_page is a number from 1 to 100")?,
            updated_since,
            updated_since_ms,
        })
    }
}

fn number(query: &BTreeMap<String, String>, name: &str, default: u32) -> Option<u32> {
    match query.get(name) {
        None => Some(default),
        Some(text) => text.parse().ok().filter(|number| *number > 0),
    }
}
