//! `jobpipe schedule next`: the times that a schedule means.

use crate::exit::{Exit, Failure, Outcome};
use crate::load;
use crate::terminal::{self, cut};
use crate::watch::Format;
use jobpipe_core::{Clock, Millis, SystemClock, utc_text};
use jobpipe_schedule::{Rule, Schedule, Shift, Slot, Zone, write_duration};
use serde_json::json;
use std::path::Path;

/// Show the next times of a schedule.
///
/// Times are shown by the zone's clock and in UTC. Those that a change of the
/// clock moves or doubles are marked. A schedule that names no zone is UTC.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jobpipe schedule next import.yml
  jobpipe schedule next 'weekdays 9:00-18:00 every 30m Europe/Paris'
  jobpipe schedule next '30 2 * * *' --tz America/New_York --from 2026-03-07")]
pub(super) struct Args {
    /// An import file, or a schedule in quotes.
    #[arg(value_name = "FILE|EXPRESSION")]
    what: String,
    /// The zone of an expression that names none; in other cases the zone by
    /// whose clock times are shown.
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    /// Begin after this time: 2026-03-07, 2026-03-07T12:00 (by the zone's clock)
    /// or 2026-03-07T12:00:00Z. Now, by default.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// So many times.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    count: u16,
    /// The environment whose settings count, for a file.
    #[arg(long, value_name = "NAME", env = "JOBPIPE_ENV", hide_env = true)]
    env: Option<String>,
    /// For people, or one JSON object a line.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

pub(super) fn run(args: &Args) -> Outcome {
    let tz = args.tz.as_deref().map(find_zone).transpose()?;
    let schedule = found(args)?;
    // the zone whose clock shows the times; `None` where each rule has its own
    let shown = tz.or_else(|| (schedule.zones().len() < 2).then(|| schedule.zone()));
    let from = match &args.from {
        None => SystemClock::default().now(),
        Some(text) => {
            let zone = shown.clone().unwrap_or_else(|| schedule.zone());
            zone.read(text).ok_or_else(|| {
                Failure::usage(format!(
                    "`{text}` is not a time: write 2026-03-07, 2026-03-07T12:00 or 2026-03-07T12:00:00Z"
                ))
            })?
        }
    };
    let slots: Vec<Slot> = schedule.slots(from, Millis::MAX).take(args.count.into()).collect();
    let view = View { schedule: &schedule, shown };
    let lines = match args.format {
        Format::Json => slots.iter().map(|slot| view.json(slot)).collect(),
        Format::Human => view.page(&slots, slots.len() < args.count.into()),
    };
    for line in lines {
        terminal::say(&line);
    }
    Ok(Exit::Succeeded)
}

/// What is asked about: a schedule in words, or that of an import.
fn found(args: &Args) -> Outcome<Schedule> {
    let text = args.what.trim();
    let parse = |text: &str| Schedule::parse(&json!(text));
    // a zone that the text names itself cannot be followed by another
    let zoned = args.tz.as_ref().and_then(|zone| parse(&format!("{text} {zone}")).ok());
    let error = match zoned.map_or_else(|| parse(text), Ok) {
        Ok(schedule) => return Ok(schedule),
        Err(error) => error,
    };
    let file = Path::new(text);
    if !file.is_file() && !file.extension().is_some_and(|ending| ending == "yml" || ending == "yaml") {
        return Err(Failure::usage(format!("{error} ({WRONG})")));
    }
    let (_, plan) = load::runnable(file, args.env.as_deref())?;
    let Some(json) = &plan.schedule else {
        return Err(Failure::usage(format!("{text} has no `schedule`: it runs only when somebody asks for it")));
    };
    Schedule::parse(json).map_err(|error| Failure::failed(format!("{error} ({WRONG})")))
}

/// The code of a schedule that cannot be read.
const WRONG: &str = "JP034";

fn find_zone(name: &str) -> Outcome<Zone> {
    let wrong = || Failure::usage(format!("`{name}` is not a time zone: write one such as Europe/Paris or UTC"));
    Zone::find(name).ok_or_else(wrong)
}

/// The widest line.
const WIDTH: usize = 80;

/// How a schedule's slots are shown.
struct View<'s> {
    schedule: &'s Schedule,
    /// The zone by whose clock; `None` = that of each slot's rule.
    shown: Option<Zone>,
}

impl View<'_> {
    /// For people.
    fn page(&self, slots: &[Slot], is_all: bool) -> Vec<String> {
        let several = self.schedule.rules.len() > 1;
        let mut lines = self.head(several);
        if slots.is_empty() {
            lines.push("no times from then on".to_owned());
            return lines;
        }
        lines.push(String::new());
        let clock = self.shown.as_ref().map_or("by its own clock", Zone::name);
        let mut rows = vec![vec![clock.to_owned(), "UTC".to_owned()]];
        let row = |slot: &Slot| vec![self.zone(slot).show(slot.at), utc_text(slot.at), told(slot.shift)];
        rows.extend(slots.iter().map(row));
        if clock == "UTC" {
            for row in &mut rows {
                row.remove(1);
            }
        }
        if several {
            let number = |at: usize| at.checked_sub(1).and_then(|at| slots.get(at)).map(|slot| slot.rule + 1);
            for (at, row) in rows.iter_mut().enumerate() {
                row.insert(0, number(at).map_or_else(String::new, |number| number.to_string()));
            }
        }
        lines.extend(terminal::list(&rows));
        if is_all {
            lines.push("that is all: there are no further times".to_owned());
        }
        lines
    }

    /// What the schedule is, in words; with several rules each has a number.
    fn head(&self, several: bool) -> Vec<String> {
        let Schedule { rules, after, policy, .. } = self.schedule;
        let mut lines = Vec::new();
        for (at, rule) in rules.iter().enumerate() {
            let number = if several { format!("{}  ", at + 1) } else { String::new() };
            lines.push(cut(&format!("{number}{}", rule.describe()), WIDTH));
        }
        match rules.iter().any(Rule::names_zone) {
            false if !rules.is_empty() => lines.push("zone: UTC, as none is named".to_owned()),
            true if !several => lines.push(format!("zone: {}", self.schedule.zone().name())),
            _ => {}
        }
        if policy.jitter > 0 {
            let most = write_duration(policy.jitter.unsigned_abs());
            lines.push(format!("jitter: each run begins up to {most} later"));
        }
        lines.extend(after.iter().map(|name| format!("after {name}: whenever a run of it has ended")));
        lines
    }

    /// For programs.
    fn json(&self, slot: &Slot) -> String {
        let zone = self.zone(slot);
        let mut line = json!({
            "utc": utc_text(slot.at),
            "local": zone.rfc3339(slot.at),
            "zone": zone.name(),
            "schedule": self.schedule.rules.get(slot.rule).map(Rule::describe),
            "change": word(slot.shift),
        });
        if let Shift::Moved { wanted } = slot.shift {
            line["wanted"] = json!(clock(wanted));
        }
        line.to_string()
    }

    fn zone(&self, slot: &Slot) -> Zone {
        let own = || self.schedule.rules.get(slot.rule).map(|rule| rule.zone().clone());
        self.shown.clone().or_else(own).unwrap_or_default()
    }
}

/// What a change of the clock has done, for people.
fn told(shift: Shift) -> String {
    match shift {
        Shift::None => String::new(),
        Shift::Moved { wanted } => format!("moved: {} is left out", clock(wanted)),
        Shift::Once => "twice, runs at the first".to_owned(),
        Shift::First => "twice, this is the first".to_owned(),
        Shift::Second => "twice, this is the second".to_owned(),
    }
}

/// The same for programs.
fn word(shift: Shift) -> Option<&'static str> {
    match shift {
        Shift::None => None,
        Shift::Moved { .. } => Some("moved"),
        Shift::Once => Some("once"),
        Shift::First => Some("first"),
        Shift::Second => Some("second"),
    }
}

fn clock(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}
