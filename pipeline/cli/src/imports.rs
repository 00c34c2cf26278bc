//! Import files that are to be deployed: found in folders, checked, each with the schedule of its environment.

use crate::exit::{Failure, Outcome};
use crate::load::{self, Process};
use jobpipe_config::settings::{Loaded, load_project};
use jobpipe_core::Plan;
use std::path::{Path, PathBuf};

/// The longest file that is looked into: what is larger is no import.
const LARGEST: u64 = 2 << 20;

/// An import that may be deployed.
pub(crate) struct Import {
    pub(crate) loaded: Loaded,
    pub(crate) plan: Plan,
    /// Its file, as the store keeps it: from the project's folder on.
    pub(crate) source: String,
}

/// The imports directly in a folder, by name of file, and the other YAML files there.
pub(crate) fn in_folder(folder: &Path) -> Outcome<(Vec<PathBuf>, Vec<PathBuf>)> {
    let unreadable =
        |error: std::io::Error| Failure::usage(format!("the folder {} cannot be read: {error}", folder.display()));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let is_yaml = path.extension().is_some_and(|ending| ending == "yml" || ending == "yaml");
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if is_yaml && !is_hidden && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files.into_iter().partition(|file| is_import(file)))
}

/// Whether a YAML file is meant to be an import: projects have others, too. One with mistakes still is.
fn is_import(file: &Path) -> bool {
    let size = std::fs::metadata(file).map_or(0, |file| file.len());
    let text = if size <= LARGEST { std::fs::read_to_string(file).unwrap_or_default() } else { String::new() };
    let is_key = |line: &str| ["crawl:", "stages:", "transform:", "export:"].iter().any(|key| line.starts_with(key));
    file.file_name().is_none_or(|name| name != "jobpipe.yml") && text.lines().any(is_key)
}

/// Reads an import; what is wrong with it, and with its settings, is in `loaded`.
pub(crate) fn read(file: &Path, env: Option<&str>) -> (Loaded, Option<(Plan, String)>) {
    let loaded = load_project(file, env, &Process::default());
    let is_wrong = loaded.has_errors() || loaded.override_error.is_some();
    let found = loaded.plan.clone().filter(|_| !is_wrong).map(|plan| {
        let path = &loaded.project.import;
        let source = path.strip_prefix(&loaded.project.root).unwrap_or(path).display().to_string();
        (loaded.settings.scheduled(plan), source)
    });
    (loaded, found)
}

/// Everything that is wrong with a file and its settings, for people.
pub(crate) fn flaws(loaded: &Loaded) -> Vec<String> {
    let wrong = loaded.reports.iter().filter(|report| !report.diagnostics.is_empty()).map(load::rendered);
    let unset = loaded.override_error.iter().map(|error| format!("error[{}]: {error}", error.code()));
    wrong.chain(unset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_imports_and_other_files() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        put("acme.yml", "name: acme\ncrawl: { json: ./x.json }\n");
        put("wrong.yaml", "nmae: acme\nstages:\n  a: [\n");
        put("jobpipe.yml", "defaults: { rate: 1/s }\n");
        put("docker-compose.yml", "name: acme\nservices: {}\n");
        put(".acme.yml", "crawl:\n");
        put("acme.txt", "crawl:\n");
        let (imports, others) = in_folder(folder.path()).unwrap();
        let names = |files: &[PathBuf]| -> Vec<String> {
            files.iter().map(|file| file.file_name().unwrap().to_string_lossy().into_owned()).collect()
        };
        assert_eq!(names(&imports), ["acme.yml", "wrong.yaml"]);
        assert_eq!(names(&others), ["docker-compose.yml", "jobpipe.yml"]);
        let (loaded, none) = read(&folder.path().join("wrong.yaml"), None);
        assert!(none.is_none() && flaws(&loaded)[0].contains("wrong.yaml"), "{:?}", flaws(&loaded));
        let (_, found) = read(&folder.path().join("acme.yml"), None);
        assert_eq!(found.unwrap().1, "acme.yml");
    }
}
