//! A server for tests: the one in `MONGODB_URL`, or one that `scripts/mongodb` starts; and databases of their own on it.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "shared by test programs, each of which needs a part"
)]

pub mod proxy;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// A server that ends with this value.
#[derive(Debug)]
pub struct Server {
    pub url: String,
    /// The server's own process.
    pub pid: u32,
    script: Child,
}

impl Server {
    /// Starts one with `arguments` of `scripts/mongodb`.
    pub fn start(arguments: &[&str]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/mongodb");
        let mut script = Command::new(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("scripts/mongodb starts (or set MONGODB_URL to a running MongoDB)");
        let mut told = BufReader::new(script.stdout.take().unwrap()).lines();
        let mut line = || told.next().and_then(Result::ok);
        let (Some(url), Some(pid)) = (line(), line()) else {
            panic!(
                "no server to test on: set MONGODB_URL to a running MongoDB, or see above why scripts/mongodb has none"
            );
        };
        Self { url, pid: pid.trim_start_matches("pid ").parse().unwrap(), script }
    }

    /// Kills the server as a power cut would, and waits until it is gone.
    pub fn kill(mut self) {
        let killed = Command::new("kill").args(["-9", &self.pid.to_string()]).status().unwrap();
        assert!(killed.success());
        self.script.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        self.script.wait().unwrap();
    }
}

/// The URL of the server that the tests of this program share, without a database.
pub fn url() -> String {
    // Never dropped: the script sees the end of this program by the end of its input.
    static SERVER: OnceLock<Server> = OnceLock::new();
    std::env::var("MONGODB_URL").unwrap_or_else(|_| SERVER.get_or_init(|| Server::start(&[])).url.clone())
}

/// `server`'s URL with `database` in it.
pub fn with_database(server: &str, database: &str) -> String {
    let (server, options) = server.split_once('?').map_or((server, None), |(server, options)| (server, Some(options)));
    let (scheme, rest) = server.split_once("://").unwrap();
    let hosts = rest.split('/').next().unwrap();
    let options = options.map(|options| format!("?{options}")).unwrap_or_default();
    format!("{scheme}://{hosts}/{database}{options}")
}

/// A database with a name of its own, dropped with this value.
#[derive(Debug)]
pub struct Database {
    pub url: String,
}

impl Database {
    pub fn new() -> Self {
        Self::on(&url())
    }

    pub fn on(server: &str) -> Self {
        Self { url: with_database(server, &format!("jobpipe_test_{:016x}", rand::random::<u64>())) }
    }

    /// Straight to the server, past the store.
    pub async fn raw(&self) -> mongodb::Database {
        let client = mongodb::Client::with_uri_str(&self.url).await.unwrap();
        client.default_database().unwrap()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let url = self.url.clone();
        // A runtime of its own: the test's may be ending.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let client = mongodb::Client::with_uri_str(&url).await.unwrap();
                client.default_database().unwrap().drop().await
            })
        });
        let dropped = dropping.join();
        if !std::thread::panicking() {
            dropped.unwrap().unwrap();
        }
    }
}
