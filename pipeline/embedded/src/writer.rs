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
        if transaction(conn, path, &mut group, stats).is_ok() {
            answer(&mut group, &Ok(()));
            continue;
        }
        // which of them failed, and why, is told by each alone in a transaction: it takes nobody with it
        for mut job in group.drain(..) {
            let alone = std::slice::from_mut(&mut job);
            let end = transaction(conn, path, alone, stats).map_err(|fault| fault.told(path));
            stats.refused.fetch_add(u64::from(end.is_err()), Relaxed);
            job.answer(&end);
        }
    }
}

fn answer(group: &mut Vec<Box<dyn Job>>, end: &StoreResult<()>) {
    for mut job in group.drain(..) {
        job.answer(end);
    }
}

/// One transaction over the group. An error means that nothing of it was written, as far as can be known.
fn transaction(conn: &Connection, path: &Path, group: &mut [Box<dyn Job>], stats: &Counters) -> Result<(), Fault> {
    let done = within(conn, path, group);
    match &done {
        Ok(()) => {
            let size = group.len() as u64;
            stats.writes.fetch_add(size, Relaxed);
            stats.commits.fetch_add(1, Relaxed);
            stats.largest_group.fetch_max(size, Relaxed);
        }
        // The first error is the one to tell; a transaction that cannot even be rolled back ends with the process.
        Err(_) if !conn.is_autocommit() => {
            if let Err(error) = execute(conn, "ROLLBACK") {
                tracing::warn!(?error, path = %path.display(), "rolling back");
            }
        }
        Err(_) => {}
    }
    done
}

fn within(conn: &Connection, path: &Path, group: &mut [Box<dyn Job>]) -> Result<(), Fault> {
    execute(conn, "BEGIN IMMEDIATE")?;
    group.iter_mut().try_for_each(|job| job.run(conn, path)).map_err(Fault::Store)?;
    execute(conn, "COMMIT")
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
