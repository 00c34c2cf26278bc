//! What other processes wish for: two engines that obey one command do it once.

#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use async_trait::async_trait;
use jobpipe_core::{
    DocKind, ErrorClass, FileExport, Gathered, Outcome, Plan, Request, RunFacts, Sink, Stage, StageCx, StageInput,
    Stages, TaskError,
};
use jobpipe_engine::admin;
use jobpipe_engine::admission::{self, Wish};
use jobpipe_engine::docs::{self, Command};
use jobpipe_engine::failpoint::NoFailpoints;
use jobpipe_engine::scheduler::deploy;
use jobpipe_engine::{Cx, EngineError, EngineSettings, serve};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use world::{Process, World};

/// As one engine obeys it that has read it before another one forgot it.
async fn obey(cx: &Cx, id: &str, command: &Command) {
    docs::insert(&*cx.store, &*cx.ids, DocKind::Command, id, command).await.unwrap();
    admin::obey(cx).await.unwrap();
}

/// An engine works until no run is open.
async fn work(world: &World) {
    let (cx, stop) = world.cx(Arc::new(NoFailpoints));
    let engine = tokio::spawn(serve(Arc::clone(&cx)));
    while admission::import(&cx, "acme").await.unwrap().doc.open.is_some() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.stop();
    engine.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_run_is_started_once() {
    let world = World::new(5, &["p1"]);
    for (number, slot) in [Some("wished".to_owned()), None].into_iter().enumerate() {
        let (first, _) = world.cx(Arc::new(NoFailpoints));
        let (second, _) = world.cx(Arc::new(NoFailpoints));
        let wish = Wish { slot, supersede: true, ..Wish::default() };
        let command = Command::Run { plan: Box::new(world.plan()), wish };
        let id = format!("command-{number}");
        obey(&first, &id, &command).await;
        obey(&second, &id, &command).await;
        work(&world).await;
        obey(&second, &id, &command).await;
        assert_eq!(admission::import(&first, "acme").await.unwrap().doc.open, None, "nothing is opened again");
        assert_eq!(admin::runs(&first, Some("acme"), 100).await.unwrap().len(), number + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_run_command_supersedes_nothing() {
    let world = World::new(5, &["p1"]);
    let (cx, _) = world.cx(Arc::new(NoFailpoints));
    let wish = Wish { slot: Some("wished".to_owned()), supersede: true, ..Wish::default() };
    let command = Command::Run { plan: Box::new(world.plan()), wish };
    obey(&cx, "command", &command).await;
    work(&world).await;
    let other = World { template: "v2".to_owned(), ..world };
    let (cx, _) = other.cx(Arc::new(NoFailpoints));
    admission::admit(&cx, &other.plan(), &Wish::default()).await.unwrap();
    let open = admission::import(&cx, "acme").await.unwrap().doc.open.unwrap();
    obey(&cx, "command", &command).await;
    assert!(!cx.run(&open.facts.run).await.unwrap().doc.cancel);
}

/// Stages whose first URL gives nothing that can be asked for.
struct Nowhere(Arc<dyn Stages>);

struct NoRoots(Arc<dyn Stage>);

#[async_trait]
impl Stage for NoRoots {
    fn roots(&self, _: &RunFacts) -> Result<Vec<Request>, TaskError> {
        let (code, message) = ("JP141".to_owned(), "`json` gives no URL".to_owned());
        Err(TaskError { class: ErrorClass::Permanent, code, message, retry_after_ms: None })
    }
    async fn gather(&self, input: StageInput, cx: &StageCx) -> Result<Gathered, TaskError> {
        self.0.gather(input, cx).await
    }
    fn compute(&self, gathered: Gathered, facts: &RunFacts) -> Result<Outcome, TaskError> {
        self.0.compute(gathered, facts)
    }
}

impl Stages for Nowhere {
    fn stage(&self, plan: &Plan, name: &str) -> Result<Arc<dyn Stage>, TaskError> {
        Ok(Arc::new(NoRoots(self.0.stage(plan, name)?)))
    }
    fn file(&self, plan: &Plan, name: &str) -> Result<Arc<dyn FileExport>, TaskError> {
        self.0.file(plan, name)
    }
    fn sink(&self, plan: &Plan, name: &str) -> Result<Arc<dyn Sink>, TaskError> {
        self.0.sink(plan, name)
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_cannot_begin_is_not_admitted_and_stands_in_nobodys_way() {
    let world = World::new(5, &["p1"]);
    let (cx, stop) = world.cx(Arc::new(NoFailpoints));
    let mut cx = Arc::into_inner(cx).unwrap();
    let stages = Arc::clone(&cx.stages);
    cx.stages = Arc::new(Nowhere(Arc::clone(&stages)));
    let error = admission::admit(&cx, &world.plan(), &Wish::default()).await.unwrap_err();
    assert!(matches!(&error, EngineError::Stage(error) if error.code == "JP141"), "{error}");
    assert_eq!(admission::import(&cx, "acme").await.unwrap().doc.open, None);
    deploy::deploy(&cx, &Plan { schedule: Some(json!("every 1m")), ..world.plan() }, "acme.yml").await.unwrap();
    let cx = Arc::new(Cx { settings: EngineSettings { launches: true, ..cx.settings.clone() }, ..cx });
    let engine = Process::of(cx, stop);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(!engine.engine.is_finished(), "the engine serves others, too");
    assert!(admin::runs(&engine.cx, Some("acme"), 9).await.unwrap().is_empty());
    engine.end().await;
}

/// Stages of a process without the tokens of pages.
struct WithoutSecrets(Arc<dyn Stages>);

impl Stages for WithoutSecrets {
    fn stage(&self, plan: &Plan, name: &str) -> Result<Arc<dyn Stage>, TaskError> {
        self.0.stage(plan, name)
    }

    fn file(&self, plan: &Plan, name: &str) -> Result<Arc<dyn FileExport>, TaskError> {
        self.0.file(plan, name)
    }

    fn sink(&self, _plan: &Plan, _name: &str) -> Result<Arc<dyn Sink>, TaskError> {
        let (code, message) = ("JP300".to_owned(), "the page has no token".to_owned());
        Err(TaskError { class: ErrorClass::Permanent, code, message, retry_after_ms: None })
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_cannot_be_made_here_is_refused_and_ends_no_engine() {
    let world = World::new(5, &["p1"]);
    let (cx, _) = world.cx(Arc::new(NoFailpoints));
    let mut cx = Arc::into_inner(cx).unwrap();
    cx.stages = Arc::new(WithoutSecrets(cx.stages));
    let command = Command::Run { plan: Box::new(world.plan()), wish: Wish::default() };
    obey(&cx, "command", &command).await;
    assert_eq!(admission::import(&cx, "acme").await.unwrap().doc.open, None);
    assert!(cx.store.doc(DocKind::Command, "command").await.unwrap().is_none(), "nobody trips over it again");
}
