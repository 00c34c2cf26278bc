//! A stage between the file and the plan.

use crate::reader::Used;
use crate::spec::{CrawlSpec, FacebookSpec, JsonlSpec, TransformSpec};
use jobpipe_core::{Feed, RetryPolicy, StageKind, StagePlan};
use serde_json::Value as Json;
use std::ops::Range;

/// A stage as read, with what the checks over all stages need.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) name: String,
    /// The bytes of its name, or of the key that stands for it.
    pub(super) span: Range<usize>,
    /// The key's path.
    pub(super) path: String,
    /// The stages that it is from, with the bytes of each name.
    pub(super) from: Vec<(String, Range<usize>)>,
    pub(super) kind: StageKind,
    pub(super) queue: Option<String>,
    /// `None` when it was not read to its end; what is wrong was reported.
    pub(super) body: Option<Body>,
}

/// What a stage takes.
#[derive(Debug)]
pub(super) enum Body {
    Crawl(Box<Crawl>),
    Transform(Box<Transform>),
    Jsonl(Jsonl),
    Facebook(Box<Facebook>),
}

#[derive(Debug)]
pub(super) struct Crawl {
    pub(super) spec: CrawlSpec,
    /// What its requests use: fields need a `from`.
    pub(super) requests: Vec<Used>,
}

#[derive(Debug)]
pub(super) struct Transform {
    pub(super) spec: TransformSpec,
    /// Whether `key` is written, be it right or wrong.
    pub(super) has_key: bool,
    /// Whether `gone` is written, and where.
    pub(super) gone_span: Option<Range<usize>>,
    /// What makes the record and its key.
    pub(super) compared: Vec<Used>,
    /// The names of `require`, each with its bytes.
    pub(super) require: Vec<(String, Range<usize>)>,
}

#[derive(Debug)]
pub(super) struct Jsonl {
    pub(super) spec: JsonlSpec,
    /// The names of `fields`, each with its bytes.
    pub(super) fields: Vec<(String, Range<usize>)>,
}

#[derive(Debug)]
pub(super) struct Facebook {
    pub(super) spec: FacebookSpec,
    /// What its posts are made from.
    pub(super) used: Vec<Used>,
}

impl Body {
    /// The connector's name in the plan.
    fn connector(&self) -> &'static str {
        match self {
            Self::Crawl(crawl) => crawl.spec.source().map_or("json", |(kind, _)| kind.name()),
            Self::Transform(_) => "map",
            Self::Jsonl(_) => "jsonl",
            Self::Facebook(_) => "facebook",
        }
    }

    fn feed(&self) -> Feed {
        match self {
            Self::Crawl(_) | Self::Transform(_) => Feed::Batches,
            Self::Jsonl(jsonl) => jsonl.spec.write.into(),
            Self::Facebook(_) => Feed::Heads,
        }
    }

    fn json(&self) -> Option<Json> {
        match self {
            Self::Crawl(crawl) => serde_json::to_value(&crawl.spec),
            Self::Transform(transform) => serde_json::to_value(&transform.spec),
            Self::Jsonl(jsonl) => serde_json::to_value(&jsonl.spec),
            Self::Facebook(facebook) => serde_json::to_value(&facebook.spec),
        }
        .ok()
    }
}

/// Detail pages that one task asks for, one after the other, at most.
const DETAIL_BUNDLE: u32 = 20;

impl Draft {
    /// The queue of a stage that names none: a transform of one stage waits where that one does, so that both share a
    /// task; one where several meet has a queue of its own.
    fn default_queue(&self, before: &[StagePlan]) -> String {
        match (self.kind, self.from.as_slice()) {
            (StageKind::Crawl, _) => "crawl".to_owned(),
            (StageKind::Export, _) => "export".to_owned(),
            (StageKind::Transform, [(only, _)]) => {
                before.iter().find(|stage| stage.name == *only).map_or("transform", |stage| &stage.queue).to_owned()
            }
            (StageKind::Transform, _) => "transform".to_owned(),
        }
    }

    /// The stage of the plan, after those `before` it; `None` when it was not read to its end.
    pub(super) fn into_plan(self, before: &[StagePlan]) -> Option<StagePlan> {
        let default_queue = self.default_queue(before);
        let body = self.body?;
        let mut plan = StagePlan {
            name: self.name,
            from: self.from.into_iter().map(|(name, _)| name).collect(),
            kind: self.kind,
            connector: body.connector().to_owned(),
            feed: body.feed(),
            queue: self.queue.unwrap_or(default_queue),
            retry: RetryPolicy::default(),
            concurrency: None,
            task: None,
            bundle: 1,
            gone: None,
            pace: None,
            max: jobpipe_core::Budget::default(),
            body: body.json()?,
        };
        match body {
            Body::Crawl(crawl) => {
                let asks_details = crawl.spec.links.is_some() || !plan.from.is_empty();
                plan.bundle = if asks_details { DETAIL_BUNDLE } else { 1 };
                plan.retry = crawl.spec.retry.into();
                plan.concurrency = crawl.spec.concurrency;
                plan.task = crawl.spec.task.map(Into::into);
                plan.max = crawl.spec.max.into();
            }
            Body::Transform(transform) => plan.gone = transform.spec.gone.policy(),
            Body::Facebook(facebook) => plan.pace = facebook.spec.pace.pace(),
            Body::Jsonl(_) => {}
        }
        Some(plan)
    }
}
