//! `jobpipe queues`: what waits for workers.

use crate::compose::{self, Carrier};
use crate::exit::{Exit, Outcome};
use crate::place::Where;
use crate::terminal::{self, number};
use crate::watch::Format;
use jobpipe_amqp::BrokerState;
use jobpipe_core::TaskState;
use jobpipe_engine::workers;
use jobpipe_engine::{Cx, sweep};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

use super::workers::is_alive;

/// How long the broker may take to be there.
const PATIENCE: Duration = Duration::from_secs(6);
/// How often it is looked whether it is.
const TICK: Duration = Duration::from_millis(50);
/// Hints set aside that are looked at, at most.
const MOST_DEAD: usize = 100;

/// List the queues: tasks that wait and run, hints out, and who works on them.
///
/// Tasks are counted in the store, which is the queue; hints are what the
/// broker holds of them at this moment. Hints that nobody could read are told
/// below.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// For people, or one JSON object a line.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    #[command(flatten)]
    place: Where,
}

/// What is known of one queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Queue {
    ready: u64,
    running: u64,
    workers: u64,
    /// In the broker; `None` where hints never leave the process.
    hints: Option<u64>,
}

pub(crate) async fn run(args: Args) -> Outcome {
    let place = args.place.find()?;
    let cx = compose::reader(&place).await?;
    let mut queues = counted(&cx).await?;
    let carrier = compose::broker(&place, "queues")?;
    let (trouble, refused) = asked(&cx, &carrier, &mut queues).await;
    if let Some(amqp) = &carrier.amqp {
        amqp.close().await;
    }
    if args.format == Format::Json {
        for (name, queue) in &queues {
            let Queue { ready, running, workers, hints } = queue;
            let line = json!({ "queue": name, "ready": ready, "running": running, "hints": hints, "workers": workers });
            terminal::say(&line.to_string());
        }
        for (hint, reason) in refused {
            terminal::say(&json!({ "refused": hint, "reason": reason }).to_string());
        }
    } else {
        show(&queues, &refused);
    }
    if let Some(trouble) = trouble {
        terminal::complain(&format!("the broker could not be asked: {trouble}"));
        return Ok(Exit::Failed);
    }
    Ok(Exit::Succeeded)
}

/// The tasks of all open runs and the workers, by queue.
async fn counted(cx: &Cx) -> Outcome<BTreeMap<String, Queue>> {
    let mut queues: BTreeMap<String, Queue> = BTreeMap::new();
    for name in &cx.settings.queues {
        queues.entry(name.clone()).or_default();
    }
    for (_, import) in sweep::imports(cx).await? {
        let Some(open) = import.doc.open else { continue };
        let layout = cx.layout(&open.definition).await?;
        for count in cx.store.tasks_count(&open.facts.run).await? {
            let Some(stage) = layout.plan.stage(&count.stage) else { continue };
            let queue = queues.entry(stage.queue.clone()).or_default();
            match count.state {
                TaskState::Ready => queue.ready += count.tasks,
                TaskState::Running => queue.running += count.tasks,
                TaskState::Done | TaskState::Dead | TaskState::Cancelled => {}
            }
        }
    }
    let now = cx.now();
    for (_, worker) in workers::list(cx).await? {
        for name in worker.queues.iter().filter(|_| is_alive(&worker, now)) {
            queues.entry(name.clone()).or_default().workers += 1;
        }
    }
    Ok(queues)
}

/// What the broker says: why it could not be asked, if so, and the hints that were set aside with the reasons.
async fn asked(
    cx: &Cx,
    carrier: &Carrier,
    queues: &mut BTreeMap<String, Queue>,
) -> (Option<String>, Vec<(String, String)>) {
    let Some(amqp) = &carrier.amqp else { return (None, Vec::new()) };
    let began = cx.clock.monotonic();
    while let BrokerState::Reconnecting { why, .. } = amqp.state() {
        if cx.clock.monotonic().saturating_sub(began) > PATIENCE {
            return (Some(why), Vec::new());
        }
        cx.clock.sleep(TICK).await;
    }
    for (name, queue) in queues.iter_mut() {
        match carrier.broker.depth(name).await {
            Ok(depth) => queue.hints = u64::try_from(depth).ok(),
            Err(error) => return (Some(error.to_string()), Vec::new()),
        }
    }
    match carrier.broker.dead(MOST_DEAD).await {
        Ok(dead) => {
            let told = dead.into_iter().map(|dead| (dead.hint.map_or_else(String::new, |hint| hint.task), dead.reason));
            (None, told.collect())
        }
        Err(error) => (Some(error.to_string()), Vec::new()),
    }
}

fn show(queues: &BTreeMap<String, Queue>, refused: &[(String, String)]) {
    let mut rows = vec![["queue", "ready", "running", "hints", "workers"].map(str::to_owned).to_vec()];
    for (name, queue) in queues {
        let hints = queue.hints.map_or_else(|| "-".to_owned(), number);
        rows.push(vec![name.clone(), number(queue.ready), number(queue.running), hints, number(queue.workers)]);
    }
    for line in terminal::table(&rows, terminal::width()) {
        terminal::say(&line);
    }
    for (hint, reason) in refused {
        let task = if hint.is_empty() { "a message" } else { hint };
        terminal::say(&format!("refused: {task}: {reason}"));
    }
    if refused.len() == MOST_DEAD {
        terminal::say(&format!("(the first {MOST_DEAD} refused)"));
    }
}
