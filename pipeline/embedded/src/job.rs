//! A piece of work on a connection, and the way its answer comes back to the one who waits.

use crate::fault::Fault;
use jobpipe_core::{StoreError, StoreResult};
use rusqlite::Connection;
use std::path::Path;
use tokio::sync::oneshot;

/// Work whose type of answer is hidden, so that a thread can take work of all types from one queue.
pub(crate) trait Job: Send {
    /// Does the work, from its beginning each time, and keeps its answer; says whether it went well.
    fn run(&mut self, conn: &Connection, path: &Path) -> Result<(), StoreError>;
    /// Sends the answer: the work's own, or `around`'s error if the transaction around it failed.
    fn answer(&mut self, around: &StoreResult<()>);
}

/// See [`Job`].
struct Call<T, F> {
    work: F,
    outcome: Option<StoreResult<T>>,
    reply: Option<oneshot::Sender<StoreResult<T>>>,
}

/// Packs `work` for a thread; the receiver gets its answer.
pub(crate) fn call<T, F>(work: F) -> (Box<dyn Job>, oneshot::Receiver<StoreResult<T>>)
where
    T: Send + 'static,
    F: Fn(&Connection) -> Result<T, Fault> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    (Box::new(Call { work, outcome: None, reply: Some(reply) }), answer)
}

impl<T, F> Job for Call<T, F>
where
    T: Send,
    F: Fn(&Connection) -> Result<T, Fault> + Send,
{
    fn run(&mut self, conn: &Connection, path: &Path) -> Result<(), StoreError> {
        let outcome = (self.work)(conn).map_err(|fault| fault.told(path));
        let end = outcome.as_ref().map(|_| ()).map_err(Clone::clone);
        self.outcome = Some(outcome);
        end
    }

    fn answer(&mut self, around: &StoreResult<()>) {
        let Some(reply) = self.reply.take() else { return };
        let outcome = match (self.outcome.take(), around) {
            (Some(Err(error)), _) => Err(error),
            (_, Err(error)) => Err(error.clone()),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(StoreError::Unavailable { message: "the work was not done".to_owned() }),
        };
        // Nobody waits any more: the write stands all the same, as the port says of an answer that was lost.
        drop(reply.send(outcome));
    }
}
