//! One `jobpipe run`: watched line by line and moment by moment, and killed when a test says so.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often a test looks at the world when the process says nothing.
const LOOK: Duration = Duration::from_micros(500);
/// How often the memory is measured.
const MEASURE: Duration = Duration::from_millis(50);
/// A process that says nothing for so long hangs.
const SILENCE: Duration = Duration::from_secs(150);

/// A process at work.
pub struct Running {
    child: Child,
    lines: Receiver<Value>,
    stderr: JoinHandle<String>,
    began: Instant,
    measured: Instant,
    seen: Seen,
}

/// What a process has told so far.
#[derive(Default)]
pub struct Seen {
    /// Events by kind.
    pub counts: BTreeMap<String, u64>,
    /// Stages that are closed.
    pub closed: BTreeSet<String>,
    pub events: Vec<Value>,
    progress: Option<Duration>,
    rss_mb: u64,
    pub fds: u64,
}

impl Seen {
    pub fn count(&self, kind: &str) -> u64 {
        self.counts.get(kind).copied().unwrap_or(0)
    }

    fn take(&mut self, event: Value, since: Duration) {
        let kind = event["event"].as_str().unwrap_or_default().to_owned();
        if let ("stage_closed", Some(stage)) = (kind.as_str(), event["stage"].as_str()) {
            self.closed.insert(stage.to_owned());
        }
        if matches!(kind.as_str(), "task_done" | "effect" | "file_written" | "stage_closed" | "summary") {
            self.progress.get_or_insert(since);
        }
        *self.counts.entry(kind.clone()).or_default() += 1;
        if !matches!(kind.as_str(), "task_done" | "effect") {
            self.events.push(event);
        }
    }
}

/// A process that has ended.
pub struct Lived {
    /// By this test's kill.
    pub killed: bool,
    pub code: Option<i32>,
    pub signal: Option<i32>,
    /// The last line, if it is the summary.
    pub summary: Value,
    pub stderr: String,
    /// When the first work was done.
    pub progress: Option<Duration>,
    pub rss_mb: u64,
    pub seen: Seen,
}

impl Lived {
    pub fn told(&self) -> String {
        format!("status {:?} signal {:?}\nsummary {}\nstderr {}", self.code, self.signal, self.summary, self.stderr)
    }

    pub fn state(&self) -> &str {
        self.summary["state"].as_str().unwrap_or_default()
    }
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // the last line of a process that was killed may be torn
                let Ok(event) = serde_json::from_str(&line) else { continue };
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        let mut pipe = child.stderr.take().unwrap();
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            // what is no text is no message either
            let _read = pipe.read_to_string(&mut text);
            text
        });
        let now = Instant::now();
        Self { child, lines, stderr, began: now, measured: now, seen: Seen::default() }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// To its end.
    pub fn end(self) -> Lived {
        self.until(|_| false)
    }

    /// Until `enough` says so, asked at every event and every half millisecond; then it is killed with -9.
    pub fn until(mut self, mut enough: impl FnMut(&Seen) -> bool) -> Lived {
        let mut heard = Instant::now();
        let killed = loop {
            match self.lines.recv_timeout(LOOK) {
                Ok(event) => {
                    heard = Instant::now();
                    self.seen.take(event, self.began.elapsed());
                    if enough(&self.seen) {
                        break true;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    if enough(&self.seen) {
                        break true;
                    }
                    assert!(heard.elapsed() < SILENCE, "the process hangs: {:?}", self.seen.counts);
                }
                Err(RecvTimeoutError::Disconnected) => break false,
            }
            self.measure();
        };
        self.reap(killed)
    }

    /// Kills it if it is to be killed; what it said before is counted too.
    fn reap(mut self, kill: bool) -> Lived {
        if kill {
            self.child.kill().unwrap();
        }
        let status = self.child.wait().unwrap();
        let wall = self.began.elapsed();
        while let Ok(event) = self.lines.recv() {
            self.seen.take(event, wall);
        }
        let summary = self.seen.events.last().filter(|event| event["event"] == "summary").cloned();
        Lived {
            killed: kill && status.signal() == Some(9),
            code: status.code(),
            signal: status.signal(),
            summary: summary.unwrap_or_default(),
            stderr: self.stderr.join().unwrap(),
            progress: self.seen.progress,
            rss_mb: self.seen.rss_mb,
            seen: self.seen,
        }
    }

    fn measure(&mut self) {
        if self.measured.elapsed() < MEASURE {
            return;
        }
        self.measured = Instant::now();
        let proc = format!("/proc/{}", self.child.id());
        let Ok(status) = std::fs::read_to_string(format!("{proc}/status")) else { return };
        let kib = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
        };
        self.seen.rss_mb = self.seen.rss_mb.max(kib("VmHWM:") >> 10);
        if let Ok(open) = std::fs::read_dir(format!("{proc}/fd")) {
            self.seen.fds = self.seen.fds.max(open.count() as u64);
        }
    }
}

/// The living children of a process.
pub fn children(parent: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    all.filter(|id| stat(*id).is_some_and(|(state, of)| of == parent && state != "Z")).collect()
}

pub fn lives(id: u32) -> bool {
    stat(id).is_some_and(|(state, _)| state != "Z")
}

/// A process's state and its parent.
fn stat(id: u32) -> Option<(String, u32)> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut words = text.rsplit_once(')')?.1.split_whitespace();
    Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
}
