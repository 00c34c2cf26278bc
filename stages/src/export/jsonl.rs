//! The export `jsonl`: one file, one record a line, with a manifest beside it.

use super::code;
use super::disk::{Failed, is_full};
use super::line::line;
use super::place::FileSettings;
use super::whole_file::{Sum, WholeFile};
use crate::run_vars::run_vars;
use async_trait::async_trait;
use jobpipe_config::spec::{JsonlSpec, Write};
use jobpipe_core::{ErrorClass, FileExport, FileRecord, Ids, RecordReader, RunFacts, StageCx, TaskError, Written};
use jobpipe_expr::{ExprError, Place, Subject, Value};
use serde_json::{Value as Json, json};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The export's path is not a value of the language. `check` finds it first.
#[derive(Debug, thiserror::Error)]
#[error("export `{stage}`: the path cannot be read: {reason} ({code})", code = reason.code)]
pub struct SpecError {
    /// The export.
    pub stage: String,
    /// What is wrong.
    pub reason: ExprError,
}

/// One compiled `jsonl` export.
pub struct JsonlExport {
    stage: String,
    path: Value,
    write: Write,
    fields: Vec<String>,
    files: Arc<FileSettings>,
    env: Option<String>,
    ids: Arc<dyn Ids>,
}

impl JsonlExport {
    /// Compiles the export of `stage`. `env` is the chosen environment (`$run.env`); `ids` name temporary files.
    pub fn new(
        stage: &str,
        spec: JsonlSpec,
        files: Arc<FileSettings>,
        env: Option<String>,
        ids: Arc<dyn Ids>,
    ) -> Result<Self, SpecError> {
        let JsonlSpec { path, write, fields } = spec;
        let stage = stage.to_owned();
        match Value::compile(path.as_str(), Place::Path) {
            Ok(path) => Ok(Self { stage, path, write, fields, files, env, ids }),
            Err(reason) => Err(SpecError { stage, reason }),
        }
    }

    fn target(&self, facts: &RunFacts) -> Result<PathBuf, TaskError> {
        let vars = run_vars(facts, self.env.as_deref());
        let nothing = json!({});
        let path = self.path.eval(&Subject::new(&nothing), &vars).map_err(|error| {
            self.error(
                ErrorClass::Permanent,
                error.code(),
                &format!("the path `{}` has no value: {error}", self.path.source()),
            )
        })?;
        match path {
            Some(Json::String(path)) => self.files.resolve(&self.stage, &path),
            _ => Err(self.error(
                ErrorClass::Permanent,
                code::PATH,
                &format!("the path `{}` is no text", self.path.source()),
            )),
        }
    }

    /// Writes the records and publishes the file.
    async fn write_records(
        &self,
        target: &Path,
        records: &mut dyn RecordReader,
        cx: &StageCx,
    ) -> Result<(u64, Sum), TaskError> {
        let mut taken = Lines::new(self, records, cx);
        let result = match WholeFile::create(target, self.ids.nonce()).await {
            Ok(mut file) => loop {
                let Some(lines) = taken.next().await? else { break file.publish().await };
                if let Err(error) = file.write(&lines).await {
                    break Err(error);
                }
            },
            Err(error) => Err(error),
        };
        match result {
            Ok(sum) => Ok((taken.count, sum)),
            Err(error) => Err(self.failed(target, &error, taken).await),
        }
    }

    /// The error of the file; on a full disk it says how much room the whole file takes.
    async fn failed(&self, target: &Path, error: &io::Error, mut taken: Lines<'_>) -> TaskError {
        if is_full(error) {
            while let Ok(Some(_)) = taken.next().await {}
        }
        let needed = is_full(error).then_some(taken.bytes);
        Failed { stage: &self.stage, path: target, needed }.error(error)
    }

    async fn write_manifest(&self, target: &Path, written: &Written, facts: &RunFacts) -> Result<(), TaskError> {
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(".manifest.json");
        let path = target.with_file_name(name);
        let manifest = json!({
            "path": written.path,
            "records": written.records,
            "bytes": written.bytes,
            "blake3": written.digest,
            "run": facts.run,
            "write": self.write,
        });
        let text = format!("{manifest:#}\n");
        let publish = async {
            let mut file = WholeFile::create(&path, self.ids.nonce()).await?;
            file.write(text.as_bytes()).await?;
            file.publish().await
        };
        let failed = Failed { stage: &self.stage, path: &path, needed: Some(text.len() as u64) };
        publish.await.map(drop).map_err(|error| failed.error(&error))
    }

    fn error(&self, class: ErrorClass, code: &str, what: &str) -> TaskError {
        let message = format!("export `{}`: {what}", self.stage);
        TaskError { class, code: code.to_owned(), message, retry_after_ms: None }
    }
}

#[async_trait]
impl FileExport for JsonlExport {
    fn path(&self, facts: &RunFacts) -> Result<String, TaskError> {
        Ok(self.target(facts)?.display().to_string())
    }

    async fn write(&self, records: &mut dyn RecordReader, cx: &StageCx) -> Result<Written, TaskError> {
        let target = self.target(&cx.facts)?;
        let (count, sum) = self.write_records(&target, records, cx).await?;
        let written = Written { path: self.files.shown(&target), records: count, bytes: sum.bytes, digest: sum.digest };
        self.write_manifest(&target, &written, &cx.facts).await?;
        Ok(written)
    }
}

/// The lines of a file, as its records are read.
struct Lines<'a> {
    export: &'a JsonlExport,
    records: &'a mut dyn RecordReader,
    cx: &'a StageCx,
    bytes: u64,
    count: u64,
}

impl<'a> Lines<'a> {
    fn new(export: &'a JsonlExport, records: &'a mut dyn RecordReader, cx: &'a StageCx) -> Self {
        Self { export, records, cx, bytes: 0, count: 0 }
    }

    /// The next lines; `None` at the end.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, TaskError> {
        let export = self.export;
        if self.cx.stop.is_stopping() {
            let what = "the process stops, so the file was not written; the next run writes it";
            return Err(export.error(ErrorClass::Transient, code::STOPPED, what));
        }
        let records = self.records.next().await.map_err(|error| {
            export.error(ErrorClass::Transient, code::READ, &format!("its records cannot be read: {error}"))
        })?;
        if records.is_empty() {
            return Ok(None);
        }
        let mut lines = Vec::new();
        for record in &records {
            export.line(&mut lines, record)?;
        }
        self.count += records.len() as u64;
        self.bytes += lines.len() as u64;
        Ok(Some(lines))
    }
}

impl JsonlExport {
    fn line(&self, lines: &mut Vec<u8>, record: &FileRecord) -> Result<(), TaskError> {
        line(lines, record, &self.fields).map_err(|error| {
            self.error(
                ErrorClass::Permanent,
                code::LINE,
                &format!("record `{}` cannot be written as JSON: {error}", record.key),
            )
        })
    }
}

#[cfg(test)]
mod tests;
