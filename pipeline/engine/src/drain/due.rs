//! What is due: pure comparison of what a head wants with what a row has.

use super::exports::Export;
use crate::cx::Cx;
use crate::error::Result;
use crate::event::Event;
use crate::failpoint::Point;
use jobpipe_core::{Content, DeadLetter, EffectPolicy, Head, Op, Rendered, Row, RowId, TaskError, Wanted, json};
use serde_json::Value as Json;

/// What a target is to have of a record.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Want {
    /// Nobody may say: nothing closed, not planned yet, rendering failed.
    Leave,
    /// The target left the export: everything stays as it is.
    Keep,
    /// Nothing.
    Nothing,
    /// This.
    Content {
        /// What is compared.
        content: Content,
        /// What is sent.
        payload: Json,
    },
}

/// What the head wants at the row's target, under the last closed run.
pub(super) fn want(export: &Export, row: &RowId, head: Option<&Head>) -> std::result::Result<Want, TaskError> {
    let Some(head) = head else { return Ok(Want::Leave) };
    if !export.present {
        return Ok(if export.walks { Want::Leave } else { Want::Keep });
    }
    let stamps = &head.stamps;
    if stamps.changed_gen > export.upto || export.closed.cancelled.contains(&stamps.changed_gen) {
        return Ok(Want::Leave);
    }
    match stamps.wanted {
        Wanted::Stub => Ok(Want::Leave),
        Wanted::Gone | Wanted::Withdrawn => Ok(Want::Nothing),
        Wanted::Live => match export.sink.render(row, &head.body)? {
            Rendered::Nothing => Ok(Want::Nothing),
            Rendered::Content { content, payload } => Ok(Want::Content { content, payload }),
        },
    }
}

/// [`want`], a failure to render told as a dead letter; the target is left as it is.
pub(super) async fn want_or_dead(cx: &Cx, export: &Export, row: &RowId, head: Option<&Head>) -> Result<Want> {
    match want(export, row, head) {
        Ok(want) => Ok(want),
        Err(error) => {
            dead(cx, export, row, error, head.map_or(Json::Null, |head| head.body.clone())).await?;
            Ok(Want::Leave)
        }
    }
}

/// Writes a dead letter about a row.
pub(super) async fn dead(cx: &Cx, export: &Export, row: &RowId, error: TaskError, input: Json) -> Result<()> {
    let letter = DeadLetter {
        id: json::hash_parts(&["row", &row.target, &row.import, &row.export, &row.key]),
        import: row.import.clone(),
        run: export.closed.run.clone(),
        stage: row.export.clone(),
        task: String::new(),
        url: row.target.clone(),
        key: row.key.clone(),
        error: error.clone(),
        at: cx.now(),
        input,
    };
    cx.at(Point::RelayDead)?;
    cx.store.dead_put(vec![letter]).await?;
    cx.emit(Event::Dead {
        run: export.closed.run.clone(),
        stage: row.export.clone(),
        url: row.target.clone(),
        class: error.class,
        code: error.code,
        message: error.message,
    });
    Ok(())
}

/// One step that is due.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Due {
    /// What to do.
    pub op: Op,
    /// With what content; `None` for a delete.
    pub content: Option<Content>,
    /// With what payload.
    pub payload: Json,
}

/// What is due on a row: nothing when what it has is what is wanted. `guarded`: removals wait for a person.
/// `delete_first`: a replacement deletes before it creates.
#[must_use]
pub(super) fn compare(
    row: Option<&Row>,
    want: &Want,
    policy: EffectPolicy,
    guarded: bool,
    delete_first: bool,
) -> Option<Due> {
    let step =
        |op, content: Option<&Content>, payload: &Json| Due { op, content: content.cloned(), payload: payload.clone() };
    let delete = || step(Op::Delete, None, &Json::Null);
    let posted = row.filter(|row| row.post.is_some());
    match want {
        Want::Leave | Want::Keep => None,
        Want::Nothing => {
            let refused = row.is_some_and(|row| row.rejected.as_ref() == Some(&refused_delete()));
            (posted.is_some() && policy.delete && !guarded && !refused).then(delete)
        }
        Want::Content { content, payload } => {
            if row.is_some_and(|row| row.rejected.as_ref() == Some(content)) {
                return None;
            }
            let Some(row) = posted else {
                let vanished = row.is_some_and(|row| row.vanished);
                return (policy.create && !vanished).then(|| step(Op::Create, Some(content), payload));
            };
            let has = row.content.as_ref();
            if !policy.update || has == Some(content) {
                return None;
            }
            // what cannot be changed in place is replaced: delete, confirm, then create
            let replaced = has.is_some_and(|has| has.identity != UNKNOWN_IDENTITY && has.identity != content.identity);
            Some(match (replaced, delete_first) {
                (true, true) => delete(),
                (true, false) => step(Op::Create, Some(content), payload),
                (false, _) => step(Op::Update, Some(content), payload),
            })
        }
    }
}

/// The identity of a post whose target does not tell it.
pub(super) const UNKNOWN_IDENTITY: &str = "?";

/// What a row remembers of a delete that its target refused: not due again until something else is wanted.
#[must_use]
pub(super) fn refused_delete() -> Content {
    Content { hash: None, identity: String::new() }
}

/// Equal but for an identity that the target did not tell.
#[must_use]
pub(super) fn unknown_content(identity: Option<&str>) -> Content {
    Content { hash: None, identity: identity.unwrap_or(UNKNOWN_IDENTITY).to_owned() }
}
