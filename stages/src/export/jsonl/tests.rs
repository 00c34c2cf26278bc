use super::{FileSettings, JsonlExport, Lines, code};
use async_trait::async_trait;
use jobpipe_config::spec::{JsonlSpec, Write};
use jobpipe_core::{
    Clock, ErrorClass, FileExport, FileRecord, Ids, RecordReader, RunFacts, StageCx, Stop, StoreError, SystemClock,
    TaskError, Written,
};
use serde_json::{Value as Json, json};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tempfile::TempDir;

#[derive(Default)]
struct CountingIds(AtomicU64);

impl Ids for CountingIds {
    fn run(&self) -> String {
        "run".into()
    }
    fn nonce(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
    fn fraction(&self) -> f64 {
        0.5
    }
}

#[derive(Default)]
struct StopFlag(AtomicBool);

impl Stop for StopFlag {
    fn is_stopping(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Batches of records; what is after the last one.
struct Batches {
    left: std::vec::IntoIter<Vec<FileRecord>>,
    end: Option<StoreError>,
    before_end: Box<dyn FnMut() + Send>,
}

#[async_trait]
impl RecordReader for Batches {
    async fn next(&mut self) -> Result<Vec<FileRecord>, StoreError> {
        match self.left.next() {
            Some(batch) => Ok(batch),
            None => {
                (self.before_end)();
                self.end.take().map_or(Ok(Vec::new()), Err)
            }
        }
    }
}

fn batches(count: usize, each: usize) -> Batches {
    let record = |n: usize| FileRecord::new(None, format!("k{n}"), &json!({"n": n, "title": "Pflege \"x\"\n"}));
    let batch = |b: usize| (0..each).map(|n| record(b * each + n)).collect();
    let all: Vec<Vec<FileRecord>> = (0..count).map(batch).collect();
    Batches { left: all.into_iter(), end: None, before_end: Box::new(|| {}) }
}

struct Bench {
    folder: TempDir,
    stop: Arc<StopFlag>,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), stop: Arc::default() }
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn export(&self, path: &str) -> JsonlExport {
        let spec = JsonlSpec { path: path.into(), write: Write::Run, fields: Vec::new() };
        let files = Arc::new(FileSettings { root: self.root().to_owned(), allowed: Vec::new() });
        JsonlExport::new("archive", spec, files, None, Arc::new(CountingIds::default())).unwrap()
    }

    fn cx(&self) -> StageCx {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        StageCx { facts: Arc::new(facts()), clock, stop: self.stop.clone() }
    }

    async fn write(&self, path: &str, mut records: Batches) -> Result<Written, TaskError> {
        self.export(path).write(&mut records, &self.cx()).await
    }

    /// Every file under the folder, hidden ones too, by path.
    fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.root().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(path.strip_prefix(self.root()).unwrap().display().to_string());
                }
            }
        }
        found.sort();
        found
    }
}

fn facts() -> RunFacts {
    let since = Default::default();
    RunFacts { import: "acme".into(), run: "acme@1".into(), seq: 1, started_at: 1_795_000_000_000, since, limit: None }
}

#[tokio::test]
async fn a_file_and_its_manifest_tell_the_same() {
    let bench = Bench::new();
    let written = bench.write("out/deep/acme-$run.date.jsonl", batches(3, 1000)).await.unwrap();
    assert_eq!(bench.files(), ["out/deep/acme-2026-11-18.jsonl", "out/deep/acme-2026-11-18.jsonl.manifest.json"]);
    let bytes = fs::read(bench.root().join(&written.path)).unwrap();
    assert_eq!((written.records, written.bytes), (3000, bytes.len() as u64));
    assert_eq!(written.digest, blake3::hash(&bytes).to_hex().to_string());
    let lines: Vec<Json> = bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3000);
    assert_eq!(lines[2999], json!({"n": 2999, "title": "Pflege \"x\"\n"}));
    let manifest: Json =
        serde_json::from_slice(&fs::read(bench.root().join(format!("{}.manifest.json", written.path))).unwrap())
            .unwrap();
    assert_eq!(
        manifest,
        json!({"path": written.path, "records": 3000, "bytes": written.bytes, "blake3": written.digest, "run": "acme@1", "write": "run"})
    );
    assert_eq!(
        bench.export("out/deep/acme-$run.date.jsonl").path(&facts()).unwrap(),
        bench.root().join(&written.path).display().to_string()
    );
}

#[tokio::test]
async fn the_same_records_make_the_same_bytes_however_they_are_batched() {
    let bench = Bench::new();
    let one = bench.write("a.jsonl", batches(1, 600)).await.unwrap();
    let many = bench.write("b.jsonl", batches(60, 10)).await.unwrap();
    assert_eq!((one.digest, one.bytes), (many.digest, many.bytes));
    let again = bench.write("a.jsonl", batches(1, 600)).await.unwrap();
    assert_eq!(fs::read(bench.root().join("a.jsonl")).unwrap(), fs::read(bench.root().join("b.jsonl")).unwrap());
    assert_eq!(again.records, 600);
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let bench = Bench::new();
    let written = bench.write("none.jsonl", batches(0, 0)).await.unwrap();
    assert_eq!((written.records, written.bytes), (0, 0));
    assert_eq!(fs::read(bench.root().join("none.jsonl")).unwrap(), b"");
}

#[tokio::test]
async fn until_the_end_the_old_file_stays_and_what_fails_leaves_nothing() {
    let bench = Bench::new();
    fs::write(bench.root().join("a.jsonl"), "old\n").unwrap();
    let path = bench.root().join("a.jsonl");
    let seen = Arc::new(AtomicBool::new(false));
    let (look, at) = (seen.clone(), path.clone());
    let mut records = batches(4, 5000);
    records.end = Some(StoreError::Unavailable { message: "gone away".into() });
    records.before_end = Box::new(move || look.store(fs::read(&at).unwrap() == b"old\n", Ordering::Relaxed));
    let error = bench.write("a.jsonl", records).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Transient, code::READ));
    assert!(error.message.contains("gone away") && error.message.contains("archive"), "{}", error.message);
    assert!(seen.load(Ordering::Relaxed), "the old file was whole when the last record was read");
    assert_eq!(fs::read(path).unwrap(), b"old\n");
    assert_eq!(bench.files(), ["a.jsonl"]);
}

#[tokio::test]
async fn a_stop_leaves_the_old_file() {
    let bench = Bench::new();
    bench.stop.0.store(true, Ordering::Relaxed);
    let error = bench.write("a.jsonl", batches(1, 1)).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Transient, code::STOPPED));
    assert_eq!(bench.files(), Vec::<String>::new());
}

#[tokio::test]
async fn what_a_killed_process_left_is_swept_and_nothing_else() {
    let bench = Bench::new();
    let ours = [".a.jsonl.tmp-00000000000000aa", ".a.jsonl.manifest.json.tmp-00000000000000ab"];
    let others = [".a.jsonl.tmp-notes", ".b.jsonl.tmp-00000000000000aa", "a.jsonl.tmp-00000000000000aa"];
    for name in ours.iter().chain(&others) {
        fs::write(bench.root().join(name), "torn").unwrap();
    }
    bench.write("a.jsonl", batches(1, 1)).await.unwrap();
    let mut expected: Vec<&str> = others.into_iter().chain(["a.jsonl", "a.jsonl.manifest.json"]).collect();
    expected.sort_unstable();
    assert_eq!(bench.files(), expected);
}

#[tokio::test]
async fn a_path_that_is_refused_or_a_folder_names_itself() {
    let bench = Bench::new();
    fs::create_dir(bench.root().join("taken.jsonl")).unwrap();
    fs::write(bench.root().join("file"), "x").unwrap();
    for path in ["../a.jsonl", "/etc/a.jsonl", "taken.jsonl", "file/a.jsonl"] {
        let error = bench.write(path, batches(1, 1)).await.unwrap_err();
        assert_eq!(
            (error.class, error.code.as_str()),
            (ErrorClass::Permanent, code::PATH),
            "{path}: {}",
            error.message
        );
        assert!(error.message.contains(path), "{}", error.message);
    }
    assert_eq!(bench.files(), ["file"]);
}

#[tokio::test]
async fn a_full_disk_is_told_with_the_room_that_the_whole_file_takes() {
    let bench = Bench::new();
    let whole = bench.write("whole.jsonl", batches(3, 1000)).await.unwrap();
    let (export, cx, mut records) = (bench.export("a.jsonl"), bench.cx(), batches(3, 1000));
    let mut lines = Lines::new(&export, &mut records, &cx);
    lines.next().await.unwrap();
    let told = export.failed(Path::new("/out/a.jsonl"), &ErrorKind::StorageFull.into(), lines).await;
    assert_eq!((told.class, told.code.as_str()), (ErrorClass::Transient, code::NO_SPACE));
    let room = format!("{} KiB", whole.bytes.div_ceil(1024));
    assert!(told.message.contains(&room) && told.message.contains("/out/a.jsonl"), "{}", told.message);
}

#[test]
fn a_path_that_is_no_value_of_the_language_is_refused_at_once() {
    let spec = JsonlSpec { path: "out/${.a".into(), write: Write::Run, fields: Vec::new() };
    let error =
        JsonlExport::new("archive", spec, Arc::default(), None, Arc::new(CountingIds::default())).err().unwrap();
    assert!(error.to_string().contains("archive"), "{error}");
}
