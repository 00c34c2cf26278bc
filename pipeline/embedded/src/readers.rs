//! The threads that read: each has a connection of its own and takes the next request from the common queue.

use crate::job::Job;
use crate::stats::Counters;
use jobpipe_core::{StoreError, StoreResult};
use rusqlite::Connection;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// Reading threads of one store.
pub(crate) const COUNT: usize = 3;
/// Requests that may wait; more of them wait in their own futures.
pub(crate) const QUEUE: usize = 256;

type Queue = Arc<Mutex<mpsc::Receiver<Box<dyn Job>>>>;

/// Starts one thread for each connection.
pub(crate) fn start(
    conns: Vec<Connection>,
    path: &Path,
    queue: mpsc::Receiver<Box<dyn Job>>,
    stats: &Arc<Counters>,
) -> StoreResult<Vec<std::thread::JoinHandle<()>>> {
    let queue: Queue = Arc::new(Mutex::new(queue));
    let spawn = |conn: Connection| {
        let (path, queue, stats) = (path.to_path_buf(), Arc::clone(&queue), Arc::clone(stats));
        std::thread::Builder::new().name("store-reader".to_owned()).spawn(move || run(&conn, &path, &queue, &stats))
    };
    conns.into_iter().map(spawn).collect::<Result<_, _>>().map_err(|error| StoreError::Unavailable {
        message: format!("{}: no thread for a reader: {error}", path.display()),
    })
}

fn run(conn: &Connection, path: &Path, queue: &Queue, stats: &Counters) {
    // Whoever waits for a request holds the lock: the others have nothing to take anyway.
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
    while let Some(mut job) = next() {
        let end = snapshot(conn, path, job.as_mut());
        stats.reads.fetch_add(1, Relaxed);
        job.answer(&end);
    }
}

/// All statements of a request see one snapshot: the newest commit when its first statement runs.
fn snapshot(conn: &Connection, path: &Path, job: &mut dyn Job) -> StoreResult<()> {
    execute(conn, "BEGIN", path)?;
    let done = job.run(conn, path);
    let ended = if conn.is_autocommit() { Ok(()) } else { execute(conn, "ROLLBACK", path) };
    done.and(ended)
}

fn execute(conn: &Connection, sql: &str, path: &Path) -> StoreResult<()> {
    let run = || conn.prepare_cached(sql)?.execute([]);
    run().map(|_| ()).map_err(|error| crate::fault::Fault::Sql(error).told(path))
}
