//! `ETag`, `Last-Modified` and 304.

use crate::clock;
use axum::http::{HeaderMap, header};
use std::hash::{DefaultHasher, Hash, Hasher};

/// What a client may keep an answer by.
pub(crate) struct Validators {
    pub(crate) etag: String,
    pub(crate) last_modified: String,
    changed_ms: i64,
}

impl Validators {
    pub(crate) fn of(body: &str, changed_ms: i64) -> Self {
        let mut hash = DefaultHasher::new();
        body.hash(&mut hash);
        Self { etag: format!("\"{:016x}\"", hash.finish()), last_modified: clock::http_date(changed_ms), changed_ms }
    }

    /// Whether the client has this already. A date counts only where no tag is sent (RFC 9110, section 13.2.2).
    pub(crate) fn known_to(&self, headers: &HeaderMap) -> bool {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(tags) = text(header::IF_NONE_MATCH) {
            let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
            return tags.split(',').any(|tag| tag.trim() == "*" || bare(tag) == self.etag);
        }
        text(header::IF_MODIFIED_SINCE)
            .and_then(clock::parse_http_date)
            .is_some_and(|since| self.changed_ms.div_euclid(1000) <= since)
    }
}
