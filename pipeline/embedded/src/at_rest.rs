//! Reading a store in a folder that may not be written, while nobody is at work there.
//!
//! SQLite shares a write-ahead log by an index beside it, which the first reader makes and the last process takes away.
//! Who may not make it can read the file alone, as one that does not change. That is right only when it does not: so the
//! engine's lock is held, shared with other readers, and the log must be empty. <https://www.sqlite.org/wal.html#read_only_databases>

use crate::{lock, wal};
use jobpipe_core::{StoreError, StoreResult};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Nobody begins to write while it is there.
#[derive(Debug)]
pub(crate) struct AtRest {
    _lock: File,
}

impl AtRest {
    /// Holds the store at `path` as it is.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while an engine is at work; [`StoreError::Unusable`] when what lies there cannot be read alone.
    pub(crate) fn hold(path: &Path) -> StoreResult<Self> {
        let refused = |why: &str| {
            let message = format!(
                "it may only be read here, and {why}; let somebody who may write there run `jobpipe runs list`, or read a copy of \
                 its folder"
            );
            StoreError::Unusable { path: path.display().to_string(), message }
        };
        File::open(path).map_err(|error| StoreError::Unusable {
            path: path.display().to_string(),
            message: format!("it cannot be read: {error}"),
        })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let Some(lock) = lock::share(folder)? else {
            return Err(refused("without an engine.lock beside it nobody can tell whether it is being written"));
        };
        match std::fs::metadata(wal::log_path(path)) {
            Ok(log) if log.len() > 0 => Err(refused("its log was left by a process that did not end in order")),
            _ => Ok(Self { _lock: lock }),
        }
    }

    /// The name by which SQLite opens a file that does not change.
    pub(crate) fn name(path: &Path) -> PathBuf {
        let mut name = String::from("file:");
        for byte in path.as_os_str().as_encoded_bytes() {
            if byte.is_ascii_alphanumeric() || b"/._-".contains(byte) {
                name.push(char::from(*byte));
            } else {
                name.push_str(&format!("%{byte:02X}"));
            }
        }
        name.push_str("?immutable=1");
        name.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EngineLock, SqliteStore, open};
    use jobpipe_core::{Doc, DocKind, DocStore};

    /// A store of one document, closed, with the lock file of its engine.
    async fn store(folder: &Path) -> PathBuf {
        let lock = EngineLock::acquire(folder).unwrap();
        let path = folder.join("jobpipe.db");
        let store = SqliteStore::open(&path).unwrap();
        store.doc_insert(DocKind::Run, "r", Doc::of(1, &1).unwrap()).await.unwrap();
        drop((store, lock));
        path
    }

    #[tokio::test]
    async fn a_store_at_rest_is_read_alone_and_nobody_starts_meanwhile() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("jobs? 50 % #é");
        let path = store(&folder).await;
        assert!(!wal::log_path(&path).exists());
        let rest = [AtRest::hold(&path).unwrap(), AtRest::hold(&path).unwrap()];
        let conn = open::reader_at_rest(&path).unwrap();
        let docs: i64 = conn.query_row("SELECT count(*) FROM doc", [], |row| row.get(0)).unwrap();
        assert_eq!(docs, 1);
        assert!(conn.execute_batch("DELETE FROM doc").is_err());
        assert!(!wal::log_path(&path).exists(), "nothing is made beside it");
        assert!(matches!(EngineLock::acquire(&folder), Err(StoreError::Busy { .. })));
        drop((conn, rest));
        let lock = EngineLock::acquire(&folder).unwrap();
        assert!(matches!(AtRest::hold(&path), Err(StoreError::Busy { .. })));
        drop(lock);
    }

    #[tokio::test]
    async fn what_may_change_or_is_not_whole_is_not_read_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = store(folder.path()).await;
        std::fs::write(wal::log_path(&path), b"frames").unwrap();
        let left = AtRest::hold(&path).unwrap_err().to_string();
        assert!(left.contains("did not end in order") && left.contains("read a copy of its folder"), "{left}");
        std::fs::write(wal::log_path(&path), b"").unwrap();
        drop(AtRest::hold(&path).unwrap());
        std::fs::remove_file(folder.path().join("engine.lock")).unwrap();
        let alone = AtRest::hold(&path).unwrap_err().to_string();
        assert!(alone.contains("engine.lock"), "{alone}");
        assert!(AtRest::hold(&folder.path().join("none.db")).is_err());
    }

    #[test]
    fn who_has_the_role_is_told_to_anyone() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(EngineLock::holder(folder.path()).unwrap(), None);
        let lock = EngineLock::acquire(folder.path()).unwrap();
        let holder = EngineLock::holder(folder.path()).unwrap().unwrap();
        assert!(holder.starts_with(&format!("process {}", std::process::id())), "{holder}");
        drop(lock);
        assert_eq!(EngineLock::holder(folder.path()).unwrap(), None);
    }
}
