//! `jobpipe init [DIR]`: a first import, commented.

use crate::exit::{Exit, Failure, Outcome};
use crate::terminal;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The files, by name.
const FILES: [(&str, &str); 2] =
    [("import.yml", include_str!("init/import.yml")), ("jobpipe.yml", include_str!("init/jobpipe.yml"))];

/// Write a first import, commented, and the settings beside it.
///
/// Files that are there are never overwritten.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jobpipe init
  jobpipe init imports/acme")]
pub(crate) struct Args {
    /// The folder; made if it is not there.
    #[arg(default_value = ".")]
    dir: PathBuf,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let there: Vec<String> = FILES
        .iter()
        .map(|(name, _)| args.dir.join(name))
        .filter(|path| path.exists())
        .map(|path| path.display().to_string())
        .collect();
    if !there.is_empty() {
        return Err(Failure::usage(format!(
            "{} already there, and not overwritten; name another folder: `jobpipe init DIR`",
            there.join(" and ")
        )));
    }
    std::fs::create_dir_all(&args.dir).map_err(|error| cannot_write(&args.dir, &error))?;
    for (name, text) in FILES {
        let path = args.dir.join(name);
        write_new(&path, text).map_err(|error| cannot_write(&path, &error))?;
        terminal::say(&format!("wrote {}", path.display()));
    }
    let import = args.dir.join("import.yml");
    terminal::say(&format!(
        "\nNext:\n  jobpipe check {import}\n  jobpipe run {import} --sandbox   # a sample site, simulated pages",
        import = import.display()
    ));
    Ok(Exit::Succeeded)
}

fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("cannot write {}: {error}; allow writing there, or name another folder", path.display()))
}
