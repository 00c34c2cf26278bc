//! `jobpipe sandbox`: look at the simulated pages of `run --sandbox`.

use crate::exit::{Exit, Outcome};
use crate::place::Where;
use crate::sandbox::Sandbox;
use crate::{stop, terminal};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Show the posts of `run --sandbox` in your browser, until Ctrl-C.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jobpipe sandbox examples/quickstart/import.yml
  jobpipe sandbox --port 8800")]
pub(crate) struct Args {
    /// An import, or a folder of its project [default: the current folder].
    path: Option<PathBuf>,
    /// The port of the pages on 127.0.0.1 [default: a free one].
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    port: u16,
}

pub(crate) async fn run(args: Args) -> Outcome {
    let place = Where { at: args.path, env: None, sandbox: true }.place()?;
    let sandbox = Sandbox::start(&place, true, SocketAddr::from(([127, 0, 0, 1], args.port))).await?;
    if let Some(url) = sandbox.pages_url() {
        terminal::say(&format!("posts  {url}"));
    }
    terminal::say(&format!("site   {}", sandbox.site_url()));
    terminal::say("Open them in a browser. Ctrl-C ends.");
    stop::wait_for_signal().await?;
    sandbox.shutdown().await;
    Ok(Exit::Succeeded)
}
