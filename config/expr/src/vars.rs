//! The values that the variables of a run have for one evaluation.

use std::collections::BTreeMap;

use serde_json::Value as Json;

/// Values by name, without `$`. A variable that is not here is null.
#[derive(Clone, Debug, Default)]
pub struct Vars {
    values: BTreeMap<String, Json>,
}

impl Vars {
    /// No variable has a value.
    pub fn new() -> Self {
        Vars::default()
    }

    /// The same variables with `name` (no `$`) set.
    #[must_use]
    pub fn with(mut self, name: impl Into<String> + AsRef<str>, value: impl Into<Json>) -> Self {
        self.set(name, value);
        self
    }

    /// Sets `name` (no `$`).
    pub fn set(&mut self, name: impl Into<String> + AsRef<str>, value: impl Into<Json>) {
        match self.values.get_mut(name.as_ref()) {
            // once for each record: the name is there already
            Some(place) => *place = value.into(),
            None => {
                self.values.insert(name.into(), value.into());
            }
        }
    }

    /// The value of `name` (no `$`).
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.values.get(name)
    }
}
