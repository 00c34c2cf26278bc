//! `GET /{page}/published_posts` and its sisters: posts, newest first, in pages with cursors.

use super::call::{Call, Edge};
use super::error::ApiError;
use super::post_view;
use super::posts::seen_at;
use crate::clock::parse_time_ms;
use crate::faults::{Fault, FaultKind};
use crate::state::{Post, Version, World};
use serde_json::{Value, json};
use url::form_urlencoded;

const DEFAULT_LIMIT: usize = 25;
const MAX_LIMIT: usize = 100;

/// One page of a listing. A cursor names the place of a post among all that the page ever had, so that posts made or
/// removed between two reads shift nothing.
pub(crate) fn list(
    world: &World,
    call: &Call,
    page: &str,
    edge: Edge,
    fault: Option<Fault>,
) -> Result<Value, ApiError> {
    let wanted = post_view::wanted(call.params.get("fields"))?;
    let limit = limit(call)?;
    let start = start(call, world, page)?;
    let now = seen_at(world, fault);
    let window = Window::of(call)?;
    let posts = world.pages.get(page).map_or(&[][..], |page| &page.posts);
    let found: Vec<(usize, &Post, &Version)> = posts[..start]
        .iter()
        .enumerate()
        .rev()
        .filter_map(|(place, id)| world.posts.get(id).map(|post| (place, post)))
        .filter_map(|(place, post)| post.as_of(now).map(|version| (place, post, version)))
        .filter(|(_, post, version)| belongs(edge, post, version, now) && window.holds(post.created_ms))
        .take(limit + 1)
        .collect();

    let kind = fault.map(|fault| fault.kind);
    let take = match kind {
        Some(FaultKind::ShortPage) => limit.div_ceil(2),
        _ => limit,
    };
    let shown = &found[..found.len().min(take)];
    let more = found.len() > shown.len();
    let (shown, after, more) = match kind {
        Some(FaultKind::EmptyPage) => (&[][..], start, true),
        Some(FaultKind::DupPage) if !shown.is_empty() => (shown, start, true),
        Some(FaultKind::ReadOmits) => (&[][..], shown.last().map_or(start, |(place, ..)| *place), more),
        _ => (shown, shown.last().map_or(start, |(place, ..)| *place), more),
    };
    let data: Vec<Value> =
        shown.iter().map(|(_, post, version)| post_view::show(post, version, now, &wanted)).collect();
    if data.is_empty() && !more {
        return Ok(json!({ "data": [] }));
    }
    let before = shown.first().map_or(start, |(place, ..)| *place + 1);
    let mut paging = json!({ "cursors": { "before": cursor(before), "after": cursor(after) } });
    if more {
        paging["next"] = next_url(call, page, edge, limit, after).into();
    }
    Ok(json!({ "data": data, "paging": paging }))
}

fn belongs(edge: Edge, post: &Post, version: &Version, now_ms: i64) -> bool {
    let live = post.is_live(version, now_ms);
    match edge {
        Edge::Live(_) => live,
        Edge::Scheduled => !live && post.scheduled_ms.is_some(),
        Edge::Dark => !live && post.scheduled_ms.is_none(),
    }
}

fn limit(call: &Call) -> Result<usize, ApiError> {
    match call.params.get("limit").map(|text| text.parse::<usize>()) {
        None => Ok(DEFAULT_LIMIT),
        Some(Ok(limit @ 1..=MAX_LIMIT)) => Ok(limit),
        Some(Ok(limit)) if limit > MAX_LIMIT => {
            Err(ApiError::param(&format!("The 'limit' parameter should not exceed {MAX_LIMIT}")))
        }
        Some(_) => Err(ApiError::param("Param limit must be an integer greater than 0")),
    }
}

/// How many of the page's posts lie behind the cursor; all of them without one.
fn start(call: &Call, world: &World, page: &str) -> Result<usize, ApiError> {
    let all = world.pages.get(page).map_or(0, |page| page.posts.len());
    if call.params.contains_key("before") {
        return Err(ApiError::unsupported("paging backwards"));
    }
    let Some(text) = call.params.get("after").filter(|text| !text.is_empty()) else { return Ok(all) };
    text.strip_prefix("QVFI")
        .and_then(|place| usize::from_str_radix(place, 16).ok())
        .filter(|place| *place <= all)
        .ok_or_else(|| ApiError::param("Invalid cursors values for the after parameter"))
}

/// An opaque text, as the real ones are.
fn cursor(place: usize) -> String {
    format!("QVFI{place:08x}")
}

/// `since` and `until`, in whole seconds as posts show them, both included.
struct Window {
    since: Option<i64>,
    until: Option<i64>,
}

impl Window {
    fn of(call: &Call) -> Result<Self, ApiError> {
        let seconds = |name: &str| match call.params.get(name) {
            None => Ok(None),
            Some(text) => parse_time_ms(text)
                .map(|ms| Some(ms.div_euclid(1000)))
                .ok_or_else(|| ApiError::param(&format!("Param {name} must be a unix timestamp or a date"))),
        };
        Ok(Self { since: seconds("since")?, until: seconds("until")? })
    }

    fn holds(&self, created_ms: i64) -> bool {
        let created = created_ms.div_euclid(1000);
        self.since.is_none_or(|since| since <= created) && self.until.is_none_or(|until| created <= until)
    }
}

/// The next page's address, with the caller's token in it: the real API does that too.
fn next_url(call: &Call, page: &str, edge: Edge, limit: usize, after: usize) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("access_token", call.token.as_deref().unwrap_or_default());
    for name in ["fields", "since", "until"] {
        if let Some(value) = call.params.get(name) {
            query.append_pair(name, value);
        }
    }
    query.append_pair("limit", &limit.to_string()).append_pair("after", &cursor(after));
    format!("http://{}/{}/{page}/{}?{}", call.host, call.version, edge.name(), query.finish())
}
