//! Other versions of jobpipe on the same store. What this one does not know it leaves to those that do, and never fails:
//! a document it cannot read is passed over, a task whose stage it cannot make is given back and its hint parked.
//!
//! A process that is alone has nobody to leave anything to: it says what it does not know, and ends.

use crate::cx::Cx;
use crate::docs::{self, Read};
use crate::error::{EngineError, Result};
#[cfg(doc)]
use jobpipe_core::DocStore;
use jobpipe_core::{DocKind, Millis, StageKind, StoreError, Task, TaskError};
use serde::de::DeserializeOwned;

/// What stages say that cannot be made from a definition of another version.
const ANOTHER_VERSION: [&str; 2] = ["JP140", "JP330"];

/// True for an error that says: this version cannot read what another one wrote.
fn is_unknown(cx: &Cx, error: &EngineError) -> bool {
    cx.settings.lease_ttl.is_some() && matches!(error, EngineError::Store(StoreError::Corrupt { .. }))
}

/// A step, or `None` when it met what this version does not know.
pub(crate) fn unless_unknown<T>(cx: &Cx, done: Result<T>) -> Result<Option<T>> {
    match done {
        Err(error) if is_unknown(cx, &error) => {
            tracing::warn!("left to another version: {error}");
            Ok(None)
        }
        done => done.map(Some),
    }
}

/// Up to `limit` documents with id greater than `after`; `None` for those that this version cannot read.
pub(crate) async fn page<T: DeserializeOwned>(
    cx: &Cx,
    kind: DocKind,
    after: &str,
    limit: usize,
) -> Result<Vec<(String, Option<Read<T>>)>> {
    let mut page = Vec::new();
    for (id, doc) in cx.store.docs(kind, "", after, limit).await? {
        let read = docs::decode(kind, &id, &doc);
        page.push((id, unless_unknown(cx, read)?));
    }
    Ok(page)
}

/// Documents that are due at `until`, as [`DocStore::docs_due`] lists them, with when each was due; `None` for those that
/// this version cannot read.
pub(crate) async fn due<T: DeserializeOwned>(
    cx: &Cx,
    kind: DocKind,
    until: Millis,
    after: (Millis, &str),
) -> Result<Vec<(String, Millis, Option<Read<T>>)>> {
    let mut page = Vec::new();
    for (id, doc) in cx.store.docs_due(kind, until, after, cx.settings.page).await? {
        let read = docs::decode(kind, &id, &doc);
        page.push((id, doc.due.unwrap_or_default(), unless_unknown(cx, read)?));
    }
    Ok(page)
}

/// All documents that are due at `until` and that this version can read, in the order of [`due`].
pub(crate) async fn all_due<T: DeserializeOwned>(
    cx: &Cx,
    kind: DocKind,
    until: Millis,
) -> Result<Vec<(String, Read<T>)>> {
    let mut all = Vec::new();
    let mut after = (Millis::MIN, String::new());
    loop {
        let page = due(cx, kind, until, (after.0, &after.1)).await?;
        let Some((id, at, _)) = page.last() else { return Ok(all) };
        after = (*at, id.clone());
        let is_last = page.len() < cx.settings.page;
        all.extend(page.into_iter().filter_map(|(id, _, read)| Some((id, read?))));
        if is_last {
            return Ok(all);
        }
    }
}

/// Why this version cannot work on a task that it has claimed; `None` when it can, or when there is no other.
pub(crate) async fn why_not(cx: &Cx, task: &Task) -> Result<Option<String>> {
    if cx.settings.lease_ttl.is_none() {
        return Ok(None);
    }
    let layout = match cx.admitted(&task.task.run).await {
        Ok(admitted) => admitted.layout,
        Err(error) if is_unknown(cx, &error) => return Ok(Some(error.to_string())),
        Err(error) => return Err(error),
    };
    if cx.dispatch.knows(&layout.hash, &task.task.stage) {
        return Ok(None);
    }
    let Some(first) = layout.plan.stage(&task.task.stage) else {
        return Ok(Some(format!("the import has no stage `{}`", task.task.stage)));
    };
    let made = if first.kind == StageKind::Export {
        cx.stages.file(&layout.plan, &first.name).err()
    } else {
        layout.chain(&first.name).into_iter().find_map(|stage| cx.stages.stage(&layout.plan, &stage.name).err())
    };
    let Some(error) = made.filter(is_of_another) else {
        cx.dispatch.learn(&layout.hash, &first.name);
        return Ok(None);
    };
    Ok(Some(error.message))
}

fn is_of_another(error: &TaskError) -> bool {
    ANOTHER_VERSION.contains(&error.code.as_str())
}
