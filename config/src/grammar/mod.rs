//! The small grammars of the language: durations, rates, shares, sizes, counts and dates.

mod amount;
mod period;
mod rate;
#[cfg(test)]
mod tests;

pub use amount::{Share, Size, parse_count};
pub use period::Period;
pub use rate::Speed;

/// Why a text is not of a grammar: what was expected, for people (`a duration such as 90s, 15m, 6h or 2d`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct GrammarError {
    /// What would have been right.
    pub expected: String,
}

impl GrammarError {
    pub(crate) fn new(expected: impl Into<String>) -> Self {
        Self { expected: expected.into() }
    }
}

/// Splits `15m` into `15` and `m`: the digits (with `_` and one `.`) and what follows them, both trimmed.
fn split_number(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '_' || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    (!number.is_empty()).then(|| (number, unit.trim()))
}

/// serde and JSON Schema of a type that is written as one text.
macro_rules! as_text {
    ($type:ty, $title:literal, $description:literal, $pattern:literal) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                out.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                let text = String::deserialize(input)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $title.into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "description": $description, "pattern": $pattern })
            }
        }
    };
}
use as_text;
