//! The binary as a user runs it: a project in a folder of its own, a site and pages on loopback.
#![allow(unreachable_pub, reason = "shared by several test programs")]
#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use serde_json::Value as Json;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

/// A project's folder.
pub struct Project {
    folder: tempfile::TempDir,
    /// Variables that every command gets.
    env: Vec<(String, String)>,
}

/// A command that has ended.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// A command at work.
pub struct Running {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
}

impl Project {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), env: Vec::new() }
    }

    /// A project that knows pages `acme-1` ... `acme-N` of a simulator, with settle times that suit tests.
    pub fn with_pages(pages: u32, graph_url: &str) -> Self {
        let mut project = Self::new();
        let mut settings = "pages:\n".to_owned();
        for page in 1..=pages {
            settings.push_str(&format!("  acme-{page}: {{ id: \"{}\", token: $FB_TOKEN }}\n", 1000 + page));
        }
        project.write("jobpipe.yml", &settings);
        for (name, value) in [
            ("JOBPIPE_FACEBOOK_GRAPH_URL", graph_url),
            ("JOBPIPE_ALLOW_PRIVATE", "127.0.0.1"),
            ("JOBPIPE_FACEBOOK_SETTLE", "300ms"),
            ("JOBPIPE_FACEBOOK_READ_LAG", "100ms"),
            ("JOBPIPE_FACEBOOK_SEND_BY", "1s"),
            ("JOBPIPE_FACEBOOK_TIMEOUT", "1s"),
            ("FB_TOKEN", "canary-token"),
        ] {
            project.set(name, value);
        }
        project
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.env.push((name.to_owned(), value.to_owned()));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        // the shortest name of the folder, as the binary tells it
        std::fs::canonicalize(self.folder.path()).unwrap().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The binary, with a clean environment, in the project's folder.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jobpipe"));
        command.args(args).current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        for name in ["PATH", "HOME", "TMPDIR", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    pub fn jobpipe(&self, args: &[&str]) -> Done {
        Done::of(self.command(args).output().unwrap())
    }

    /// A `run` for programs, in the background.
    pub fn start(&self, args: &[&str]) -> Running {
        let mut command = self.command(args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Running { child, out }
    }
}

impl Done {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Fails unless the status is `code`.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n--- out\n{}\n--- err\n{}", self.out, self.err);
        self
    }

    /// Every line, as JSON.
    #[track_caller]
    pub fn json(&self) -> Vec<Json> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
    }

    /// The last line of `--format json`.
    #[track_caller]
    pub fn summary(&self) -> Json {
        let last = self.json().pop().unwrap_or_else(|| panic!("no output; {}", self.err));
        assert_eq!(last["event"], "summary", "{last}");
        last
    }
}

impl Running {
    /// The next line that `wanted` accepts; fails at the end of the output.
    #[track_caller]
    pub fn wait_for(&mut self, wanted: impl Fn(&Json) -> bool) -> Json {
        loop {
            let line = self.line().expect("the command ended before it told what was waited for");
            let Ok(json) = serde_json::from_str::<Json>(&line) else { panic!("no JSON: {line}") };
            if wanted(&json) {
                return json;
            }
        }
    }

    pub fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        (self.out.read_line(&mut line).unwrap() > 0).then_some(line)
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Reads to the end; what was read before is not in it.
    pub fn end(mut self) -> (ExitStatus, Vec<Json>) {
        let mut lines = Vec::new();
        while let Some(line) = self.line() {
            lines.push(serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}")));
        }
        (self.child.wait().unwrap(), lines)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped_already = self.child.wait();
    }
}

/// A runtime for simulators that live in the test's own process.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Lines of a file.
pub fn lines(path: &Path) -> Vec<Json> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// `count` offers as a JSON list.
pub fn offers(count: u32) -> String {
    let offer = |number| {
        serde_json::json!({
            "id": number, "title": format!("Nurse {number}"), "url": format!("https://acme.test/jobs/{number}"),
        })
    };
    Json::Array((1..=count).map(offer).collect()).to_string()
}

/// An import of `./offers.json` to pages `acme-1` ... and a file.
pub fn import(pages: u32) -> String {
    let names: Vec<String> = (1..=pages).map(|page| format!("acme-{page}")).collect();
    format!(
        "name: acme\n\
         crawl: {{ json: ./offers.json }}\n\
         transform:\n  key: .id\n\
         export:\n\
         \x20 - facebook: [{}]\n    message: $title\n    link: .url\n    pace: {{ rate: 500/s, per_day: unlimited }}\n\
         \x20 - jsonl: out/acme.jsonl\n",
        names.join(", ")
    )
}

/// A number of a summary: `targets`, `acme-1`, `created`.
#[track_caller]
pub fn number(summary: &Json, path: [&str; 3]) -> u64 {
    summary[path[0]][path[1]][path[2]].as_u64().unwrap_or_else(|| panic!("no {path:?} in {summary}"))
}
