//! Showing a run to whoever asked for it: a person at a terminal, a pipe, or a program.

pub(crate) mod limits;
pub(crate) mod live;
pub(crate) mod progress;
mod rate;
pub(crate) mod summary;
pub(crate) mod words;

use crate::compose::Machine;
use crate::terminal;
use jobpipe_core::Clock;
use jobpipe_engine::event::{Event, Events};
use limits::Waits;
use progress::Progress;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use words::Words;

/// Events that wait to be shown; when a terminal is slower than the engine the rest is not shown.
const WAITING: usize = 50_000;
/// A pipe gets a line of progress so often.
const EVERY: Duration = Duration::from_secs(10);

/// Who watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Human,
    /// For programs: one JSON object a line.
    Json,
}

/// The engine's side of the channel.
pub(crate) struct Sender(mpsc::Sender<Event>);

impl Events for Sender {
    fn emit(&self, event: Event) {
        // losing an event loses nothing else
        if self.0.try_send(event).is_err() {
            tracing::debug!("an event is not shown");
        }
    }
}

/// Both sides of the channel.
pub(crate) fn channel() -> (Arc<Sender>, mpsc::Receiver<Event>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Arc::new(Sender(sender)), receiver)
}

enum View {
    Live,
    Lines {
        told_at: Duration,
        /// It is time for the next lines: said when what is in them is counted.
        due: bool,
    },
    Json,
}

/// Shows one run.
pub(crate) struct Watcher {
    view: View,
    words: Words,
    /// What is known of the run.
    pub(crate) progress: Progress,
    run: String,
    clock: Arc<dyn Clock>,
    began: Duration,
    /// Whom this process waits for.
    waits: Arc<Waits>,
}

impl Watcher {
    /// A watcher of a run whose plan has these stages (exports to targets aside). `at`: the options with which other verbs
    /// find its state from here.
    pub(crate) fn new(format: Format, stages: &[String], at: String, machine: &Machine) -> Self {
        let (clock, waits) = (Arc::clone(&machine.clock), Arc::clone(&machine.waits));
        let view = match format {
            Format::Json => View::Json,
            Format::Human if terminal::is_watched() => View::Live,
            Format::Human => View::Lines { told_at: Duration::ZERO, due: false },
        };
        let began = clock.monotonic();
        let progress = Progress::new(stages.iter().cloned());
        Self { view, words: Words::new(at), progress, run: String::new(), clock, began, waits }
    }

    /// From now on this run is shown.
    pub(crate) fn watch(&mut self, run: &str) {
        run.clone_into(&mut self.run);
    }

    /// Time since the watcher was made.
    pub(crate) fn elapsed(&self) -> Duration {
        self.clock.monotonic().saturating_sub(self.began)
    }

    /// Shows an event of the run.
    pub(crate) fn event(&mut self, event: &Event) {
        let now = self.elapsed();
        if !self.progress.take(event, &self.run, now) {
            return;
        }
        log(event);
        if matches!(self.view, View::Json) {
            match serde_json::to_string(event) {
                Ok(line) => terminal::say(&line),
                Err(error) => tracing::error!(%error, "an event is not JSON"),
            }
            return;
        }
        if let Some(text) = self.words.tell(event) {
            terminal::say(&text);
        }
        if let (View::Lines { .. }, Event::StageClosed { stage, .. }) = (&self.view, event)
            && let Some(stage) = self.progress.stage(stage)
        {
            let line = format!("done:  {}: {}", stage.name, words::counts(&stage.counts));
            terminal::say(&line);
        }
    }

    /// Says something that no event says.
    pub(crate) fn note(&mut self, text: &str) {
        if matches!(self.view, View::Json) {
            let event = Event::Notice { message: text.to_owned() };
            if let Ok(line) = serde_json::to_string(&event) {
                terminal::say(&line);
            }
            return;
        }
        terminal::say(text);
    }

    /// Whether the next [`Self::tick`] shows what is counted in the store: nothing is counted that nobody sees.
    pub(crate) fn wants_counts(&mut self) -> bool {
        let now = self.elapsed();
        match &mut self.view {
            View::Live => true,
            View::Lines { told_at, due } => {
                *due |= now.saturating_sub(*told_at) >= EVERY;
                *due
            }
            View::Json => false,
        }
    }

    /// Shows how things stand; called a few times a second.
    pub(crate) fn tick(&mut self) {
        let now = self.elapsed();
        for (host, left) in self.waits.now() {
            self.progress.wait_for(&host, now + left);
        }
        match &mut self.view {
            View::Live => {
                let lines = live::lines(&self.progress, &self.run, now, self.clock.now());
                terminal::draw(&live::fitted(lines, terminal::size()));
            }
            View::Lines { told_at, due } if *due => {
                (*told_at, *due) = (now, false);
                for line in live::lines(&self.progress, &self.run, now, self.clock.now()) {
                    terminal::say(&line);
                }
            }
            View::Lines { .. } | View::Json => {}
        }
    }

    /// Takes the live view away: what follows is the summary.
    pub(crate) fn end(&self) {
        if matches!(self.view, View::Live) {
            terminal::wipe();
        }
    }

    /// The options with which other verbs find the state of the run from here.
    pub(crate) fn at(&self) -> &str {
        self.words.at()
    }

    /// Whether a program reads.
    pub(crate) fn is_json(&self) -> bool {
        matches!(self.view, View::Json)
    }
}

/// The log keeps what may be asked for later, without the many events of a run that goes well.
pub(crate) fn log(event: &Event) {
    match event {
        Event::Dead { run, stage, url, code, message, .. } => {
            tracing::warn!(run, stage, url, code, "dead: {message}");
        }
        Event::Retry { run, stage, url, code, message, in_ms } => {
            tracing::info!(run, stage, url, code, in_ms, "retry: {message}");
        }
        Event::TargetPaused { target, message, .. } => tracing::warn!(target_name = target, "waits: {message}"),
        Event::Notice { message } => tracing::warn!("{message}"),
        Event::RunStarted { run, resumed } => tracing::info!(run, resumed, "run started"),
        Event::StageClosed { run, stage } => tracing::info!(run, stage, "stage closed"),
        Event::FileWritten { run, path, records, .. } => tracing::info!(run, path, records, "file written"),
        Event::RunClosed { run } => tracing::info!(run, "run closed"),
        Event::Launched { import, run, late_ms } => tracing::info!(import, run, late_ms, "launched"),
        Event::Skipped { import, slots, why } => tracing::warn!(import, slots, "no run for a slot: {why}"),
        Event::NotLaunched { import, message } => tracing::warn!(import, "not launched: {message}"),
        Event::TaskDone { .. } | Event::Waiting { .. } | Event::Effect { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use jobpipe_core::Millis;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Moved by hand; seconds.
    #[derive(Default)]
    struct Hand(AtomicU64);

    #[async_trait]
    impl Clock for Hand {
        fn now(&self) -> Millis {
            0
        }

        fn monotonic(&self) -> Duration {
            Duration::from_secs(self.0.load(Ordering::Relaxed))
        }

        async fn sleep(&self, _time: Duration) {}
    }

    #[test]
    fn nothing_is_counted_that_nobody_sees() {
        let clock = Arc::new(Hand::default());
        let machine = Machine { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..Machine::new() };
        let watcher = |view| Watcher { view, ..Watcher::new(Format::Json, &[], String::new(), &machine) };
        let (mut live, mut json) = (watcher(View::Live), watcher(View::Json));
        let mut lines = watcher(View::Lines { told_at: Duration::ZERO, due: false });
        let mut at = |seconds: u64| {
            clock.0.store(seconds, Ordering::Relaxed);
            [live.wants_counts(), json.wants_counts(), lines.wants_counts()]
        };
        assert_eq!([at(0), at(9)], [[true, false, false]; 2]);
        assert_eq!([at(10), at(11)], [[true, false, true]; 2], "until they are told");
        lines.tick();
        let mut at = |seconds: u64| {
            clock.0.store(seconds, Ordering::Relaxed);
            lines.wants_counts()
        };
        assert_eq!([at(12), at(20), at(21)], [false, false, true]);
    }
}
