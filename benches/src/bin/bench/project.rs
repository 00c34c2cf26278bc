//! A project folder with one import, and the jobpipe that runs it.

use crate::Fault;
use crate::process::built;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One project, removed with this value.
pub(crate) struct Project {
    folder: tempfile::TempDir,
    allowed: Vec<String>,
    graph: Option<String>,
}

/// Numbers of the store: requests written and read, and transactions.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Store {
    pub(crate) writes: u64,
    pub(crate) reads: u64,
    pub(crate) commits: u64,
}

impl Project {
    /// `import` may ask the addresses in `allowed`.
    pub(crate) fn new(import: &str, allowed: &[&str]) -> Result<Self, Fault> {
        let folder = tempfile::Builder::new().prefix("jobpipe-bench").tempdir()?;
        std::fs::write(folder.path().join("import.yml"), import)?;
        let allowed = allowed.iter().map(|&address| address.to_owned()).collect();
        Ok(Self { folder, allowed, graph: None })
    }

    /// Pages `0..count` at the address of a simulator, which settles at once.
    pub(crate) fn with_pages(mut self, count: usize, graph: &str) -> Result<Self, Fault> {
        let pages: String =
            (0..count).map(|n| format!("  p{n}: {{ id: \"{}\", token: $TOKEN }}\n", 1_000 + n)).collect();
        std::fs::write(self.folder.path().join("jobpipe.yml"), format!("pages:\n{pages}"))?;
        self.allowed.push(graph.to_owned());
        self.graph = Some(format!("http://{graph}"));
        Ok(self)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join(".jobpipe")
    }

    pub(crate) fn run(&self, more: &[&str]) -> Result<Command, Fault> {
        let mut command = Command::new(built("jobpipe")?);
        command.args(["run", "import.yml", "--wait", "1h"]).args(more).current_dir(self.folder.path());
        command.env("JOBPIPE_ALLOW_PRIVATE", self.allowed.join(",")).env("TOKEN", "token");
        if let Some(graph) = &self.graph {
            command.env("JOBPIPE_FACEBOOK_GRAPH_URL", graph);
            for (key, value) in [("SETTLE", "1s"), ("READ_LAG", "50ms"), ("SEND_BY", "5s"), ("TIMEOUT", "5s")] {
                command.env(format!("JOBPIPE_FACEBOOK_{key}"), value);
            }
        }
        Ok(command)
    }

    /// What the store did in the last run, by the log.
    pub(crate) fn store(&self) -> Result<Store, Fault> {
        let log = std::fs::read_to_string(self.state().join("log/jobpipe.log"))?;
        let line =
            log.lines().rfind(|line| line.contains("store closed")).ok_or("the log tells nothing of the store")?;
        Ok(Store::read(line))
    }

    /// Bytes of the store's file.
    pub(crate) fn store_bytes(&self) -> Result<u64, Fault> {
        Ok(std::fs::metadata(self.state().join("jobpipe.db"))?.len())
    }

    /// Lines of a file of the project.
    pub(crate) fn lines(&self, path: &str) -> Result<usize, Fault> {
        let bytes = std::fs::read(self.folder.path().join(path))?;
        Ok(bytes.iter().filter(|byte| **byte == b'\n').count())
    }
}

impl Store {
    /// From `writes=1 commits=2 ... reads=3`.
    pub(crate) fn read(text: &str) -> Self {
        let number = |name: &str| {
            let at = text.split(&format!("{name}=")).nth(1)?;
            at.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        };
        let number = |name| number(name).unwrap_or(0);
        Self { writes: number("writes"), reads: number("reads"), commits: number("commits") }
    }
}
