//! The log: JSON lines in the state folder. What a person should see is told by the watcher, not here.

use crate::exit::{Failure, Outcome};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tracing_subscriber::EnvFilter;

/// A log that has grown beyond this is set aside when the next process starts; one old log is kept.
const LARGEST: u64 = 10 << 20;
/// What is logged unless `JOBPIPE_LOG` says otherwise.
const USUAL: &str = "info,hyper=warn,reqwest=warn,rustls=warn,lapin=warn,mongodb=warn,html5ever=error,selectors=error";

/// Where the log of a state folder lies.
pub(crate) fn path(state: &Path) -> PathBuf {
    state.join("log").join("jobpipe.log")
}

/// Writes everything that is traced from now on to the log of `state`.
pub(crate) fn start(state: &Path) -> Outcome<()> {
    let path = path(state);
    let file = open(&path).map_err(|error| {
        Failure::failed(format!(
            "cannot write {}: {error}; allow writing there (a log takes at most {} MiB), then run again: nothing is lost",
            path.display(),
            (2 * LARGEST) >> 20
        ))
    })?;
    let filter = EnvFilter::try_from_env("JOBPIPE_LOG").unwrap_or_else(|_| EnvFilter::new(USUAL));
    let subscriber = tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(Mutex::new(file)).finish();
    // only tests of this crate could have set one before
    let _other = tracing::subscriber::set_global_default(subscriber);
    Ok(())
}

fn open(path: &Path) -> std::io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    if std::fs::metadata(path).is_ok_and(|file| file.len() > LARGEST) {
        std::fs::rename(path, path.with_extension("log.1"))?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}
