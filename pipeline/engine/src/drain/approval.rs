//! Changes of a definition that wait for a person: decided once a round, for all that would send.

use super::exports::Export;
use super::lease::Lease;
use super::{due, walk};
use crate::cx::Cx;
use crate::docs::Mark;
use crate::error::Result;
use crate::event::Event;
use std::collections::{BTreeMap, BTreeSet};

/// Share of a target's rows that a changed definition may touch without asking.
const ASK_ABOVE: f64 = 0.3;

/// The exports (by mark) whose changed definition waits; nothing of theirs is begun. Notes in `marks` why, and what was
/// allowed.
pub(super) async fn waiting(
    cx: &Cx,
    lease: &Lease,
    exports: &[Export],
    marks: &mut BTreeMap<String, Mark>,
) -> Result<BTreeSet<String>> {
    let mut waiting = BTreeSet::new();
    for export in exports.iter().filter(|export| export.walks) {
        let Some(mark) = marks.get_mut(&export.mark) else { continue };
        if !is_allowed(cx, lease, export, mark).await? {
            waiting.insert(export.mark.clone());
        }
    }
    Ok(waiting)
}

/// A changed definition that would touch more than its share of a target's rows waits for a person.
async fn is_allowed(cx: &Cx, lease: &Lease, export: &Export, mark: &mut Mark) -> Result<bool> {
    let definition = export.closed.definition.clone();
    if mark.allowed.as_ref() == Some(&definition) {
        return Ok(true);
    }
    let asks = mark.allowed.is_some() && !export.closed.approved;
    let posted = match asks {
        true => cx.store.rows_posted(&lease.target, &export.import, &export.name).await?,
        false => 0,
    };
    let why = match posted {
        0 => None,
        posted => touched(cx, lease, export, &mark.reached, posted).await?,
    };
    if let Some(why) = why {
        if mark.waits.as_ref() != Some(&why) {
            let approve = Some(export.closed.run.clone());
            cx.emit(Event::TargetPaused { target: lease.known().doc.name, message: why.clone(), approve });
        }
        mark.waits = Some(why);
        return Ok(false);
    }
    mark.waits = None;
    mark.allowed = Some(definition);
    Ok(true)
}

/// Counts what the definition would do; the sentence when it is too much.
async fn touched(
    cx: &Cx,
    lease: &Lease,
    export: &Export,
    reached: &(u64, String),
    posted: u64,
) -> Result<Option<String>> {
    let mut above = (0, String::new());
    let mut touched: u64 = 0;
    loop {
        let heads = cx.store.heads_walk(&export.ledger, above.clone(), export.upto, cx.settings.page).await?;
        let Some(last) = heads.last() else { break };
        above = (last.stamps.changed_gen, last.key.clone());
        let rows = walk::rows_of(cx, lease, export, &heads).await?;
        for head in &heads {
            let id = export.row(&lease.target, &head.key);
            let Ok(want) = due::want(export, &id, Some(head)) else { continue };
            // what changed since, or waits for its pace, would be sent whatever the definition
            let due = export.due(rows.get(&id), &want, false);
            let planned = (head.stamps.changed_gen, &head.key) <= (reached.0, &reached.1);
            touched += u64::from(due.is_some() && planned);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a share for people, far below 2^52")]
    let share = touched as f64 / posted.max(1) as f64;
    Ok((share > ASK_ABOVE).then(|| {
        format!(
            "the changed definition would touch {touched} of {posted} posts ({:.0} %, asked above {:.0} %); \
             nothing is sent before that is approved",
            share * 100.0,
            ASK_ABOVE * 100.0
        )
    }))
}
