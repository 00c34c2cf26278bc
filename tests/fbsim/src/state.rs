//! The simulated world: pages and posts. It changes by executed writes only, so replaying them rebuilds it.

use crate::clock;
use crate::faults::FaultState;
use crate::journal::{Journal, JournalError};
use crate::settings::{Options, PageToken, Settings};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, VecDeque};
use url::Url;

/// Digits of a post id start here, so that they look like the real ones and no page id is taken for a post.
const FIRST_POST_DIGITS: u64 = 122_100_000_000_000;

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WriteOp {
    /// A post was made.
    Create,
    /// A post was edited or published.
    Update,
    /// A post was removed.
    Delete,
}

/// One executed write, as the journal keeps it and `/__sim/effects` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// 1 for the first write; no gaps.
    pub seq: u64,
    /// Milliseconds since 1970; never falls.
    pub time_ms: i64,
    /// What was done.
    pub op: WriteOp,
    /// The page's id.
    pub page: String,
    /// The post's id, `{page}_{digits}`.
    pub post: String,
    /// What the post's link (or the last line of its message) carries to recognise it by.
    pub marker: Option<String>,
    /// The message after the write; of a deleted post, its last one.
    pub message: String,
    /// The post's link.
    pub link: Option<String>,
    /// Whether the post is (or was, when it is deleted) public after the write.
    pub published: bool,
    /// When an unpublished post goes live by itself.
    pub scheduled_ms: Option<i64>,
    /// The app that wrote; none for a person working on the page itself.
    pub app: Option<String>,
}

/// A write that is about to be executed.
pub(crate) struct Write {
    pub(crate) op: WriteOp,
    pub(crate) page: String,
    /// None for a create: the id is given at the execution.
    pub(crate) post: Option<String>,
    pub(crate) message: String,
    pub(crate) link: Option<String>,
    pub(crate) published: bool,
    pub(crate) scheduled_ms: Option<i64>,
    pub(crate) app: Option<String>,
}

/// A page, what it accepts and how much it was called.
pub(crate) struct Page {
    pub(crate) token: Option<String>,
    /// The subcode with which every call is refused since the token was revoked.
    pub(crate) revoked: Option<u32>,
    pub(crate) app: Option<String>,
    /// Ids of all posts ever made, oldest first.
    pub(crate) posts: Vec<String>,
    /// Times of the writes in the current window.
    pub(crate) window: VecDeque<i64>,
    pub(crate) throttled_until: i64,
    pub(crate) calls_while_throttled: u64,
}

/// A post with all its past, so that a lagging read can be answered.
pub(crate) struct Post {
    pub(crate) id: String,
    pub(crate) page: String,
    pub(crate) app: Option<String>,
    pub(crate) link: Option<String>,
    pub(crate) marker: Option<String>,
    pub(crate) created_ms: i64,
    pub(crate) scheduled_ms: Option<i64>,
    /// Never empty; oldest first.
    pub(crate) versions: Vec<Version>,
}

/// A post's content since one write.
#[derive(Clone)]
pub(crate) struct Version {
    pub(crate) seq: u64,
    pub(crate) at_ms: i64,
    pub(crate) message: String,
    pub(crate) published: bool,
    pub(crate) deleted: bool,
}

impl Post {
    /// What a read that sees the world of `now_ms` finds; none before the creation and after the deletion.
    pub(crate) fn as_of(&self, now_ms: i64) -> Option<&Version> {
        self.versions.iter().rev().find(|version| version.at_ms <= now_ms).filter(|version| !version.deleted)
    }

    /// The present content, whatever reads may still show.
    pub(crate) fn present(&self) -> Option<&Version> {
        self.versions.last().filter(|version| !version.deleted)
    }

    /// Whether this version is public at `now_ms`, by itself or because its hour has come.
    pub(crate) fn is_live(&self, version: &Version, now_ms: i64) -> bool {
        version.published || self.scheduled_ms.is_some_and(|due| due <= now_ms)
    }
}

/// Everything that the simulator knows.
pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) faults: FaultState,
    pub(crate) pages: BTreeMap<String, Page>,
    pub(crate) posts: HashMap<String, Post>,
    pub(crate) effects: Vec<Effect>,
    /// Graph calls since the start.
    pub(crate) calls: u64,
    /// Of these, calls that ask for a write.
    pub(crate) writes: u64,
    /// Of these, calls that the fault plan made go wrong.
    pub(crate) struck: u64,
    pub(crate) app_throttled_until: i64,
    pub(crate) app_calls_while_throttled: u64,
    /// Raised by a reset, so that a delayed write of the old world is not executed in the new one.
    pub(crate) generation: u64,
    last_ms: i64,
    journal: Option<Journal>,
}

impl World {
    /// Another world may be opened from the journal.
    pub(crate) fn release(&self) {
        if let Some(journal) = &self.journal {
            journal.release();
        }
    }

    /// The world as its journal left it.
    pub(crate) fn open(options: &Options) -> Result<Self, JournalError> {
        let (journal, effects) = match &options.state {
            Some(path) => Journal::open(path).map(|(journal, effects)| (Some(journal), effects))?,
            None => (None, Vec::new()),
        };
        let mut world = Self {
            settings: options.settings.clone(),
            faults: FaultState::new(options.faults.clone()),
            pages: BTreeMap::new(),
            posts: HashMap::new(),
            effects: Vec::with_capacity(effects.len()),
            calls: 0,
            writes: 0,
            struck: 0,
            app_throttled_until: 0,
            app_calls_while_throttled: 0,
            generation: 0,
            last_ms: 0,
            journal,
        };
        for PageToken { page, token } in &options.pages {
            world.page_mut(page).token = Some(token.clone());
        }
        for effect in effects {
            world.apply(effect);
        }
        Ok(world)
    }

    /// The present, never before an executed write.
    pub(crate) fn now_ms(&self) -> i64 {
        clock::now_ms().max(self.last_ms)
    }

    /// The page, made if need be.
    pub(crate) fn page_mut(&mut self, id: &str) -> &mut Page {
        self.pages.entry(id.to_owned()).or_insert_with(|| Page {
            token: None,
            revoked: None,
            app: None,
            posts: Vec::new(),
            window: VecDeque::new(),
            throttled_until: 0,
            calls_while_throttled: 0,
        })
    }

    /// Executes a write: durable first, visible after.
    pub(crate) fn execute(&mut self, write: Write) -> Result<&Effect, JournalError> {
        let seq = self.effects.last().map_or(1, |effect| effect.seq + 1);
        let known = write.post.as_ref().and_then(|id| self.posts.get(id));
        let marker = match known {
            Some(post) => post.marker.clone(),
            None => marker_of(write.link.as_deref(), &write.message, &self.settings.marker_param),
        };
        let effect = Effect {
            seq,
            time_ms: self.now_ms(),
            op: write.op,
            post: write.post.unwrap_or_else(|| format!("{}_{}", write.page, FIRST_POST_DIGITS + seq)),
            page: write.page,
            marker,
            message: write.message,
            link: write.link,
            published: write.published,
            scheduled_ms: write.scheduled_ms,
            app: write.app,
        };
        if let Some(journal) = &mut self.journal {
            journal.append(&effect)?;
        }
        self.apply(effect);
        Ok(&self.effects[self.effects.len() - 1])
    }

    /// Makes a post as a page's owner would, with no app.
    pub(crate) fn post_by_hand(
        &mut self,
        page: String,
        message: String,
        link: Option<String>,
    ) -> Result<&Effect, JournalError> {
        let op = WriteOp::Create;
        self.execute(Write { op, page, post: None, message, link, published: true, scheduled_ms: None, app: None })
    }

    /// Removes a post as its page's owner would, with no app. False if there is none.
    pub(crate) fn delete_by_hand(&mut self, id: &str) -> Result<bool, JournalError> {
        self.write_by_hand(id, WriteOp::Delete, None)
    }

    /// Writes another message over that of a post as its page's owner would, with no app. False if there is none.
    pub(crate) fn edit_by_hand(&mut self, id: &str, message: &str) -> Result<bool, JournalError> {
        self.write_by_hand(id, WriteOp::Update, Some(message))
    }

    fn write_by_hand(&mut self, id: &str, op: WriteOp, message: Option<&str>) -> Result<bool, JournalError> {
        let Some((post, version)) = self.posts.get(id).and_then(|post| post.present().map(|version| (post, version)))
        else {
            return Ok(false);
        };
        let write = Write {
            op,
            page: post.page.clone(),
            post: Some(post.id.clone()),
            message: message.unwrap_or(&version.message).to_owned(),
            link: post.link.clone(),
            published: version.published,
            scheduled_ms: post.scheduled_ms,
            app: None,
        };
        self.execute(write).map(|_| true)
    }

    /// Forgets every post, write and count; tokens, settings and faults stay.
    pub(crate) fn reset(&mut self) -> Result<(), JournalError> {
        if let Some(journal) = &mut self.journal {
            journal.clear()?;
        }
        self.posts.clear();
        self.effects.clear();
        self.calls = 0;
        self.writes = 0;
        self.struck = 0;
        self.app_throttled_until = 0;
        self.app_calls_while_throttled = 0;
        self.generation += 1;
        for page in self.pages.values_mut() {
            page.posts.clear();
            page.window.clear();
            page.throttled_until = 0;
            page.calls_while_throttled = 0;
        }
        Ok(())
    }

    fn apply(&mut self, effect: Effect) {
        self.last_ms = self.last_ms.max(effect.time_ms);
        let version = Version {
            seq: effect.seq,
            at_ms: effect.time_ms,
            message: effect.message.clone(),
            published: effect.published,
            deleted: effect.op == WriteOp::Delete,
        };
        if let Some(post) = self.posts.get_mut(&effect.post) {
            post.scheduled_ms = effect.scheduled_ms;
            post.versions.push(version);
        } else {
            self.page_mut(&effect.page).posts.push(effect.post.clone());
            let post = Post {
                id: effect.post.clone(),
                page: effect.page.clone(),
                app: effect.app.clone(),
                link: effect.link.clone(),
                marker: effect.marker.clone(),
                created_ms: effect.time_ms,
                scheduled_ms: effect.scheduled_ms,
                versions: vec![version],
            };
            self.posts.insert(effect.post.clone(), post);
        }
        self.effects.push(effect);
    }
}

/// The marker of a post: the parameter of its link, or a last line `#ref MARKER` of its message.
pub(crate) fn marker_of(link: Option<&str>, message: &str, param: &str) -> Option<String> {
    let in_link = link
        .and_then(|link| Url::parse(link).ok())
        .and_then(|url| url.query_pairs().find(|(name, _)| name == param).map(|(_, value)| value.into_owned()));
    in_link.or_else(|| message.trim_end().lines().last()?.strip_prefix("#ref ").map(|marker| marker.trim().to_owned()))
}

/// A link without its marker, to compare it with the one that was asked for.
pub(crate) fn without_marker(link: &str, param: &str) -> String {
    let Ok(mut url) = Url::parse(link) else { return link.to_owned() };
    let rest: Vec<_> = url
        .query_pairs()
        .filter(|(name, _)| name != param)
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    url.set_query(None);
    if !rest.is_empty() {
        url.query_pairs_mut().extend_pairs(rest);
    }
    url.into()
}
