//! The policies, which are the import's, not a single rule's: each is said once.

use super::fields::{count, millis};
use crate::duration::write_duration;
use crate::error::ScheduleError;
use crate::policy::{CatchUp, Overlap, Policy};
use crate::rule::{Rule, When};
use serde_json::{Map, Value as Json};

/// The policies that were read so far.
#[derive(Default)]
pub(super) struct Policies {
    policy: Policy,
    /// What was said, and by which key.
    said: Vec<(&'static str, Json)>,
    jitter_path: String,
}

/// The most that a start is moved: a day.
const LONGEST_JITTER: i64 = 86_400_000;

/// The most times that a run is begun again.
const MOST_RETRIES: u32 = 100;

impl Policies {
    /// Reads the policies of a map.
    pub(super) fn read(&mut self, map: &Map<String, Json>, path: &str, errors: &mut Vec<ScheduleError>) {
        let mut policy = self.policy.clone();
        self.one(map, path, "overlap", errors, |json| word(json, &Overlap::WORDS).map(|word| policy.overlap = word));
        self.one(map, path, "catch_up", errors, |json| word(json, &CatchUp::WORDS).map(|word| policy.catch_up = word));
        let length = "a length of time such as 90s, 15m or 2d";
        let duration = |json: &Json, least| millis(json, least).ok_or_else(|| length.to_owned());
        self.one(map, path, "window", errors, |json| duration(json, 1).map(|ms| policy.window = Some(ms)));
        self.one(map, path, "deadline", errors, |json| duration(json, 1).map(|ms| policy.deadline = Some(ms)));
        self.one(map, path, "jitter", errors, |json| {
            let jitter = duration(json, 0)?;
            if jitter > LONGEST_JITTER {
                return Err("at most 1d".to_owned());
            }
            policy.jitter = jitter;
            Ok(())
        });
        if map.contains_key("jitter") {
            self.jitter_path = format!("{path}.jitter");
        }
        self.one(map, path, "pause_on_failure", errors, |json| {
            let failures = count(json, 1).ok_or_else(|| "a whole number of at least 1".to_owned())?;
            policy.pause_on_failure = Some(failures);
            Ok(())
        });
        self.one(map, path, "retry", errors, |json| {
            let retries = count(json, 0).filter(|retries| *retries <= MOST_RETRIES);
            policy.retry = retries.ok_or_else(|| format!("a whole number up to {MOST_RETRIES}"))?;
            Ok(())
        });
        self.policy = policy;
    }

    /// Reads one policy; an error of `set` says what was expected.
    fn one(
        &mut self,
        map: &Map<String, Json>,
        path: &str,
        key: &'static str,
        errors: &mut Vec<ScheduleError>,
        set: impl FnOnce(&Json) -> Result<(), String>,
    ) {
        let Some(json) = map.get(key) else { return };
        let path = format!("{path}.{key}");
        if let Some((_, said)) = self.said.iter().find(|(known, _)| *known == key) {
            if said != json {
                let problem = format!("`{key}` is said twice, and differently");
                errors.push(ScheduleError::new(&path, problem, "it once: it is of the import, not of one schedule"));
            }
            return;
        }
        self.said.push((key, json.clone()));
        if let Err(expected) = set(json) {
            let shown = json.as_str().map_or_else(|| json.to_string(), str::to_owned);
            errors.push(ScheduleError::new(&path, format!("`{shown}` cannot be read here"), expected));
        }
    }

    /// The policies, held against the rules that they go with.
    pub(super) fn finish(self, rules: &[Rule], errors: &mut Vec<ScheduleError>) -> Policy {
        let period = |rule: &Rule| if let When::Every(period) = rule.when { Some(period) } else { None };
        let shortest = rules.iter().filter_map(period).min();
        if let Some(shortest) = shortest.filter(|shortest| self.policy.jitter >= *shortest) {
            let every = write_duration(shortest.unsigned_abs());
            let problem = format!("a jitter as long as `every {every}` would mix up the slots");
            errors.push(ScheduleError::new(&self.jitter_path, problem, format!("less than {every}")));
        }
        self.policy
    }
}

/// One of a few words.
fn word<T: Copy>(json: &Json, words: &[(&str, T)]) -> Result<T, String> {
    let found = words.iter().find(|(name, _)| json.as_str().map(str::trim) == Some(name));
    let names: Vec<String> = words.iter().map(|(name, _)| format!("`{name}`")).collect();
    found.map(|(_, word)| *word).ok_or_else(|| names.join(" or "))
}
