//! `career-site`: the sample site as a process of its own.

use career_site::{CareerSite, Options};
use clap::Parser;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

/// A sample career site on loopback that changes and misbehaves on request (POST /__site/...).
///
/// Its first line of output is `listening on http://ADDRESS`.
#[derive(Parser)]
#[command(name = "career-site", version)]
struct Arguments {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Offers at the start.
    #[arg(long, default_value_t = 500)]
    offers: u32,
    /// The same seed gives the same offers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            // Where even this cannot be written, the exit status still tells.
            let _unwritten = writeln!(io::stderr(), "career-site: {reason}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), String> {
    let options =
        Options { listen: arguments.listen, offers: arguments.offers, seed: arguments.seed, ..Options::default() };
    let site = CareerSite::start(options).await.map_err(|error| error.to_string())?;
    let mut out = io::stdout();
    writeln!(out, "listening on {}", site.base_url).and_then(|()| out.flush()).map_err(|error| error.to_string())?;
    tokio::signal::ctrl_c().await.map_err(|error| error.to_string())?;
    site.shutdown().await;
    Ok(())
}
