//! The short form (a line), the long form (a map), or a list of either.

mod fields;
mod policies;

use crate::error::ScheduleError;
use crate::limits::{Limits, read_end, read_start};
use crate::line::{self, Line};
use crate::rule::Rule;
use crate::schedule::Schedule;
use crate::zone::{Zone, read_date};
use fields::{Texts, text_of};
use jiff::civil::Date;
use policies::Policies;
use serde_json::{Map, Value as Json};
use std::collections::BTreeSet;

/// The keys of the long form that hold rules: `daily: 06:00 Europe/Paris`.
const RULE_KEYS: &[&str] = &["every", "daily", "weekly", "monthly", "weekdays", "weekends", "cron"];

/// All keys of the long form.
pub const KEYS: &[&str] = &[
    "every",
    "daily",
    "weekly",
    "monthly",
    "weekdays",
    "weekends",
    "cron",
    "zone",
    "except",
    "start",
    "end",
    "after",
    "overlap",
    "catch_up",
    "window",
    "deadline",
    "jitter",
    "pause_on_failure",
    "retry",
];

/// The most rules, upstream imports and dates left out that a schedule may have.
const MOST_RULES: usize = 100;
const MOST_AFTER: usize = 100;
const MOST_DATES: usize = 1_000;

/// The longest name of an import.
const LONGEST_NAME: usize = 100;

/// Reads a schedule, and tells everything that is wrong with it.
pub(crate) fn read(json: &Json) -> Result<Schedule, Vec<ScheduleError>> {
    let mut reader = Reader::default();
    match json {
        Json::Array(items) if items.is_empty() => reader.wrong("", "an empty list", line::EXPECTED),
        Json::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                reader.one(item, &format!("[{at}]"));
            }
        }
        one => reader.one(one, ""),
    }
    reader.finish(json)
}

#[derive(Default)]
struct Reader {
    errors: Vec<ScheduleError>,
    rules: Vec<Rule>,
    after: Vec<String>,
    policies: Policies,
}

/// What a map says about all of its rules.
#[derive(Default)]
struct Shared<'j> {
    zone: Option<Zone>,
    except: BTreeSet<Date>,
    start: Option<&'j str>,
    end: Option<&'j str>,
}

impl Reader {
    fn wrong(&mut self, path: &str, problem: impl Into<String>, expected: impl Into<String>) {
        self.errors.push(ScheduleError::new(path, problem, expected));
    }

    fn finish(mut self, json: &Json) -> Result<Schedule, Vec<ScheduleError>> {
        if self.rules.len() > MOST_RULES {
            let problem = format!("{} schedules for one import", self.rules.len());
            self.wrong("", problem, format!("at most {MOST_RULES}"));
        }
        if self.after.len() > MOST_AFTER {
            let problem = format!("{} imports to follow", self.after.len());
            self.wrong("", problem, format!("at most {MOST_AFTER}"));
        }
        let policy = self.policies.finish(&self.rules, &mut self.errors);
        if self.errors.is_empty() {
            // a scheduler holds many schedules, most of a single rule
            self.rules.shrink_to_fit();
            Ok(Schedule { rules: self.rules, after: self.after, policy, written: json.clone() })
        } else {
            Err(self.errors)
        }
    }

    /// A line or a map.
    fn one(&mut self, json: &Json, path: &str) {
        match json {
            Json::Object(map) => self.map(map, path),
            Json::Array(_) => self.wrong(path, "a list in a list", "a schedule in one line, or a map"),
            Json::Null | Json::Bool(_) | Json::Number(_) => {
                self.wrong(path, format!("`{json}` is not a schedule"), line::EXPECTED);
            }
            Json::String(text) => match text.trim().split_once(char::is_whitespace) {
                Some(("after", name)) => self.follow(name.trim(), path),
                _ => self.rule(line::parse(text), text, path, &Shared::default()),
            },
        }
    }

    fn map(&mut self, map: &Map<String, Json>, path: &str) {
        for key in map.keys().filter(|key| !KEYS.contains(&key.as_str())) {
            let error = ScheduleError::new(&format!("{path}.{key}"), format!("unknown key `{key}`"), KEYS.join(", "));
            self.errors.push(ScheduleError { unknown_key: true, ..error });
        }
        let shared = self.shared(map, path);
        for key in RULE_KEYS {
            for (text, path) in self.texts(map, key, path, line::EXPECTED) {
                let line = if *key == "cron" { line::parse_cron(text) } else { line::parse(&format!("{key} {text}")) };
                self.rule(line, text, &path, &shared);
            }
        }
        for (name, path) in self.texts(map, "after", path, "the name of an import") {
            self.follow(name, &path);
        }
        if !RULE_KEYS.iter().chain(&["after"]).any(|key| map.contains_key(*key)) {
            self.wrong(path, "it does not say when", "one of `every`, `daily`, `weekly`, `cron`, `after` and the like");
        }
        self.policies.read(map, path, &mut self.errors);
    }

    /// What a map says about its rules together.
    fn shared<'j>(&mut self, map: &'j Map<String, Json>, path: &str) -> Shared<'j> {
        let mut shared = Shared::default();
        if let Some((name, path)) = self.text(map, "zone", path, "a time zone") {
            shared.zone = Zone::find(name);
            if shared.zone.is_none() {
                let expected = format!("a time zone such as Europe/Paris or UTC, and `{name}` is not one");
                self.wrong(&path, format!("`{name}` is not a schedule's zone"), expected);
            }
        }
        let expected = "a date such as 2026-12-25";
        for (text, path) in self.texts(map, "except", path, expected) {
            match read_date(text) {
                Some(date) => {
                    shared.except.insert(date);
                }
                None => self.wrong(&path, format!("`{text}` is not a date"), expected),
            }
        }
        if shared.except.len() > MOST_DATES {
            let problem = format!("{} dates left out", shared.except.len());
            self.wrong(&format!("{path}.except"), problem, format!("at most {MOST_DATES}"));
        }
        let expected = "a date or a time such as 2026-12-01 or 2026-12-01T06:00";
        for (key, slot) in [("start", &mut shared.start), ("end", &mut shared.end)] {
            let Some((text, path)) = self.text(map, key, path, expected) else { continue };
            match Zone::default().read(text) {
                Some(_) => *slot = Some(text),
                None => self.wrong(&path, format!("`{text}` is not a time"), expected),
            }
        }
        shared
    }

    /// Adds a rule: `written` is what stands at `path`, `line` what it means or what was expected.
    fn rule(&mut self, line: Result<Line, String>, written: &str, path: &str, shared: &Shared<'_>) {
        let Line { when, zone, text } = match line {
            Ok(line) => line,
            Err(expected) => return self.wrong(path, format!("`{written}` is not a schedule"), expected),
        };
        if let (Some(named), Some(shared)) = (&zone, &shared.zone)
            && named != shared
        {
            let problem = format!("`{written}` names another zone than `zone`");
            return self.wrong(path, problem, "one zone; leave one of them out");
        }
        let zone = zone.or_else(|| shared.zone.clone());
        let names_zone = zone.is_some();
        let zone = zone.unwrap_or_default();
        let limits = Limits {
            except: shared.except.clone(),
            start: shared.start.and_then(|text| read_start(text, &zone)),
            end: shared.end.and_then(|text| read_end(text, &zone)),
            start_text: shared.start.map(str::to_owned),
            end_text: shared.end.map(str::to_owned),
        };
        let rule = Rule { when, zone, names_zone, limits, text };
        if rule.next_after(rule.limits.start.unwrap_or(0) - 1).is_none() {
            let why = if rule.limits.end.is_some() { "between `start` and `end`" } else { "in fifty years" };
            return self.wrong(path, format!("`{written}` never comes {why}"), "a schedule that does");
        }
        self.rules.push(rule);
    }

    /// Adds an import to follow.
    fn follow(&mut self, name: &str, path: &str) {
        let first = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        let rest = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        if !first || !rest || name.len() > LONGEST_NAME {
            self.wrong(path, format!("`{name}` is not the name of an import"), "a name such as `acme-api`");
        } else if !self.after.iter().any(|known| known == name) {
            self.after.push(name.to_owned());
        }
    }

    /// The text at a key, with its path.
    fn text<'j>(
        &mut self,
        map: &'j Map<String, Json>,
        key: &str,
        path: &str,
        expected: &str,
    ) -> Option<(&'j str, String)> {
        let path = format!("{path}.{key}");
        match text_of(map.get(key)?) {
            Ok(text) => Some((text, path)),
            Err(found) => {
                self.wrong(&path, found, expected);
                None
            }
        }
    }

    /// The text or texts at a key, each with its path.
    fn texts<'j>(&mut self, map: &'j Map<String, Json>, key: &str, path: &str, expected: &str) -> Texts<'j> {
        let path = format!("{path}.{key}");
        let items: Vec<(&Json, String)> = match map.get(key) {
            None => return Texts::new(),
            Some(Json::Array(items)) if items.is_empty() => {
                self.wrong(&path, "an empty list", expected);
                return Texts::new();
            }
            Some(Json::Array(items)) => {
                items.iter().enumerate().map(|(at, item)| (item, format!("{path}[{at}]"))).collect()
            }
            Some(one) => vec![(one, path)],
        };
        let mut texts = Texts::new();
        for (item, path) in items {
            match text_of(item) {
                Ok(text) => texts.push((text, path)),
                Err(found) => self.wrong(&path, found, expected),
            }
        }
        texts
    }
}
