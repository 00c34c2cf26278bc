//! What is told to people of an event, and how often: the same trouble a thousand times is told a few times.

use crate::terminal::{number, seconds, time};
use jobpipe_core::Counts;
use jobpipe_engine::event::Event;
use std::collections::BTreeMap;

/// Times that one kind of trouble of one stage is told.
const TOLD: u32 = 5;
/// A launch that is not later than this, in milliseconds, is on time.
const LATE: u64 = 2_000;
/// Kinds that are remembered.
const KINDS: usize = 1_000;

/// What was told already.
#[derive(Debug, Default)]
pub(crate) struct Words {
    /// The options with which other verbs find the state from here.
    at: String,
    told: BTreeMap<(String, String), u32>,
    paused: BTreeMap<String, String>,
}

/// What lets a run that waits for a person go on, as it is typed here.
pub(crate) fn approval(run: &str, at: &str) -> String {
    format!("`jobpipe runs approve {run}{at}` lets it through")
}

impl Words {
    /// Words of a state that other verbs find with the options `at`.
    pub(crate) fn new(at: String) -> Self {
        Self { at, ..Self::default() }
    }

    /// These options.
    pub(crate) fn at(&self) -> &str {
        &self.at
    }

    /// The sentence for an event, unless it is not worth one (any more).
    pub(crate) fn tell(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::Dead { stage, url, code, message, .. } => {
                let times = self.count(stage, code)?;
                let place =
                    if url.is_empty() || message.contains(url.as_str()) { String::new() } else { format!(" {url}:") };
                let more = match times {
                    TOLD => format!("\n       more of this kind are only counted; see `jobpipe dead list{}`", self.at),
                    _ => String::new(),
                };
                Some(format!("dead:  {stage}:{place} {message} ({code}){more}"))
            }
            Event::Retry { stage, code, message, in_ms, .. } => {
                // one of a kind: what is tried again is no trouble yet
                (self.count(&format!("retry {stage}"), code)? == 1)
                    .then(|| format!("retry: {stage}: {message} ({code}); tried again in {}", time(seconds(*in_ms))))
            }
            Event::FileWritten { path, records, .. } => Some(format!("file:  {path}, {} records", number(*records))),
            Event::TargetPaused { target, message, approve } => {
                let known = self.paused.insert(target.clone(), message.clone());
                let next = approve.as_ref().map(|run| format!("; {}", approval(run, &self.at))).unwrap_or_default();
                (known.as_ref() != Some(message)).then(|| format!("waits: {target}: {message}{next}"))
            }
            Event::Notice { message } => Some(format!("note:  {message}")),
            Event::Launched { run, late_ms, .. } => {
                let late = if *late_ms < LATE { String::new() } else { format!(", {} late", time(seconds(*late_ms))) };
                Some(format!("start: {run}{late}"))
            }
            Event::Skipped { import, slots, why } => {
                let slots = if *slots == 1 { "a slot".to_owned() } else { format!("{} slots", number(*slots)) };
                Some(format!("skip:  {import}: {slots}: {why}"))
            }
            Event::NotLaunched { import, message } => {
                Some(format!("error: {import} is due and was not launched: {message}"))
            }
            Event::RunStarted { .. }
            | Event::TaskDone { .. }
            | Event::Waiting { .. }
            | Event::StageClosed { .. }
            | Event::Effect { .. }
            | Event::RunClosed { .. } => None,
        }
    }

    /// How often this kind was met, this time included; `None` when it is not told any more.
    fn count(&mut self, stage: &str, code: &str) -> Option<u32> {
        let kind = (stage.to_owned(), code.to_owned());
        if self.told.len() >= KINDS && !self.told.contains_key(&kind) {
            return None;
        }
        let times = self.told.entry(kind).or_default();
        *times = times.saturating_add(1);
        (*times <= TOLD).then_some(*times)
    }
}

/// What a stage did, in a line: `525 in, 500 out, 2 dead`.
pub(crate) fn counts(counts: &Counts) -> String {
    let mut parts = vec![format!("{} in", number(counts.taken)), format!("{} out", number(counts.given))];
    for (count, word) in [(counts.withdrawn, "withdrawn"), (counts.dead, "dead"), (counts.retried, "retried")] {
        if count > 0 {
            parts.push(format!("{} {word}", number(count)));
        }
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobpipe_core::ErrorClass;

    fn dead(message: &str) -> Event {
        Event::Dead {
            run: "a@1".into(),
            stage: "crawl".into(),
            url: "http://acme.test/1".into(),
            class: ErrorClass::Missing,
            code: "JP101".into(),
            message: message.into(),
        }
    }

    #[test]
    fn the_same_trouble_is_told_a_few_times() {
        let mut words = Words::default();
        let told: Vec<String> = (0..100).filter_map(|_| words.tell(&dead("it is not there"))).collect();
        assert_eq!(told.len(), 5);
        assert_eq!(told[0], "dead:  crawl: http://acme.test/1: it is not there (JP101)");
        assert!(told[4].ends_with("see `jobpipe dead list`"));
    }

    #[test]
    fn a_url_is_named_once() {
        let told = Words::default().tell(&dead("http://acme.test/1 is not there")).unwrap();
        assert_eq!(told, "dead:  crawl: http://acme.test/1 is not there (JP101)");
    }

    #[test]
    fn a_pause_is_told_when_its_reason_changes() {
        let mut words = Words::default();
        let pause = |message: &str| Event::TargetPaused {
            target: "paris".into(),
            message: message.into(),
            approve: (message == "asks").then(|| "acme@1".into()),
        };
        assert!(words.tell(&pause("a")).is_some());
        assert!(words.tell(&pause("a")).is_none());
        assert_eq!(words.tell(&pause("b")).unwrap(), "waits: paris: b");
        let mut words = Words::new(" --env prod".into());
        let told = words.tell(&pause("asks")).unwrap();
        assert_eq!(told, "waits: paris: asks; `jobpipe runs approve acme@1 --env prod` lets it through");
    }
}
