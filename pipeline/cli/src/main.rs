//! The `jobpipe` binary: adapters put together, one file a verb.

mod admitted;
mod again;
mod alerts;
mod args;
mod beside;
mod commands;
mod compose;
mod deployed;
mod dry_run;
mod ending;
mod exit;
mod explain;
mod fleet;
mod folder;
mod follow;
mod imports;
mod isolate;
mod load;
mod log;
mod loss;
mod onlooker;
mod place;
mod poison;
mod registry;
mod report;
mod role;
mod sandbox;
mod serving;
mod stop;
mod terminal;
mod variables;
mod watch;

use args::{Cli, Command};
use clap::Parser;
use exit::{Failure, Outcome};
use std::process::ExitCode;
use std::time::Duration;

/// How long the end waits for threads that are at work.
const LAST_WORK: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    if cfg!(windows) {
        let refusal = Failure::usage("jobpipe runs on Linux and macOS; on Windows use it inside WSL 2");
        return exit::end(Err(refusal)).into();
    }
    let cli = Cli::parse();
    if !matches!(cli.command, Command::ComputeChild) {
        variables::check();
    }
    exit::end(start(cli.command)).into()
}

fn start(command: Command) -> Outcome {
    // one provider for all of TLS; another one is never set
    let _ring = rustls::crypto::ring::default_provider().install_default();
    match command {
        Command::ComputeChild => commands::compute_child::run(),
        Command::Check(args) => commands::check::run(&args),
        Command::Explain(args) => commands::explain::run(&args),
        Command::Schema(args) => commands::schema::run(&args),
        Command::Init(args) => commands::init::run(&args),
        Command::Completions(args) => commands::completions::run(&args),
        Command::Failpoints => commands::failpoints::run(),
        other => {
            let runtime = runtime()?;
            let end = runtime.block_on(async {
                let end = serve(other).await;
                ending::close().await;
                end
            });
            // a computation that does not end is left behind; it goes with the process
            runtime.shutdown_timeout(LAST_WORK);
            end
        }
    }
}

async fn serve(command: Command) -> Outcome {
    match command {
        Command::Run(args) => Box::pin(commands::run::run(*args)).await,
        Command::Submit(args) => Box::pin(commands::submit::run(args)).await,
        Command::Worker(args) => Box::pin(commands::worker::run(args)).await,
        Command::Runs(args) => commands::runs::run(args).await,
        Command::Workers(args) => commands::workers::run(args).await,
        Command::Queues(args) => commands::queues::run(args).await,
        Command::Dead(args) => commands::dead::run(args).await,
        Command::Schedule(args) => commands::schedule::run(args).await,
        Command::Up(args) => Box::pin(commands::up::run(args)).await,
        Command::Scheduler(args) => Box::pin(commands::scheduler::run(args)).await,
        Command::Deploy(args) => commands::deploy::run(args).await,
        Command::Retire(args) => commands::retire::run(args).await,
        Command::State(args) => commands::state::run(args).await,
        Command::Sandbox(args) => commands::sandbox::run(args).await,
        other => Err(Failure::failed(format!("{other:?} needs no runtime; this is a bug of jobpipe"))),
    }
}

fn runtime() -> Outcome<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
