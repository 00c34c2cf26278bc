//! A suspect input is computed in a process of its own: `jobpipe compute-child`, with limits on memory and time.

use crate::poison;
use async_trait::async_trait;
use jobpipe_engine::compute::Isolate;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// The child's memory, in bytes.
pub(crate) const MEMORY: u64 = 1 << 30;
/// Seconds of CPU that one input may take: also for a child whose parent was killed and cannot end it any more.
pub(crate) const CPU: u64 = 70;
/// The longest answer that is read.
const ANSWER: u64 = 256 << 20;

/// Starts children of this binary.
#[derive(Debug)]
pub(crate) struct ChildProcess {
    program: PathBuf,
    time: Duration,
}

impl ChildProcess {
    /// Children of the program that runs now; each may take so long.
    pub(crate) fn of_this_program(time: Duration) -> std::io::Result<Self> {
        Ok(Self { program: std::env::current_exe()?, time })
    }

    fn start(&self) -> std::io::Result<Child> {
        Command::new(&self.program)
            .arg("compute-child")
            // it computes what it is given: no setting, no secret
            .env_clear()
            .envs(std::env::var(poison::VARIABLE).map(|time| (poison::VARIABLE, time)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
    }
}

#[async_trait]
impl Isolate for ChildProcess {
    async fn run(&self, input: Vec<u8>) -> Result<Vec<u8>, String> {
        tracing::info!(bytes = input.len(), "an input that was at work when a process died is computed in a child");
        let mut child = self.start().map_err(|error| format!("it could not be started: {error}"))?;
        match tokio::time::timeout(self.time, talk(&mut child, input)).await {
            Ok(answer) => answer,
            // dropped, the child is killed
            Err(_) => Err(format!("it took more than {} s", self.time.as_secs_f32())),
        }
    }
}

async fn talk(child: &mut Child, input: Vec<u8>) -> Result<Vec<u8>, String> {
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("it has no input or output".to_owned());
    };
    let give = async move {
        // a child that dies early closes the pipe; how it died is told by its status
        let _closed = stdin.write_all(&input).await;
        drop(stdin);
    };
    let mut answer = Vec::new();
    let mut stdout = stdout.take(ANSWER);
    let (_, read) = tokio::join!(give, stdout.read_to_end(&mut answer));
    read.map_err(|error| format!("its answer could not be read: {error}"))?;
    let status = child.wait().await.map_err(|error| format!("its end is unknown: {error}"))?;
    if !status.success() {
        return Err(format!("it ended with {status}"));
    }
    Ok(answer)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[expect(clippy::unwrap_used, reason = "a helper of tests fails by panicking")]
    fn program(folder: &std::path::Path, script: &str) -> ChildProcess {
        let program = folder.join("child");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        ChildProcess { program, time: Duration::from_secs(60) }
    }

    #[tokio::test]
    async fn a_child_gives_its_answer_dies_or_takes_too_long() {
        let folder = tempfile::tempdir().unwrap();
        let echo = program(folder.path(), "exec /bin/cat");
        assert_eq!(echo.run(b"input".repeat(100_000)).await, Ok(b"input".repeat(100_000)));
        let dead = program(folder.path(), "kill -9 $$").run(b"x".repeat(1 << 20)).await;
        assert!(dead.unwrap_err().contains("signal: 9"));
        let slow = ChildProcess { time: Duration::from_millis(500), ..program(folder.path(), "exec /bin/sleep 600") };
        assert!(slow.run(Vec::new()).await.unwrap_err().contains("took more than"));
    }
}
