//! What exports take.

use super::ValueText;
use crate::grammar::Speed;
use jobpipe_core::{Feed, Pace};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;

/// A file with one JSON record a line, written whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Jsonl")]
pub struct JsonlSpec {
    /// The file, relative to the project's folder; `$run.date` and the like may be put in (`out/acme-$run.date.jsonl`).
    #[serde(rename = "jsonl")]
    pub path: ValueText,
    /// Which records are written.
    #[serde(default)]
    pub write: Write,
    /// The fields of each line, in this order; empty = all of the record. `change` and `key` are known beside the record's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
}

/// Which records a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Write {
    /// The records of this run.
    #[default]
    Run,
    /// All that is current.
    Snapshot,
    /// What this run made new, changed or gone.
    Changes,
}

impl From<Write> for Feed {
    fn from(write: Write) -> Self {
        match write {
            Write::Run => Self::Run,
            Write::Snapshot => Self::Snapshot,
            Write::Changes => Self::Changes,
        }
    }
}

/// Posts on Facebook pages, kept in step with the records: one post a record and page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Facebook")]
pub struct FacebookSpec {
    /// The pages: names of the settings' `pages`, a late list (`$PAGES`, `${file:pages.txt}`: names by comma or line), or pages written out. Resolved once, when a run starts; empty is an error.
    #[serde(rename = "facebook")]
    pub pages: Vec<TargetSpec>,
    /// jq over the record; `$page` is the page. Only records for which it is true are for that page.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub where_: Option<ValueText>,
    /// The post's text.
    pub message: ValueText,
    /// The link under it. Without it the post has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<ValueText>,
    /// What is done for a record that the page does not have yet.
    #[serde(default)]
    pub new: OnNew,
    /// What is done when the rendered content differs from what was posted.
    #[serde(default)]
    pub changed: OnChanged,
    /// What is done when the record is gone or withdrawn, or no longer for this page.
    #[serde(default)]
    pub gone: OnGone,
    /// How fast each page takes posts, each on its own.
    #[serde(default)]
    pub pace: PaceSpec,
}

/// What is done for a new record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnNew {
    /// Post it.
    #[default]
    Post,
    /// Nothing.
    Skip,
}

/// What is done when the content changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnChanged {
    /// Update the post.
    #[default]
    Update,
    /// Nothing.
    Skip,
}

/// What is done when a record is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnGone {
    /// Delete the post.
    #[default]
    Delete,
    /// Leave it.
    Keep,
}

/// How fast a page takes posts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Pace")]
pub struct PaceSpec {
    /// Posts, updates and deletions together: `1/min` by default.
    #[serde(default = "default_rate")]
    pub rate: Speed,
    /// New posts a day: 25 by default; `unlimited` lifts it.
    #[serde(default = "default_per_day")]
    pub per_day: DayCap,
}

fn default_rate() -> Speed {
    Speed::per(1, 60_000)
}

fn default_per_day() -> DayCap {
    DayCap(Some(25))
}

impl Default for PaceSpec {
    fn default() -> Self {
        Self { rate: default_rate(), per_day: default_per_day() }
    }
}

/// A cap a day; `None` is written `unlimited`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayCap(pub Option<u32>);

impl Serialize for DayCap {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(cap) => out.serialize_u32(cap),
            None => out.serialize_str("unlimited"),
        }
    }
}

impl<'de> Deserialize<'de> for DayCap {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(input)? {
            serde_json::Value::String(word) if word == "unlimited" => Ok(Self(None)),
            other => u32::deserialize(other).map(|cap| Self(Some(cap))).map_err(D::Error::custom),
        }
    }
}

impl JsonSchema for DayCap {
    fn schema_name() -> Cow<'static, str> {
        "DayCap".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number a day, or `unlimited`.",
            "anyOf": [{ "type": "integer", "minimum": 1 }, { "const": "unlimited" }]
        })
    }
}

impl PaceSpec {
    /// The engine's part; `None` = as fast as the target takes it.
    #[must_use]
    pub fn pace(&self) -> Option<Pace> {
        // A cap a day without a rate still needs a bucket: one that never holds anything back.
        let open = jobpipe_core::Rate { count: 1_000, per_ms: 1 };
        if self.rate == Speed::Unlimited && self.per_day.0.is_none() {
            return None;
        }
        let rate = self.rate.limit().unwrap_or(open);
        Some(Pace { count: rate.count, every_ms: rate.per_ms, per_day: self.per_day.0 })
    }
}

/// A page, or a late list of pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetSpec {
    /// The name of a page in the settings, or a late reference (`$PAGES`, `${file:pages.txt}`) to such names.
    Named(ValueText),
    /// A page written out.
    Inline(InlinePage),
}

/// A page written out in an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InlinePage {
    /// The page's id: digits, in quotes.
    pub id: String,
    /// Its access token, as a secret: `$FB_ACME_PARIS`.
    pub token: ValueText,
    /// What people call it; its id by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Values of your own, seen as `$page.NAME`.
    #[serde(default, skip_serializing_if = "super::Ordered::is_empty")]
    pub vars: super::Ordered<String>,
}

impl Serialize for TargetSpec {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Named(text) => text.serialize(out),
            Self::Inline(page) => page.serialize(out),
        }
    }
}

impl<'de> Deserialize<'de> for TargetSpec {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(input)? {
            serde_json::Value::String(text) => Ok(Self::Named(ValueText(text))),
            other => InlinePage::deserialize(other).map(Self::Inline).map_err(D::Error::custom),
        }
    }
}

impl JsonSchema for TargetSpec {
    fn schema_name() -> Cow<'static, str> {
        "Target".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let name = generator.subschema_for::<ValueText>();
        let page = generator.subschema_for::<InlinePage>();
        json_schema!({ "description": "The name of a page in the settings, a late list of names, or a page written out.", "anyOf": [name, page] })
    }
}
