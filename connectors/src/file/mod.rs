//! Local files, read and never left: a path stays inside the folders that the operator opened.

use std::fs::File;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use jobpipe_core::{ErrorClass, TaskError};

/// Where files may be read: in the project, and in the folders that the environment's settings name.
#[derive(Debug, Clone)]
pub struct FileRoots {
    base: PathBuf,
    roots: Vec<PathBuf>,
    limit: u64,
}

/// A file, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileAnswer {
    /// Its content.
    pub body: Vec<u8>,
    /// `text/html`, `application/json`, or empty: by its name alone.
    pub content_type: &'static str,
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is not there.
    #[error("{path}: there is no such file in {}: paths begin at that folder", base.display())]
    Missing {
        /// As written.
        path: String,
        /// Where it was looked for.
        base: PathBuf,
    },
    /// It lies outside.
    #[error(
        "{path}: lies outside of the project: move it into the project, or name its folder in `file_roots:` of the environment's settings"
    )]
    Outside {
        /// As written.
        path: String,
    },
    /// A folder, a pipe, a device.
    #[error("{path}: is not a regular file")]
    NotAFile {
        /// As written.
        path: String,
    },
    /// Too large to be parsed in memory.
    #[error("{path}: is larger than {limit} bytes: split it")]
    TooLarge {
        /// As written.
        path: String,
        /// Bytes.
        limit: u64,
    },
    /// The system refuses.
    #[error("{path}: cannot be read: {source}")]
    Unreadable {
        /// As written.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
}

impl FileError {
    /// The stable code, `JP130` to `JP134`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "JP130",
            Self::Outside { .. } => "JP131",
            Self::NotAFile { .. } => "JP132",
            Self::TooLarge { .. } => "JP133",
            Self::Unreadable { .. } => "JP134",
        }
    }
}

impl From<FileError> for TaskError {
    /// A file that is not there is a mistake, unlike a page that is gone: the run must not count its records as missing.
    fn from(error: FileError) -> Self {
        TaskError {
            class: ErrorClass::Permanent,
            code: error.code().to_owned(),
            message: error.to_string(),
            retry_after_ms: None,
        }
    }
}

impl FileRoots {
    /// Paths are relative to `base`, the folder of the project, and may lead into it and into `roots`. A file of
    /// more than `limit` bytes is refused: it is parsed in memory.
    #[must_use]
    pub fn new(base: PathBuf, mut roots: Vec<PathBuf>, limit: u64) -> Self {
        roots.push(base.clone());
        Self { base, roots, limit }
    }

    /// Reads one file, symbolic links followed as long as they stay inside.
    pub fn read(&self, path: &str) -> Result<FileAnswer, FileError> {
        let unreadable = |source: std::io::Error| self.explain(path, source);
        if path.contains('\0') {
            return Err(FileError::Outside { path: path.replace('\0', "?") });
        }
        let asked = self.base.join(path);
        self.check_as_written(path, &asked)?;
        let real = asked.canonicalize().map_err(unreadable)?;
        if !self.is_inside(&real) {
            return Err(FileError::Outside { path: path.to_owned() });
        }
        // Looked at before it is opened: opening a pipe would wait for its writer.
        if !real.metadata().map_err(unreadable)?.is_file() {
            return Err(FileError::NotAFile { path: path.to_owned() });
        }
        let mut body = Vec::new();
        let read =
            File::open(&real).map_err(unreadable)?.take(self.limit + 1).read_to_end(&mut body).map_err(unreadable)?;
        if read as u64 > self.limit {
            return Err(FileError::TooLarge { path: path.to_owned(), limit: self.limit });
        }
        Ok(FileAnswer { body, content_type: content_type(&real) })
    }

    /// Refuses `../../x` by its spelling, so that nobody learns what exists outside.
    fn check_as_written(&self, path: &str, asked: &Path) -> Result<(), FileError> {
        let mut plain = PathBuf::new();
        for part in asked.components() {
            match part {
                Component::ParentDir => {
                    plain.pop();
                }
                Component::CurDir => {}
                other => plain.push(other),
            }
        }
        let inside = self.roots.iter().any(|root| plain.starts_with(root)) || self.is_inside(&plain);
        if inside { Ok(()) } else { Err(FileError::Outside { path: path.to_owned() }) }
    }

    fn is_inside(&self, real: &Path) -> bool {
        self.roots.iter().filter_map(|root| root.canonicalize().ok()).any(|root| real.starts_with(root))
    }

    fn explain(&self, path: &str, source: std::io::Error) -> FileError {
        let path = path.to_owned();
        match source.kind() {
            std::io::ErrorKind::NotFound => FileError::Missing { path, base: self.base.clone() },
            _ => FileError::Unreadable { path, source },
        }
    }
}

fn content_type(path: &Path) -> &'static str {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "html" | "htm" | "xhtml" => "text/html",
        "json" => "application/json",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Project {
        folder: tempfile::TempDir,
        roots: FileRoots,
    }

    fn project() -> Project {
        let folder = tempfile::tempdir().unwrap();
        let import = folder.path().join("project/imports");
        std::fs::create_dir_all(import.join("data")).unwrap();
        std::fs::write(import.join("data/a.json"), "[1]").unwrap();
        std::fs::write(folder.path().join("project/shared.html"), "<p>").unwrap();
        std::fs::write(folder.path().join("outside.json"), "[2]").unwrap();
        let roots = FileRoots::new(import, vec![folder.path().join("project")], 1 << 20);
        Project { folder, roots }
    }

    #[test]
    fn files_of_the_project_are_read() {
        let project = project();
        let answer = project.roots.read("./data/a.json").unwrap();
        assert_eq!((answer.body.as_slice(), answer.content_type), (&b"[1]"[..], "application/json"));
        assert_eq!(project.roots.read("../shared.html").unwrap().content_type, "text/html");
    }

    #[test]
    fn no_path_leads_outside() {
        let project = project();
        let absolute = project.folder.path().join("outside.json");
        for path in [
            "../../outside.json",
            "data/../../../outside.json",
            "/etc/passwd",
            "../../nothing",
            "a\0b",
            absolute.to_str().unwrap(),
        ] {
            assert_eq!(project.roots.read(path).unwrap_err().code(), "JP131", "{path}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn no_link_leads_outside() {
        let project = project();
        let link = |from: &str, to: &str| {
            let from = project.folder.path().join("project/imports").join(from);
            std::os::unix::fs::symlink(to, from).unwrap();
        };
        link("out.json", "../../outside.json");
        link("up", "../..");
        link("in.json", "data/a.json");
        assert_eq!(project.roots.read("out.json").unwrap_err().code(), "JP131");
        assert_eq!(project.roots.read("up/outside.json").unwrap_err().code(), "JP131");
        assert_eq!(project.roots.read("in.json").unwrap().body, b"[1]");
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let mut project = project();
        let missing = project.roots.read("data/b.json").unwrap_err();
        assert!(missing.to_string().starts_with("data/b.json: there is no such file in "), "{missing}");
        assert_eq!(TaskError::from(missing).code, "JP130");
        assert_eq!(project.roots.read("data").unwrap_err().code(), "JP132");
        project.roots.limit = 2;
        assert_eq!(project.roots.read("data/a.json").unwrap_err().code(), "JP133");
    }
}
