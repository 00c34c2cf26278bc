//! A process that is killed while it writes a file leaves no torn file to see, and nothing once the file is written.
//!
//! The test starts itself as the process that is killed.
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use async_trait::async_trait;
use jobpipe_config::spec::{JsonlSpec, Write as WriteWhat};
use jobpipe_core::{
    FileExport, FileRecord, Ids, RecordReader, RunFacts, StageCx, Stop, StoreError, SystemClock, SystemIds,
};
use jobpipe_stages::export::{FileSettings, JsonlExport};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

const FOLDER: &str = "JOBPIPE_TEST_FOLDER";
const BATCHES: u64 = 40;
const OLD: &[u8] = b"{\"old\":true}\n";

struct Never;

impl Stop for Never {
    fn is_stopping(&self) -> bool {
        false
    }
}

/// Records that end, or that make the process say `half` and stand still.
struct Records {
    given: u64,
    halt: bool,
}

#[async_trait]
impl RecordReader for Records {
    async fn next(&mut self) -> Result<Vec<FileRecord>, StoreError> {
        if self.halt && self.given == BATCHES / 2 {
            let mut out = std::io::stdout();
            writeln!(out, "half").and_then(|()| out.flush()).unwrap();
            std::future::pending::<()>().await;
        }
        if self.given == BATCHES {
            return Ok(Vec::new());
        }
        self.given += 1;
        let body = serde_json::json!({"n": self.given, "text": "x".repeat(1 << 16)});
        Ok(vec![FileRecord::new(None, self.given.to_string(), &body)])
    }
}

async fn write(folder: &Path, halt: bool) {
    let spec = JsonlSpec { path: "jobs.jsonl".into(), write: WriteWhat::Run, fields: Vec::new() };
    let files = Arc::new(FileSettings { root: folder.to_owned(), allowed: Vec::new() });
    let ids: Arc<dyn Ids> = Arc::new(SystemIds);
    let export = JsonlExport::new("archive", spec, files, None, ids).unwrap();
    let since = std::collections::BTreeMap::new();
    let facts = RunFacts {
        import: "acme".into(),
        run: "acme@1".into(),
        seq: 1,
        started_at: 1_795_000_000_000,
        since,
        limit: None,
    };
    let cx = StageCx { facts: Arc::new(facts), clock: Arc::new(SystemClock::default()), stop: Arc::new(Never) };
    export.write(&mut Records { given: 0, halt }, &cx).await.unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Starts a process that writes, and kills it (SIGKILL) half-way.
fn kill_half_way(folder: &Path) {
    let mut child =
        Command::new(std::env::current_exe().unwrap()).env(FOLDER, folder).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "half\n");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return write(Path::new(&folder), true).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let file = folder.join("jobs.jsonl");
    for old in [None, Some(OLD)] {
        if let Some(old) = old {
            fs::write(&file, old).unwrap();
        }
        kill_half_way(folder);
        let torn: Vec<String> = names(folder).into_iter().filter(|name| name.starts_with(".jobs.jsonl.tmp-")).collect();
        assert_eq!(torn.len(), 1, "one temporary file: what the kill before left was swept");
        assert!(fs::metadata(folder.join(&torn[0])).unwrap().len() > 1 << 20, "the kill came in the middle");
        assert_eq!(fs::read(&file).ok().as_deref(), old, "what is to see is the old file, whole, or none");
    }
    write(folder, false).await;
    assert_eq!(names(folder), ["jobs.jsonl", "jobs.jsonl.manifest.json"]);
    let lines = fs::read_to_string(&file).unwrap().lines().count();
    assert_eq!(lines as u64, BATCHES);
}
