//! Settings and secrets: named in the file, read late, never shown.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};

use crate::form::{Piece, cut};
use crate::{ExprError, Scope, SettingError, error::code};

/// Where settings are read from: the environment and files, or a table in tests.
pub trait Lookup {
    /// The value of an environment variable; `None` when it is not set. An empty value counts as set.
    fn variable(&self, name: &str) -> Option<SecretString>;

    /// The content of a file. One line break at its end is cut off by the caller.
    fn file(&self, path: &str) -> std::io::Result<SecretString>;
}

/// Text with `$NAME`, `${NAME:-default}` and `${file:PATH}`. Every way of printing it prints the
/// references, never what they stand for.
#[derive(Clone, PartialEq, Eq)]
pub struct Setting {
    source: String,
    parts: Vec<Part>,
}

#[derive(Clone, PartialEq, Eq)]
enum Part {
    Plain(String),
    Env { name: String, default: Option<String> },
    File { path: String },
}

impl Setting {
    /// Reads the references of `source`; resolves none.
    pub fn parse(source: &str) -> Result<Self, ExprError> {
        let pieces = cut(source, &Scope::default())?;
        let names_setting = pieces.iter().any(|(piece, _)| matches!(piece, Piece::Env { .. } | Piece::File { .. }));
        let mut parts = Vec::with_capacity(pieces.len());
        for (piece, range) in pieces {
            let mistake = |message: &str| ExprError::new(code::SETTING, range.start, range.len(), message);
            parts.push(match piece {
                Piece::Plain(text) => Part::Plain(text),
                Piece::Env { name, default } => {
                    Part::Env { name: name.to_string(), default: default.map(ToString::to_string) }
                }
                Piece::File { path: "" } => return Err(mistake("`${file:}` names no file")),
                Piece::File { path } => Part::File { path: path.to_string() },
                Piece::Name { .. } | Piece::Jq { .. } if names_setting => {
                    return Err(mistake("settings and values of the record cannot stand in one text")
                        .help("settings are read when the run starts, values of the record for each record"));
                }
                Piece::Name { .. } | Piece::Jq { .. } => {
                    return Err(mistake("a value of the record stands where only a setting can")
                        .help("settings are in capitals, `$NAME`, or lie in a file, `${file:PATH}`"));
                }
            });
        }
        Ok(Setting { source: source.to_string(), parts })
    }

    /// The text as written, which may hold a secret if its author wrote one out: not for printing.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The environment variables it names, without `$`, and whether each has a default.
    pub fn variables(&self) -> impl Iterator<Item = (&str, bool)> {
        self.parts.iter().filter_map(|part| match part {
            Part::Env { name, default } => Some((name.as_str(), default.is_some())),
            Part::Plain(_) | Part::File { .. } => None,
        })
    }

    /// Whether it names no setting at all, and so is plain text.
    pub fn is_plain(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Plain(_)))
    }

    /// Whether a default is written that is not empty: where a secret is needed, it is one that is written out.
    pub fn has_default(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Env { default: Some(text), .. } if !text.is_empty()))
    }

    /// Puts the values in.
    pub fn resolve(&self, lookup: &dyn Lookup) -> Result<SecretString, SettingError> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Plain(text) => out.push_str(text),
                Part::Env { name, default } => match (lookup.variable(name), default) {
                    (Some(value), _) => out.push_str(value.expose_secret()),
                    (None, Some(default)) => out.push_str(default),
                    (None, None) => return Err(SettingError::Unset { name: name.clone() }),
                },
                Part::File { path } => {
                    let text =
                        lookup.file(path).map_err(|source| SettingError::Unreadable { path: path.clone(), source })?;
                    let text = text.expose_secret();
                    let text = text.strip_suffix('\n').unwrap_or(text);
                    out.push_str(text.strip_suffix('\r').unwrap_or(text));
                }
            }
        }
        Ok(SecretString::from(out))
    }
}

/// What stands for text that may be a secret: a default, and a secret that was written out.
const HIDDEN: &str = "***";

impl fmt::Display for Setting {
    /// The references; defaults, and a text without any reference, are hidden.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_plain() {
            return f.write_str(HIDDEN);
        }
        self.parts.iter().try_for_each(|part| match part {
            Part::Plain(text) => f.write_str(text),
            Part::Env { name, default: None } => write!(f, "${{{name}}}"),
            Part::Env { name, default: Some(_) } => write!(f, "${{{name}:-{HIDDEN}}}"),
            Part::File { path } => write!(f, "${{file:{path}}}"),
        })
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Setting({self})")
    }
}

impl Serialize for Setting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
