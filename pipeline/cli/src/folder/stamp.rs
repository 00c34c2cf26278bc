//! What tells whether a file was changed, without reading it.

use jobpipe_core::Millis;
use std::path::Path;
use std::time::Duration;

/// Two that are the same are of the same text. The time of the last change of anything about the file is in it, which no
/// tool can set: a file that another of the same length and age was renamed to, or copied over, differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: (u64, u64),
    length: u64,
    /// Seconds and nanoseconds.
    written: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// That of a file; `None` when there is none.
    #[cfg(unix)]
    pub(super) fn of(file: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let found = std::fs::metadata(file).ok()?;
        Some(Self {
            inode: (found.dev(), found.ino()),
            length: found.len(),
            written: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }

    /// On other systems jobpipe is built to say that it does not run there.
    #[cfg(not(unix))]
    pub(super) fn of(_: &Path) -> Option<Self> {
        None
    }

    /// Whether nothing about it was changed for so long, as far as the clock of its file system goes like `now`.
    pub(super) fn is_older_than(&self, length: Duration, now: Millis) -> bool {
        let (seconds, nanoseconds) = self.changed;
        let changed = seconds.saturating_mul(1_000).saturating_add(nanoseconds / 1_000_000);
        now.saturating_sub(changed) > Millis::try_from(length.as_millis()).unwrap_or(Millis::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_same_length_and_age_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("a"), "one").unwrap();
        std::fs::write(at("b"), "two").unwrap();
        let age = std::fs::metadata(at("a")).unwrap().modified().unwrap();
        std::fs::File::options().write(true).open(at("b")).unwrap().set_modified(age).unwrap();
        let before = Stamp::of(&at("a")).unwrap();
        assert_eq!(Stamp::of(&at("a")), Some(before));
        std::fs::rename(at("b"), at("a")).unwrap();
        assert_ne!(Stamp::of(&at("a")), Some(before));
        assert_eq!(Stamp::of(&at("b")), None);
        let (seconds, _) = before.changed;
        assert!(before.is_older_than(Duration::from_secs(1), (seconds + 3) * 1_000));
        assert!(!before.is_older_than(Duration::from_secs(1), seconds * 1_000));
    }
}
