//! The engine's role: at most one process of a state folder has it.

use crate::fault::no_space;
use jobpipe_core::{StoreError, StoreResult, utc_text};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// The file that is locked, inside the state folder.
const NAME: &str = "engine.lock";

/// Proof that no other process is the engine of this state folder, so that every running task is free at once.
///
/// The system lets go of the lock when the value is dropped and when the process dies, however it dies. Drop the store
/// before the lock. The file stays; what is in it is told to people and decides nothing.
#[derive(Debug)]
pub struct EngineLock {
    _file: File,
    path: PathBuf,
}

impl EngineLock {
    /// Takes the role; makes the folder if it is absent.
    ///
    /// # Errors
    /// [`StoreError::Busy`] names the process that has it. [`StoreError::NoSpace`] when the folder may not be written,
    /// [`StoreError::Unusable`] when its file system has no locks.
    pub fn acquire(state_dir: &Path) -> StoreResult<Self> {
        std::fs::create_dir_all(state_dir).map_err(|error| no_space(state_dir, &error))?;
        let path = state_dir.join(NAME);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(|error| no_space(&path, &error))?;
        let locked = file.try_lock();
        taken(locked, state_dir, &mut file)?;
        sign(&mut file).map_err(|error| no_space(&path, &error))?;
        Ok(Self { _file: file, path })
    }

    /// Who has the role now, for people; `None` = nobody. Writes nothing, so that anyone may ask who may read the folder.
    ///
    /// # Errors
    /// As of [`Self::acquire`], but for [`StoreError::Busy`].
    pub fn holder(state_dir: &Path) -> StoreResult<Option<String>> {
        match share(state_dir) {
            Ok(_) => Ok(None),
            Err(StoreError::Busy { holder, .. }) => Ok(Some(holder)),
            Err(error) => Err(error),
        }
    }

    /// The lock file, for people.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Keeps the role from everyone, together with others who do the same, until the file is dropped. `None` = no engine ever
/// worked in this folder.
///
/// # Errors
/// [`StoreError::Busy`] while somebody has the role; else as of [`EngineLock::acquire`].
pub(crate) fn share(state_dir: &Path) -> StoreResult<Option<File>> {
    let path = state_dir.join(NAME);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let message = format!("it cannot be read: {error}");
            return Err(StoreError::Unusable { path: path.display().to_string(), message });
        }
    };
    let locked = file.try_lock_shared();
    taken(locked, state_dir, &mut file)?;
    Ok(Some(file))
}

fn taken(locked: Result<(), TryLockError>, state_dir: &Path, file: &mut File) -> StoreResult<()> {
    let path = state_dir.display().to_string();
    match locked {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(StoreError::Busy { path, holder: holder(file) }),
        Err(TryLockError::Error(error)) => {
            let message = format!("its file system cannot lock files ({error}); use a local disk");
            Err(StoreError::Unusable { path: state_dir.join(NAME).display().to_string(), message })
        }
    }
}

fn sign(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(format!("process {}\n", std::process::id()).as_bytes())
}

/// What the holder wrote, and when (the file's own time), as far as they can be read.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    if file.take(200).read_to_string(&mut text).is_err() || text.trim().is_empty() {
        return "which has just started".to_owned();
    }
    let since = file.metadata().and_then(|file| file.modified()).ok();
    let since = since.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let since = since.and_then(|time| i64::try_from(time.as_secs()).ok());
    let since =
        since.map_or_else(String::new, |seconds| format!(", since {}", utc_text(seconds.saturating_mul(1_000))));
    format!("{}{since}", text.trim())
}
