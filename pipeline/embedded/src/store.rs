//! The state store in one SQLite file: who reads, who writes, and how calls get to them.

use crate::at_rest::AtRest;
use crate::fault::Fault;
use crate::job::{self, Job};
use crate::stats::{Counters, StoreStats};
use crate::{open, readers, writer};
use jobpipe_core::{StoreError, StoreResult};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use tokio::sync::mpsc;

type Queue = mpsc::Sender<Box<dyn Job>>;

/// A [`jobpipe_core::StateStore`] in one file.
///
/// One thread writes: what waits when it is free shares a transaction and its fsync, and is answered after it. A few
/// threads read, each from its own snapshot, so no read waits for a write; a read that begins after a write's future
/// has ended sees it. Dropping the store ends the threads when they have done what waits.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    /// `None` for a reader.
    writer: Option<Queue>,
    /// Taken when the store is dropped.
    readers: Option<Queue>,
    writer_threads: Vec<JoinHandle<()>>,
    reader_threads: Vec<JoinHandle<()>>,
    /// Of one that is read where nothing may be written; dropped after its readers.
    _at_rest: Option<AtRest>,
    stats: Arc<Counters>,
}

impl SqliteStore {
    /// Opens the store for its engine; makes it if it is absent. The caller holds the [`crate::EngineLock`].
    ///
    /// Recovers from an unclean end; blocks while it does.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when the file is damaged, not ours, or of a newer version; [`StoreError::NoSpace`] when
    /// it may not be written.
    pub fn open(path: &Path) -> StoreResult<Self> {
        let (conn, torn) = open::writer(path)?;
        Self::start(path, Some(conn), torn)
    }

    /// Opens the store for reading, whether an engine works on it or not.
    ///
    /// All it writes is [`jobpipe_core::DocKind::Command`] documents that are new; every other write is refused as
    /// [`StoreError::Busy`]. Where nothing may be written, and no engine is at work, none can start until it is dropped.
    ///
    /// # Errors
    /// As [`SqliteStore::open`]; also when there is no store yet.
    pub fn open_reader(path: &Path) -> StoreResult<Self> {
        Self::start(path, None, 0)
    }

    /// What it did since it was opened.
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        self.stats.now()
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn start(path: &Path, conn: Option<Connection>, torn: u64) -> StoreResult<Self> {
        let stats = Arc::new(Counters::default());
        stats.torn_frames.store(torn, Relaxed);
        let connect = |open: fn(&Path) -> StoreResult<Connection>| (0..readers::COUNT).map(|_| open(path)).collect();
        let (conns, at_rest): (Vec<Connection>, _) = match connect(open::reader) {
            // the index that readers share cannot be made
            Err(StoreError::NoSpace { .. }) if conn.is_none() => {
                let at_rest = AtRest::hold(path)?;
                (connect(open::reader_at_rest)?, Some(at_rest))
            }
            conns => (conns?, None),
        };
        let (reads, queue) = mpsc::channel(readers::QUEUE);
        let reader_threads = readers::start(conns, path, queue, &stats)?;
        let (mut writer, mut writer_threads) = (None, Vec::new());
        if let Some(conn) = conn {
            let (writes, queue) = mpsc::channel(writer::QUEUE);
            writer_threads.push(writer::start(conn, path.to_path_buf(), queue, Arc::clone(&stats))?);
            writer = Some(writes);
        }
        let (path, readers) = (path.to_path_buf(), Some(reads));
        Ok(Self { path, writer, readers, writer_threads, reader_threads, _at_rest: at_rest, stats })
    }

    /// Does `work` in a snapshot of its own.
    pub(crate) async fn read<T, F>(&self, work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.send(self.readers.as_ref(), work).await
    }

    /// Does `work` in the next transaction; the answer comes when it is durable.
    pub(crate) async fn write<T, F>(&self, work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        if self.writer.is_none() {
            let holder = "its engine; this process opened it for reading".to_owned();
            return Err(StoreError::Busy { path: self.path.display().to_string(), holder });
        }
        self.send(self.writer.as_ref(), work).await
    }

    /// True when this store was opened for reading.
    pub(crate) fn is_reader(&self) -> bool {
        self.writer.is_none()
    }

    async fn send<T, F>(&self, queue: Option<&Queue>, work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let closed = || StoreError::Closed { path: self.path.display().to_string() };
        let (job, answer) = job::call(work);
        queue.ok_or_else(closed)?.send(job).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // Readers first: the connection that closes last empties the log into the file, and only the writer may.
        self.readers = None;
        join(&mut self.reader_threads);
        self.writer = None;
        join(&mut self.writer_threads);
        tracing::info!(stats = %self.stats(), "store closed");
    }
}

fn join(threads: &mut Vec<JoinHandle<()>>) {
    for thread in threads.drain(..) {
        if thread.join().is_err() {
            tracing::error!("a thread of the store has panicked");
        }
    }
}

#[cfg(test)]
mod tests;
