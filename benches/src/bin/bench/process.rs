//! Whole processes: servers beside the measured program, and the measured program itself.

use crate::Fault;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What the system counted for one process.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    /// CPU time in the program and in the kernel, microseconds.
    pub(crate) cpu_us: u64,
    /// Of it in the kernel.
    pub(crate) system_us: u64,
    /// Wall time, microseconds.
    pub(crate) wall_us: u64,
    /// The most memory it held, KiB.
    pub(crate) peak_kib: u64,
}

/// A program of this build.
pub(crate) fn built(name: &str) -> Result<PathBuf, Fault> {
    let path = std::env::current_exe()?.with_file_name(name);
    if path.is_file() { Ok(path) } else { Err(format!("{} is not built: use scripts/bench", path.display()).into()) }
}

/// Runs a command to its end and counts it.
pub(crate) fn measure(command: &Command) -> Result<Used, Fault> {
    let mut measured = under(&[built("measure")?.as_os_str()], command);
    let output = measured.stdin(Stdio::null()).stdout(Stdio::null()).output()?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        return Err(format!("{command:?}: {}\n{told}", output.status).into());
    }
    let line = told.lines().last().unwrap_or_default();
    let numbers: Vec<u64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    let [user, system_us, wall_us, peak_kib] = numbers.as_slice() else {
        return Err(format!("no numbers from `measure`: {line}").into());
    };
    Ok(Used { cpu_us: user + system_us, system_us: *system_us, wall_us: *wall_us, peak_kib: *peak_kib })
}

/// `command`, run by the words in `wrapper`.
fn under(wrapper: &[&std::ffi::OsStr], command: &Command) -> Command {
    let mut all = Command::new(wrapper.first().copied().unwrap_or_default());
    all.args(wrapper.iter().skip(1)).arg(command.get_program()).args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        all.current_dir(folder);
    }
    all.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    all
}

/// How often a command has the disk write, counted by strace; `None` where there is no strace.
pub(crate) fn fsyncs(command: &Command, folder: &Path) -> Result<Option<u64>, Fault> {
    if Command::new("strace").arg("-V").output().is_err() {
        return Ok(None);
    }
    let told = folder.join("strace.txt");
    let wrapper = ["strace", "-f", "-c", "-e", "trace=fsync,fdatasync", "-o"].map(std::ffi::OsStr::new);
    let wrapper: Vec<&std::ffi::OsStr> = wrapper.into_iter().chain([told.as_os_str()]).collect();
    let output = under(&wrapper, command).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let calls = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next_back()?;
        // percent, seconds, microseconds a call, calls
        matches!(name, "fsync" | "fdatasync").then(|| words.nth(3)?.parse::<u64>().ok())?
    };
    Ok(Some(std::fs::read_to_string(told)?.lines().filter_map(calls).sum()))
}

/// A server in a process of its own, ended with this value. Its CPU is not counted.
pub(crate) struct Server {
    child: Child,
    /// The first line that it printed.
    pub(crate) told: String,
}

impl Server {
    pub(crate) fn start(command: &mut Command) -> Result<Self, Fault> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut told = String::new();
        let mut out = BufReader::new(child.stdout.take().ok_or("no output")?);
        out.read_line(&mut told)?;
        // what it says later must not fill the pipe
        std::thread::spawn(move || drop(out.read_to_end(&mut Vec::new())));
        Ok(Self { child, told: told.trim().to_owned() })
    }

    /// The site that both programs ask: its address.
    pub(crate) fn site() -> Result<(Self, String), Fault> {
        let server = Self::start(&mut Command::new(built("site")?))?;
        let address = format!("127.0.0.1:{}", server.told);
        Ok((server, address))
    }

    /// Simulated pages: their address.
    pub(crate) fn pages() -> Result<(Self, String), Fault> {
        let server = Self::start(Command::new(built("fbsim")?).args(["--allow-duplicates"]))?;
        let address = server.told.rsplit("http://").next().unwrap_or_default().to_owned();
        Ok((server, address))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}
