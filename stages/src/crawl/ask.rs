//! A crawl's own words for a request, and the request made of them.

use jobpipe_core::{Request, TaskError, json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::location::Location;
use crate::failure::{code, permanent};

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    /// The crawl's own page or answer: `items`, `links` and `pages` are found in it.
    Source,
    /// A page that `links` led to: one record.
    Detail,
}

/// What is asked, kept in [`Request::body`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    pub(super) to: Location,
    pub(super) role: Role,
    /// The number of this listing page in its chain, from 1.
    pub(super) page: u64,
    /// Records and detail pages that the pages before it in its chain gave.
    pub(super) found: u64,
    /// The source's own time when the first page of its chain was made, in UTC, where the source tells it and `since`
    /// needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) told_at: Option<String>,
    /// The body to send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<Json>,
    /// The record that came in; its fields stay unless extracted anew.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(super) record: Map<String, Json>,
    /// Its key, where it had one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) key: String,
}

impl Ask {
    pub(super) fn new(to: Location, role: Role) -> Self {
        Self { to, role, page: 1, found: 0, told_at: None, body: None, record: Map::new(), key: String::new() }
    }

    /// The request. Its id is made from method, place and body, so a page that names itself as the next one ends there.
    pub(super) fn request(&self, method: &str, listing: bool) -> Request {
        let body = self.body.as_ref().map(json::hash_hex).unwrap_or_default();
        let role = match self.role {
            Role::Source => "source",
            Role::Detail => "detail",
        };
        Request {
            id: json::hash_parts(&[method, role, &self.to.canonical(), &body]),
            group: self.to.group(),
            url: self.to.shown(),
            listing,
            attempts: 0,
            body: serde_json::to_value(self).unwrap_or_default(),
        }
    }

    pub(super) fn read(request: &Request) -> Result<Self, TaskError> {
        Self::deserialize(&request.body).map_err(|error| {
            permanent(
                code::REQUEST,
                format!("{}: the stored request cannot be read ({error}); start a new run", request.url),
            )
        })
    }
}
