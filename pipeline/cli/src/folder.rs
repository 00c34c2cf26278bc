//! A folder whose imports are kept deployed as their files stand: looked at again and again, so that every editor, mount
//! and `git pull` is noticed.

use crate::exit::Outcome;
use crate::imports;
use jobpipe_core::DocKind;
use jobpipe_engine::docs::{self, ImportDoc, Read, ScheduleDoc};
use jobpipe_engine::scheduler::{self, Order, deploy};
use jobpipe_engine::{Cx, EngineError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc::Sender;

/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// How the reason of a pause begins that ends when the file is back.
const GONE: &str = "its file is gone:";

/// When a file was written, and its length: what has changed is read anew.
type Stamp = Option<(SystemTime, u64)>;

/// A folder of imports.
pub(crate) struct Folder {
    /// The folder, absolute.
    pub(crate) path: PathBuf,
    /// The project's.
    pub(crate) root: PathBuf,
    /// The settings files that are read with each import.
    pub(crate) settings: Vec<PathBuf>,
    pub(crate) env: Option<String>,
}

/// A file that was read.
#[derive(Default)]
struct Known {
    stamp: Stamp,
    /// The import in it, when it was right at least once.
    name: Option<String>,
    /// It was not there at the last look.
    missing: bool,
}

/// Keeps a folder's imports deployed, and says what changes, until nobody listens.
pub(crate) async fn keep(cx: Arc<Cx>, folder: Folder, said: Sender<String>) {
    let mut watch = Watch { cx, folder, said, known: BTreeMap::new(), settings: Vec::new(), trouble: None };
    while watch.look().await {
        watch.cx.clock.sleep(LOOK).await;
    }
}

struct Watch {
    cx: Arc<Cx>,
    folder: Folder,
    said: Sender<String>,
    known: BTreeMap<PathBuf, Known>,
    settings: Vec<Stamp>,
    /// Why the last look could not be taken to its end.
    trouble: Option<String>,
}

impl Watch {
    /// Looks once; false when nobody listens any more.
    async fn look(&mut self) -> bool {
        let looked = self.look_once().await;
        let trouble = looked.err().map(|why| format!("error: {why}; looked at again"));
        if let Some(line) = trouble.clone().filter(|_| trouble != self.trouble) {
            self.say(line).await;
        }
        self.trouble = trouble;
        !self.said.is_closed()
    }

    async fn look_once(&mut self) -> Result<(), String> {
        let (files, _) =
            imports::in_folder(&self.folder.path).map_err(|failure| failure.message.unwrap_or_default())?;
        let settings: Vec<Stamp> = self.folder.settings.iter().map(|file| stamp(file)).collect();
        let is_first = self.settings.is_empty();
        if settings != self.settings {
            if !is_first {
                self.say("note:  the settings have changed: their schedules hold now, the rest after a restart".into())
                    .await;
            }
            for known in self.known.values_mut() {
                known.stamp = None;
            }
            self.settings = settings;
        }
        for file in &files {
            let now = stamp(file);
            let known = self.known.entry(file.clone()).or_default();
            known.missing = false;
            if now.is_none() || known.stamp != now {
                self.read(file, &files).await.map_err(|error| error.to_string())?;
                self.known.entry(file.clone()).or_default().stamp = now;
            }
        }
        if is_first {
            self.pause_strangers(&files).await.map_err(|error| error.to_string())?;
        }
        self.pause_missing(&files).await.map_err(|error| error.to_string())
    }

    /// Reads a file and deploys what is in it; one with mistakes leaves the version before at work.
    async fn read(&mut self, file: &Path, files: &[PathBuf]) -> Result<(), EngineError> {
        let (loaded, found) = imports::read(file, self.folder.env.as_deref());
        for flaw in imports::flaws(&loaded) {
            self.say(flaw.trim_end().to_owned()).await;
        }
        let Some((plan, source)) = found else {
            let stays = match self.known.get(file).and_then(|known| known.name.as_ref()) {
                Some(name) => format!("`{name}` goes on as it was before"),
                None => "it is not deployed".to_owned(),
            };
            self.say(format!("wrong: {}: {stays}", self.shown(file))).await;
            return Ok(());
        };
        let name = plan.name.clone();
        let is_other = |(path, known): (&PathBuf, &Known)| {
            path != file && files.contains(path) && known.name.as_ref() == Some(&name)
        };
        if let Some((other, _)) = self.known.iter().find(|(path, known)| is_other((path, known))) {
            let line = format!(
                "wrong: {} and {} are both named `{name}`: only the first is deployed; give one of them another name (JP592)",
                self.shown(other),
                self.shown(file)
            );
            self.say(line).await;
            return Ok(());
        }
        self.known.entry(file.to_path_buf()).or_default().name = Some(name.clone());
        let before = self.version(&name).await?;
        if !self.obeyed(&Order::Deploy { plan: Box::new(plan), source }, true).await? {
            return Ok(());
        }
        if before.is_some() {
            self.resume(&name).await?;
        }
        Ok(())
    }

    /// Launches an import again that was paused because its file was gone.
    async fn resume(&self, name: &str) -> Result<(), EngineError> {
        let import: Option<Read<ImportDoc>> = docs::read(&*self.cx.store, DocKind::Import, name).await?;
        if import.and_then(|read| read.doc.paused).is_some_and(|paused| paused.why.starts_with(GONE)) {
            self.obeyed(&Order::Resume { import: name.to_owned() }, true).await?;
        }
        Ok(())
    }

    /// Files that were there: at the second look without one its import pauses.
    async fn pause_missing(&mut self, files: &[PathBuf]) -> Result<(), EngineError> {
        let missing: Vec<PathBuf> = self.known.keys().filter(|path| !files.contains(path)).cloned().collect();
        for path in missing {
            let Some(known) = self.known.get_mut(&path) else { continue };
            if !std::mem::replace(&mut known.missing, true) {
                continue;
            }
            let name = self.known.remove(&path).and_then(|known| known.name);
            if let Some(name) = name.filter(|name| !self.is_held(name)) {
                let source = path.strip_prefix(&self.folder.root).unwrap_or(&path).display().to_string();
                self.pause(&name, &source).await?;
            }
        }
        Ok(())
    }

    /// Imports of this folder that were deployed by another process, and whose file has gone meanwhile.
    async fn pause_strangers(&self, files: &[PathBuf]) -> Result<(), EngineError> {
        for (name, read) in deploy::all(&self.cx).await? {
            let Some(current) = read.doc.current else { continue };
            let path = self.folder.root.join(&current.source);
            let is_here = path.parent() == Some(self.folder.path.as_path());
            if is_here && !files.contains(&path) && !self.is_held(&name) {
                self.pause(&name, &current.source).await?;
            }
        }
        Ok(())
    }

    async fn pause(&self, name: &str, source: &str) -> Result<(), EngineError> {
        let import: Option<Read<ImportDoc>> = docs::read(&*self.cx.store, DocKind::Import, name).await?;
        if import.is_some_and(|read| read.doc.paused.is_some()) || self.version(name).await?.is_none() {
            return Ok(());
        }
        let why = format!("{GONE} {source}");
        self.obeyed(&Order::Pause { import: name.to_owned(), why: why.clone() }, false).await?;
        self.say(format!("pause: {name}: {why}; `jobpipe retire {name} --posts leave` ends it")).await;
        Ok(())
    }

    /// Whether a file that is there has this import.
    fn is_held(&self, name: &str) -> bool {
        self.known.values().any(|known| !known.missing && known.name.as_deref() == Some(name))
    }

    /// Has an order obeyed; false when it was refused, which is told.
    async fn obeyed(&self, order: &Order, told: bool) -> Result<bool, EngineError> {
        match scheduler::obey(&self.cx, order).await {
            Ok(text) => {
                if told {
                    self.say(format!("note:  {text}")).await;
                }
                Ok(true)
            }
            Err(error @ EngineError::Refused { .. }) => {
                self.say(format!("wrong: {error}")).await;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn version(&self, name: &str) -> Result<Option<u64>, EngineError> {
        let read: Option<Read<ScheduleDoc>> = docs::read(&*self.cx.store, DocKind::Schedule, name).await?;
        Ok(read.and_then(|read| read.doc.current).map(|current| current.version))
    }

    fn shown(&self, file: &Path) -> String {
        file.strip_prefix(&self.folder.root).unwrap_or(file).display().to_string()
    }

    async fn say(&self, line: String) {
        // the next look finds that nobody listens
        let _nobody = self.said.send(line).await;
    }
}

fn stamp(file: &Path) -> Stamp {
    let found = std::fs::metadata(file).ok()?;
    Some((found.modified().ok()?, found.len()))
}

/// The folder that is watched: the one that is named, else `imports/` here, else this one.
pub(crate) fn of(named: Option<&Path>, env: Option<&str>) -> Outcome<(Folder, PathBuf)> {
    let usual = if Path::new("imports").is_dir() { Path::new("imports") } else { Path::new(".") };
    let path = named.unwrap_or(usual);
    let failure = |error| crate::exit::Failure::usage(format!("{} cannot be read: {error}", path.display()));
    let path = std::fs::canonicalize(path).map_err(failure)?;
    if !path.is_dir() {
        return Err(crate::exit::Failure::usage(format!("{} is no folder: name one with imports", path.display())));
    }
    // as an import in it finds its project
    let root = path.ancestors().find(|folder| folder.join("jobpipe.yml").is_file()).unwrap_or(&path).to_path_buf();
    let name = env.unwrap_or("local");
    let settings = vec![root.join("jobpipe.yml"), root.join(format!("config/environments/{name}.yml"))];
    Ok((Folder { path, root: root.clone(), settings, env: env.map(str::to_owned) }, root))
}
