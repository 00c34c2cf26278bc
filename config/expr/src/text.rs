//! Text with values put in.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::Value as Json;

use crate::form::{Piece, Placed, cut};
use crate::{EvalError, Expr, ExprError, Fields, Scope, Subject, Vars, encode, error::code};

/// Text with `$name` and `${jq}`, compiled once. Cheap to clone, and may be shared between threads.
#[derive(Clone)]
pub struct Text {
    inner: Arc<Inner>,
}

struct Inner {
    source: String,
    /// The byte of `source` at which the first value stands.
    first: usize,
    parts: Vec<Part>,
    names: BTreeSet<String>,
    fields: Fields,
}

enum Part {
    Plain(String),
    Field { name: String, shown: String },
    Variable { name: String, member: Option<String>, shown: String },
    Jq { expr: Expr, shown: String },
}

/// A value about to be put into text.
type Encoder = fn(&str) -> Cow<'_, str>;

impl Text {
    /// Compiles `source` with the standard variables.
    pub fn compile(source: &str) -> Result<Self, ExprError> {
        Text::compile_with(source, &Scope::default())
    }

    /// Compiles `source` with the variables of `scope`. Settings (capitals) are refused.
    pub fn compile_with(source: &str, scope: &Scope) -> Result<Self, ExprError> {
        let pieces = cut(source, scope)?;
        let alone = pieces.len() == 1;
        let first = pieces.iter().find(|(piece, _)| !matches!(piece, Piece::Plain(_)));
        let mut text = Inner {
            source: source.to_string(),
            first: first.map_or(source.len(), |(_, range)| range.start),
            parts: Vec::new(),
            names: BTreeSet::new(),
            fields: Fields::default(),
        };
        for placed in pieces {
            let part = part(source, placed, alone, scope)?;
            text.note(&part);
            text.parts.push(part);
        }
        Ok(Text { inner: Arc::new(text) })
    }

    /// The text on a record. Exactly one `$name` or `${jq}` keeps its type (and is null when it is missing);
    /// anything else is a string, and a missing value in it is an error.
    pub fn render(&self, subject: &Subject<'_>, vars: &Vars) -> Result<Json, EvalError> {
        match self.inner.parts.as_slice() {
            [Part::Plain(text)] => Ok(Json::String(text.clone())),
            [part] => Ok(part.value(subject, vars)?.into_owned()),
            _ => self.render_text(subject, vars).map(Json::String),
        }
    }

    /// The text on a record, always as a string.
    pub fn render_text(&self, subject: &Subject<'_>, vars: &Vars) -> Result<String, EvalError> {
        self.join(subject, vars, |value| Cow::Borrowed(value))
    }

    /// The text as a URL: values are percent-encoded. A text that is exactly one value is that value, unchanged.
    pub fn render_url(&self, subject: &Subject<'_>, vars: &Vars) -> Result<String, EvalError> {
        if self.is_one_value() {
            return self.render_text(subject, vars);
        }
        let url = self.join(subject, vars, encode::percent)?;
        let parts = self.inner.parts.iter();
        let written: String = parts.map(|part| if let Part::Plain(text) = part { text } else { "x" }).collect();
        encode::check_url(&url, &written).map(|()| url)
    }

    /// The text as a path of files: values lose their separators, and `.` and `..` are refused.
    pub fn render_path(&self, subject: &Subject<'_>, vars: &Vars) -> Result<String, EvalError> {
        let path = self.join(subject, vars, encode::path_part)?;
        encode::check_path(&path).map(|()| path)
    }

    /// The text as the value of a header: CR, LF and NUL are refused.
    pub fn render_header(&self, subject: &Subject<'_>, vars: &Vars) -> Result<String, EvalError> {
        let header = self.render_text(subject, vars)?;
        encode::check_header(&header).map(|()| header)
    }

    /// The text as written.
    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// The variables it uses, without `$`.
    pub fn names(&self) -> &BTreeSet<String> {
        &self.inner.names
    }

    /// The fields of the record it uses.
    pub fn fields(&self) -> &Fields {
        &self.inner.fields
    }

    /// Whether it is exactly one `$name` or `${jq}`.
    pub fn is_one_value(&self) -> bool {
        matches!(self.inner.parts.as_slice(), [part] if !matches!(part, Part::Plain(_)))
    }

    /// The text before its first value; all of it when it holds none.
    pub(crate) fn prefix(&self) -> &str {
        match self.inner.parts.first() {
            Some(Part::Plain(text)) => text,
            _ => "",
        }
    }

    /// The byte of the source at which the first value stands. Not the length of the prefix: `$$` is one dollar of it.
    pub(crate) fn first_value(&self) -> usize {
        self.inner.first
    }

    /// Whether no value is put in.
    pub(crate) fn is_plain(&self) -> bool {
        self.inner.parts.iter().all(|part| matches!(part, Part::Plain(_)))
    }

    fn join(&self, subject: &Subject<'_>, vars: &Vars, encoder: Encoder) -> Result<String, EvalError> {
        let mut out = String::new();
        for part in &self.inner.parts {
            match part {
                Part::Plain(text) => out.push_str(text),
                part => out.push_str(&encoder(&part.text(subject, vars)?)),
            }
        }
        Ok(out)
    }
}

impl Inner {
    fn note(&mut self, part: &Part) {
        match part {
            Part::Plain(_) => {}
            Part::Field { name, .. } => {
                self.fields.names.insert(name.clone());
            }
            Part::Variable { name, .. } => {
                self.names.insert(name.clone());
            }
            Part::Jq { expr, .. } => {
                self.names.extend(expr.names().iter().cloned());
                self.fields.add(expr.fields());
            }
        }
    }
}

fn part(source: &str, (piece, range): Placed<'_>, alone: bool, scope: &Scope) -> Result<Part, ExprError> {
    let shown = source.get(range.clone()).unwrap_or_default().to_string();
    Ok(match piece {
        Piece::Plain(text) => Part::Plain(text),
        Piece::Name { name, variable: false, .. } => Part::Field { name: name.to_string(), shown },
        Piece::Name { name, member, .. } => {
            if member.is_none() && !alone && scope.members(name).next().is_some() {
                return Err(no_member(source, name, &range, scope));
            }
            Part::Variable { name: name.to_string(), member: member.map(ToString::to_string), shown }
        }
        Piece::Jq { source: jq, offset } => {
            Part::Jq { expr: Expr::compile_with(jq, scope).map_err(|error| error.shifted(offset))?, shown }
        }
        Piece::Env { name, .. } => return Err(capitals(name, &range)),
        Piece::File { .. } => {
            return Err(ExprError::new(code::CAPITALS, range.start, range.len(), "a file may not be read here")
                .help("files are read for `auth`, `headers`, targets and settings"));
        }
    })
}

/// `$page` or `$page.unknown` in the middle of text: a map cannot be put there.
fn no_member(source: &str, name: &str, range: &std::ops::Range<usize>, scope: &Scope) -> ExprError {
    let known: Vec<_> = scope.members(name).collect();
    let after = source.get(range.end..).and_then(|rest| rest.strip_prefix('.')).map(crate::form::identifier);
    let message = match after {
        Some(member) if !member.is_empty() => format!("`${name}` has no member `{member}`"),
        _ => format!("`${name}` is a map, and text needs one of its members"),
    };
    ExprError::new(code::VARIABLE, range.start, range.len(), message)
        .help(format!("its members are {}; the field of that name is `${{.{name}}}`", known.join(", ")))
}

fn capitals(name: &str, range: &std::ops::Range<usize>) -> ExprError {
    ExprError::new(code::CAPITALS, range.start, range.len(), format!("`${name}` is a setting, and none may stand here"))
        .help(format!(
            "write `${{.{name}}}` for the field, `$${name}` for the text; settings stand in `auth`, `headers`, targets and settings"
        ))
}

impl Part {
    /// The value itself; null when it is missing.
    fn value<'v>(&'v self, subject: &Subject<'v>, vars: &'v Vars) -> Result<Cow<'v, Json>, EvalError> {
        const NULL: &Json = &Json::Null;
        Ok(match self {
            Part::Plain(text) => Cow::Owned(Json::String(text.clone())),
            Part::Field { name, .. } => Cow::Borrowed(subject.record().get(name).unwrap_or(NULL)),
            Part::Variable { name, member: None, .. } => Cow::Borrowed(vars.get(name).unwrap_or(NULL)),
            Part::Variable { name, member: Some(member), .. } => {
                Cow::Borrowed(vars.get(name).and_then(|value| value.get(member)).unwrap_or(NULL))
            }
            Part::Jq { expr, .. } => expr.value(subject, vars)?.unwrap_or(Cow::Borrowed(NULL)),
        })
    }

    /// The value as it is put into text.
    fn text<'v>(&'v self, subject: &Subject<'v>, vars: &'v Vars) -> Result<Cow<'v, str>, EvalError> {
        let not_text = |kind| EvalError::NotText { name: self.shown().to_string(), kind };
        match self.value(subject, vars)? {
            Cow::Borrowed(Json::String(value)) => Ok(Cow::Borrowed(value)),
            Cow::Owned(Json::String(value)) => Ok(Cow::Owned(value)),
            other => match other.as_ref() {
                Json::Bool(value) => Ok(Cow::Owned(value.to_string())),
                Json::Number(value) => Ok(Cow::Owned(value.to_string())),
                Json::Array(_) => Err(not_text("a list")),
                Json::Object(_) => Err(not_text("a map")),
                Json::Null | Json::String(_) => {
                    Err(EvalError::MissingValue { name: self.shown().to_string(), instead: self.with_default() })
                }
            },
        }
    }

    fn shown(&self) -> &str {
        match self {
            Part::Plain(_) => "",
            Part::Field { shown, .. } | Part::Variable { shown, .. } | Part::Jq { shown, .. } => shown,
        }
    }

    /// How to write the same value with an empty default.
    fn with_default(&self) -> String {
        match self {
            Part::Plain(_) => String::new(),
            Part::Field { name, .. } => format!("${{.{name} // \"\"}}"),
            Part::Variable { shown, .. } => format!("${{{shown} // \"\"}}"),
            Part::Jq { expr, .. } => format!("${{{} // \"\"}}", expr.source().trim()),
        }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Text").field(&self.inner.source).finish()
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.inner.source == other.inner.source
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.inner.source)
    }
}
