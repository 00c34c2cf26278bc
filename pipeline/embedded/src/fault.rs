//! From SQLite's errors to the port's: which of them a reader can do something about, and what.

use jobpipe_core::StoreError;
use rusqlite::ErrorCode;
use std::path::Path;

/// Room that a store wants free beside what it holds: the write-ahead log and the next bulks.
const ROOM: &str = "keep 64 MiB free";

/// What went wrong inside a piece of work: SQLite's word, or the port's already.
#[derive(Debug)]
pub(crate) enum Fault {
    Sql(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Fault {
    /// The error of the port; `path` is the store's file.
    pub(crate) fn told(self, path: &Path) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Sql(error) => told(&error, path),
        }
    }
}

fn told(error: &rusqlite::Error, path: &Path) -> StoreError {
    let path = path.display().to_string();
    let message = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::NoSpace { path, message: format!("{message}; {ROOM}") },
        Some(
            ErrorCode::ReadOnly | ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::PermissionDenied,
        ) => StoreError::NoSpace { path, message },
        Some(ErrorCode::DatabaseCorrupt) => unusable(path, &format!("it is damaged ({message})")),
        Some(ErrorCode::NotADatabase) => unusable(path, "it is not a store, or its first page is damaged"),
        // A write or a whole read that another process held up for longer than the busy timeout; it may be repeated.
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            StoreError::Unavailable { message: format!("{path}: {message}") }
        }
        Some(_) => StoreError::Unusable { path, message },
        None => StoreError::Corrupt { what: format!("document in {path}"), message },
    }
}

/// The file cannot be used as it is; says what to do.
pub(crate) fn unusable(path: String, why: &str) -> StoreError {
    let message = format!(
        "{why}; put back a copy of it (with its -wal file, or without both), then `jobpipe state restore`; \
         or move it away to start anew: posts that are there are found again, not made twice"
    );
    StoreError::Unusable { path, message }
}

/// An error of the file system on `path`.
pub(crate) fn no_space(path: &Path, error: &std::io::Error) -> StoreError {
    let full = error.kind() == std::io::ErrorKind::StorageFull;
    let message = if full { format!("{error}; {ROOM}") } else { error.to_string() };
    StoreError::NoSpace { path: path.display().to_string(), message }
}
