//! A deployed import as people see it: when it is launched, how its last run ended, what keeps it.

use crate::exit::Outcome;
use jobpipe_core::{DocKind, Millis, utc_text};
use jobpipe_engine::docs::{self, ImportDoc, Read, RunDoc, ScheduleDoc};
use jobpipe_engine::scheduler::deploy;
use jobpipe_engine::{Cx, EngineError};
use jobpipe_schedule::{Schedule, jitter};
use serde_json::{Value as Json, json};

/// A slot that is not taken so long after its time is late.
const LATE: Millis = 5_000;

/// What the store says of it.
pub(crate) struct Deployed {
    pub(crate) name: String,
    doc: ScheduleDoc,
    import: ImportDoc,
    /// Its last run that was closed and not cancelled.
    closed: Option<RunDoc>,
    schedule: Option<Schedule>,
}

/// When it is launched next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Not until it is resumed.
    Paused,
    /// Never: its posts are being deleted, and then it is retired.
    Retiring,
    /// By the clock; in the past, when nobody has launched it yet.
    At(Millis),
    /// When an import that it follows has run.
    After,
    /// Only when somebody asks for it.
    ByHand,
}

impl Deployed {
    /// The import of that name; `None` when it is not deployed.
    pub(crate) async fn of(cx: &Cx, name: &str) -> Outcome<Option<Self>> {
        let read: Option<Read<ScheduleDoc>> = docs::read(&*cx.store, DocKind::Schedule, name).await?;
        match read.filter(|read| deploy::is_held(&read.doc)) {
            Some(read) => Ok(Some(Self::read(cx, name.to_owned(), read.doc).await?)),
            None => Ok(None),
        }
    }

    /// Every deployed import, by name.
    pub(crate) async fn all(cx: &Cx) -> Outcome<Vec<Self>> {
        let mut all = Vec::new();
        for (name, read) in deploy::all(cx).await? {
            all.push(Self::read(cx, name, read.doc).await?);
        }
        Ok(all)
    }

    async fn read(cx: &Cx, name: String, doc: ScheduleDoc) -> Outcome<Self> {
        let import: Option<Read<ImportDoc>> = docs::read(&*cx.store, DocKind::Import, &name).await?;
        let import = import.map(|read| read.doc).unwrap_or_default();
        let closed = last_run(cx, &import).await?;
        let schedule = doc.schedule.as_ref().and_then(|json| Schedule::parse(json).ok());
        Ok(Self { name, doc, import, closed, schedule })
    }

    /// The version that is launched.
    pub(crate) fn version(&self) -> u64 {
        self.doc.current.as_ref().map_or(0, |current| current.version)
    }

    /// The file that it came from.
    pub(crate) fn source(&self) -> &str {
        self.doc.current.as_ref().map_or("", |current| current.source.as_str())
    }

    /// Its schedule in words.
    pub(crate) fn schedule_words(&self) -> String {
        self.schedule.as_ref().map_or_else(|| "by hand".to_owned(), Schedule::describe)
    }

    /// When it is launched next.
    pub(crate) fn next(&self) -> Next {
        if self.doc.retiring.is_some() {
            return Next::Retiring;
        }
        if self.import.paused.is_some() {
            return Next::Paused;
        }
        let Some(schedule) = &self.schedule else { return Next::ByHand };
        match schedule.next_after(self.import.last_slot.max(self.doc.since)) {
            Some(slot) => Next::At(slot.at.saturating_add(jitter(&self.name, slot.at, schedule.policy.jitter))),
            None if schedule.after.is_empty() => Next::ByHand,
            None => Next::After,
        }
    }

    /// The next few slots by the clock.
    pub(crate) fn slots(&self, count: usize) -> Vec<Millis> {
        let from = self.import.last_slot.max(self.doc.since);
        let slots = self.schedule.iter().flat_map(|schedule| schedule.slots(from, Millis::MAX));
        slots.take(count).map(|slot| slot.at).collect()
    }

    /// The same in words: `2026-03-07T06:00:00Z`, `paused`.
    pub(crate) fn next_words(&self, now: Millis) -> String {
        match self.next() {
            Next::At(at) if now - at > LATE => format!("{}, {} late", clock(at), short(now - at)),
            Next::At(at) => clock(at),
            Next::Paused => "none, it is paused".to_owned(),
            Next::Retiring => "none, it is being retired".to_owned(),
            Next::After => "when a run that it follows has ended".to_owned(),
            Next::ByHand => "none by itself".to_owned(),
        }
    }

    /// The same in a few letters: `in 3h`, `5m late`.
    pub(crate) fn next_short(&self, now: Millis) -> String {
        match self.next() {
            Next::At(at) if now - at > LATE => format!("{} late", short(now - at)),
            Next::At(at) => format!("in {}", short(at - now)),
            Next::Paused => "paused".to_owned(),
            Next::Retiring => "retiring".to_owned(),
            Next::After => "after".to_owned(),
            Next::ByHand => "-".to_owned(),
        }
    }

    /// How its last run stands, and since when.
    fn last(&self) -> Option<(&str, &'static str, Millis)> {
        if let Some(open) = &self.import.open {
            return Some((open.facts.run.as_str(), "running", open.facts.started_at));
        }
        let run = self.closed.as_ref()?;
        let state = match () {
            () if run.has_failed() => "failed",
            () if run.is_partial() => "partial",
            () => "succeeded",
        };
        Some((run.open.facts.run.as_str(), state, run.ended_at.unwrap_or(run.open.facts.started_at)))
    }

    /// The same in a few letters: `succeeded 3h`.
    pub(crate) fn last_short(&self, now: Millis) -> String {
        self.last().map_or_else(|| "-".to_owned(), |(_, state, at)| format!("{state} {}", short(now - at)))
    }

    /// What a person should know of it beside that.
    pub(crate) fn notes(&self) -> Vec<String> {
        let import = &self.import;
        let mut notes = Vec::new();
        if let Some(slot) = &self.doc.retiring {
            notes.push(format!("its posts are being deleted, by {}@{slot}", self.name));
        }
        if let Some(paused) = &import.paused {
            notes.push(format!("paused since {}: {}", clock(paused.at), paused.why));
        }
        if let Some(trouble) = &self.doc.trouble {
            notes.push(format!("cannot be launched: {trouble}"));
        }
        if import.failures > 1 && import.paused.is_none() {
            notes.push(format!("{} runs in a row failed", import.failures));
        }
        if !import.queue.is_empty() {
            let many = import.queue.len();
            notes.push(if many == 1 { "a launch waits".to_owned() } else { format!("{many} launches wait") });
        }
        if let Some(backfill) = &import.backfill {
            notes.push(format!("backfill up to {}", clock(backfill.until)));
        }
        notes
    }

    /// Everything about it, a fact a row.
    pub(crate) fn facts(&self, now: Millis) -> Vec<[String; 2]> {
        let mut facts = vec![["import", &self.name].map(str::to_owned)];
        let mut fact = |name: &str, value: String| facts.push([name.to_owned(), value]);
        match &self.doc.current {
            Some(current) => {
                fact("version", format!("{}, of {}, from {}", current.version, clock(current.at), current.source));
            }
            None => fact("version", "none: it is not deployed any more".to_owned()),
        }
        fact("schedule", self.schedule_words());
        match self.last() {
            Some((run, state, at)) => fact("last run", format!("{run}: {state}, {}", clock(at))),
            None => fact("last run", "none yet".to_owned()),
        }
        fact("next run", self.next_words(now));
        for slot in self.slots(5).into_iter().skip(1) {
            fact("", clock(slot));
        }
        if let Some(skipped) = &self.import.skipped {
            let which = format!("{}, the last one {}", skipped.count, clock(skipped.at));
            fact("no run for", format!("{which}: {}", skipped.why));
        }
        if !self.doc.followers.is_empty() {
            let names: Vec<&str> = self.doc.followers.iter().map(String::as_str).collect();
            fact("followed by", names.join(", "));
        }
        for note in self.notes() {
            fact("note", note);
        }
        facts
    }

    /// For programs.
    pub(crate) fn json(&self, now: Millis) -> Json {
        let import = &self.import;
        let (next, late) = match self.next() {
            Next::At(at) => (Some(utc_text(at)), Some((now - at).max(0))),
            Next::Paused | Next::Retiring | Next::After | Next::ByHand => (None, None),
        };
        let last = self.last().map(|(run, state, at)| json!({ "run": run, "state": state, "at": utc_text(at) }));
        json!({
            "import": self.name,
            "version": self.version(),
            "source": self.source(),
            "schedule": self.schedule_words(),
            "last": last,
            "next": next,
            "late_ms": late.filter(|late| *late > LATE),
            "paused": import.paused.as_ref().map(|paused| paused.why.as_str()),
            "retiring": self.doc.retiring.as_ref().map(|slot| format!("{}@{slot}", self.name)),
            "trouble": self.doc.trouble,
            "failures": import.failures,
            "waiting": import.queue.len(),
            "skipped": import.skipped,
            "backfill": import.backfill,
        })
    }
}

/// The last run of an import that was closed and not cancelled.
pub(crate) async fn last_run(cx: &Cx, import: &ImportDoc) -> Result<Option<RunDoc>, EngineError> {
    let Some(closed) = &import.closed else { return Ok(None) };
    let run: Option<Read<RunDoc>> = docs::read(&*cx.store, DocKind::Run, &closed.run).await?;
    Ok(run.map(|read| read.doc))
}

/// To the second.
fn clock(at: Millis) -> String {
    utc_text(at.div_euclid(1_000) * 1_000)
}

/// A length of time in its largest unit: `45s`, `5m`, `3h`, `2d`.
fn short(ms: Millis) -> String {
    let seconds = ms.max(0) / 1_000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobpipe_engine::docs::Paused;

    fn deployed(schedule: &Json) -> Deployed {
        let schedule = Schedule::parse(schedule).ok();
        let doc = ScheduleDoc { since: 1_000, ..ScheduleDoc::default() };
        Deployed { name: "acme".into(), doc, import: ImportDoc::default(), closed: None, schedule }
    }

    #[test]
    fn what_comes_next_is_told() {
        let mut acme = deployed(&json!("every 15m"));
        assert_eq!(acme.next(), Next::At(900_000));
        assert_eq!((acme.next_short(0), acme.next_words(0)), ("in 15m".into(), "1970-01-01T00:15:00Z".into()));
        assert_eq!(acme.next_short(900_000 + 7_200_000), "2h late");
        acme.import.last_slot = 900_000;
        assert_eq!(acme.next(), Next::At(1_800_000));
        acme.import.paused = Some(Paused { why: "by hand".into(), at: 0 });
        assert_eq!((acme.next(), acme.next_short(0)), (Next::Paused, "paused".into()));
        assert_eq!(acme.notes(), ["paused since 1970-01-01T00:00:00Z: by hand"]);
        acme.doc.retiring = Some("retire-1".into());
        assert_eq!((acme.next(), acme.next_words(0)), (Next::Retiring, "none, it is being retired".into()));
        assert_eq!(acme.notes()[0], "its posts are being deleted, by acme@retire-1");
        assert_eq!(deployed(&json!({ "after": "other" })).next(), Next::After);
        assert_eq!(deployed(&Json::Null).next(), Next::ByHand);
    }
}
