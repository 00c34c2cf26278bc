//! A whole schedule: its rules, the imports that it follows, its policies.

use crate::document;
use crate::error::ScheduleError;
use crate::policy::Policy;
use crate::rule::{Rule, Slot};
use crate::zone::Zone;
use jobpipe_core::Millis;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

/// All that an import's `schedule:` says. As JSON it is what was written: a line, a map, or a list of either.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// When it runs by the clock; empty when it only follows other imports.
    pub rules: Vec<Rule>,
    /// The imports whose runs it follows.
    pub after: Vec<String>,
    /// What becomes of slots that come at a bad time.
    pub policy: Policy,
    /// As it was written.
    pub(crate) written: Json,
}

impl Schedule {
    /// Reads what a plan keeps.
    ///
    /// # Errors
    /// The first of what [`Schedule::read`] finds.
    pub fn parse(json: &Json) -> Result<Self, ScheduleError> {
        Self::read(json).map_err(|errors| {
            errors.into_iter().next().unwrap_or_else(|| ScheduleError::new("", "not a schedule", crate::line::EXPECTED))
        })
    }

    /// Reads what a plan keeps, and finds everything that is wrong with it.
    ///
    /// # Errors
    /// One for each value or key that cannot be read, or that contradicts another; at least one.
    pub fn read(json: &Json) -> Result<Self, Vec<ScheduleError>> {
        document::read(json)
    }

    /// The first slot strictly after an instant, over all rules; `None` when there is none in fifty years.
    #[must_use]
    pub fn next_after(&self, after: Millis) -> Option<Slot> {
        let next = |(at, rule): (usize, &Rule)| rule.next_after(after).map(|slot| Slot { rule: at, ..slot });
        self.rules.iter().enumerate().filter_map(next).min_by_key(|slot| (slot.at, slot.rule))
    }

    /// The slots after `after`, up to and with `until`: ascending, each instant once.
    pub fn slots(&self, after: Millis, until: Millis) -> impl Iterator<Item = Slot> {
        let mut next: Vec<Option<Slot>> = self.rules.iter().map(|rule| rule.next_after(after)).collect();
        std::iter::from_fn(move || {
            let first = next.iter().flatten().map(|slot| slot.at).min().filter(|at| *at <= until)?;
            let mut found = None;
            for (at, (rule, slot)) in self.rules.iter().zip(&mut next).enumerate() {
                if let Some(due) = slot.filter(|slot| slot.at == first) {
                    found = found.or(Some(Slot { rule: at, ..due }));
                    *slot = rule.next_after(first);
                }
            }
            found
        })
    }

    /// The zone of its first rule; UTC when there is none.
    #[must_use]
    pub fn zone(&self) -> Zone {
        self.rules.first().map(|rule| rule.zone.clone()).unwrap_or_default()
    }

    /// The zones of its rules, each once.
    #[must_use]
    pub fn zones(&self) -> Vec<&Zone> {
        let mut zones: Vec<&Zone> = Vec::new();
        for rule in &self.rules {
            if !zones.contains(&&rule.zone) {
                zones.push(&rule.zone);
            }
        }
        zones
    }
}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        self.written.serialize(out)
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Self::parse(&Json::deserialize(input)?).map_err(serde::de::Error::custom)
    }
}
