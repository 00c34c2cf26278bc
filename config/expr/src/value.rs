//! A value of an import, whatever it looks like, with the rules of the place where it stands.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value as Json;

use crate::form::{Form, classify};
use crate::{EvalError, Expr, ExprError, Fields, Place, Scope, Setting, Subject, Text, Vars, encode, error::code};

/// A compiled value. Cheap to clone unless it is a long literal.
#[derive(Clone, PartialEq)]
pub struct Value {
    source: String,
    place: Place,
    kind: ValueKind,
}

/// What a [`Value`] is.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueKind {
    /// Itself.
    Literal(String),
    /// jq over the record.
    Expr(Expr),
    /// Text with values put in.
    Text(Text),
    /// A setting or secret, read late.
    Setting(Setting),
}

impl Value {
    /// Compiles `source` for `place` with the standard variables.
    pub fn compile(source: &str, place: Place) -> Result<Self, ExprError> {
        Value::compile_with(source, place, &Scope::default())
    }

    /// Compiles `source` for `place` with the variables of `scope`.
    pub fn compile_with(source: &str, place: Place, scope: &Scope) -> Result<Self, ExprError> {
        let kind = match (place, classify(source)) {
            (Place::Verbatim, _) => ValueKind::Literal(source.to_string()),
            (Place::Expression, _) => {
                let jq = source.strip_prefix('=').unwrap_or(source);
                ValueKind::Expr(compile_jq(source, jq, scope)?)
            }
            (_, Form::Expr(jq)) => ValueKind::Expr(compile_jq(source, jq, scope)?),
            (_, Form::Setting) if place.allows_settings() => ValueKind::Setting(Setting::parse(source)?),
            (_, Form::Text | Form::Setting) => text_kind(source, place, scope)?,
            (_, Form::Literal) => {
                crate::lint::looks_like_jq(source)?;
                ValueKind::Literal(source.to_string())
            }
        };
        if place == Place::Header && source.contains(['\r', '\n', '\0']) {
            return Err(ExprError::new(code::LINE_BREAK, 0, source.len(), "a header may not hold a line break"));
        }
        Ok(Value { source: source.to_string(), place, kind })
    }

    /// The value on a record: `None` when an expression gives none. A setting is an error: see [`Value::setting`].
    pub fn eval(&self, subject: &Subject<'_>, vars: &Vars) -> Result<Option<Json>, EvalError> {
        match &self.kind {
            ValueKind::Literal(text) => Ok(Some(Json::String(text.clone()))),
            ValueKind::Setting(setting) => Err(EvalError::Late { reference: setting.to_string() }),
            ValueKind::Expr(expr) => expr.eval(subject, vars)?.map(|value| self.place_safe(value)).transpose(),
            ValueKind::Text(text) => match self.place {
                Place::Url => text.render_url(subject, vars).map(|url| Some(Json::String(url))),
                Place::Path => text.render_path(subject, vars).map(|path| Some(Json::String(path))),
                Place::Header => text.render_header(subject, vars).map(|header| Some(Json::String(header))),
                _ => text.render(subject, vars).map(Some),
            },
        }
    }

    /// The text as written. Where settings may stand it may hold a secret that was written out: not for printing.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Where it stands.
    pub fn place(&self) -> Place {
        self.place
    }

    /// What it is.
    pub fn kind(&self) -> &ValueKind {
        &self.kind
    }

    /// The literal text, when it is one.
    pub fn literal(&self) -> Option<&str> {
        match &self.kind {
            ValueKind::Literal(text) => Some(text),
            _ => None,
        }
    }

    /// The setting, when it is one.
    pub fn setting(&self) -> Option<&Setting> {
        match &self.kind {
            ValueKind::Setting(setting) => Some(setting),
            _ => None,
        }
    }

    /// The variables it uses, without `$`.
    pub fn names(&self) -> BTreeSet<String> {
        match &self.kind {
            ValueKind::Expr(expr) => expr.names().clone(),
            ValueKind::Text(text) => text.names().clone(),
            ValueKind::Literal(_) | ValueKind::Setting(_) => BTreeSet::new(),
        }
    }

    /// The top-level fields of the record it uses.
    pub fn fields(&self) -> Fields {
        match &self.kind {
            ValueKind::Expr(expr) => expr.fields().clone(),
            ValueKind::Text(text) => text.fields().clone(),
            ValueKind::Literal(_) | ValueKind::Setting(_) => Fields::default(),
        }
    }

    /// The rules of the place, for the result of a whole expression.
    fn place_safe(&self, value: Json) -> Result<Json, EvalError> {
        match (&value, self.place) {
            (Json::String(header), Place::Header) => encode::check_header(header).map(|()| value),
            (Json::String(path), Place::Path) => {
                let path = encode::path_part(path).into_owned();
                encode::check_path(&path).map(|()| Json::String(path))
            }
            _ => Ok(value),
        }
    }
}

/// Compiles the jq inside `source`, so that errors point into `source`.
fn compile_jq(source: &str, jq: &str, scope: &Scope) -> Result<Expr, ExprError> {
    Expr::compile_with(jq, scope).map_err(|error| error.shifted(source.len() - jq.len()))
}

fn text_kind(source: &str, place: Place, scope: &Scope) -> Result<ValueKind, ExprError> {
    crate::lint::path_in_text(source)?;
    let text = Text::compile_with(source, scope)?;
    if text.is_plain() {
        return Ok(ValueKind::Literal(text.prefix().to_string()));
    }
    if place == Place::Url && !text.is_one_value() {
        encode::check_url_prefix(text.prefix(), text.first_value())?;
    }
    Ok(ValueKind::Text(text))
}

impl fmt::Display for Value {
    /// The text as written; secrets, and text that may be one, are hidden.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.kind, self.place) {
            (ValueKind::Setting(setting), _) => setting.fmt(f),
            (ValueKind::Literal(_), Place::Auth | Place::Setting) => f.write_str("***"),
            _ => f.write_str(&self.source),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({:?}, {self})", self.place)
    }
}

impl Serialize for Value {
    /// As it is printed.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
