//! Opening the file: is it ours, is it whole, is its schema one that this version knows.

use crate::at_rest::AtRest;
use crate::fault::{Fault, unusable};
use crate::{docs, wal};
use jobpipe_core::{DocKind, StoreError, StoreResult};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// `PRAGMA application_id` of a store: "jobp".
const APPLICATION: i32 = 0x6A6F_6270;
/// How long a statement waits for another process's write.
const BUSY: Duration = Duration::from_secs(10);
/// After an unclean end, files up to this size are checked page by page: larger ones would delay the start.
const CHECKED_UP_TO: u64 = 64 * 1024 * 1024;
/// Statements kept compiled a connection; there are fewer.
const STATEMENTS: usize = 96;

/// The id of a [`DocKind::Store`] document that is there when acknowledged commits were found to be gone: whoever relies
/// on the ledger reads every target anew before it acts, and then removes the document.
pub const LOST: &str = "lost";

/// One file a version, applied in order; never changed once released.
pub(crate) const MIGRATIONS: [&str; 4] = [
    include_str!("../migrations/001.sql"),
    include_str!("../migrations/002.sql"),
    include_str!("../migrations/003.sql"),
    include_str!("../migrations/004.sql"),
];

/// The settings of every connection. `fullfsync` is what makes an fsync reach the disk on macOS; elsewhere it is nothing.
const SETTINGS: &str = "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON; \
    PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;";
const WRITER: &str = "PRAGMA cache_size = -32000; PRAGMA wal_autocheckpoint = 16000; \
    PRAGMA journal_size_limit = 67108864;";
const READER: &str = "PRAGMA cache_size = -16000; PRAGMA query_only = ON;";

/// The connection that writes, and the unfinished frames found in the log; makes and migrates the file.
pub(crate) fn writer(path: &Path) -> StoreResult<(Connection, u64)> {
    let log = wal::inspect(path)?;
    if log.frames > 0 {
        tracing::info!(path = %path.display(), frames = log.frames, torn = log.torn, "recovering the store's log");
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let conn = prepared(path, flags, WRITER)?;
    // Recovery happens at the first read, in here; a checkpoint shrinks the log afterwards, so look at it before.
    let unclean = log.frames > 0;
    let checked = || -> Result<(), Fault> {
        if conn.is_readonly("main")? {
            let message = "the file is read-only".to_owned();
            return Err(StoreError::NoSpace { path: path.display().to_string(), message }.into());
        }
        migrate(&conn, path)?;
        if unclean || log.lost {
            check_pages(&conn, path)?;
        }
        if log.lost {
            tracing::warn!(path = %path.display(), "the end of the store's log is gone, and commits with it");
            docs::insert(&conn, DocKind::Store, LOST, 0, None, b"{}")?;
        }
        Ok(())
    };
    checked().map_err(|fault| fault.told(path))?;
    Ok((conn, log.torn))
}

/// A connection that reads; the file must be there and of this version.
pub(crate) fn reader(path: &Path) -> StoreResult<Connection> {
    let conn = existing(path, OpenFlags::SQLITE_OPEN_READ_ONLY, READER)?;
    checked(conn, path)
}

/// The same where nothing may be written; what is held [`AtRest`] does not change.
pub(crate) fn reader_at_rest(path: &Path) -> StoreResult<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    checked(prepared(&AtRest::name(path), flags, READER)?, path)
}

fn checked(conn: Connection, path: &Path) -> StoreResult<Connection> {
    let checked = || -> Result<(), Fault> {
        if !ours(&conn, path)? {
            return Err(nothing_yet(path).into());
        }
        let (version, known) = (version(&conn, path)?, MIGRATIONS.len());
        if version == known {
            return Ok(());
        }
        let message = format!(
            "it was made by an older jobpipe (schema {version}, this one reads {known}); `jobpipe run` brings it up to date"
        );
        Err(StoreError::Unusable { path: path.display().to_string(), message }.into())
    };
    checked().map_err(|fault| fault.told(path))?;
    Ok(conn)
}

/// A short-lived connection for one write beside a living engine.
pub(crate) fn guest(path: &Path) -> StoreResult<Connection> {
    existing(path, OpenFlags::SQLITE_OPEN_READ_WRITE, "")
}

fn existing(path: &Path, flags: OpenFlags, settings: &str) -> StoreResult<Connection> {
    if !path.exists() {
        return Err(nothing_yet(path));
    }
    prepared(path, flags, settings)
}

fn nothing_yet(path: &Path) -> StoreError {
    let message = "nothing was run here yet; start an import with `jobpipe run`".to_owned();
    StoreError::Unusable { path: path.display().to_string(), message }
}

fn prepared(path: &Path, flags: OpenFlags, settings: &str) -> StoreResult<Connection> {
    let open = || -> Result<Connection, Fault> {
        let conn = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        conn.busy_timeout(BUSY)?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS);
        // Else a statement is compiled anew for each value bound to its `LIMIT`. Every plan here is the same for all.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        conn.execute_batch(SETTINGS)?;
        conn.execute_batch(settings)?;
        Ok(conn)
    };
    open().map_err(|fault| fault.told(path))
}

/// Refuses a file of another program; says whether it is a store (and not an empty file).
fn ours(conn: &Connection, path: &Path) -> Result<bool, Fault> {
    let application: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application == APPLICATION {
        return Ok(true);
    }
    if application == 0 && tables == 0 {
        return Ok(false);
    }
    let message = "it is the database of another program; name another state folder".to_owned();
    Err(StoreError::Unusable { path: path.display().to_string(), message }.into())
}

/// The schema's version; refuses one that this version does not know.
fn version(conn: &Connection, path: &Path) -> Result<usize, Fault> {
    let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match usize::try_from(version) {
        Ok(version) if version <= MIGRATIONS.len() => Ok(version),
        _ => {
            let known = MIGRATIONS.len();
            let message = format!(
                "it was made by a newer jobpipe (schema {version}, this one knows up to {known}); use that version"
            );
            Err(StoreError::Unusable { path: path.display().to_string(), message }.into())
        }
    }
}

fn migrate(conn: &Connection, path: &Path) -> Result<(), Fault> {
    ours(conn, path)?;
    version(conn, path)?;
    let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        let message = format!("its file system cannot hold a write-ahead log (mode {mode}); use a local disk");
        return Err(StoreError::Unusable { path: path.display().to_string(), message }.into());
    }
    for next in version(conn, path)?..MIGRATIONS.len() {
        step(conn, path, next)?;
    }
    Ok(())
}

/// One migration and its version in one transaction; another process may have done it meanwhile.
fn step(conn: &Connection, path: &Path, next: usize) -> Result<(), Fault> {
    let guard = rusqlite::Transaction::new_unchecked(conn, rusqlite::TransactionBehavior::Immediate)?;
    if version(&guard, path)? == next {
        let sql = MIGRATIONS.get(next).copied().unwrap_or_default();
        guard.execute_batch(sql)?;
        guard.pragma_update(None, "application_id", APPLICATION)?;
        guard.pragma_update(None, "user_version", i64::try_from(next + 1).unwrap_or(i64::MAX))?;
    }
    guard.commit()?;
    Ok(())
}

fn check_pages(conn: &Connection, path: &Path) -> Result<(), Fault> {
    if std::fs::metadata(path).map_or(0, |file| file.len()) > CHECKED_UP_TO {
        return Ok(());
    }
    let found: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" {
        return Ok(());
    }
    Err(unusable(path.display().to_string(), &format!("it is damaged ({found})")).into())
}
