//! Following one run to its end: while this process is its engine, or beside the one that is.

use crate::exit::{Failure, Outcome};
use crate::stop::StopFlag;
use crate::watch::Watcher;
use crate::watch::summary::End;
use jobpipe_config::spec::{CrawlSpec, read_body};
use jobpipe_connectors::http::HttpClient;
use jobpipe_core::{DocKind, Feed, StageKind, StagePlan};
use jobpipe_engine::admin::{self, RunSummary, Standing};
use jobpipe_engine::docs::{self, Read, RunDoc, RunState};
use jobpipe_engine::event::Event;
use jobpipe_engine::layout::Layout;
use jobpipe_engine::{Cx, EngineError, Result};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use url::Url;

/// How often the view is drawn and the store is asked.
const TICK: Duration = Duration::from_millis(200);
/// A summary of many rows takes its time: asked again after so many times as long.
const REST: u32 = 25;

/// How a run was left.
#[derive(Debug)]
pub(crate) struct Left {
    /// How it ended, for this process.
    pub(crate) end: End,
    /// What it did.
    pub(crate) summary: RunSummary,
    /// Why the engine stopped, if it had to.
    pub(crate) error: Option<Failure>,
}

/// The engine of this process at work.
pub(crate) struct Engine {
    pub(crate) cx: Arc<Cx>,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) stop: Arc<StopFlag>,
    pub(crate) serving: JoinHandle<Result<()>>,
}

impl Engine {
    /// Sets the engine to work.
    pub(crate) fn start(cx: Arc<Cx>, events: mpsc::Receiver<Event>, stop: Arc<StopFlag>) -> Self {
        let serving = tokio::spawn(jobpipe_engine::serve(Arc::clone(&cx)));
        Self { cx, events, stop, serving }
    }

    /// Follows a run until it is closed and its targets rest, until `wait` after its closing, or until a signal.
    /// The engine has ended when this does.
    pub(crate) async fn follow(mut self, run: &str, wait: Duration, watcher: &mut Watcher) -> Outcome<Left> {
        watcher.watch(run);
        let mut eye = Eye::new(Arc::clone(&self.cx), run, wait);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut error, mut served) = (None, false);
        let ended = loop {
            tokio::select! {
                Some(event) = self.events.recv() => watcher.event(&event),
                _ = ticks.tick() => match eye.look(watcher).await {
                    Ok(Some(end)) => break Some(end),
                    Ok(None) => watcher.tick(),
                    Err(failure) => {
                        error = Some(failure.into());
                        break Some(End::Failed);
                    }
                },
                done = &mut self.serving => {
                    served = true;
                    error = flatten(done).err();
                    break error.as_ref().map(|_| End::Failed);
                }
            }
        };
        self.stop.stop();
        if !served {
            error = flatten((&mut self.serving).await).err().or(error);
        }
        self.show_rest(watcher);
        watcher.end();
        let summary = match admin::summary(&self.cx, run).await {
            Ok(summary) => summary,
            // what broke the engine may keep its store from being read: the cause is told, not this
            Err(unread) => return Err(error.unwrap_or_else(|| unread.into())),
        };
        let end = match ended {
            _ if error.is_some() => End::Failed,
            _ if self.stop.was_signalled() => End::Interrupted,
            Some(end) => end,
            None => End::of(summary.state),
        };
        Ok(Left { end, summary, error })
    }

    /// What the engine told before it ended.
    fn show_rest(&mut self, watcher: &mut Watcher) {
        while let Ok(event) = self.events.try_recv() {
            watcher.event(&event);
        }
    }
}

fn flatten(done: std::result::Result<Result<()>, tokio::task::JoinError>) -> Outcome<()> {
    match done {
        Ok(done) => done.map_err(Failure::from),
        Err(error) => Err(EngineError::Refused {
            code: "JP599",
            message: format!("the engine panicked ({error}); this is a bug of jobpipe. Nothing is lost: run again"),
        }
        .into()),
    }
}

/// What is read from the store while a run goes on.
pub(crate) struct Eye {
    cx: Arc<Cx>,
    run: String,
    /// What is counted, once it is known.
    counted: Option<Counted>,
    wait: Duration,
    closed_at: Option<Duration>,
    /// Not asked again before.
    rests_until: Duration,
}

/// What of a run is counted in the store.
struct Counted {
    /// Crawls that request: how many URLs are known.
    crawls: Vec<String>,
    /// Exports to targets: how much is wanted, and how much is posted.
    exports: Vec<Wanted>,
}

/// What is wanted by an export to targets.
struct Wanted {
    name: String,
    ledger: String,
}

/// The host that a crawl asks first: empty when only its records say, `None` when it asks nobody.
fn asked_host(stage: &StagePlan) -> Option<String> {
    let spec: CrawlSpec = (stage.kind == StageKind::Crawl).then(|| read_body(stage).ok()).flatten()?;
    let place = spec.html.or(spec.json)?;
    match Url::parse(place.as_str()) {
        Ok(url) => url.has_host().then(|| HttpClient::group(&url)),
        Err(_) => (!place.as_str().starts_with(['/', '.']) || !stage.from.is_empty()).then(String::new),
    }
}

impl Counted {
    fn of(layout: &Layout) -> Self {
        let crawls = layout.working().filter(|stage| stage.kind == StageKind::Crawl);
        let wanted = |stage: &StagePlan| Wanted { name: stage.name.clone(), ledger: layout.ledger_of(stage) };
        Self {
            crawls: crawls.map(|stage| stage.name.clone()).collect(),
            exports: layout.effects().map(wanted).collect(),
        }
    }
}

impl Eye {
    /// An eye on a run; `wait` counts from its closing.
    pub(crate) fn new(cx: Arc<Cx>, run: &str, wait: Duration) -> Self {
        Self { cx, run: run.to_owned(), counted: None, wait, closed_at: None, rests_until: Duration::ZERO }
    }

    /// Looks; gives the end when the run has one.
    pub(crate) async fn look(&mut self, watcher: &mut Watcher) -> Result<Option<End>> {
        let before = self.cx.clock.monotonic();
        if before < self.rests_until {
            return Ok(None);
        }
        let run: Option<Read<RunDoc>> = docs::read(&*self.cx.store, DocKind::Run, &self.run).await?;
        let Some(run) = run else { return Ok(None) };
        for name in run.doc.closed_stages.iter().chain(run.doc.files.keys()) {
            if let Some(stage) = watcher.progress.stage(name) {
                stage.closed = true;
            }
        }
        let end = if run.doc.state == RunState::Closed {
            let closed_at = *self.closed_at.get_or_insert(before);
            watcher.progress.closed = true;
            self.closed(watcher, before.saturating_sub(closed_at)).await?
        } else {
            None
        };
        // what is still missing at the end is told
        if watcher.wants_counts() || (end.is_some() && !watcher.is_json()) {
            self.count(&run.doc, watcher).await?;
        }
        let took = self.cx.clock.monotonic().saturating_sub(before);
        self.rests_until = self.cx.clock.monotonic() + took * REST;
        Ok(end)
    }

    /// Counts how much there is to do.
    async fn count(&mut self, run: &RunDoc, watcher: &mut Watcher) -> Result<()> {
        let counted = match self.counted.take() {
            Some(counted) => counted,
            None => {
                let layout = self.cx.layout(&run.open.definition).await?;
                for stage in layout.working().chain(layout.files()) {
                    let Some(shown) = watcher.progress.stage(&stage.name) else { continue };
                    if matches!(stage.feed, Feed::Batches | Feed::Run) {
                        shown.from.clone_from(&stage.from);
                    }
                    shown.asks = asked_host(stage);
                }
                Counted::of(&layout)
            }
        };
        if run.state != RunState::Closed {
            for name in &counted.crawls {
                let known = self.cx.store.seen_count(&self.run, name).await?;
                if let Some(stage) = watcher.progress.stage(name) {
                    stage.known = known;
                }
            }
        }
        let mut missing: BTreeMap<&str, u64> = BTreeMap::new();
        for export in &counted.exports {
            let wanted = self.cx.store.heads_count(&export.ledger).await?.live;
            for target in run.open.targets.get(&export.name).into_iter().flatten() {
                let posted = self.cx.store.rows_posted(&target.id, &run.open.facts.import, &export.name).await?;
                *missing.entry(&target.name).or_default() += wanted.saturating_sub(posted);
            }
        }
        for (target, missing) in missing {
            watcher.progress.target(target).missing = missing;
        }
        self.counted = Some(counted);
        Ok(())
    }

    async fn closed(&self, watcher: &mut Watcher, since: Duration) -> Result<Option<End>> {
        let summary = admin::summary(&self.cx, &self.run).await?;
        for (name, target) in &summary.targets {
            if let Some(shown) = watcher.progress.labelled(name) {
                shown.next_at = target.next_at.filter(|_| target.busy);
            }
        }
        let end = match summary.state {
            // closed, and the import not yet free: the next look will tell
            Standing::Running => None,
            Standing::Draining if since < self.wait => None,
            state => Some(End::of(state)),
        };
        Ok(end)
    }
}
