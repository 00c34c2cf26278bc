//! One export of an import to Facebook pages.

use super::graph::{Call, Graph, Verb};
use super::judge::Judge;
use super::pages::{Page, Pages};
use super::post::{Post, Template};
use super::{code, marker, probe};
use async_trait::async_trait;
use jobpipe_config::diagnostic::codes;
use jobpipe_core::{
    EffectAnswer, EffectCall, EffectPolicy, EffectTimes, ErrorClass, FoundPost, Millis, Op, Rendered, RowId, Sink,
    TargetRef, TaskError,
};
use jobpipe_expr::Value;
use secrecy::SecretString;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The credential of a page whose token is not known here. Not 0, which is that of pauses that only a person ends: another
/// process may have the token, or this one when it is started again.
const NO_TOKEN: u64 = 1;

/// Longest answer to a call that changes something, in bytes.
const LONGEST_ANSWER: usize = 1 << 20;
/// Rows whose posts were held back that are remembered at once.
const MOST_HELD: usize = 10_000;

/// Says which pages an export names; asked when a run starts, as the list may lie in the environment or a file.
pub type PageNames = Box<dyn Fn() -> Result<Vec<String>, TaskError> + Send + Sync>;

/// What an export says.
pub struct PostExport {
    /// The pages, by the names that [`Pages`] gives them.
    pub pages: PageNames,
    /// `where`: only `true` passes.
    pub wanted: Option<Value>,
    /// `message`
    pub message: Option<Value>,
    /// `link`
    pub link: Option<Value>,
    /// `new`, `changed`, `gone`.
    pub policy: EffectPolicy,
}

/// The sink of one export. Any page of the settings can be called, also one that the export names no more.
pub struct FacebookSink {
    graph: Arc<Graph>,
    pages: Arc<Pages>,
    names: PageNames,
    template: Template,
    policy: EffectPolicy,
    /// By marker: how often in a row Facebook held back the post of a row for what may pass (a link that it could not
    /// read, a repetition that the read-back did not find).
    held: Mutex<BTreeMap<String, u32>>,
}

impl FacebookSink {
    /// Puts an export together with the API and the pages of the settings.
    #[must_use]
    pub fn new(graph: Arc<Graph>, pages: Arc<Pages>, export: PostExport) -> Self {
        let PostExport { pages: names, wanted, message, link, policy } = export;
        let template = Template { wanted, message, link };
        Self { graph, pages, names, template, policy, held: Mutex::default() }
    }

    fn judge<'a>(&'a self, page: &'a Page, token: &'a SecretString) -> Judge<'a> {
        Judge { graph: &self.graph, page, token }
    }

    /// How often the post of this row was held back so far.
    fn held(&self, marker: &str) -> u32 {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).get(marker).copied().unwrap_or(0)
    }

    /// Counts a post that was held back; a definite end forgets the row.
    fn count_held(&self, marker: String, before: u32, answer: &EffectAnswer) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let once_more = match answer {
            EffectAnswer::Wait { whole_target, .. } => !whole_target,
            EffectAnswer::Unknown(error) => error.code == code::DUPLICATE,
            _ => {
                held.remove(&marker);
                return;
            }
        };
        if once_more {
            if held.len() >= MOST_HELD {
                held.clear();
            }
            held.insert(marker, before + 1);
        }
    }
}

impl std::fmt::Debug for FacebookSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { graph, pages, template, policy, names: _, held: _ } = self;
        let mut shown = f.debug_struct("FacebookSink");
        shown.field("graph", graph).field("pages", pages).field("template", template).field("policy", policy);
        shown.finish_non_exhaustive()
    }
}

#[async_trait]
impl Sink for FacebookSink {
    fn targets(&self) -> Result<Vec<TargetRef>, TaskError> {
        let mut targets: Vec<TargetRef> = Vec::new();
        for name in (self.names)()? {
            let page = self.pages.named(&name)?;
            page.token()?;
            if !targets.iter().any(|target| target.id == page.target()) {
                targets.push(TargetRef { id: page.target(), name: page.name.clone() });
            }
        }
        if targets.is_empty() {
            let message =
                "the export names no page, so there is nothing to post to; name one after `facebook:`".to_owned();
            return Err(TaskError {
                class: ErrorClass::Permanent,
                code: codes::NO_TARGETS.to_owned(),
                message,
                retry_after_ms: None,
            });
        }
        Ok(targets)
    }

    fn render(&self, row: &RowId, body: &Json) -> Result<Rendered, TaskError> {
        self.template.render(row, self.pages.of_target(&row.target)?, self.graph.clock.now(), body)
    }

    fn marker(&self, row: &RowId) -> String {
        marker::of(row)
    }

    fn marker_prefix(&self, import: &str, export: &str, target: &str) -> String {
        marker::prefix(import, export, target)
    }

    fn credential(&self, target: &str) -> u64 {
        let page = self.pages.of_target(target).ok();
        page.and_then(|page| page.token().ok()).map_or(NO_TOKEN, |token| self.graph.credential(token))
    }

    async fn apply(&self, target: &str, call: &EffectCall) -> EffectAnswer {
        let (page, token) = match credentials(&self.pages, target) {
            Ok(both) => both,
            Err(error) => return EffectAnswer::Paused(error),
        };
        let judge = self.judge(page, token);
        let request = match request(page, token, call) {
            Ok(request) => request,
            Err(what) => {
                let remedy =
                    "this row cannot be sent as it was written down; it is tried again when its content changes";
                return EffectAnswer::Rejected(judge.error(ErrorClass::Permanent, code::RENDER, &what, remedy));
            }
        };
        if let Err(closed) = self.graph.gate.pass(&page.id).await {
            let error = judge.closed(closed.left, closed.why);
            return EffectAnswer::Wait { after: closed.left, whole_target: true, error };
        }
        let reply = self.graph.call(&request).await;
        let marker = marker::of(&call.row);
        let held = self.held(&marker);
        let answer = judge.effect(call.op, reply, held);
        self.count_held(marker, held, &answer);
        self.graph.gate.tell().await;
        answer
    }

    async fn probe(&self, target: &str, since: Millis) -> Result<Vec<FoundPost>, TaskError> {
        let (page, token) = credentials(&self.pages, target)?;
        probe::read(&self.judge(page, token), since).await
    }

    fn policy(&self) -> EffectPolicy {
        self.policy
    }

    fn times(&self) -> EffectTimes {
        self.graph.times()
    }
}

fn credentials<'a>(pages: &'a Pages, target: &str) -> Result<(&'a Page, &'a SecretString), TaskError> {
    let page = pages.of_target(target)?;
    Ok((page, page.token()?))
}

/// The call of an effect. A link cannot be changed, so an update sends the message alone.
fn request<'a>(page: &'a Page, token: &'a SecretString, call: &'a EffectCall) -> Result<Call<'a>, String> {
    let post = || call.post.as_deref().ok_or_else(|| "the post to change is not known".to_owned());
    let payload = || {
        serde_json::from_value::<Post>(call.payload.clone())
            .map_err(|error| format!("its payload cannot be read ({error})"))
    };
    let (verb, node, edge, params) = match call.op {
        Op::Create => {
            let Post { message, link } = payload()?;
            let message = Some(("message", message)).filter(|(_, message)| !message.is_empty());
            let params = message.into_iter().chain(link.map(|link| ("link", link))).collect();
            (Verb::Post, page.id.as_str(), Some("feed"), params)
        }
        Op::Update => (Verb::Post, post()?, None, vec![("message", payload()?.message)]),
        Op::Delete => (Verb::Delete, post()?, None, Vec::new()),
    };
    Ok(Call { verb, node, edge, params, token, page: &page.id, most: LONGEST_ANSWER })
}
