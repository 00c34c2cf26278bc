//! The command line.

use crate::commands::{
    check, completions, dead, deploy, explain, init, queues, retire, run, runs, sandbox, schedule, scheduler, schema,
    state, submit, up, worker, workers,
};

/// Durable imports: crawl a source, transform its records, keep targets in step.
///
/// An import is one YAML file. `jobpipe run` brings its targets (Facebook
/// pages, files) in step with its sources. Kill it when you like: the next
/// run goes on, and nothing is posted twice.
#[derive(Debug, clap::Parser)]
#[command(name = "jobpipe", version, max_term_width = 80, arg_required_else_help = true)]
#[command(after_help = "\
First steps:
  jobpipe run examples/quickstart/import.yml --sandbox   # needs no account
  jobpipe init                                           # an import of your own

State, log and settings lie with the project, never in the current folder:
`jobpipe state show --at FILE` says where.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The verbs.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Run(Box<run::Args>),
    Submit(submit::Args),
    Worker(worker::Args),
    Scheduler(scheduler::Args),
    Check(check::Args),
    Explain(explain::Args),
    Up(up::Args),
    Deploy(deploy::Args),
    Schedule(schedule::Args),
    Retire(retire::Args),
    Init(init::Args),
    Runs(runs::Args),
    Dead(dead::Args),
    Workers(workers::Args),
    Queues(queues::Args),
    State(state::Args),
    Sandbox(sandbox::Args),
    Schema(schema::Args),
    Completions(completions::Args),
    /// List the places where JOBPIPE_FAILPOINT=NAME[:N] ends the process.
    #[command(hide = true)]
    Failpoints,
    /// Compute one input from standard input, within limits.
    #[command(hide = true)]
    ComputeChild,
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_fits_eighty_columns() {
        fn look(command: &mut clap::Command) {
            let help = command.render_long_help().to_string();
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{}: {line}", command.get_name());
            }
            command.get_subcommands_mut().for_each(look);
        }
        look(&mut Cli::command());
    }

    #[test]
    fn contradictions_are_refused() {
        for line in ["jobpipe run a.yml --resume --new", "jobpipe run a.yml --wait soon", "jobpipe run", "jobpipe"] {
            let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
