//! `fbsim`: the Graph API simulator as a process of its own.

use clap::Parser;
use fbsim::{FaultPlan, FbSim, Options, PageToken, Settings, WriteLimit};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A Graph API on loopback, with faults on request and an oracle of what was really executed.
///
/// Its first line of output is `listening on http://ADDRESS`. Look at the posts under /__sim/pages, at the oracle
/// under /__sim/report and /__sim/effects.
#[derive(Parser)]
#[command(name = "fbsim", version)]
struct Arguments {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Keeps every executed write in this file, so that posts outlive the process.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Pages and their tokens; without this, any page appears when it is first named and takes any token.
    #[arg(long, value_name = "ID:TOKEN,...", value_delimiter = ',', value_parser = page_token)]
    pages: Vec<PageToken>,
    /// Makes unknown pages on demand although --pages is given.
    #[arg(long)]
    auto_pages: bool,
    /// The app that tokens belong to.
    #[arg(long, default_value = "1000", value_name = "ID")]
    app_id: String,
    /// Checks appsecret_proof with this secret.
    #[arg(long, env = "FBSIM_APP_SECRET", hide_env_values = true, value_name = "SECRET")]
    app_secret: Option<String>,
    /// Refuses calls without appsecret_proof.
    #[arg(long, requires = "app_secret")]
    require_proof: bool,
    /// The token that may list /me/accounts.
    #[arg(long, value_name = "TOKEN")]
    user_token: Option<String>,
    /// A fault plan (JSON), as POST /__sim/faults takes it.
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Reads see the world of so many milliseconds ago.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    read_lag: u64,
    /// Every call takes so long.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    latency: u64,
    /// Writes that a page may receive in a window, as 25/3600s or 5/500ms.
    #[arg(long, value_name = "N/TIME", value_parser = write_limit)]
    limit: Option<WriteLimit>,
    /// Lets a page post the same message twice in a row, instead of error 506.
    #[arg(long)]
    allow_duplicates: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            // Where even this cannot be written, the exit status still tells.
            let _unwritten = writeln!(io::stderr(), "fbsim: {reason}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), String> {
    let faults = match &arguments.faults {
        Some(path) => read_plan(path)?,
        None => FaultPlan::default(),
    };
    let options = Options {
        listen: arguments.listen,
        state: arguments.state,
        settings: Settings {
            auto_pages: arguments.auto_pages || arguments.pages.is_empty(),
            app_id: arguments.app_id,
            app_secret: arguments.app_secret,
            require_proof: arguments.require_proof,
            user_token: arguments.user_token,
            duplicate_check: !arguments.allow_duplicates,
            read_lag_ms: arguments.read_lag,
            latency_ms: arguments.latency,
            limit: arguments.limit,
            ..Settings::default()
        },
        pages: arguments.pages,
        faults,
    };
    let handle = FbSim::start(options).await.map_err(|error| error.to_string())?;
    let mut out = io::stdout();
    writeln!(out, "listening on {}", handle.base_url).and_then(|()| out.flush()).map_err(|error| error.to_string())?;
    wait_for_the_end().await.map_err(|error| error.to_string())?;
    handle.shutdown().await;
    Ok(())
}

#[cfg(unix)]
async fn wait_for_the_end() -> io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn wait_for_the_end() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}

fn read_plan(path: &Path) -> Result<FaultPlan, String> {
    let text = std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    serde_json::from_slice(&text).map_err(|error| format!("{} is no fault plan: {error}", path.display()))
}

fn page_token(text: &str) -> Result<PageToken, String> {
    match text.split_once(':') {
        Some((page, token)) if !page.is_empty() && !token.is_empty() => {
            Ok(PageToken { page: page.to_owned(), token: token.to_owned() })
        }
        _ => Err("write ID:TOKEN".to_owned()),
    }
}

fn write_limit(text: &str) -> Result<WriteLimit, String> {
    let parse = || {
        let (calls, time) = text.split_once('/')?;
        let (digits, unit_ms) = match time.strip_suffix("ms") {
            Some(digits) => (digits, 1),
            None => (time.strip_suffix('s')?, 1000),
        };
        let window_ms = digits.parse::<u64>().ok()?.checked_mul(unit_ms)?;
        Some(WriteLimit { calls: calls.parse().ok()?, window_ms })
    };
    parse().ok_or_else(|| "write N/TIME, as 25/3600s or 5/500ms".to_owned())
}
