//! The source: items that come, change and go, listed in pages of fixed key ranges, so that a listing that is read while
//! it changes skips nothing that was there all the time.

use crate::world::World;
use jobpipe_core::{ErrorClass, Millis, TaskError};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// Items on one page of a listing.
const LISTED: u32 = 3;

/// One item.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// The version of its title.
    pub title: u64,
    /// What a post cannot be updated to: another one replaces it.
    pub link: u64,
    /// Open, or withdrawn.
    pub open: bool,
    /// It fails its contract: a dead letter.
    pub bad: bool,
    /// The whole batch that holds it fails.
    pub toxic: bool,
    /// `x` or `y`: exports may take only one of them.
    pub lang: &'static str,
    /// Listed by source a, by source b.
    pub listed: [bool; 2],
    /// Since when it is neither bad nor toxic.
    pub good: Millis,
    /// Never goes, never closes, keeps its link and language: its posts are never deleted.
    pub steady: bool,
    /// When it changed last.
    pub modified: Millis,
    /// Since when it has been listed without a break, by source.
    pub since: [Millis; 2],
}

/// What the outside has.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// By number.
    pub items: BTreeMap<u32, Item>,
    /// An item that the listing's first page links to, wherever it is listed itself.
    pub featured: Option<u32>,
    /// URLs that fail for good, until they are mended.
    pub failing: BTreeSet<String>,
    versions: u64,
}

pub(crate) fn key(number: u32) -> String {
    format!("o{number:02}")
}

/// A time that compares as text.
fn time(at: Millis) -> String {
    whole(&jobpipe_core::utc_text(at))
}

/// The same with its milliseconds, even when they are none.
pub(crate) fn whole(text: &str) -> String {
    let (seconds, rest) = text.trim_end_matches('Z').split_once('.').unwrap_or((text.trim_end_matches('Z'), ""));
    format!("{seconds}.{rest:0<3}Z")
}

fn error(class: ErrorClass, url: &str) -> TaskError {
    TaskError { class, code: "JP101".into(), message: format!("{url} failed"), retry_after_ms: None }
}

impl Source {
    /// A version that nothing had before.
    pub(crate) fn version(&mut self) -> u64 {
        self.versions += 1;
        self.versions
    }

    pub(crate) fn add(&mut self, number: u32, listed: [bool; 2], lang: &'static str, steady: bool, now: Millis) {
        let title = self.version();
        self.items.insert(
            number,
            Item {
                title,
                link: 0,
                open: true,
                bad: false,
                toxic: false,
                lang,
                listed,
                steady,
                modified: now,
                good: now,
                since: [now; 2],
            },
        );
    }

    /// The body of an item as a source gives it.
    pub(crate) fn body(number: u32, item: &Item, source: usize) -> Json {
        json!({
            "id": key(number),
            "title": format!("{}{}", item.title, ["", "-b"][source]),
            "link": item.link,
            "open": item.open,
            "bad": item.bad,
            "toxic": item.toxic,
            "lang": item.lang,
            "modified": time(item.modified),
        })
    }

    /// Answers a request of the form `SOURCE/KIND/ARGUMENT[?since=TIME]`.
    pub(crate) fn get(&self, world: &World, url: &str) -> Result<Json, TaskError> {
        if world.fault("source failed", world.faults.source) {
            return Err(error(ErrorClass::Transient, url));
        }
        if world.fault("source throttled", world.faults.source / 4.0) {
            return Err(TaskError { retry_after_ms: Some(200), ..error(ErrorClass::Throttled, url) });
        }
        let (path, since) = url.split_once("?since=").unwrap_or((url, ""));
        if self.failing.contains(path) {
            return Err(error(ErrorClass::Permanent, url));
        }
        let mut parts = path.split('/');
        let source = usize::from(parts.next() == Some("b"));
        let kind = parts.next().unwrap_or_default();
        let argument = parts.next().unwrap_or_default();
        if kind == "item" {
            let found = self.items.iter().find(|(number, item)| key(**number) == argument && item.listed[source]);
            let Some((number, item)) = found else { return Err(error(ErrorClass::Missing, url)) };
            return Ok(Self::body(*number, item, source));
        }
        let page: u32 = argument.parse().unwrap_or(0);
        let range = page * LISTED..(page + 1) * LISTED;
        let last = self.items.keys().next_back().copied().unwrap_or(0);
        let listed: Vec<(&u32, &Item)> = self.items.range(range).filter(|(_, item)| item.listed[source]).collect();
        let items: Vec<Json> = listed
            .iter()
            .filter(|(_, item)| since.is_empty() || time(item.modified) >= whole(since))
            .map(|(number, item)| Self::body(**number, item, source))
            .collect();
        let featured =
            self.featured.filter(|number| page == 0 && self.items.get(number).is_some_and(|item| item.listed[source]));
        let mut links: Vec<String> = featured.map(key).into_iter().collect();
        links.extend(listed.iter().map(|(number, _)| key(**number)));
        let more = last >= (page + 1) * LISTED;
        Ok(json!({ "items": items, "links": links, "next": more.then(|| page + 1) }))
    }
}
