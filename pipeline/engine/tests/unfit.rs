//! A process that is not fit for a task of one import, for its file may not be written here, serves the others.

#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use async_trait::async_trait;
use jobpipe_core::{
    ErrorClass, FileExport, Plan, RecordReader, RowStore, RunFacts, Sink, Stage, StageCx, Stages, TaskError, TaskState,
    TaskStore, Written,
};
use jobpipe_engine::admin::{self, Standing};
use jobpipe_engine::failpoint::NoFailpoints;
use jobpipe_engine::{Cx, EngineError, EngineSettings, WhenUnfit};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::sleep;
use world::hands::{admit, done, until};
use world::{Process, World};

/// The files of the import `full` cannot be written while the disk is full, and its stages cannot be made while the
/// settings of this place are without what they name.
struct Disk {
    stages: Arc<dyn Stages>,
    full: Arc<AtomicBool>,
    bare: Arc<AtomicBool>,
}

impl Stages for Disk {
    fn stage(&self, plan: &Plan, name: &str) -> Result<Arc<dyn Stage>, TaskError> {
        let bare = plan.name == "full" && self.bare.load(Ordering::SeqCst);
        if bare { Err(unfit("JP324", "there is no such page here")) } else { self.stages.stage(plan, name) }
    }
    fn file(&self, plan: &Plan, name: &str) -> Result<Arc<dyn FileExport>, TaskError> {
        let full = plan.name == "full" && self.full.load(Ordering::SeqCst);
        if full { Ok(Arc::new(NoRoom)) } else { self.stages.file(plan, name) }
    }
    fn sink(&self, plan: &Plan, name: &str) -> Result<Arc<dyn Sink>, TaskError> {
        self.stages.sink(plan, name)
    }
}

struct NoRoom;

#[async_trait]
impl FileExport for NoRoom {
    fn path(&self, _facts: &RunFacts) -> Result<String, TaskError> {
        Ok("full".to_owned())
    }
    async fn write(&self, _records: &mut dyn RecordReader, _cx: &StageCx) -> Result<Written, TaskError> {
        Err(unfit("JP320", "the disk is full"))
    }
}

fn unfit(code: &str, message: &str) -> TaskError {
    TaskError { class: ErrorClass::Transient, code: code.to_owned(), message: message.to_owned(), retry_after_ms: None }
}

/// A process whose disk is full for one of two imports, with a run of each.
struct Ground {
    world: World,
    process: Process,
    full: Arc<AtomicBool>,
    bare: Arc<AtomicBool>,
    stuck: String,
    other: String,
}

async fn ground(when_unfit: WhenUnfit) -> Ground {
    let world = World::new(6, &["p1"]);
    let [stuck, other] = ["full", "acme"].map(|name| Plan { name: name.to_owned(), ..world.plan() });
    let (stuck, other) = (admit(&world, &stuck).await, admit(&world, &other).await);
    let full = Arc::new(AtomicBool::new(true));
    let (cx, stop) = world.cx(Arc::new(NoFailpoints));
    let cx = Arc::into_inner(cx).unwrap();
    let bare = Arc::new(AtomicBool::new(false));
    let stages = Arc::new(Disk { stages: Arc::clone(&cx.stages), full: Arc::clone(&full), bare: Arc::clone(&bare) });
    let settings = EngineSettings { when_unfit, ..cx.settings.clone() };
    let process = Process::of(Arc::new(Cx { stages, settings, ..cx }), stop);
    Ground { world, process, full, bare, stuck, other }
}

async fn standing(cx: &Cx, run: &str) -> Standing {
    admin::summary(cx, run).await.unwrap().state
}

#[tokio::test(start_paused = true)]
async fn who_serves_all_goes_on_with_the_others_and_writes_the_file_when_there_is_room() {
    let Ground { world, process, full, stuck, other, .. } = ground(WhenUnfit::Waits).await;
    done(&process.cx, &other).await;
    sleep(Duration::from_secs(600)).await;
    assert!(!process.engine.is_finished());
    assert_eq!(standing(&process.cx, &stuck).await, Standing::Running);
    let open = world.store.tasks_open(&stuck, TaskState::Ready, "", 9).await.unwrap();
    assert!(open.iter().all(|task| task.task.crashes == 0 && (3..20).contains(&task.fence)), "{open:?}");
    assert_eq!(open.len(), 3, "its files are tried now and then, and not all the time");
    full.store(false, Ordering::SeqCst);
    sleep(Duration::from_secs(130)).await;
    done(&process.cx, &stuck).await;
    assert!(world.store.tasks_open(&stuck, TaskState::Ready, "", 9).await.unwrap().is_empty());
    process.end().await;
}

#[tokio::test(start_paused = true)]
async fn who_serves_all_goes_on_with_the_others_while_the_stages_of_one_cannot_be_made() {
    let Ground { world, process, full, bare, stuck, other } = ground(WhenUnfit::Waits).await;
    full.store(false, Ordering::SeqCst);
    bare.store(true, Ordering::SeqCst);
    done(&process.cx, &other).await;
    until("what can be tried is tried", async || {
        world.store.dead(Some("full"), Some(&stuck), "", 9).await.unwrap().len() == 1
    })
    .await;
    sleep(Duration::from_secs(600)).await;
    assert!(!process.engine.is_finished());
    assert_eq!(standing(&process.cx, &stuck).await, Standing::Running);
    bare.store(false, Ordering::SeqCst);
    done(&process.cx, &stuck).await;
    process.end().await;
}

#[tokio::test(start_paused = true)]
async fn who_was_begun_for_another_import_goes_on_with_it() {
    let Ground { process, stuck, other, .. } = ground(WhenUnfit::EndsFor("acme".to_owned())).await;
    done(&process.cx, &other).await;
    sleep(Duration::from_secs(60)).await;
    assert!(!process.engine.is_finished());
    assert_eq!(standing(&process.cx, &stuck).await, Standing::Running);
    process.end().await;
}

#[tokio::test(start_paused = true)]
async fn who_was_begun_for_it_ends_and_says_why() {
    for when in [WhenUnfit::EndsFor("full".to_owned()), WhenUnfit::Ends] {
        let Ground { world, process, stuck, .. } = ground(when).await;
        let cx = Arc::clone(&process.cx);
        let error = process.engine.await.unwrap().unwrap_err();
        assert!(matches!(&error, EngineError::Stage(error) if error.code == "JP320"), "{error}");
        assert_eq!(standing(&cx, &stuck).await, Standing::Running, "to be gone on with");
        let open = world.store.tasks_open(&stuck, TaskState::Ready, "", 9).await.unwrap();
        assert!(open.iter().all(|task| task.task.crashes == 0), "{open:?}");
    }
}
