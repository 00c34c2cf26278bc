//! What is asked about tasks, and how they are read.

use crate::call::Link;
use crate::codec::{Fields, stand, stood};
use crate::key;
use crate::read::{self, Query};
use crate::schema::TASKS;
use jobpipe_core::{Millis, NewTask, ReadyTask, StoreResult, Task, TaskCount, TaskGroup, TaskState};
use mongodb::bson::{Bson, RawDocument, doc};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Every place where a task can stand; what is ready or running is open.
const STANDS: [(TaskState, bool); 7] = [
    (TaskState::Ready, true),
    (TaskState::Running, true),
    (TaskState::Done, true),
    (TaskState::Dead, true),
    (TaskState::Done, false),
    (TaskState::Dead, false),
    (TaskState::Cancelled, false),
];

pub(crate) fn keys(ids: &[String]) -> Vec<String> {
    ids.iter().map(|id| key::of(&[id])).collect()
}

fn query(index: &'static str, filter: mongodb::bson::Document, order: &'static [&'static str], limit: usize) -> Query {
    Query { coll: TASKS, index, filter, order, fields: &[], limit }
}

/// Asked of the index alone: a document that is fetched after its index entry was read might have moved meanwhile, and be
/// passed over.
pub(crate) fn any_open(run: &str, stage: &str) -> Query {
    let closed = stand(TaskState::Ready, false);
    let filter = doc! { "run": run, "stage": stage, "stand": { "$lt": closed } };
    Query { fields: &["stand"], ..query("task_of_stage", filter, &[], 1) }
}

/// The next group: one look at the index, however many tasks wait in the last one.
pub(crate) fn group(run: &str, queue: &str, after: Option<&str>) -> Query {
    let mut filter = doc! { "run": run, "stand": stand(TaskState::Ready, true), "queue": queue };
    if let Some(after) = after {
        filter.insert("group", doc! { "$gt": after });
    }
    Query { fields: &["group"], ..query("task_ready", filter, &["group"], 1) }
}

pub(crate) fn group_of(document: &RawDocument) -> StoreResult<String> {
    Fields::new("task", document).text("group").map(str::to_owned)
}

pub(crate) fn ready(group: &TaskGroup, now: Millis, after: &str, limit: usize) -> Query {
    let filter = doc! {
        "run": &group.run, "stand": stand(TaskState::Ready, true), "queue": &group.queue, "group": &group.group,
        "k": { "$gt": key::of(&[after]) }, "not_before": { "$lte": now },
    };
    Query { fields: &["_id", "fence"], ..query("task_ready", filter, &["k"], limit) }
}

pub(crate) fn open(run: &str, state: TaskState, after: &str, limit: usize) -> Query {
    let filter = doc! { "run": run, "stand": stand(state, true), "k": { "$gt": key::of(&[after]) } };
    query("task_open", filter, &["k"], limit)
}

pub(crate) fn of(run: &str, stage: Option<&str>, after: &str, limit: usize) -> Query {
    let mut filter = doc! { "run": run, "k": { "$gt": key::of(&[after]) } };
    if let Some(stage) = stage {
        filter.insert("stage", stage);
    }
    query("task_of_run", filter, &["k"], limit)
}

/// Ready ones, whatever their time.
pub(crate) fn waiting(run: &str, limit: usize) -> Query {
    Query {
        fields: &["_id"],
        ..query("task_open", doc! { "run": run, "stand": stand(TaskState::Ready, true) }, &["k"], limit)
    }
}

pub(crate) fn all(run: &str, limit: usize) -> Query {
    Query { fields: &["_id"], ..query("task_of_run", doc! { "run": run }, &["k"], limit) }
}

fn id(fields: &Fields<'_>) -> StoreResult<String> {
    key::last(fields.text("_id")?)
}

pub(crate) fn task(document: &RawDocument) -> StoreResult<Task> {
    let fields = Fields::new("task", document);
    let text = |field: &str| fields.text(field).map(str::to_owned);
    let (state, open) = stood(&fields, "stand")?;
    let input = fields.unpack("input")?.ok_or_else(|| fields.corrupt("input", &"it is absent"))?;
    let task = NewTask {
        id: id(&fields)?,
        run: text("run")?,
        stage: text("stage")?,
        queue: text("queue")?,
        group: text("group")?,
        input,
        not_before: fields.number("not_before")?,
        crashes: fields.short("crashes")?,
    };
    Ok(Task {
        task,
        state,
        open,
        fence: fields.unsigned("fence")?,
        owner: text("owner")?,
        renewal: fields.unsigned("renewal")?,
        result: fields.unpack("result")?,
        nonce: fields.unsigned("nonce")?,
    })
}

pub(crate) fn ready_task(document: &RawDocument) -> StoreResult<ReadyTask> {
    let fields = Fields::new("task", document);
    Ok(ReadyTask { id: id(&fields)?, fence: fields.unsigned("fence")? })
}

/// One count for each place where a task can stand: grouping by two fields at once is not everywhere.
pub(crate) async fn count(link: &Arc<Link>, run: &str) -> StoreResult<Vec<TaskCount>> {
    let counts = STANDS.map(|(state, open)| async move {
        let filter = doc! { "run": run, "stand": stand(state, open) };
        Ok((state, read::count_by(link, TASKS, filter, "stage").await?))
    });
    let mut sums: BTreeMap<(String, TaskState), u64> = BTreeMap::new();
    for (state, stages) in futures::future::try_join_all(counts).await? {
        for (stage, tasks) in stages {
            if let Bson::String(stage) = stage {
                *sums.entry((stage, state)).or_default() += tasks;
            }
        }
    }
    Ok(sums.into_iter().map(|((stage, state), tasks)| TaskCount { stage, state, tasks }).collect())
}
