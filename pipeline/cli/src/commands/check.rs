//! `jobpipe check FILE...`: everything that is wrong with imports and settings, at once.

use crate::exit::{Exit, Outcome};
use crate::load::{self, Process};
use crate::terminal;
use crate::watch::Format;
use jobpipe_config::diagnostic::Severity;
use jobpipe_config::settings::{FileReport, load_project};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Check imports and their project's settings; nothing is asked or run.
///
/// All problems are told at once, each with line, column, what was expected
/// and the nearest right spelling. Exit status 2 if there is an error.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jobpipe check import.yml
  jobpipe check imports/*.yml --format json")]
pub(crate) struct Args {
    /// Import files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The environment whose settings count.
    #[arg(long, value_name = "NAME", env = "JOBPIPE_ENV", hide_env = true)]
    env: Option<String>,
    /// For people, or one JSON object for each problem.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let mut told = BTreeSet::new();
    let mut names: BTreeMap<String, PathBuf> = BTreeMap::new();
    let (mut errors, mut warnings, mut imports) = (0, 0, 0);
    for file in &args.files {
        let mut loaded = load_project(file, args.env.as_deref(), &Process::default());
        if let Some(error) = &loaded.override_error {
            errors += usize::from(told.insert(error.to_string()));
            tell(args.format, &format!("error[{}]: {error}", error.code()), &error.to_string(), error.code());
        }
        if loaded.project.settings.as_ref() == Some(&loaded.project.import) {
            // `check *.yml` names the settings too: they are checked as what they are
            loaded.reports.pop();
            loaded.plan = None;
        } else {
            imports += 1;
        }
        for report in &loaded.reports {
            // a settings file is checked with each import, and told once
            if told.insert(report.file.clone()) {
                let count = |severity| report.diagnostics.iter().filter(|one| one.severity == severity).count();
                errors += count(Severity::Error);
                warnings += count(Severity::Warning);
                show(args.format, report);
            }
        }
        let Some(plan) = &loaded.plan else { continue };
        if let Some(first) = names.insert(plan.name.clone(), file.clone()).filter(|first| first != file) {
            errors += 1;
            let text = format!(
                "{} and {} are both named `{}`: the name is an import's identity; give one of them another",
                first.display(),
                file.display(),
                plan.name
            );
            tell(args.format, &format!("error[{TWICE}]: {text}"), &text, TWICE);
        }
    }
    if args.format == Format::Human {
        terminal::say(&verdict(imports, errors, warnings));
    }
    Ok(if errors > 0 { Exit::Usage } else { Exit::Succeeded })
}

/// Two files with one name.
const TWICE: &str = "JP592";

fn show(format: Format, report: &FileReport) {
    match format {
        Format::Json => {
            for line in load::json_lines(report) {
                terminal::say(&line);
            }
        }
        Format::Human if report.diagnostics.is_empty() => {}
        Format::Human => terminal::complain(&load::rendered(report)),
    }
}

/// A problem that is no file's own.
fn tell(format: Format, human: &str, message: &str, code: &str) {
    match format {
        Format::Human => terminal::complain(human),
        Format::Json => {
            terminal::say(&serde_json::json!({"code": code, "severity": "error", "message": message}).to_string());
        }
    }
}

fn verdict(files: usize, errors: usize, warnings: usize) -> String {
    let files = if files == 1 { "1 import".to_owned() } else { format!("{files} imports") };
    let count = |count: usize, word: &str| match count {
        1 => format!("1 {word}"),
        count => format!("{count} {word}s"),
    };
    match (errors, warnings) {
        (0, 0) => format!("{files} checked: all right"),
        (0, warnings) => format!("{files} checked: all right, {}", count(warnings, "warning")),
        (errors, 0) => format!("{files} checked: {}", count(errors, "error")),
        (errors, warnings) => format!("{files} checked: {}, {}", count(errors, "error"), count(warnings, "warning")),
    }
}

#[cfg(test)]
mod tests {
    use super::verdict;

    #[test]
    fn the_verdict_counts() {
        assert_eq!(verdict(1, 0, 0), "1 import checked: all right");
        assert_eq!(verdict(2, 1, 2), "2 imports checked: 1 error, 2 warnings");
    }
}
