//! `jobpipe completions SHELL`.

use crate::args::Cli;
use crate::exit::{Exit, Outcome};
use crate::terminal;
use clap::CommandFactory;
use clap_complete::Shell;

/// Print a script that completes commands and options in your shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jobpipe completions bash > ~/.local/share/bash-completion/completions/jobpipe
  jobpipe completions zsh > ~/.zfunc/_jobpipe
  jobpipe completions fish > ~/.config/fish/completions/jobpipe.fish")]
pub(crate) struct Args {
    /// The shell.
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "jobpipe", &mut script);
    terminal::write(&String::from_utf8_lossy(&script));
    Ok(Exit::Succeeded)
}
