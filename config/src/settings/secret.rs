//! A secret that is named, not held.

use jobpipe_expr::{ExprError, Lookup, Setting, SettingError};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::SecretString;
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// `$NAME`, `${NAME:-default}` or `${file:PATH}`, read when it is used. Every way of printing it prints the reference,
/// never a default or a text that was written out.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretRef {
    setting: Setting,
}

impl SecretRef {
    /// Reads the reference; resolves nothing.
    pub fn parse(text: &str) -> Result<Self, ExprError> {
        Setting::parse(text).map(|setting| Self { setting })
    }

    /// The secret itself.
    pub fn resolve(&self, lookup: &dyn Lookup) -> Result<SecretString, SettingError> {
        self.setting.resolve(lookup)
    }

    /// Whether the secret is written out instead of named.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.setting.is_plain()
    }

    /// Whether it has a default that is written out.
    #[must_use]
    pub fn has_default(&self) -> bool {
        self.setting.has_default()
    }

    /// The text as it was written, which may be the secret: not for printing.
    pub(super) fn source(&self) -> &str {
        self.setting.source()
    }

    /// The references alone: what stands around them, in a URL, may be a password.
    pub(super) fn references(&self) -> String {
        let variables = self.setting.variables().map(|(name, _)| format!("${name}"));
        let files = self.source().split("${file:").skip(1).filter_map(|rest| rest.split_once('}'));
        let all: Vec<String> = variables.chain(files.map(|(path, _)| format!("${{file:{path}}}"))).collect();
        if all.is_empty() { "***".to_owned() } else { all.join(" ") }
    }

    /// The reference, without what could be the secret.
    #[must_use]
    pub fn shown(&self) -> Cow<'_, str> {
        if self.is_plain() {
            return "***".into();
        }
        if !self.setting.source().contains(":-") {
            return self.setting.source().into();
        }
        let shown =
            |(name, default): (&str, bool)| if default { format!("${{{name}:-***}}") } else { format!("${name}") };
        self.setting.variables().map(shown).collect::<Vec<_>>().join(" ").into()
    }
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SecretRef({})", self.shown())
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.shown())
    }
}

impl Serialize for SecretRef {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&self.shown())
    }
}

impl JsonSchema for SecretRef {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A secret, named and read late: `$NAME`, `${NAME:-default}` or `${file:PATH}`." })
    }
}
