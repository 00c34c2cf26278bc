//! The journal of executed writes: one JSON object a line, handed to the kernel before a write is answered.
//! It outlives the death of the process; it is not synced, so it may lose its end with the machine's power.

use crate::state::Effect;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why the journal cannot be used.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The system refused.
    #[error("cannot {doing} the simulator's state {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Another simulator works on the same file.
    #[error("the simulator's state {path} is in use by another process: end that one, or name another file", path = .0.display())]
    InUse(PathBuf),
    /// A line other than the last one is no write.
    #[error("the simulator's state {path}, line {line}, cannot be read ({reason}): repair that line or remove the file", path = path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What the parser found.
        reason: String,
    },
}

pub(crate) struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Opens (or makes) the journal, for this process alone, and reads what it holds. A torn last line, which a
    /// crash within a write leaves behind, was never answered and is cut off.
    pub(crate) fn open(path: &Path) -> Result<(Self, Vec<Effect>), JournalError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(failed("make the folder of", path))?;
        }
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(failed("open", path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed("lock", path)(source)),
        }
        let mut journal = Self { file, path: path.to_owned() };
        let effects = journal.read()?;
        Ok((journal, effects))
    }

    /// Adds one write, in one call to the kernel.
    pub(crate) fn append(&mut self, effect: &Effect) -> Result<(), JournalError> {
        let written = serde_json::to_vec(effect).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            self.write_whole(&line)
        });
        written.map_err(failed("write", &self.path))
    }

    /// Another may open it from now on.
    pub(crate) fn release(&self) {
        self.file.unlock().ok();
    }

    /// Empties the journal.
    pub(crate) fn clear(&mut self) -> Result<(), JournalError> {
        self.cut_at(0).map_err(failed("empty", &self.path))
    }

    /// A write that failed half-way (a full disk) is taken back, or the next one would be glued to its torn line.
    fn write_whole(&mut self, line: &[u8]) -> io::Result<()> {
        let start = self.file.stream_position()?;
        self.file.write_all(line).inspect_err(|_| {
            let _the_first_error_is_the_one_to_tell = self.cut_at(start);
        })
    }

    fn read(&mut self) -> Result<Vec<Effect>, JournalError> {
        let mut effects = Vec::new();
        let mut good = 0_u64;
        let mut line = Vec::new();
        let mut lines = BufReader::new(&self.file);
        for number in 1.. {
            line.clear();
            let length = lines.read_until(b'\n', &mut line).map_err(failed("read", &self.path))?;
            if line.last() != Some(&b'\n') {
                break;
            }
            let effect = serde_json::from_slice(&line).map_err(|error| JournalError::Corrupt {
                path: self.path.clone(),
                line: number,
                reason: error.to_string(),
            })?;
            effects.push(effect);
            good += length as u64;
        }
        self.cut_at(good).map_err(failed("repair", &self.path))?;
        Ok(effects)
    }

    fn cut_at(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        self.file.seek(SeekFrom::Start(length)).map(drop)
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_owned();
    move |source| JournalError::Io { doing, path, source }
}
