//! Pages that hold posts, and err.

use async_trait::async_trait;
use jobpipe_core::{
    Clock, Content, EffectAnswer, EffectCall, EffectPolicy, EffectTimes, ErrorClass, FoundPost, Millis, Op, Rendered,
    RowId, Sink, TargetRef, TaskError,
};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What goes wrong with the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Executed, and the answer is lost.
    LostAnswer,
    /// Not executed, and nobody can tell.
    LostCall,
    /// Surely not executed.
    Throttled,
    /// The token is refused.
    Auth,
    /// The content is refused.
    Rejected,
    /// The post is said not to exist, by a part of the target that does not know of it yet.
    Late,
}

#[derive(Debug, Clone)]
struct Post {
    text: String,
    marker: String,
    made: Millis,
    by_hand: bool,
}

/// All pages.
#[derive(Debug, Default)]
pub struct Pages {
    posts: BTreeMap<String, BTreeMap<String, Post>>,
    next: u64,
    /// Faults of coming calls, any page.
    pub faults: VecDeque<Option<Fault>>,
    /// The next call is answered so late.
    pub slow: Option<Duration>,
    /// Calls made.
    pub calls: u64,
    pub reads: u64,
    pub creates: u64,
    pub updates: u64,
    pub deletes: u64,
    /// Markers that were visible twice at some time.
    pub doubles: Vec<String>,
    /// Changes when the token is renewed.
    pub token: u64,
    /// So many reads to come show no post.
    pub blind: u64,
    /// Posts are shown as the target likes it, not as they were sent.
    pub own_way: bool,
}

impl Pages {
    pub fn texts(&self, page: &str) -> Vec<String> {
        let mut texts: Vec<String> =
            self.posts.get(page).into_iter().flat_map(BTreeMap::values).map(|post| post.text.clone()).collect();
        texts.sort();
        texts
    }

    /// An admin removes the post with this text.
    pub fn admin_deletes(&mut self, page: &str, text: &str) {
        self.posts.get_mut(page).unwrap().retain(|_, post| post.text != text);
    }

    /// Somebody writes another text over the one with this text.
    pub fn admin_edits(&mut self, page: &str, text: &str, other: &str) {
        let post = self.posts.get_mut(page).unwrap().values_mut().find(|post| post.text == text).unwrap();
        other.clone_into(&mut post.text);
    }

    /// The post with this text is there once more: a call of long ago was executed.
    pub fn doubles(&mut self, page: &str, text: &str, now: Millis) {
        self.repeats(page, text, now, false);
    }

    /// Somebody posts the same, with our marker.
    pub fn admin_repeats(&mut self, page: &str, text: &str, now: Millis) {
        self.repeats(page, text, now, true);
    }

    fn repeats(&mut self, page: &str, text: &str, now: Millis, by_hand: bool) {
        self.next += 1;
        let id = format!("{page}_{}", self.next);
        let posts = self.posts.get_mut(page).unwrap();
        let post = posts.values().find(|post| post.text == text).unwrap().clone();
        posts.insert(id, Post { made: now, by_hand, ..post });
    }

    fn execute(&mut self, page: &str, call: &EffectCall, now: Millis) -> Option<String> {
        match call.op {
            Op::Create => {
                self.next += 1;
                self.creates += 1;
                let id = format!("{page}_{}", self.next);
                let marker = call.payload["marker"].as_str().unwrap().to_owned();
                let posts = self.posts.entry(page.to_owned()).or_default();
                if posts.values().any(|post| post.marker == marker) {
                    self.doubles.push(marker.clone());
                }
                let text = call.payload["text"].as_str().unwrap().to_owned();
                posts.insert(id.clone(), Post { text, marker, made: now, by_hand: false });
                Some(id)
            }
            Op::Update => {
                self.updates += 1;
                let post = self.posts.get_mut(page)?.get_mut(call.post.as_ref()?)?;
                call.payload["text"].as_str().unwrap().clone_into(&mut post.text);
                Some(String::new())
            }
            Op::Delete => {
                self.posts.get_mut(page)?.remove(call.post.as_ref()?)?;
                self.deletes += 1;
                Some(String::new())
            }
        }
    }
}

pub struct TestSink {
    pub targets: Vec<String>,
    pub template: String,
    /// Posts of records that are gone are kept.
    pub keeps: bool,
    pub pages: Arc<Mutex<Pages>>,
    pub clock: Arc<dyn Clock>,
}

fn error(class: ErrorClass) -> TaskError {
    TaskError { class, code: "JP301".into(), message: "the page erred".into(), retry_after_ms: None }
}

#[async_trait]
impl Sink for TestSink {
    fn targets(&self) -> Result<Vec<TargetRef>, TaskError> {
        Ok(self.targets.iter().map(|id| TargetRef { id: id.clone(), name: id.clone() }).collect())
    }

    fn render(&self, row: &RowId, body: &Json) -> Result<Rendered, TaskError> {
        let text = format!("{} {}", self.template, body["title"].as_str().unwrap());
        let content = Content { hash: Some(text.clone()), identity: "link".into() };
        Ok(Rendered::Content { content, payload: json!({ "text": text, "marker": self.marker(row) }) })
    }

    fn marker(&self, row: &RowId) -> String {
        format!("{}{}", self.marker_prefix(&row.import, &row.export, &row.target), row.key)
    }

    fn marker_prefix(&self, import: &str, export: &str, target: &str) -> String {
        format!("{import}.{export}.{target}.")
    }

    fn credential(&self, _target: &str) -> u64 {
        self.pages.lock().unwrap().token + 1
    }

    async fn apply(&self, target: &str, call: &EffectCall) -> EffectAnswer {
        let late = self.pages.lock().unwrap().slow.take().unwrap_or(Duration::from_millis(2));
        self.clock.sleep(late).await;
        let mut pages = self.pages.lock().unwrap();
        pages.calls += 1;
        let now = self.clock.now();
        match pages.faults.pop_front().flatten() {
            Some(Fault::Throttled) => EffectAnswer::Wait {
                after: Duration::from_secs(5),
                whole_target: true,
                error: error(ErrorClass::Throttled),
            },
            Some(Fault::Auth) => EffectAnswer::Paused(error(ErrorClass::Auth)),
            Some(Fault::Rejected) => EffectAnswer::Rejected(error(ErrorClass::Permanent)),
            Some(Fault::Late) => EffectAnswer::Absent(error(ErrorClass::Missing)),
            Some(Fault::LostCall) => EffectAnswer::Unknown(error(ErrorClass::Transient)),
            Some(Fault::LostAnswer) => {
                pages.execute(target, call, now);
                EffectAnswer::Unknown(error(ErrorClass::Transient))
            }
            None => match (pages.execute(target, call, now), call.op) {
                (None, _) => EffectAnswer::Absent(error(ErrorClass::Missing)),
                (post, Op::Create) => EffectAnswer::Done { post },
                (Some(_), _) => EffectAnswer::Done { post: None },
            },
        }
    }

    async fn probe(&self, target: &str, since: Millis) -> Result<Vec<FoundPost>, TaskError> {
        let mut pages = self.pages.lock().unwrap();
        pages.reads += 1;
        if pages.blind > 0 {
            pages.blind -= 1;
            return Ok(Vec::new());
        }
        let own_way = pages.own_way;
        let posts = pages.posts.get(target);
        Ok(posts
            .into_iter()
            .flatten()
            .filter(|(_, post)| post.made >= since)
            .map(|(id, post)| FoundPost {
                post: id.clone(),
                marker: post.marker.clone(),
                created_at: post.made,
                identity: Some("link".into()),
                foreign: post.by_hand,
                hash: Some(if own_way { post.text.to_uppercase() } else { post.text.clone() }),
            })
            .collect())
    }

    fn policy(&self) -> EffectPolicy {
        EffectPolicy { create: true, update: true, delete: !self.keeps }
    }

    fn times(&self) -> EffectTimes {
        EffectTimes {
            send_by: Duration::from_secs(3),
            timeout: Duration::from_secs(3),
            settle: Duration::from_secs(20),
            read_lag: Duration::from_secs(2),
        }
    }
}
