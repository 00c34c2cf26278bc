//! Where a file may lie.

use super::code;
use jobpipe_core::{ErrorClass, TaskError};
use std::path::{Component, Path, PathBuf};

/// What the operator decides about files. From the settings, never from an import.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileSettings {
    /// The folder that relative paths begin at: the project's. Absolute.
    pub root: PathBuf,
    /// Further folders that imports may write to. Absolute.
    pub allowed: Vec<PathBuf>,
}

impl FileSettings {
    /// The absolute path of what an export of `stage` calls `path`. What lies neither in the project's folder nor in an
    /// allowed one is refused; it is judged by the text of the path, so a link that the operator made is followed.
    pub(super) fn resolve(&self, stage: &str, path: &str) -> Result<PathBuf, TaskError> {
        let refuse = |what: &str| {
            let message = format!("export `{stage}`: the path `{path}` {what}");
            Err(TaskError { class: ErrorClass::Permanent, code: code::PATH.to_owned(), message, retry_after_ms: None })
        };
        if path.trim().is_empty() || path.ends_with(['/', '\\']) || path.contains('\0') {
            return refuse("names no file; write it like out/jobs.jsonl");
        }
        let Some(full) = normal(&self.root.join(path)) else {
            return refuse("climbs above the root of the file system");
        };
        let inside = |folder: &PathBuf| normal(folder).is_some_and(|folder| full != folder && full.starts_with(folder));
        if inside(&self.root) || self.allowed.iter().any(inside) {
            return Ok(full);
        }
        refuse(&format!(
            "lies outside {}; write it relative to that folder, or let the operator allow its folder under `file_roots:` in the settings of the environment",
            self.root.display()
        ))
    }

    /// The path as people and manifests see it: relative to the project's folder where it lies in there.
    pub(super) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }
}

/// `path` without `.` and `..`; `None` where `..` climbs too high. Asks no file system.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                let at_root =
                    matches!(out.components().next_back(), None | Some(Component::RootDir | Component::Prefix(_)));
                if at_root || !out.pop() {
                    return None;
                }
            }
            Component::Normal(_) | Component::RootDir | Component::Prefix(_) => out.push(part),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_the_project_unless_the_operator_allows_more() {
        let files = FileSettings { root: "/srv/acme".into(), allowed: vec!["/data/out".into()] };
        let resolve = |path: &str| files.resolve("archive", path).map_err(|error| error.message);
        assert_eq!(resolve("out/a.jsonl"), Ok("/srv/acme/out/a.jsonl".into()));
        assert_eq!(resolve("./out/../b.jsonl"), Ok("/srv/acme/b.jsonl".into()));
        assert_eq!(resolve("/data/out/c.jsonl"), Ok("/data/out/c.jsonl".into()));
        assert_eq!(resolve("../../data/out/c.jsonl"), Ok("/data/out/c.jsonl".into()));
        for outside in
            ["../other/a.jsonl", "/etc/passwd", "/data/outside.jsonl", "/data/out/../x", "/data/out", "../../../../x"]
        {
            let message = resolve(outside).unwrap_err();
            assert!(message.contains(outside) && message.contains("archive"), "{message}");
        }
        for nothing in ["", " ", "out/", "."] {
            assert!(resolve(nothing).is_err(), "{nothing:?}");
        }
        assert_eq!(files.shown(Path::new("/srv/acme/out/a.jsonl")), "out/a.jsonl");
        assert_eq!(files.shown(Path::new("/data/out/c.jsonl")), "/data/out/c.jsonl");
    }
}
