//! What a transform takes.

use super::{FieldValue, Ordered, ValueText};
use crate::grammar::Share;
use jobpipe_core::GonePolicy;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;

/// Turn records into the records that are wanted.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Transform")]
pub struct TransformSpec {
    /// jq; only records for which it is true go on. One that is known and fails it is withdrawn from its targets at once.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub where_: Option<ValueText>,
    /// jq: what tells one record from another, as it comes in (before `where` and `map`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<ValueText>,
    /// The fields of the record that goes on, each a value over the record as it came in.
    #[serde(default, skip_serializing_if = "Ordered::is_empty")]
    pub map: Ordered<FieldValue>,
    /// Fields that `map` does not name and that stay as they are: `all`, or a list of names. By default all without `map`, none with it.
    #[serde(default)]
    pub keep: Keep,
    /// Fields that must be there and not empty; a record without them becomes a dead letter and its target is left as it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub require: Vec<String>,
    /// What becomes of records that the source no longer lists. By default, where there is a `key` and no `since` above, one that an exhaustive run does not list is gone.
    #[serde(default)]
    pub gone: GoneSpec,
}

/// Fields that stay though `map` does not name them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Keep {
    /// All of them.
    #[default]
    All,
    /// These, where they are there.
    Fields(Vec<String>),
}

impl Serialize for Keep {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => out.serialize_str("all"),
            Self::Fields(names) => names.serialize(out),
        }
    }
}

impl<'de> Deserialize<'de> for Keep {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(input)? {
            serde_json::Value::String(word) if word == "all" => Ok(Self::All),
            other => Vec::<String>::deserialize(other).map(Self::Fields).map_err(D::Error::custom),
        }
    }
}

impl JsonSchema for Keep {
    fn schema_name() -> Cow<'static, str> {
        "Keep".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`all`, or a list of names.",
            "anyOf": [{ "const": "all" }, { "type": "array", "items": { "type": "string" } }]
        })
    }
}

/// What becomes of records that the source no longer lists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Gone")]
pub struct GoneSpec {
    /// Exhaustive runs in a row that must have missed a record before it is gone; absent = that a record is missing says nothing (`gone: none`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u32>,
    /// The largest share of the live records that one run may declare gone or withdrawn; above it nothing is, and the run says so. 30% by default.
    #[serde(default = "default_limit")]
    pub limit: Share,
    /// jq: a record for which it is true is gone, though the source lists it (`.expires < $now`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<ValueText>,
}

fn default_limit() -> Share {
    Share::percent(30)
}

impl Default for GoneSpec {
    fn default() -> Self {
        Self { after: None, limit: default_limit(), when: None }
    }
}

impl GoneSpec {
    /// The engine's part: `None` = nothing is inferred from what is missing.
    #[must_use]
    pub fn policy(&self) -> Option<GonePolicy> {
        self.after.map(|after| GonePolicy { after, limit: self.limit.fraction() })
    }
}
