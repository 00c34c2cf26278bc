//! Values as written.

use super::Ordered;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;
use std::borrow::Cow;
use std::fmt;

/// A value in the language's spelling: jq (`.title | trim`, `=...`), text with values (`$title in $city`), a secret
/// (`$TOKEN`) or the text itself. Which one is told by its look and by its place (`jobpipe_expr::Place`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ValueText(pub String);

impl ValueText {
    /// The spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ValueText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl From<&str> for ValueText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl JsonSchema for ValueText {
    fn schema_name() -> Cow<'static, str> {
        "Value".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "number", "boolean"],
            "description": "A value: jq over the record (`.title | trim`, `=.a + .b`), text with values put in (`$title in $city`, `${.a // \"\"}`), a secret or setting read late (`$TOKEN`, `${NAME:-default}`, `${file:PATH}`; only in auth, headers and target lists), or the text itself."
        })
    }
}

/// A number or a truth value, written without quotes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Scalar(pub Json);

/// A value with structure: what a field of `map`, a query parameter or a part of a body is made from.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldValue {
    /// A value in the language.
    Value(ValueText),
    /// A number, `true` or `false`, as it is.
    Scalar(Scalar),
    /// A list of values.
    List(Vec<FieldValue>),
    /// A nested record.
    Fields(Ordered<FieldValue>),
}

impl Serialize for FieldValue {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(text) => text.serialize(out),
            Self::Scalar(scalar) => scalar.serialize(out),
            Self::List(items) => items.serialize(out),
            Self::Fields(fields) => fields.serialize(out),
        }
    }
}

impl<'de> Deserialize<'de> for FieldValue {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Self::from_json(Json::deserialize(input)?).map_err(D::Error::custom)
    }
}

impl FieldValue {
    /// Reads the serialised form: text, number, truth value, list or map of such.
    fn from_json(json: Json) -> Result<Self, &'static str> {
        Ok(match json {
            Json::Null => return Err("null is not a value"),
            Json::String(text) => Self::Value(ValueText(text)),
            Json::Bool(_) | Json::Number(_) => Self::Scalar(Scalar(json)),
            Json::Array(items) => Self::List(items.into_iter().map(Self::from_json).collect::<Result<_, _>>()?),
            Json::Object(map) => {
                let read = |(name, value)| Self::from_json(value).map(|value| (name, value));
                Self::Fields(map.into_iter().map(read).collect::<Result<_, _>>()?)
            }
        })
    }
}

impl JsonSchema for FieldValue {
    fn schema_name() -> Cow<'static, str> {
        "FieldValue".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<ValueText>();
        let nested = generator.subschema_for::<Self>();
        json_schema!({
            "description": "A value, a list of values, or a map of them (a nested record).",
            "anyOf": [value, { "type": "array", "items": nested }, { "type": "object", "additionalProperties": nested }]
        })
    }
}
