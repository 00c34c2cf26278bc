//! Following a run that other processes work on, from its store alone.

use crate::exit::{Failure, Outcome};
use crate::follow::{Eye, Left};
use crate::stop::StopFlag;
use crate::watch::Watcher;
use crate::watch::summary::End;
use jobpipe_engine::{Cx, EngineError, admin};
use std::sync::Arc;
use std::time::Duration;

/// How often the store is asked.
pub(crate) const TICK: Duration = Duration::from_millis(200);
/// How often others are looked after, in ticks.
pub(crate) const ALIVE: u32 = 5;
/// How often stages are counted.
const COUNTED: Duration = Duration::from_secs(1);
/// Counting the tasks of a large run takes its time: done again after so many times as long.
const REST: u32 = 10;
/// How long a store may be silent before nobody waits for it any more.
const SILENCE: Duration = Duration::from_secs(60);

/// Who looks on.
pub(crate) struct Onlooker<'a> {
    pub(crate) cx: Arc<Cx>,
    /// How long targets are waited for once the run is closed.
    pub(crate) wait: Duration,
    pub(crate) stop: &'a Arc<StopFlag>,
    /// Who works on the run.
    pub(crate) holder: &'a str,
}

impl Onlooker<'_> {
    /// Follows a run to its end, or until a signal. `look_around` is asked about once a second; `None` when it said that
    /// nobody works on the run any more.
    pub(crate) async fn follow(
        &self,
        run: &str,
        watcher: &mut Watcher,
        mut look_around: impl AsyncFnMut(&mut Watcher) -> Outcome<bool>,
    ) -> Outcome<Option<Left>> {
        watcher.watch(run);
        let mut look = Look { cx: &self.cx, run, counts_again: Duration::ZERO, silent_since: None };
        let mut eye = Eye::new(Arc::clone(&self.cx), run, self.wait);
        let mut ticks: u32 = 0;
        loop {
            let looked = eye.look(watcher).await;
            if let Some(Some(end)) = look.patiently(looked, watcher)? {
                return self.left(run, end, watcher).await.map(Some);
            }
            if watcher.wants_counts() {
                let counted = look.count(watcher).await;
                look.patiently(counted, watcher)?;
            }
            if ticks > 0 && ticks.is_multiple_of(ALIVE) && look_around(watcher).await? {
                return Ok(None);
            }
            watcher.tick();
            tokio::select! {
                () = self.cx.clock.sleep(TICK) => {}
                () = self.stop.signalled() => {
                    watcher.note(&format!("the run goes on in {}", self.holder));
                    return self.left(run, End::Interrupted, watcher).await.map(Some);
                }
            }
            ticks += 1;
        }
    }

    async fn left(&self, run: &str, end: End, watcher: &mut Watcher) -> Outcome<Left> {
        watcher.end();
        let summary = admin::summary(&self.cx, run).await?;
        Ok(Left { end, summary, error: None })
    }
}

/// What one follower knows of its looking.
struct Look<'a> {
    cx: &'a Arc<Cx>,
    run: &'a str,
    counts_again: Duration,
    silent_since: Option<Duration>,
}

impl Look<'_> {
    /// A store that does not answer is waited for: the run does not depend on who looks on.
    fn patiently<T>(&mut self, looked: jobpipe_engine::Result<T>, watcher: &mut Watcher) -> Outcome<Option<T>> {
        let error: EngineError = match looked {
            Ok(seen) => {
                self.silent_since = None;
                return Ok(Some(seen));
            }
            Err(error) if error.passes() => error,
            Err(error) => return Err(error.into()),
        };
        let now = self.cx.clock.monotonic();
        match self.silent_since {
            None => {
                self.silent_since = Some(now);
                watcher.note(&format!("{error}; the run does not depend on this view, which goes on when it answers"));
            }
            Some(since) if now.saturating_sub(since) > SILENCE => {
                return Err(Failure::failed(format!(
                    "{error}; the run goes on without this view: `jobpipe runs show {}{}`",
                    self.run,
                    watcher.at()
                )));
            }
            Some(_) => {}
        }
        Ok(None)
    }

    /// Shows what the stages have done, counted from the tasks.
    async fn count(&mut self, watcher: &mut Watcher) -> jobpipe_engine::Result<()> {
        let before = self.cx.clock.monotonic();
        if before < self.counts_again {
            return Ok(());
        }
        let summary = admin::summary(self.cx, self.run).await?;
        let seen = watcher.elapsed();
        for (name, stage) in &summary.stages {
            if let Some(shown) = watcher.progress.stage(name) {
                shown.count(stage.counts, seen);
            }
        }
        watcher.progress.count_targets(&summary.targets, seen);
        let now = self.cx.clock.monotonic();
        self.counts_again = now + COUNTED.max(now.saturating_sub(before) * REST);
        Ok(())
    }
}
