//! Where a project's state lies.

use crate::exit::{Failure, Outcome};
use crate::load::{self, Process};
use jobpipe_config::diagnostic::Severity;
use jobpipe_config::settings::{Loaded, Role, Servers, load_settings};
use secrecy::ExposeSecret;
use std::path::{Path, PathBuf};

/// The folder of a project's state.
const FOLDER: &str = ".jobpipe";
/// The sandbox's own, inside it.
const SANDBOX: &str = "sandbox";
/// The file that marks a project.
const SETTINGS: &str = "jobpipe.yml";

/// Where one state lies.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The state folder. Of a state on servers it holds what this machine needs beside it: the log, files in the making.
    pub(crate) state: PathBuf,
    /// The servers that hold the state and carry its hints; `None` = all of it is in the folder.
    pub(crate) servers: Option<Servers>,
}

impl Place {
    /// The store in the folder.
    pub(crate) fn store(&self) -> PathBuf {
        self.state.join("jobpipe.db")
    }

    /// The simulated pages of the sandbox.
    pub(crate) fn simulated_pages(&self) -> PathBuf {
        self.state.join("facebook.jsonl")
    }

    /// A state that is all in one folder.
    pub(crate) fn folder(state: PathBuf) -> Self {
        Self { state, servers: None }
    }

    /// The state of a loaded project.
    pub(crate) fn of(loaded: &Loaded, sandbox: bool) -> Outcome<Self> {
        let project = &loaded.project;
        if sandbox {
            return Ok(Self::folder(project.root.join(FOLDER).join(SANDBOX)));
        }
        if project.environment == SANDBOX {
            return Err(Failure::usage("no environment may be called `sandbox`: its state would be that of --sandbox"));
        }
        let servers = loaded.settings.servers(&Process::of(project));
        let servers = servers.map_err(|error| Failure::usage(format!("{error} ({})", error.code())))?;
        Ok(Self { state: project.state(), servers })
    }

    /// Where the state is, for people: a file, or a server without user and password.
    pub(crate) fn shown(&self) -> String {
        match &self.servers {
            Some(servers) => without_user(servers.store.expose_secret()),
            None => self.store().display().to_string(),
        }
    }

    /// Where hints go, for people.
    pub(crate) fn shown_broker(&self) -> String {
        let brokers = self.servers.iter().flat_map(|servers| &servers.brokers);
        let shown: Vec<String> = brokers.map(|url| without_user(url.expose_secret())).collect();
        if shown.is_empty() { "this process".to_owned() } else { shown.join(", ") }
    }
}

/// A URL without what may be secret: user, password and options. Whatever stands before its last `@` is left out.
fn without_user(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let place = rest.split_once('?').map_or(rest, |(place, _)| place);
    format!("{scheme}://{place}")
}

/// The project that a command is for.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct OfProject {
    /// A folder of the project, or a file in it [default: the current folder].
    #[arg(long, value_name = "PATH")]
    pub(crate) at: Option<PathBuf>,
    /// The environment [default: JOBPIPE_ENV, else local].
    #[arg(long, value_name = "NAME", env = "JOBPIPE_ENV", hide_env = true)]
    pub(crate) env: Option<String>,
}

impl OfProject {
    /// Its settings, which must be right.
    pub(crate) fn settings(&self) -> Outcome<Loaded> {
        load::settings(&project_root(self.at.as_deref())?, self.env.as_deref())
    }

    /// The options with which another verb, typed in the current folder, finds its state.
    pub(crate) fn elsewhere(&self, loaded: &Loaded) -> String {
        from_here(loaded, self.at.as_deref().unwrap_or(&loaded.project.root), self.env.clone(), false)
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
    /// The state, which must be there.
    pub(crate) fn find(&self) -> Outcome<Place> {
        let place = self.place()?;
        if place.servers.is_some() || place.store().is_file() {
            return Ok(place);
        }
        Err(Failure::usage(format!(
            "nothing was run here yet: there is no {}; name an import or its folder with --at, or begin: `jobpipe run FILE`, `jobpipe up`",
            place.store().display()
        )))
    }

    /// The same, as somebody would type it after another verb: empty, or with a space before each option.
    pub(crate) fn options(&self) -> String {
        let at = self.at.as_deref().map(|at| format!(" --at {}", quoted(at)));
        let env = self.env.as_deref().filter(|name| !name.is_empty()).map(|name| format!(" --env {name}"));
        let sandbox = self.sandbox.then(|| " --sandbox".to_owned());
        at.into_iter().chain(env).chain(sandbox).collect()
    }

    /// The state, which need not be there.
    pub(crate) fn place(&self) -> Outcome<Place> {
        Place::of(&self.load()?, self.sandbox)
    }

    /// The project's folders and settings, as far as they say where its state is: other mistakes in them are not told.
    pub(crate) fn load(&self) -> Outcome<Loaded> {
        let root = project_root(self.at.as_deref())?;
        let environment =
            if self.sandbox { Some("local") } else { self.env.as_deref().filter(|name| !name.is_empty()) };
        let mut loaded = load_settings(&root, environment, &Process::default());
        for report in &mut loaded.reports {
            report.diagnostics.retain(|one| one.severity == Severity::Error && says_where(&one.key_path));
        }
        load::told(&loaded)?;
        Ok(loaded)
    }
}

/// The options with which another verb, typed in the current folder, finds the state of a loaded project. `named`: a path
/// in that project.
pub(crate) fn from_here(loaded: &Loaded, named: &Path, env: Option<String>, sandbox: bool) -> String {
    let here = project_root(None).is_ok_and(|root| root == loaded.project.root);
    Where { at: (!here).then(|| named.to_owned()), env, sandbox }.options()
}

/// A path as a shell takes it.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "_-./@:+,=~".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Whether a mistake at this key leaves it open where the state is.
fn says_where(key: &str) -> bool {
    let within = |name: &str| key.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('['));
    key.is_empty() || within(Role::Store.key()) || within(Role::Broker.key())
}

/// The folder of the project that a path lies in; of the current folder without one.
pub(crate) fn project_root(at: Option<&Path>) -> Outcome<PathBuf> {
    let named = at.unwrap_or(Path::new("."));
    let path = std::fs::canonicalize(named)
        .map_err(|error| Failure::usage(format!("{} cannot be read: {error}", named.display())))?;
    let folder = if path.is_dir() { path.as_path() } else { path.parent().unwrap_or(&path) };
    Ok(root(folder))
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
        let state =
            |at: &Path, sandbox: bool| Where { at: Some(at.to_path_buf()), env: None, sandbox }.place().unwrap().state;
        assert_eq!(state(&deep.join("acme.yml"), false), root.join(".jobpipe"));
        assert_eq!(state(&deep, true), root.join(".jobpipe/sandbox"));
        std::fs::write(deep.join(SETTINGS), "defaults: { rate: 1/s }\n").unwrap();
        assert_eq!(state(&deep, false), deep.join(".jobpipe"), "jobpipe.yml marks the project");
    }

    #[test]
    fn options_are_what_a_shell_takes() {
        let place = Where { at: Some("my jobs/it's.yml".into()), env: Some("prod".into()), sandbox: false };
        assert_eq!(place.options(), r" --at 'my jobs/it'\''s.yml' --env prod");
        assert_eq!(Where { at: None, env: None, sandbox: true }.options(), " --sandbox");
        assert_eq!(
            Where { at: Some("imports/acme.yml".into()), ..place }.options(),
            " --at imports/acme.yml --env prod"
        );
    }

    #[test]
    fn the_sandbox_is_no_environment() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["sandbox", "demo"] {
            let path = folder.path().join(format!("config/environments/{name}.yml"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "defaults: { rate: 1/s }\n").unwrap();
        }
        let place = Where { at: Some(folder.path().to_path_buf()), env: Some("sandbox".into()), sandbox: false };
        assert!(place.place().is_err());
        let place = Where { env: Some("demo".into()), ..place };
        assert!(place.place().unwrap().state.ends_with(".jobpipe/demo"));
        assert!(Where { env: Some("dmeo".into()), ..place }.place().is_err(), "no such environment");
    }

    #[test]
    fn servers_are_shown_without_user_and_options() {
        for (url, shown) in [
            ("mongodb://jobs:hun@ter2@db1:27017,db2/acme?authSource=admin", "mongodb://db1:27017,db2/acme"),
            ("mongodb://db/acme", "mongodb://db/acme"),
            ("amqps://jobs:hunter2@mq:5671/acme", "amqps://mq:5671/acme"),
            ("mongodb://jobs:hunter?2@db/acme", "mongodb://db/acme"),
        ] {
            assert_eq!(without_user(url), shown);
        }
    }
}
