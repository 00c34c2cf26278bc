//! Where a project's state lies.

use crate::exit::{Failure, Outcome};
use jobpipe_config::settings::Project;
use std::path::{Path, PathBuf};

/// The folder of a project's state.
const FOLDER: &str = ".jobpipe";
/// The sandbox's own, inside it.
const SANDBOX: &str = "sandbox";
/// The file that marks a project.
const SETTINGS: &str = "jobpipe.yml";

/// Where one engine's state lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The state folder.
    pub(crate) state: PathBuf,
}

impl Place {
    /// The store.
    pub(crate) fn store(&self) -> PathBuf {
        self.state.join("jobpipe.db")
    }

    /// The simulated pages of the sandbox.
    pub(crate) fn simulated_pages(&self) -> PathBuf {
        self.state.join("facebook.jsonl")
    }

    /// The state of a loaded project.
    pub(crate) fn of(project: &Project, sandbox: bool) -> Outcome<Self> {
        if sandbox {
            return Ok(Self { state: project.root.join(FOLDER).join(SANDBOX) });
        }
        if project.environment == SANDBOX {
            return Err(Failure::usage("no environment may be called `sandbox`: its state would be that of --sandbox"));
        }
        Ok(Self { state: project.state() })
    }
}

/// Which state to look at.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Where {
    /// An import, or a folder of its project [default: the current folder].
    #[arg(long, value_name = "PATH")]
    pub(crate) at: Option<PathBuf>,
    /// The environment [default: JOBPIPE_ENV, else local].
    #[arg(long, value_name = "NAME", env = "JOBPIPE_ENV", hide_env = true)]
    pub(crate) env: Option<String>,
    /// The state of --sandbox.
    #[arg(long, conflicts_with = "env")]
    pub(crate) sandbox: bool,
}

impl Where {
    /// The state folder, which must be there.
    pub(crate) fn find(&self) -> Outcome<Place> {
        let place = Place::of(&self.project()?, self.sandbox)?;
        if place.store().is_file() {
            return Ok(place);
        }
        Err(Failure::usage(format!(
            "nothing was run here yet: there is no {}; name an import or its folder with --at, start one with `jobpipe run FILE`",
            place.store().display()
        )))
    }

    /// The project's folders.
    pub(crate) fn project(&self) -> Outcome<Project> {
        let named = self.at.clone().unwrap_or_else(|| PathBuf::from("."));
        let path = std::fs::canonicalize(&named)
            .map_err(|error| Failure::usage(format!("{} cannot be read: {error}", named.display())))?;
        let folder = if path.is_dir() { path.as_path() } else { path.parent().unwrap_or(&path) };
        let root = root(folder);
        let environment = self.env.clone().filter(|name| !name.is_empty()).unwrap_or_else(|| "local".to_owned());
        let settings = Some(root.join(SETTINGS)).filter(|file| file.is_file());
        Ok(Project { import: path, settings, environment, environment_file: None, root })
    }
}

/// The project's folder: that of the nearest `jobpipe.yml`, else the nearest one with a state, else this one.
fn root(folder: &Path) -> PathBuf {
    let with = |name: &str| folder.ancestors().find(|folder| folder.join(name).exists());
    with(SETTINGS).or_else(|| with(FOLDER)).unwrap_or(folder).to_path_buf()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_is_found_from_a_file_and_from_below() {
        let folder = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(folder.path()).unwrap();
        let deep = root.join("imports/fr");
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::create_dir_all(root.join(FOLDER)).unwrap();
        std::fs::write(deep.join("acme.yml"), "").unwrap();
        let state = |at: &Path, sandbox: bool| {
            let place = Where { at: Some(at.to_path_buf()), env: None, sandbox };
            Place::of(&place.project().unwrap(), sandbox).unwrap().state
        };
        assert_eq!(state(&deep.join("acme.yml"), false), root.join(".jobpipe"));
        assert_eq!(state(&deep, true), root.join(".jobpipe/sandbox"));
        std::fs::write(deep.join(SETTINGS), "").unwrap();
        assert_eq!(state(&deep, false), deep.join(".jobpipe"), "jobpipe.yml marks the project");
    }

    #[test]
    fn the_sandbox_is_no_environment() {
        let folder = tempfile::tempdir().unwrap();
        let place = Where { at: Some(folder.path().to_path_buf()), env: Some("sandbox".into()), sandbox: false };
        assert!(Place::of(&place.project().unwrap(), false).is_err());
        let place = Where { env: Some("demo".into()), ..place };
        assert!(Place::of(&place.project().unwrap(), false).unwrap().state.ends_with(".jobpipe/demo"));
    }
}
