//! Who is told of trouble with deployed imports.

use super::SecretRef;
use crate::grammar::Period;
use schemars::JsonSchema;
use serde::Serialize;

/// Who is told of trouble with deployed imports, and of what. Nobody, unless there is a `webhook` or a `command`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Notify {
    /// The URL that gets a JSON object by POST for each message, as a secret: `$ALERTS_URL`.
    pub webhook: Option<SecretRef>,
    /// A program and its arguments: `[./page-me.sh, --team, web]`. It gets the object on its standard input, from the project's folder. Operators only: not in `jobpipe.yml`.
    pub command: Option<Vec<String>>,
    /// An import without a run that succeeded for so long is told, `26h`; absent = never.
    pub fresh: Option<Period>,
    /// The same trouble of an import is told again after so long, `6h` by default.
    pub repeat: Period,
}

impl Notify {
    /// Whether anybody is told.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.webhook.is_some() || self.command.is_some()
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self { webhook: None, command: None, fresh: None, repeat: Period::from_ms(21_600_000) }
    }
}
