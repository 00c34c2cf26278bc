//! Limits: of a page's writes, and the silences that a test orders.

use super::call::Call;
use super::error::ApiError;
use crate::faults::OpKind;
use crate::state::{Page, World};
use serde_json::{Value, json};

/// Refused calls count against the limit too, up to so many times of it.
const PUNISHED: usize = 4;

/// Lets the call through, or answers 80001 (the page) or 4 (the app) and counts that it was made in vain.
pub(crate) fn admit(world: &mut World, call: &Call) -> Result<(), ApiError> {
    let now = world.now_ms();
    if now < world.app_throttled_until {
        world.app_calls_while_throttled += 1;
        return Err(ApiError::app_throttled());
    }
    let limit = world.settings.limit;
    let is_write = call.route.op() != OpKind::Read;
    let Some(page) = call.route.page().and_then(|id| world.pages.get_mut(id)) else { return Ok(()) };
    let mut full = now < page.throttled_until;
    if let Some(limit) = limit {
        let calls = limit.calls as usize;
        forget_old(page, now, limit.window_ms);
        full |= page.window.len() >= calls;
        if (full || is_write) && page.window.len() < calls.saturating_mul(PUNISHED) {
            page.window.push_back(now);
        }
    }
    if full {
        page.calls_while_throttled += 1;
        return Err(ApiError::page_throttled());
    }
    Ok(())
}

fn forget_old(page: &mut Page, now: i64, window_ms: u64) {
    let start = now.saturating_sub_unsigned(window_ms);
    while page.window.front().is_some_and(|at| *at <= start) {
        page.window.pop_front();
    }
}

/// The usage of a page and of the app as the headers tell it; none while it is 0 %.
pub(crate) struct Usage {
    /// `X-Business-Use-Case-Usage`
    pub(crate) business: Option<Value>,
    /// `X-App-Usage`
    pub(crate) app: Option<Value>,
}

/// Reads the usage after a call.
pub(crate) fn usage(world: &World, page_id: Option<&str>) -> Usage {
    let now = world.now_ms();
    let app_full = now < world.app_throttled_until;
    let app = app_full.then(|| json!({ "call_count": 100, "total_time": 25, "total_cputime": 25 }));
    let known = page_id.and_then(|id| world.pages.get(id).map(|page| (id, page)));
    let business = known.and_then(|(id, page)| {
        let (percent, regain_ms) = page_usage(world, page, now);
        let minutes = (regain_ms + 59_999) / 60_000;
        (percent > 0).then(|| {
            json!({ id: [{
                "type": "pages",
                "call_count": percent,
                "total_cputime": percent / 2,
                "total_time": percent / 2,
                "estimated_time_to_regain_access": minutes,
            }] })
        })
    });
    Usage { business, app }
}

/// Percent used, and milliseconds until calls are answered again.
fn page_usage(world: &World, page: &Page, now: i64) -> (u64, i64) {
    let ordered = (page.throttled_until - now).max(0);
    let Some(limit) = world.settings.limit else { return (if ordered > 0 { 100 } else { 0 }, ordered) };
    let calls = limit.calls.max(1) as usize;
    let percent = (page.window.len() * 100 / calls) as u64;
    let window = i64::try_from(limit.window_ms).unwrap_or(i64::MAX);
    // Free again once fewer than `calls` of the window's entries are left.
    let frees = page.window.len().checked_sub(calls).and_then(|surplus| page.window.get(surplus));
    let regain = frees.map_or(0, |at| at.saturating_add(window).saturating_sub(now).max(0));
    (if ordered > 0 { percent.max(100) } else { percent }, regain.max(ordered))
}
