//! The one thread that writes: what waits is written in one transaction, with one fsync, and answered after it.

use crate::fault::Fault;
use crate::job::Job;
use crate::stats::Counters;
use jobpipe_core::{StoreError, StoreResult};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::mpsc;

/// Requests that share a transaction at most.
const GROUP: usize = 256;
/// Requests that may wait; more of them wait in their own futures.
pub(crate) const QUEUE: usize = 512;

/// Writes what comes until every sender is gone.
pub(crate) fn run(conn: &Connection, path: &Path, mut queue: mpsc::Receiver<Box<dyn Job>>, stats: &Arc<Counters>) {
    let mut group: Vec<Box<dyn Job>> = Vec::with_capacity(GROUP);
    while let Some(first) = queue.blocking_recv() {
        group.push(first);
        while group.len() < GROUP
            && let Ok(next) = queue.try_recv()
        {
            group.push(next);
        }
        let end = commit(conn, path, &mut group, stats).map_err(|fault| fault.told(path));
        for mut job in group.drain(..) {
            job.answer(&end);
        }
    }
}

/// One transaction over the group. An error means that nothing of it was written, as far as can be known.
fn commit(conn: &Connection, path: &Path, group: &mut [Box<dyn Job>], stats: &Counters) -> Result<(), Fault> {
    let done = within(conn, path, group, stats);
    if done.is_err() && !conn.is_autocommit() {
        // The first error is the one to tell; a transaction that cannot even be rolled back ends with the process.
        if let Err(error) = execute(conn, "ROLLBACK") {
            tracing::warn!(?error, path = %path.display(), "rolling back");
        }
    }
    done
}

fn within(conn: &Connection, path: &Path, group: &mut [Box<dyn Job>], stats: &Counters) -> Result<(), Fault> {
    execute(conn, "BEGIN IMMEDIATE")?;
    let size = group.len() as u64;
    match group {
        // alone in its transaction, a request that fails takes nobody with it
        [only] => {
            if only.run(conn, path).is_err() {
                stats.refused.fetch_add(1, Relaxed);
                return if conn.is_autocommit() { Ok(()) } else { execute(conn, "ROLLBACK") };
            }
        }
        group => group.iter_mut().try_for_each(|job| request(conn, path, job.as_mut(), stats))?,
    }
    execute(conn, "COMMIT")?;
    stats.writes.fetch_add(size, Relaxed);
    stats.commits.fetch_add(1, Relaxed);
    stats.largest_group.fetch_max(size, Relaxed);
    Ok(())
}

/// One request in a savepoint: if it fails, it alone is undone, and the others go on.
fn request(conn: &Connection, path: &Path, job: &mut dyn Job, stats: &Counters) -> Result<(), Fault> {
    execute(conn, "SAVEPOINT request")?;
    if let Err(error) = job.run(conn, path) {
        stats.refused.fetch_add(1, Relaxed);
        if conn.is_autocommit() {
            // SQLite ended the whole transaction (a full disk may do that), and the earlier requests with it.
            return Err(Fault::Store(error));
        }
        execute(conn, "ROLLBACK TO request")?;
    }
    execute(conn, "RELEASE request")
}

fn execute(conn: &Connection, sql: &str) -> Result<(), Fault> {
    conn.prepare_cached(sql)?.execute([])?;
    Ok(())
}

/// Starts the thread.
pub(crate) fn start(
    conn: Connection,
    path: PathBuf,
    queue: mpsc::Receiver<Box<dyn Job>>,
    stats: Arc<Counters>,
) -> StoreResult<std::thread::JoinHandle<()>> {
    let at = path.display().to_string();
    std::thread::Builder::new()
        .name("store-writer".to_owned())
        .spawn(move || run(&conn, &path, queue, &stats))
        .map_err(|error| StoreError::Unavailable { message: format!("{at}: no thread for the writer: {error}") })
}
