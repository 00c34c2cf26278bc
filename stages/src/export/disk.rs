//! Errors of the disk, for the reader: which path, how much room, what to do.

use super::code;
use jobpipe_core::{ErrorClass, TaskError};
use std::io::{self, ErrorKind};
use std::path::Path;

/// Where writing failed.
pub(super) struct Failed<'a> {
    pub(super) stage: &'a str,
    pub(super) path: &'a Path,
    /// Bytes that the whole file takes, as far as known.
    pub(super) needed: Option<u64>,
}

impl Failed<'_> {
    pub(super) fn error(&self, error: &io::Error) -> TaskError {
        let Self { stage, path, needed } = self;
        let path = path.display();
        let (class, code, remedy) = match error.kind() {
            _ if is_full(error) => {
                let room = needed.map_or_else(
                    || "make room".to_owned(),
                    |bytes| format!("the file takes {}: make so much room", size(bytes)),
                );
                (ErrorClass::Transient, code::NO_SPACE, format!("{room}, then run again: nothing is lost"))
            }
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => (
                ErrorClass::Transient,
                code::NOT_WRITABLE,
                "allow writing in its folder, then run again: nothing is lost".to_owned(),
            ),
            ErrorKind::IsADirectory
            | ErrorKind::NotADirectory
            | ErrorKind::InvalidFilename
            | ErrorKind::AlreadyExists => {
                (ErrorClass::Permanent, code::PATH, "write another path into the export".to_owned())
            }
            _ => (ErrorClass::Transient, code::WRITE, "it is tried again".to_owned()),
        };
        let message = format!("export `{stage}`: cannot write {path}: {error}; {remedy}");
        TaskError { class, code: code.to_owned(), message, retry_after_ms: None }
    }
}

/// Whether the disk, a quota on it, or a limit on the size of files leaves no room.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}

fn size(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} bytes"),
        10_000..=9_999_999 => format!("{} KiB", bytes.div_ceil(1 << 10)),
        _ => format!("{} MiB", bytes.div_ceil(1 << 20)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_with_path_and_room() {
        let failed = Failed { stage: "archive", path: Path::new("/out/a.jsonl"), needed: Some(123_456) };
        let error = failed.error(&ErrorKind::StorageFull.into());
        assert_eq!((error.class, error.code.as_str()), (ErrorClass::Transient, code::NO_SPACE));
        assert!(error.message.contains("/out/a.jsonl") && error.message.contains("121 KiB"), "{}", error.message);
        let codes =
            [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem, ErrorKind::IsADirectory, ErrorKind::Other]
                .map(|kind| failed.error(&kind.into()).code);
        assert_eq!(codes, [code::NOT_WRITABLE, code::NOT_WRITABLE, code::PATH, code::WRITE]);
    }
}
