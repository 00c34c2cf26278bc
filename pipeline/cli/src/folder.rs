//! A folder whose imports are kept deployed as their files stand: looked at again and again, so that every editor, mount
//! and `git pull` is noticed. A file is read once it stands still, and all of it or nothing: what never was whole is not
//! deployed.

mod stamp;

use crate::exit::Outcome;
use crate::imports;
use jobpipe_core::{DocKind, Plan};
use jobpipe_engine::docs::{self, ImportDoc, Read, ScheduleDoc};
use jobpipe_engine::scheduler::{self, Order, deploy};
use jobpipe_engine::{Cx, EngineError};
use stamp::Stamp;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Sender;

/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// How long a file that was changed must stand still before it is read: who writes it is done then.
const STILL: Duration = Duration::from_secs(1);
/// How the reason of a pause begins that ends when the file is back.
const GONE: &str = "its file is gone:";

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

/// A file that is there.
#[derive(Default)]
struct Known {
    /// How it was when it was read.
    read: Option<Stamp>,
    /// How it was at the last look.
    seen: Option<Stamp>,
    /// The import in it; of one that is wrong, the one that was.
    name: Option<String>,
    /// What is in it and not deployed yet, and the file that it came from as the store keeps it.
    waiting: Option<(Plan, String)>,
    /// The file of the same import that goes first, once that was told.
    behind: Option<PathBuf>,
}

/// An import that was deployed from a file of this folder.
struct Held {
    file: PathBuf,
    missing: Missing,
}

/// Whether a file with an import is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    No,
    /// Since a moment of the monotonic clock.
    Since(Duration),
    /// For so long that the import was paused.
    Paused,
}

/// Keeps a folder's imports deployed, and says what changes, until nobody listens.
pub(crate) async fn keep(cx: Arc<Cx>, folder: Folder, said: Sender<String>) {
    let (known, held) = (BTreeMap::new(), BTreeMap::new());
    let mut watch = Watch { cx, folder, said, known, held, settings: None, seen_settings: Vec::new(), trouble: None };
    while let Some(rest) = watch.look().await {
        watch.cx.clock.sleep(rest).await;
    }
}

struct Watch {
    cx: Arc<Cx>,
    folder: Folder,
    said: Sender<String>,
    known: BTreeMap<PathBuf, Known>,
    /// By the import's name.
    held: BTreeMap<String, Held>,
    /// How the settings were when they were read; `None` before the first look.
    settings: Option<Vec<Option<Stamp>>>,
    /// How they were at the last look.
    seen_settings: Vec<Option<Stamp>>,
    /// Why the last look could not be taken to its end.
    trouble: Option<String>,
}

impl Watch {
    /// Looks once; gives how long to rest, `None` when nobody listens any more.
    async fn look(&mut self) -> Option<Duration> {
        let looked = self.look_once().await;
        let rest = if looked == Ok(true) { LOOK } else { STILL };
        let trouble = looked.err().map(|why| format!("error: {why}; looked at again"));
        if let Some(line) = trouble.clone().filter(|_| trouble != self.trouble) {
            self.say(line).await;
        }
        self.trouble = trouble;
        (!self.said.is_closed()).then_some(rest)
    }

    /// True when everything stands still.
    async fn look_once(&mut self) -> Result<bool, String> {
        let is_first = self.settings.is_none();
        if is_first {
            self.find_held().await.map_err(|error| error.to_string())?;
        }
        let files = self.files()?;
        self.known.retain(|file, _| files.contains(file));
        if !self.settings_stand_still().await {
            return Ok(false);
        }
        let mut is_still = true;
        for file in files {
            is_still &= self.look_at(file, is_first).await;
        }
        self.deploy_all().await.map_err(|error| error.to_string())?;
        self.pause_missing().await.map_err(|error| error.to_string())?;
        Ok(is_still)
    }

    /// The files with imports: one that had one and holds nonsense now is such a file still.
    fn files(&self) -> Result<Vec<PathBuf>, String> {
        let found = imports::in_folder(&self.folder.path).map_err(|failure| failure.message.unwrap_or_default());
        let (mut files, others) = found?;
        let had_one = |file: &PathBuf| self.held.values().any(|held| held.file == *file);
        files.extend(others.into_iter().filter(had_one));
        files.sort();
        Ok(files)
    }

    /// Imports that were deployed from this folder by another process.
    async fn find_held(&mut self) -> Result<(), EngineError> {
        for (name, read) in deploy::all(&self.cx).await? {
            let Some(current) = read.doc.current else { continue };
            let file = self.folder.root.join(&current.source);
            if file.parent() == Some(self.folder.path.as_path()) {
                self.held.insert(name, Held { file, missing: Missing::No });
            }
        }
        Ok(())
    }

    /// Whether the settings are as they were at the last look; those that are new have every file read anew.
    async fn settings_stand_still(&mut self) -> bool {
        let now: Vec<Option<Stamp>> = self.folder.settings.iter().map(|file| Stamp::of(file)).collect();
        let Some(read) = &self.settings else {
            (self.settings, self.seen_settings) = (Some(now.clone()), now);
            return true;
        };
        if *read == now {
            self.seen_settings = now;
            return true;
        }
        if self.seen_settings != now {
            self.seen_settings = now;
            return false;
        }
        self.settings = Some(now);
        self.known.values_mut().for_each(|known| known.read = None);
        self.say("note:  the settings have changed: their schedules hold now, the rest after a restart".to_owned())
            .await;
        true
    }

    /// Reads a file that has changed and stands still; false when it does not stand still.
    async fn look_at(&mut self, file: PathBuf, is_first: bool) -> bool {
        let Some(now) = Stamp::of(&file) else { return false };
        let known = self.known.entry(file.clone()).or_default();
        if known.read == Some(now) {
            return true;
        }
        let is_old = is_first && now.is_older_than(STILL, self.cx.clock.now());
        if known.seen.replace(now) != Some(now) && !is_old {
            return false;
        }
        let (loaded, found) = imports::read(&file, self.folder.env.as_deref());
        let settings = self.folder.settings.iter().map(|file| Stamp::of(file));
        if Stamp::of(&file) != Some(now) || !settings.eq(self.seen_settings.iter().copied()) {
            return false;
        }
        known.read = Some(now);
        for flaw in imports::flaws(&loaded) {
            self.say(flaw.trim_end().to_owned()).await;
        }
        self.note(&file, found).await;
        true
    }

    /// Notes what a file holds; one with mistakes leaves the version before at work.
    async fn note(&mut self, file: &Path, found: Option<(Plan, String)>) {
        let from_it = |held: &Held| held.file == file;
        let before = self.known.get(file).and_then(|known| known.name.clone());
        let before = before.or_else(|| self.held.iter().find(|(_, held)| from_it(held)).map(|(name, _)| name.clone()));
        let stays = match before.as_ref().and_then(|name| Some((name, self.held.get(name)?))) {
            Some((name, Held { missing: Missing::Paused, .. })) => format!("`{name}` stays paused"),
            Some((name, held)) if from_it(held) => format!("`{name}` goes on as it was before"),
            _ => "it is not deployed".to_owned(),
        };
        let is_right = found.is_some();
        if let Some(known) = self.known.get_mut(file) {
            known.behind = None;
            known.name = found.as_ref().map(|(plan, _)| plan.name.clone()).or(before);
            known.waiting = found;
        }
        if !is_right {
            self.say(format!("wrong: {}: {stays}", self.shown(file))).await;
        }
    }

    /// Deploys what was read. Of several files with one import the first is deployed; another one is when that has gone.
    async fn deploy_all(&mut self) -> Result<(), EngineError> {
        let waiting: Vec<PathBuf> =
            self.known.iter().filter(|(_, known)| known.waiting.is_some()).map(|(file, _)| file.clone()).collect();
        for file in waiting {
            let found = self.known.get(&file).and_then(|known| known.waiting.clone());
            let Some((plan, source)) = found else { continue };
            let name = plan.name.clone();
            if let Some(first) = self.first(&name).filter(|first| *first != file) {
                self.stay_behind(&file, first, &name).await;
                continue;
            }
            let is_deployed = self.obeyed(&Order::Deploy { plan: Box::new(plan), source }, true).await?;
            if let Some(known) = self.known.get_mut(&file) {
                known.waiting = None;
            }
            if is_deployed {
                self.resume(&name).await?;
                self.held.insert(name, Held { file, missing: Missing::No });
            }
        }
        Ok(())
    }

    /// The file whose version of an import counts: the one that it was deployed from, else the first.
    fn first(&self, name: &str) -> Option<PathBuf> {
        let has_it = |file: &PathBuf| self.known.get(file).is_some_and(|known| known.name.as_deref() == Some(name));
        let from = self.held.get(name).map(|held| &held.file).filter(|file| has_it(file));
        from.or_else(|| self.known.keys().find(|file| has_it(file))).cloned()
    }

    async fn stay_behind(&mut self, file: &Path, first: PathBuf, name: &str) {
        let line = format!(
            "wrong: {} and {} are both named `{name}`: only the first is deployed; give one of them another name (JP592)",
            self.shown(&first),
            self.shown(file)
        );
        let Some(known) = self.known.get_mut(file) else { return };
        if known.behind.replace(first.clone()) != Some(first) {
            self.say(line).await;
        }
    }

    /// Launches an import again that was paused because its file was gone.
    async fn resume(&self, name: &str) -> Result<(), EngineError> {
        let import: Option<Read<ImportDoc>> = docs::read(&*self.cx.store, DocKind::Import, name).await?;
        if import.and_then(|read| read.doc.paused).is_some_and(|paused| paused.why.starts_with(GONE)) {
            self.obeyed(&Order::Resume { import: name.to_owned() }, true).await?;
        }
        Ok(())
    }

    /// Imports that no file has had for a while pause: a file that is renamed, or written anew, is away for a moment.
    async fn pause_missing(&mut self) -> Result<(), EngineError> {
        let now = self.cx.clock.monotonic();
        let mut gone = Vec::new();
        for (name, held) in &mut self.held {
            let is_there = self.known.values().any(|known| known.name.as_ref() == Some(name));
            held.missing = match held.missing {
                Missing::Paused => Missing::Paused,
                _ if is_there => Missing::No,
                Missing::No => Missing::Since(now),
                Missing::Since(since) if now.saturating_sub(since) >= LOOK => {
                    gone.push((name.clone(), held.file.clone()));
                    Missing::Since(since)
                }
                Missing::Since(since) => Missing::Since(since),
            };
        }
        for (name, file) in gone {
            let another = if self.known.contains_key(&file) { " holds another import now" } else { "" };
            self.pause(&name, &format!("{}{another}", self.shown(&file))).await?;
            if let Some(held) = self.held.get_mut(&name) {
                held.missing = Missing::Paused;
            }
        }
        Ok(())
    }

    async fn pause(&self, name: &str, file: &str) -> Result<(), EngineError> {
        let import: Option<Read<ImportDoc>> = docs::read(&*self.cx.store, DocKind::Import, name).await?;
        let schedule: Option<Read<ScheduleDoc>> = docs::read(&*self.cx.store, DocKind::Schedule, name).await?;
        let is_retired = schedule.is_none_or(|read| read.doc.current.is_none());
        if is_retired || import.is_some_and(|read| read.doc.paused.is_some()) {
            return Ok(());
        }
        let why = format!("{GONE} {file}");
        if self.obeyed(&Order::Pause { import: name.to_owned(), why: why.clone() }, false).await? {
            self.say(format!("pause: {name}: {why}; `jobpipe retire {name} --posts leave` ends it")).await;
        }
        Ok(())
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

    fn shown(&self, file: &Path) -> String {
        file.strip_prefix(&self.folder.root).unwrap_or(file).display().to_string()
    }

    async fn say(&self, line: String) {
        // the next look finds that nobody listens
        let _nobody = self.said.send(line).await;
    }
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
