//! The oracle: what was really executed, what can be seen now, and what was ever seen twice.

use crate::state::{Effect, Post, World, WriteOp, marker_of, without_marker};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Lost and unexpected posts that a report names; it counts all of them.
const NAMED: usize = 100;

/// What ought to be visible: for each page, its posts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Page id to posts, in any order. A page that is not named ought to show nothing.
    pub expected: BTreeMap<String, Vec<ExpectedPost>>,
}

/// A post that ought to be visible. What is not given is not compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedPost {
    /// The marker of its link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
    /// The whole message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The link; the marker in it does not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// What the oracle knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Sums over all pages.
    pub totals: Totals,
    /// Expected posts that are not visible as expected; only with an expectation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
    /// Visible posts that were not expected; only with an expectation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unexpected: Option<u64>,
    /// The first 100 lost posts, with their pages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost_posts: Vec<(String, ExpectedPost)>,
    /// The first 100 unexpected posts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unexpected_posts: Vec<VisiblePost>,
    /// Each page.
    pub pages: BTreeMap<String, PageReport>,
    /// Each (page, marker) that was ever posted, ordered by both.
    pub markers: Vec<MarkerReport>,
}

/// Sums over all pages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Graph calls since this process started, those that failed included.
    pub calls: u64,
    /// Of these, calls that ask for a write.
    pub writes: u64,
    /// Of these, calls that the fault plan made go wrong.
    pub struck: u64,
    /// Executed creates.
    pub creates: u64,
    /// Executed updates.
    pub updates: u64,
    /// Executed deletes.
    pub deletes: u64,
    /// Posts that a visitor sees now.
    pub visible: u64,
    /// Of these, posts without a marker.
    pub unmarked: u64,
    /// Posts that are visible beside another one with the same page and marker.
    pub dup_now: u64,
    /// The same, for each marker at its worst moment.
    pub dup_ever: u64,
    /// Calls that were refused because the page (or the app) was out of calls.
    pub calls_while_throttled: u64,
}

/// A page's part of the sums.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageReport {
    /// Executed creates.
    pub creates: u64,
    /// Executed updates.
    pub updates: u64,
    /// Executed deletes.
    pub deletes: u64,
    /// Posts that a visitor sees now.
    pub visible: u64,
    /// Calls that were refused because the page was out of calls.
    pub calls_while_throttled: u64,
}

/// All posts of one marker on one page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkerReport {
    /// The page's id.
    pub page: String,
    /// The marker.
    pub marker: String,
    /// Visible at this moment.
    pub visible_now: u64,
    /// Visible at the same time, at the worst moment.
    pub visible_max_ever: u64,
    /// Executed creates.
    pub creates: u64,
    /// Executed updates.
    pub updates: u64,
    /// Executed deletes.
    pub deletes: u64,
}

/// A post that a visitor sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisiblePost {
    /// The page's id.
    pub page: String,
    /// The post's id.
    pub post: String,
    /// Its marker.
    pub marker: Option<String>,
    /// Its message.
    pub message: String,
    /// Its link.
    pub link: Option<String>,
}

/// Sums up the world, and compares it with what was expected.
pub(crate) fn report(world: &World, expected: Option<&Expectation>) -> Report {
    let now = world.now_ms();
    let mut pages: BTreeMap<String, PageReport> = BTreeMap::new();
    for (id, page) in &world.pages {
        pages.entry(id.clone()).or_default().calls_while_throttled = page.calls_while_throttled;
    }
    for Effect { page, op, .. } in &world.effects {
        let page = pages.entry(page.clone()).or_default();
        *count_of(*op, &mut page.creates, &mut page.updates, &mut page.deletes) += 1;
    }
    let visible = visible(world, now);
    for post in &visible {
        pages.entry(post.page.clone()).or_default().visible += 1;
    }
    let markers = markers(world, now);
    let mut totals = Totals {
        calls: world.calls,
        writes: world.writes,
        struck: world.struck,
        unmarked: visible.iter().filter(|post| post.marker.is_none()).count() as u64,
        dup_now: markers.iter().map(|marker| marker.visible_now.saturating_sub(1)).sum(),
        dup_ever: markers.iter().map(|marker| marker.visible_max_ever.saturating_sub(1)).sum(),
        calls_while_throttled: world.app_calls_while_throttled,
        ..Totals::default()
    };
    for page in pages.values() {
        totals.creates += page.creates;
        totals.updates += page.updates;
        totals.deletes += page.deletes;
        totals.visible += page.visible;
        totals.calls_while_throttled += page.calls_while_throttled;
    }
    let mut report = Report {
        totals,
        lost: None,
        unexpected: None,
        lost_posts: Vec::new(),
        unexpected_posts: Vec::new(),
        pages,
        markers,
    };
    if let Some(expected) = expected {
        compare(&mut report, visible, expected, &world.settings.marker_param);
    }
    report
}

fn count_of<'a>(op: WriteOp, creates: &'a mut u64, updates: &'a mut u64, deletes: &'a mut u64) -> &'a mut u64 {
    match op {
        WriteOp::Create => creates,
        WriteOp::Update => updates,
        WriteOp::Delete => deletes,
    }
}

/// What visitors see, page by page, oldest first.
fn visible(world: &World, now_ms: i64) -> Vec<VisiblePost> {
    let posts = world.pages.values().flat_map(|page| &page.posts).filter_map(|id| world.posts.get(id));
    let shown = posts.filter_map(|post| {
        let version = post.present().filter(|version| post.is_live(version, now_ms))?;
        Some(VisiblePost {
            page: post.page.clone(),
            post: post.id.clone(),
            marker: post.marker.clone(),
            message: version.message.clone(),
            link: post.link.clone(),
        })
    });
    shown.collect()
}

fn markers(world: &World, now_ms: i64) -> Vec<MarkerReport> {
    let mut posts: BTreeMap<(&str, &str), Vec<&Post>> = BTreeMap::new();
    for id in world.pages.values().flat_map(|page| &page.posts) {
        let Some(post) = world.posts.get(id) else { continue };
        if let Some(marker) = &post.marker {
            posts.entry((&post.page, marker)).or_default().push(post);
        }
    }
    let mut counts: BTreeMap<(&str, &str), [u64; 3]> = BTreeMap::new();
    for effect in &world.effects {
        if let Some(marker) = &effect.marker {
            let [creates, updates, deletes] = counts.entry((&effect.page, marker)).or_default();
            *count_of(effect.op, creates, updates, deletes) += 1;
        }
    }
    let report = |((page, marker), posts): ((&str, &str), Vec<&Post>)| {
        let [creates, updates, deletes] = counts.get(&(page, marker)).copied().unwrap_or_default();
        let is_visible = |post: &&&Post| post.present().is_some_and(|version| post.is_live(version, now_ms));
        MarkerReport {
            page: page.to_owned(),
            marker: marker.to_owned(),
            visible_now: posts.iter().filter(is_visible).count() as u64,
            visible_max_ever: most_at_once(&posts, now_ms),
            creates,
            updates,
            deletes,
        }
    };
    posts.into_iter().map(report).collect()
}

/// The greatest number of posts that were visible at the same time. Moments are (time, number of the write), as
/// several writes may fall into one millisecond.
fn most_at_once(posts: &[&Post], now_ms: i64) -> u64 {
    let mut steps: Vec<((i64, u64), i64)> = Vec::new();
    for post in posts {
        for (index, version) in post.versions.iter().enumerate() {
            let end = post.versions.get(index + 1).map(|next| (next.at_ms, next.seq));
            let due = post.scheduled_ms.filter(|due| *due <= now_ms).map(|due| (due, 0));
            let start = if version.published { Some((version.at_ms, version.seq)) } else { due };
            let start = start.map(|start| start.max((version.at_ms, version.seq)));
            let Some(start) = start.filter(|start| !version.deleted && end.is_none_or(|end| *start < end)) else {
                continue;
            };
            steps.push((start, 1));
            steps.extend(end.map(|end| (end, -1)));
        }
    }
    // An edit ends one version and begins the next at the same moment: the end comes first.
    steps.sort_unstable();
    let (mut now, mut most) = (0_i64, 0_i64);
    for (_, step) in steps {
        now += step;
        most = most.max(now);
    }
    most.unsigned_abs()
}

/// Pairs each expected post with one visible post. What is left on either side is lost or unexpected, so a stale post
/// counts on both.
fn compare(report: &mut Report, visible: Vec<VisiblePost>, expected: &Expectation, param: &str) {
    let mut left: BTreeMap<&str, BTreeMap<String, Vec<VisiblePost>>> = BTreeMap::new();
    let mut others = Vec::new();
    for post in visible {
        // Filed under their links, or a comparison of 10,000 posts would look at 100,000,000 pairs.
        match expected.expected.get_key_value(&post.page) {
            Some((page, _)) => {
                left.entry(page).or_default().entry(place(&post, param)).or_default().push(post);
            }
            None => others.push(post),
        }
    }
    let mut lost = Vec::new();
    for (page, posts) in &expected.expected {
        let mut on_page = left.remove(page.as_str()).unwrap_or_default();
        // The most precise first, so that a vague one does not take what only they accept.
        let mut posts: Vec<&ExpectedPost> = posts.iter().collect();
        posts.sort_by_key(|post| [post.marker.is_none(), post.link.is_none(), post.message.is_none()]);
        for wanted in posts {
            if !take(&mut on_page, wanted, param) {
                lost.push((page.clone(), wanted.clone()));
            }
        }
        others.extend(on_page.into_values().flatten());
    }
    report.lost = Some(lost.len() as u64);
    report.unexpected = Some(others.len() as u64);
    lost.truncate(NAMED);
    others.truncate(NAMED);
    report.lost_posts = lost;
    report.unexpected_posts = others;
}

/// Where a visible post is filed: under its link without the marker.
fn place(post: &VisiblePost, param: &str) -> String {
    post.link.as_deref().map(|link| without_marker(link, param)).unwrap_or_default()
}

fn take(on_page: &mut BTreeMap<String, Vec<VisiblePost>>, wanted: &ExpectedPost, param: &str) -> bool {
    let link = wanted.link.as_deref().map(|link| without_marker(link, param));
    // A marker may be given in the link alone.
    let marker = wanted.marker.clone().or_else(|| marker_of(wanted.link.as_deref(), "", param));
    let fits = |post: &VisiblePost| {
        wanted.message.as_ref().is_none_or(|message| *message == post.message)
            && marker.as_ref().is_none_or(|marker| post.marker.as_ref() == Some(marker))
    };
    let take_from = |posts: &mut Vec<VisiblePost>| match posts.iter().position(fits) {
        Some(index) => {
            posts.swap_remove(index);
            true
        }
        None => false,
    };
    match link {
        Some(link) => on_page.get_mut(&link).is_some_and(take_from),
        None => on_page.values_mut().any(take_from),
    }
}

#[cfg(test)]
mod tests;
