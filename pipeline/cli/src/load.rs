//! An import with its project's settings; what is wrong with them is told at once.

use crate::exit::{Exit, Failure, Outcome};
use crate::terminal;
use jobpipe_config::diagnostic::{Style, render_within, to_json};
use jobpipe_config::settings::{FileReport, Loaded, Lookup, Project, load_project, load_settings};
use jobpipe_core::Plan;
use secrecy::SecretString;
use std::path::{Path, PathBuf};

/// The longest secret that is read from a file, in bytes.
const LONGEST_SECRET: u64 = 1 << 20;

/// The process's environment, and files; a relative path begins at the project's folder, never at the current one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Process {
    root: PathBuf,
}

impl Process {
    /// As the imports of a project see it.
    pub(crate) fn of(project: &Project) -> Self {
        Self { root: project.root.clone() }
    }
}

impl Lookup for Process {
    fn variable(&self, name: &str) -> Option<SecretString> {
        std::env::var(name).ok().map(SecretString::from)
    }

    fn file(&self, path: &str) -> std::io::Result<SecretString> {
        let path = self.root.join(path);
        if std::fs::metadata(&path)?.len() > LONGEST_SECRET {
            return Err(std::io::Error::other("it is larger than 1 MiB, and so hardly a secret"));
        }
        std::fs::read_to_string(path).map(SecretString::from)
    }
}

/// Loads an import that is to be run. Warnings are told, errors end the command with status 2.
pub(crate) fn runnable(import: &Path, environment: Option<&str>) -> Outcome<(Loaded, Plan)> {
    let loaded = load_project(import, environment, &Process::default());
    told(&loaded)?;
    match loaded.plan.clone() {
        Some(plan) => Ok((loaded, plan)),
        None => Err(Failure::told(Exit::Usage)),
    }
}

/// The settings of the project in a folder, for a process that works on imports it is not told of.
pub(crate) fn settings(folder: &Path, environment: Option<&str>) -> Outcome<Loaded> {
    let loaded = load_settings(folder, environment, &Process::default());
    told(&loaded)?;
    Ok(loaded)
}

/// Tells what is wrong with what was loaded; an error ends the command.
pub(crate) fn told(loaded: &Loaded) -> Outcome<()> {
    for report in &loaded.reports {
        if !report.diagnostics.is_empty() {
            terminal::complain(&rendered(report));
        }
    }
    if let Some(error) = &loaded.override_error {
        return Err(Failure::usage(format!("{error} ({})", error.code())));
    }
    if loaded.has_errors() { Err(Failure::told(Exit::Usage)) } else { Ok(()) }
}

/// What is to be said about a file, for people.
pub(crate) fn rendered(report: &FileReport) -> String {
    let style = if terminal::wants_colour() { Style::Colour } else { Style::Plain };
    let columns = terminal_size::terminal_size_of(std::io::stderr()).map(|(width, _)| usize::from(width.0));
    render_within(&report.diagnostics, &report.source, style, columns)
}

/// The same for programs: one object a line.
pub(crate) fn json_lines(report: &FileReport) -> Vec<String> {
    report.diagnostics.iter().map(|diagnostic| to_json(diagnostic).to_string()).collect()
}
