//! What `extract` takes from a page or an answer.

use super::Ordered;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// How one field is found. In an import it is one line, `h1 @title | trim`, or a map of further fields.
///
/// Applied in this order: `selector` (in HTML) chooses elements, `attribute` what is taken of each, `all` whether a
/// list or the first, `jq` what becomes of that value. With `fields` nothing else is set: the field is a nested record.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExtractSpec {
    /// The CSS selector; `.` = the item itself. `None` in JSON sources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// What is taken of an element: an attribute's name, `html` (inner HTML) or `text`; `None` = the text, white space folded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribute: Option<String>,
    /// All matches as a list, instead of the first.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// A jq program over what was taken: text (or list of texts) in HTML, the item in JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jq: Option<String>,
    /// A nested record.
    #[serde(skip_serializing_if = "Ordered::is_empty")]
    pub fields: Ordered<ExtractSpec>,
}

/// The one-line form: `[selector] @attribute | jq`; of a JSON source the jq alone. Empty for a nested record.
impl fmt::Display for ExtractSpec {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(selector) = &self.selector {
            let (open, close) = if self.all { ("[", "]") } else { ("", "") };
            write!(out, "{open}{selector}{close}")?;
            if let Some(attribute) = &self.attribute {
                write!(out, " @{attribute}")?;
            }
            if self.jq.is_some() {
                out.write_str(" | ")?;
            }
        }
        out.write_str(self.jq.as_deref().unwrap_or_default())
    }
}

impl JsonSchema for ExtractSpec {
    fn schema_name() -> Cow<'static, str> {
        "Extract".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let nested = generator.subschema_for::<Self>();
        json_schema!({
            "description": "In HTML `selector @attribute | jq` (`[selector]` = all matches, `.` = the item itself, `@html`, `@text`); in JSON jq over the item; or a map of further fields (a nested record).",
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" }, "minItems": 1, "maxItems": 1 }, { "type": "object", "additionalProperties": nested }]
        })
    }
}
