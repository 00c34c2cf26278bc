//! How a call gets to the server and back: on a task of its own, with bounds of time, repeated once where that may do.

use crate::fault::{Fault, Place};
use crate::stats::Counters;
use jobpipe_core::StoreResult;
use mongodb::Database;
use mongodb::bson::{Bson, Document, RawDocumentBuf, rawdoc};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// When a driver's future is dropped at last, long after its caller has gone: its connection is closed by that, so that
/// one which nobody answers on does not take a place in the pool for ever.
const LAST_RESORT: Duration = Duration::from_secs(120);

/// What a call does, for the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Read,
    Write,
}

/// The way to the server; one a store.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) db: Database,
    pub(crate) place: Place,
    pub(crate) stats: Counters,
    /// How long the server may work on a request.
    pub(crate) work: Duration,
    /// How long a caller waits: finding a server, two tries, and the way.
    pub(crate) wait: Duration,
    /// Whether the server takes the name of an index with a query; asked once, at the start.
    pub(crate) hints: AtomicBool,
}

impl Link {
    /// Does `work`; once more, told so, when its connection broke or the primary has changed. It must be such that doing
    /// it twice does no harm.
    ///
    /// The driver's future goes on when the caller is cancelled or has waited long enough: dropping it would cost the
    /// connection.
    pub(crate) async fn ask<T, F, W>(self: &Arc<Self>, kind: Kind, work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: Fn(Arc<Self>, bool) -> W + Send + 'static,
        W: Future<Output = Result<T, Fault>> + Send,
    {
        self.attempt(kind, self.wait, work).await.map_err(|fault| fault.told(&self.place))
    }

    /// [`Link::ask`] with a bound of its own, for those who look at the fault.
    pub(crate) async fn attempt<T, F, W>(self: &Arc<Self>, kind: Kind, wait: Duration, work: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: Fn(Arc<Self>, bool) -> W + Send + 'static,
        W: Future<Output = Result<T, Fault>> + Send,
    {
        let link = Arc::clone(self);
        let asked = tokio::spawn(tokio::time::timeout(LAST_RESORT, async move {
            link.count(kind);
            match work(Arc::clone(&link), false).await {
                Err(fault) if fault.is_passing() => {
                    link.count(kind);
                    link.stats.repeated.fetch_add(1, Relaxed);
                    work(Arc::clone(&link), true).await
                }
                done => done,
            }
        }));
        let done = match tokio::time::timeout(wait, asked).await {
            Ok(Ok(Ok(done))) => done,
            Ok(Ok(Err(_))) | Err(_) => Err(Fault::Answer(format!("it did not answer within {} s", wait.as_secs()))),
            Ok(Err(broken)) => Err(Fault::Answer(format!("the call was broken off: {broken}"))),
        };
        if done.is_err() {
            self.stats.failed.fetch_add(1, Relaxed);
        }
        done
    }

    fn count(&self, kind: Kind) {
        let counter = match kind {
            Kind::Read => &self.stats.reads,
            Kind::Write => &self.stats.writes,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// One command on the primary; an answer that tells of a write that is not safe is a fault.
    pub(crate) async fn run(&self, command: RawDocumentBuf) -> Result<Document, Fault> {
        safe(self.db.run_raw_command(command).await?)
    }

    /// What makes a write durable, and how long it may take.
    pub(crate) fn durable(&self) -> RawDocumentBuf {
        rawdoc! { "w": "majority", "j": true, "wtimeout": self.millis() }
    }

    /// [`Link::work`] as servers take it.
    pub(crate) fn millis(&self) -> i64 {
        i64::try_from(self.work.as_millis()).unwrap_or(i64::MAX)
    }
}

/// The answer, unless the write that it tells of may still be undone: then nobody knows yet, and repeating it finds out.
fn safe(answer: Document) -> Result<Document, Fault> {
    match answer.get_document("writeConcernError") {
        Ok(error) => Err(Fault::Answer(format!("the write is not on a majority yet: {}", server_word(error)))),
        Err(_) => Ok(answer),
    }
}

/// The server's word in a part of an answer.
pub(crate) fn server_word(error: &Document) -> String {
    let message = error.get_str("errmsg").unwrap_or("it does not say why");
    format!("{message} (code {})", number(error, "code"))
}

/// A whole number in an answer, whichever of its kinds the server made of it; 0 where there is none.
pub(crate) fn number(answer: &Document, field: &str) -> i64 {
    match answer.get(field) {
        Some(Bson::Int32(number)) => i64::from(*number),
        Some(Bson::Int64(number)) => *number,
        #[expect(clippy::cast_possible_truncation, reason = "servers count in doubles only what fits")]
        Some(Bson::Double(number)) => *number as i64,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::doc;

    #[test]
    fn a_write_that_is_not_on_a_majority_is_not_taken_for_done() {
        let timed_out =
            doc! { "code": 64, "codeName": "WriteConcernFailed", "errmsg": "waiting for replication timed out" };
        let answer = doc! { "ok": 1, "n": 1, "nModified": 1, "writeConcernError": timed_out };
        let Err(Fault::Answer(word)) = safe(answer) else { panic!("it may be rolled back") };
        assert!(word.contains("majority") && word.contains("timed out (code 64)"), "{word}");
        assert!(safe(doc! { "ok": 1, "n": 1 }).is_ok());
    }

    #[test]
    fn numbers_are_read_however_a_server_writes_them() {
        let answer = doc! { "a": 3, "b": 3_i64, "c": 3.0, "d": "3" };
        assert_eq!(["a", "b", "c", "d", "e"].map(|field| number(&answer, field)), [3, 3, 3, 0, 0]);
    }
}
