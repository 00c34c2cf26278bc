//! Pages that hold posts, and err: they refuse, execute and say nothing, execute late, never hear of a call, show late.

use crate::monitor;
use crate::process::Gate;
use crate::stages::{Ask, Crawl, Keyed, Pass, SimFile};
use crate::world::World;
use async_trait::async_trait;
use jobpipe_core::{
    Content, EffectAnswer, EffectCall, EffectTimes, ErrorClass, FileExport, FoundPost, Millis, Op, Plan, Rendered,
    RowId, Sink, Stage, StageKind, Stages, TargetRef, TaskError,
};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How long a caller waits.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(1);
/// How late a page shows what it did.
pub(crate) const READ_LAG: Duration = Duration::from_millis(800);
/// How late a page executes, in milliseconds.
pub(crate) const LATE: u64 = 3_500;
/// What covers both.
pub(crate) const SETTLE: Duration = Duration::from_millis(4_500);

/// One post.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    /// What it says.
    pub text: String,
    /// What it links to.
    pub link: String,
    /// The marker in it.
    pub marker: String,
    /// When it was made.
    pub made: Millis,
    shown: Millis,
    /// When it is hidden: a copy of the page that lags answers for a moment.
    blink: Option<(Millis, Millis)>,
    /// When it was deleted, and until when it is still shown.
    pub deleted: Option<Millis>,
}

/// One page.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// By id; deleted ones too.
    pub posts: BTreeMap<String, Post>,
    /// The token that is known to jobpipe.
    pub token: u64,
    /// The token that the page takes.
    pub takes: u64,
    /// Tokens that it has refused.
    pub refused: BTreeSet<u64>,
}

/// All pages.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    /// By target.
    pub pages: BTreeMap<String, Page>,
    /// Those that an export has which names none.
    pub listed: Vec<String>,
    /// Posts made so far.
    pub made: u64,
}

impl Pages {
    /// The posts of a page that are there.
    pub(crate) fn there(&self, page: &str) -> impl Iterator<Item = (&String, &Post)> {
        self.pages.get(page).into_iter().flat_map(|page| &page.posts).filter(|(_, post)| post.deleted.is_none())
    }

    fn page(&mut self, page: &str) -> &mut Page {
        self.pages.entry(page.to_owned()).or_default()
    }
}

fn millis(time: Duration) -> Millis {
    Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX)
}

/// Does what a call says, now; `None` when its post is not there.
fn execute(world: &World, target: &str, call: &EffectCall) -> Option<String> {
    let now = world.now();
    let lag = millis(READ_LAG.mul_f64(world.chance.fraction()));
    let blink = world.fault("post hidden for a moment", world.faults.blink).then(|| {
        let from = now + millis(Duration::from_millis(world.chance.between(4_000, 14_000)));
        (from, from + millis(READ_LAG.mul_f64(0.95)))
    });
    let mut pages = world.pages();
    pages.made += 1;
    let id = format!("{target}_{}", pages.made);
    let page = pages.page(target);
    let text = |name: &str| call.payload[name].as_str().unwrap_or_default().to_owned();
    match call.op {
        Op::Create => {
            let marker = text("marker");
            if let Some((other, _)) =
                page.posts.iter().find(|(_, post)| post.marker == marker && post.deleted.is_none())
            {
                world.violated(|| format!("I2: {marker} is posted twice: {other} is there, {id} comes"));
            }
            world.tell(|| format!("{target}  made {id} {marker} \"{}\"", text("text")));
            let (text, link) = (text("text"), text("link"));
            let post = Post { text, link, marker, made: now, shown: now + lag, blink, deleted: None };
            page.posts.insert(id.clone(), post);
            Some(id)
        }
        Op::Update => {
            let post = page.posts.get_mut(call.post.as_ref()?).filter(|post| post.deleted.is_none())?;
            post.text = text("text");
            world.tell(|| format!("{target}  changed {:?} \"{}\"", call.post, text("text")));
            if post.link != text("link") {
                world.violated(|| format!("{target}: an update changed the link of {:?}", call.post));
            }
            Some(String::new())
        }
        Op::Delete => {
            let post = page.posts.get_mut(call.post.as_ref()?).filter(|post| post.deleted.is_none())?;
            post.deleted = Some(now);
            post.shown = now + lag;
            world.tell(|| format!("{target}  deleted {:?} \"{}\"", call.post, post.text));
            let marker = post.marker.clone();
            drop(pages);
            monitor::post_deleted(world, target, &marker);
            Some(String::new())
        }
    }
}

/// An export to pages.
pub(crate) struct SimSink {
    world: Arc<World>,
    gate: Arc<Gate>,
    targets: Vec<String>,
    template: String,
    only: Option<String>,
}

fn error(class: ErrorClass) -> TaskError {
    TaskError { class, code: "JP301".into(), message: "the page erred".into(), retry_after_ms: None }
}

/// What a page makes of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whim {
    Obeys,
    Refuses,
    Throttles,
    NeverHears,
    SaysNothing,
    ExecutesLate,
    Denies,
}

impl SimSink {
    fn whim(&self, call: &EffectCall, made: Option<Millis>) -> Whim {
        let world = &self.world;
        if !world.fault("page erred", world.faults.page) {
            return Whim::Obeys;
        }
        // a clock that was moved cannot tell how fresh a post is
        let denied = if world.faults.clock > 0.0 { Duration::from_millis(500) } else { SETTLE };
        if world.faults.busy && world.chance.hit(0.7) {
            return Whim::Refuses;
        }
        let fresh = made.is_some_and(|made| world.now() < made + millis(denied));
        let whim = *world.chance.one(&[
            Whim::Refuses,
            Whim::Throttles,
            Whim::NeverHears,
            Whim::SaysNothing,
            Whim::SaysNothing,
            Whim::ExecutesLate,
            Whim::ExecutesLate,
            Whim::Denies,
        ]);
        if whim == Whim::Denies && !(fresh && call.op != Op::Create) { Whim::SaysNothing } else { whim }
    }

    async fn call(&self, target: &str, call: &EffectCall) -> EffectAnswer {
        let world = Arc::clone(&self.world);
        let (token, takes, made) = {
            let mut pages = world.pages();
            let page = pages.page(target);
            let made = call.post.as_ref().and_then(|post| page.posts.get(post)).map(|post| post.made);
            (page.token, page.takes, made)
        };
        let wait = |millis| tokio::time::sleep(Duration::from_millis(millis));
        let (before, after) = (world.chance.between(1, 25), world.chance.between(1, 25));
        if token != takes {
            world.pages().page(target).refused.insert(token);
            wait(before * 10).await;
            return EffectAnswer::Paused(error(ErrorClass::Auth));
        }
        match self.whim(call, made) {
            Whim::Refuses => {
                wait(after).await;
                EffectAnswer::Wait {
                    after: Duration::from_millis(700),
                    whole_target: false,
                    error: error(ErrorClass::Transient),
                }
            }
            Whim::Throttles => {
                wait(after).await;
                EffectAnswer::Wait {
                    after: Duration::from_millis(1_500),
                    whole_target: true,
                    error: error(ErrorClass::Throttled),
                }
            }
            Whim::NeverHears => {
                tokio::time::sleep(TIMEOUT).await;
                EffectAnswer::Unknown(error(ErrorClass::Transient))
            }
            Whim::Denies => {
                wait(world.chance.between(1, 900)).await;
                EffectAnswer::Absent(error(ErrorClass::Missing))
            }
            Whim::ExecutesLate => {
                let late = world.chance.between(100, LATE);
                spawn_execution(&world, target, call, late);
                wait(after * 10).await;
                EffectAnswer::Unknown(error(ErrorClass::Transient))
            }
            Whim::SaysNothing => {
                spawn_execution(&world, target, call, before);
                wait(before + after).await;
                EffectAnswer::Unknown(error(ErrorClass::Transient))
            }
            Whim::Obeys => {
                let done = spawn_execution(&world, target, call, before);
                let executed = done.await.ok().flatten();
                wait(after).await;
                match (executed, call.op) {
                    (None, _) => EffectAnswer::Absent(error(ErrorClass::Missing)),
                    (post, Op::Create) => EffectAnswer::Done { post },
                    (Some(_), _) => EffectAnswer::Done { post: None },
                }
            }
        }
    }
}

/// The page executes in its own time, whoever still waits for it.
fn spawn_execution(
    world: &Arc<World>,
    target: &str,
    call: &EffectCall,
    after: u64,
) -> tokio::task::JoinHandle<Option<String>> {
    let (world, target, call) = (Arc::clone(world), target.to_owned(), call.clone());
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(after)).await;
        execute(&world, &target, &call)
    })
}

#[async_trait]
impl Sink for SimSink {
    fn targets(&self) -> Result<Vec<TargetRef>, TaskError> {
        Ok(self.targets.iter().map(|id| TargetRef { id: id.clone(), name: id.clone() }).collect())
    }

    fn render(&self, row: &RowId, body: &Json) -> Result<Rendered, TaskError> {
        let lang = body["lang"].as_str().unwrap_or_default();
        if self.only.as_ref().is_some_and(|only| only != lang) {
            return Ok(Rendered::Nothing);
        }
        let text = format!("{} {}", self.template, body["title"].as_str().unwrap_or_default());
        let link = body["link"].to_string();
        let content = Content { hash: Some(text.clone()), identity: link.clone() };
        let payload = json!({ "text": text, "link": link, "marker": self.marker(row) });
        Ok(Rendered::Content { content, payload })
    }

    fn marker(&self, row: &RowId) -> String {
        format!("{}{}", self.marker_prefix(&row.import, &row.export, &row.target), row.key)
    }

    fn marker_prefix(&self, import: &str, export: &str, target: &str) -> String {
        format!("{import}.{export}.{target}.")
    }

    fn credential(&self, target: &str) -> u64 {
        self.world.pages().page(target).token + 1
    }

    async fn apply(&self, target: &str, call: &EffectCall) -> EffectAnswer {
        // no gate before this: between the last look at the clock and the first byte nothing stops a process here
        self.world.step();
        self.world.count("calls of pages");
        monitor::page_called(&self.world, &self.gate.name, target, call);
        let answer = match tokio::time::timeout(TIMEOUT, self.call(target, call)).await {
            Ok(answer) => answer,
            Err(_) => EffectAnswer::Unknown(error(ErrorClass::Transient)),
        };
        self.gate.pass().await;
        self.world.tell(|| format!("{}  answer {:?} {} {answer:?}", self.gate.name, call.op, call.row.key));
        answer
    }

    async fn probe(&self, target: &str, since: Millis) -> Result<Vec<FoundPost>, TaskError> {
        tokio::time::sleep(Duration::from_millis(self.world.chance.between(1, 20))).await;
        self.gate.pass().await;
        let world = &self.world;
        if world.fault("page could not be read", world.faults.read) {
            return Err(error(ErrorClass::Transient));
        }
        let now = world.now();
        let found: Vec<FoundPost> = {
            let mut pages = world.pages();
            let posts = &pages.page(target).posts;
            let shown = posts.iter().filter(|(_, post)| match post.deleted {
                None => post.shown <= now && post.blink.is_none_or(|(from, until)| now < from || now >= until),
                Some(_) => post.shown > now,
            });
            shown
                .filter(|(_, post)| post.made >= since)
                .map(|(id, post)| FoundPost {
                    post: id.clone(),
                    marker: post.marker.clone(),
                    created_at: post.made,
                    identity: Some(post.link.clone()),
                    hash: Some(post.text.clone()),
                    foreign: false,
                })
                .collect()
        };
        world.tell(|| format!("{}  read {target}: {}", self.gate.name, found.len()));
        tokio::time::sleep(Duration::from_millis(world.chance.between(1, 20))).await;
        self.gate.pass().await;
        Ok(found)
    }

    fn times(&self) -> EffectTimes {
        EffectTimes { send_by: self.world.send_by, timeout: TIMEOUT, settle: SETTLE, read_lag: READ_LAG }
    }
}

/// Makes the stages of a simulated plan.
pub(crate) struct SimStages {
    world: Arc<World>,
    gate: Arc<Gate>,
}

impl SimStages {
    pub(crate) fn new(world: Arc<World>, gate: Arc<Gate>) -> Self {
        Self { world, gate }
    }
}

fn text(body: &Json, name: &str) -> String {
    body[name].as_str().unwrap_or_default().to_owned()
}

impl Stages for SimStages {
    fn stage(&self, plan: &Plan, name: &str) -> Result<Arc<dyn Stage>, TaskError> {
        let stage = plan.stage(name).ok_or_else(|| error(ErrorClass::Permanent))?;
        Ok(match (stage.kind, stage.connector.as_str()) {
            (StageKind::Crawl, ask) => Arc::new(Crawl {
                world: Arc::clone(&self.world),
                gate: Arc::clone(&self.gate),
                name: name.to_owned(),
                source: text(&stage.body, "source"),
                ask: Ask::parse(ask),
            }),
            (_, "pass") => Arc::new(Pass),
            _ => Arc::new(Keyed),
        })
    }

    fn file(&self, _plan: &Plan, name: &str) -> Result<Arc<dyn FileExport>, TaskError> {
        let (world, gate) = (Arc::clone(&self.world), Arc::clone(&self.gate));
        Ok(Arc::new(SimFile { world, gate, name: name.to_owned() }))
    }

    fn sink(&self, plan: &Plan, name: &str) -> Result<Arc<dyn Sink>, TaskError> {
        let body = &plan.stage(name).ok_or_else(|| error(ErrorClass::Permanent))?.body;
        let named = body["targets"].as_array();
        let named = named.map(|named| named.iter().filter_map(Json::as_str).map(str::to_owned).collect());
        let listed = || {
            let pages = &self.world.pages().listed;
            pages[..if name == "second" { 1 } else { pages.len() }].to_vec()
        };
        Ok(Arc::new(SimSink {
            world: Arc::clone(&self.world),
            gate: Arc::clone(&self.gate),
            targets: named.unwrap_or_else(listed),
            template: text(body, "template"),
            only: body["only"].as_str().map(str::to_owned),
        }))
    }
}
