//! What an answer proves, written down: many rows at a time, each by the version at which it was armed.
//!
//! Every way out of an attempt asks for a recheck, with one exception: what was wanted is confirmed on a row that nobody
//! has written since it was armed. A walk that came by meanwhile, under whatever definition, has written it; one that
//! comes later compares it. So there is nothing to be asked again, and the row is written twice, not three times.

use super::arm::{self, Armed};
use super::lease::{self, Lease};
use super::{Notes, arm::by_nonce};
use crate::cx::Cx;
use crate::error::Result;
use crate::event::Event;
use crate::failpoint::Point;
use crate::sabotage::Rule;
use jobpipe_core::{Attempt, Content, Millis, Op, Row, RowId, RowState, RowWrite};
use tokio::sync::mpsc::Receiver;

/// Answers written at once at most.
const BULK: usize = 64;

/// An attempt and how it ended.
pub(super) struct Answer {
    /// The attempt.
    pub armed: Armed,
    /// Its end.
    pub end: End,
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub(super) enum End {
    /// Done.
    Done {
        /// The post that a create made.
        post: Option<String>,
        /// What the post shows now.
        content: Option<Content>,
        /// When that was known.
        at: Millis,
    },
    /// Surely not sent or not executed: due again.
    Unsent {
        /// Not before.
        not_before: Millis,
        /// An earlier delete of unknown end stays one.
        frozen: bool,
    },
    /// Refused for its content.
    Refused(Content),
    /// "Does not exist".
    Absent {
        /// The post was confirmed long enough before to believe it.
        proven: bool,
        /// When it may be asked again to believe it.
        sure_at: Millis,
        /// When that was known.
        at: Millis,
    },
    /// Not known.
    Unknown {
        /// From when `settle` counts.
        from: Millis,
        /// Not to be read back before.
        not_before: Millis,
    },
}

impl End {
    /// Surely not sent or not executed.
    pub(super) fn unsent(cx: &Cx, not_before: Millis) -> Self {
        Self::Unsent { not_before, frozen: cx.keeps(Rule::DeleteFrozen) }
    }

    /// The row of an attempt that ended so.
    #[must_use]
    fn row(&self, row: Row) -> Row {
        let Some(op) = row.attempt.as_ref().map(|attempt| attempt.op) else { return row };
        match self {
            Self::Done { post, content, at } => {
                let row = Row { rejected: None, ..arm::ended(row, Some(op)) };
                match op {
                    Op::Create => Row { post: post.clone(), content: content.clone(), posted_at: *at, ..row },
                    Op::Update => Row { content: content.clone(), ..row },
                    Op::Delete => arm::without_post(row),
                }
            }
            Self::Unsent { not_before, frozen } => {
                let after_unknown = row.attempt.as_ref().is_some_and(|attempt| attempt.after_unknown_delete);
                let row =
                    if after_unknown && *frozen { Row { state: RowState::Unknown, ..row } } else { arm::settled(row) };
                Row { not_before: *not_before, ..row }
            }
            Self::Refused(content) => Row { rejected: Some(content.clone()), ..arm::ended(row, None) },
            Self::Absent { proven: true, .. } if op == Op::Delete => arm::ended(arm::without_post(row), Some(op)),
            Self::Absent { proven: true, .. } => Row { vanished: true, ..arm::settled(arm::without_post(row)) },
            Self::Absent { sure_at, at, .. } if op == Op::Delete => unknown(row, *at, *sure_at),
            Self::Absent { sure_at, .. } => {
                let identity = row.content.as_ref().map(|content| content.identity.clone());
                let content = Content { hash: None, identity: identity.unwrap_or_default() };
                Row { content: Some(content), not_before: *sure_at, ..arm::settled(row) }
            }
            Self::Unknown { from, not_before } => unknown(row, *from, *not_before),
        }
    }
}

/// The attempt's end is not known: `settle` counts from `from`.
pub(super) fn unknown(row: Row, from: Millis, not_before: Millis) -> Row {
    let attempt = row.attempt.clone().map(|attempt| Attempt { unknown_from: from, misses: 0, missed_at: 0, ..attempt });
    Row { state: RowState::Unknown, attempt, not_before, ..row }
}

impl Answer {
    fn op(&self) -> Option<Op> {
        self.armed.row.attempt.as_ref().map(|attempt| attempt.op)
    }

    /// The row has what was wanted when it was armed. After a delete something else may be wanted.
    fn is_as_wanted(&self) -> bool {
        matches!(self.end, End::Done { .. }) && self.op() != Some(Op::Delete)
    }

    /// The row as it is when nobody has written it since it was armed.
    fn write(&self, cx: &Cx) -> RowWrite {
        let row = self.end.row(self.armed.row.clone());
        let recheck = row.recheck && !self.is_as_wanted() && cx.keeps(Rule::Recheck);
        RowWrite { expect: Some(self.armed.row.version), row: Row { version: cx.ids.nonce(), recheck, ..row } }
    }
}

/// Writes answers as they come: those that come while others are written are written together.
pub(super) async fn write_each(cx: &Cx, lease: &Lease, mut answers: Receiver<Answer>, notes: &mut Notes) -> Result<()> {
    let mut bulk = Vec::new();
    while answers.recv_many(&mut bulk, BULK).await > 0 {
        write(cx, lease, std::mem::take(&mut bulk), notes).await?;
        cx.at(Point::DrainAnswer)?;
    }
    Ok(())
}

/// Writes answers at once.
pub(super) async fn write(cx: &Cx, lease: &Lease, answers: Vec<Answer>, notes: &mut Notes) -> Result<()> {
    let writes = answers.iter().map(|answer| answer.write(cx)).collect();
    let applied = cx.store.rows_put(writes).await?;
    let mut confirmed = false;
    for (answer, applied) in answers.iter().zip(applied) {
        notes.again |= !applied || !answer.is_as_wanted();
        let written = applied || write_late(cx, answer).await?;
        if let (true, End::Done { .. }, Some(op)) = (written, &answer.end, answer.op()) {
            confirmed = true;
            tell(cx, lease, &answer.armed.row.id, op);
        }
    }
    if confirmed && lease.known().doc.crashes > 0 {
        lease::change(cx, lease, |doc| doc.crashes = 0).await?;
    }
    Ok(())
}

/// The row was written since it was armed: the one who armed it may still say how the attempt ended, by its nonce.
async fn write_late(cx: &Cx, answer: &Answer) -> Result<bool> {
    let id = &answer.armed.row.id;
    let Some(attempt) = &answer.armed.row.attempt else { return Ok(false) };
    if attempt.op == Op::Create && !cx.keeps(Rule::ArmFirst) {
        return written_after(cx, answer).await;
    }
    if by_nonce(cx, id, attempt.nonce, |row| answer.end.row(row)).await? {
        return Ok(true);
    }
    if let (Op::Create, End::Done { post: Some(post), .. }) = (attempt.op, &answer.end) {
        late_post(cx, id, post).await?;
    }
    Ok(false)
}

/// The row of a create that was sent without the rule to arm first.
async fn written_after(cx: &Cx, answer: &Answer) -> Result<bool> {
    let End::Done { .. } = answer.end else { return Ok(false) };
    let old = cx.store.rows(std::slice::from_ref(&answer.armed.row.id)).await?.into_iter().next();
    let write = RowWrite { expect: old.map(|row| row.version), ..answer.write(cx) };
    Ok(cx.store.rows_put(vec![write]).await? == [true])
}

/// A post whose attempt is not the row's any more: deleted, unless the row found it by itself.
async fn late_post(cx: &Cx, id: &RowId, post: &str) -> Result<()> {
    loop {
        let rows = cx.store.rows(std::slice::from_ref(id)).await?;
        let Some(row) = rows.into_iter().next() else { return Ok(()) };
        if row.post.as_deref() == Some(post) || row.past.contains(post) {
            return Ok(());
        }
        if arm::put(cx, &row, |row| with_extra(row, [post.to_owned()], cx.now())).await? {
            // whoever holds the lease may have looked at the row already
            return lease::nudge(cx, &id.target).await;
        }
    }
}

/// Posts that are not the row's, to be deleted. None of its posts is known for longer than from `now`.
pub(super) fn with_extra(mut row: Row, posts: impl IntoIterator<Item = String>, now: Millis) -> Row {
    row.extra.extend(posts);
    row.posted_at = row.posted_at.max(now);
    row
}

fn tell(cx: &Cx, lease: &Lease, id: &RowId, op: Op) {
    let op = match op {
        Op::Create => "create",
        Op::Update => "update",
        Op::Delete => "delete",
    };
    let target = lease.known().doc.name;
    cx.emit(Event::Effect { target, stage: id.export.clone(), op: op.to_owned(), key: id.key.clone() });
}
