//! Values of the language: compiled to check them, kept as written.

use super::{At, Cx};
use crate::diagnostic::{Problem, Severity, codes};
use crate::spec::{FieldValue, Ordered, Scalar as Literal, ValueText};
use crate::tree::Kind;
use jobpipe_expr::{Expr, ExprError, Form, Place, Setting, Value, ValueKind, classify, code};
use std::collections::BTreeSet;
use std::ops::Range;

/// A value that compiles.
pub(crate) struct Compiled {
    /// As written.
    pub(crate) text: ValueText,
    /// As compiled.
    pub(crate) value: Value,
}

impl Cx<'_> {
    /// A value of the language in its place. `vars` are the variables that have a value there.
    pub(crate) fn value(&mut self, at: &At<'_>, place: Place, vars: &[&str]) -> Option<Compiled> {
        let text = self.value_text(at, "a value")?;
        match Value::compile(text, place) {
            Ok(value) => {
                let here = self.variables(at, &value.names(), vars);
                here.then(|| Compiled { text: ValueText(text.to_owned()), value })
            }
            Err(error) => {
                self.expr_error(at, error, 0);
                None
            }
        }
    }

    /// jq that reads the record: what is the same for every record is a slip. `such_as` shows what is meant.
    pub(crate) fn reading(&mut self, at: &At<'_>, vars: &[&str], such_as: &str) -> Option<Compiled> {
        let value = self.value(at, Place::Expression, vars)?;
        let fields = value.value.fields();
        if fields.whole || !fields.names.is_empty() {
            return Some(value);
        }
        let span = at.node.span.clone();
        let problem = Problem::new(codes::WORD, span, &at.path, "this reads nothing of the record or answer");
        self.add(problem.expected(format!("jq such as `{such_as}`")));
        None
    }

    /// A condition in jq, which only `true` meets.
    pub(crate) fn condition(&mut self, at: &At<'_>, vars: &[&str]) -> Option<Compiled> {
        let value = self.value(at, Place::Expression, vars)?;
        let ValueKind::Expr(expr) = value.value.kind() else { return Some(value) };
        let Some(sign) = expr.assigns() else { return Some(value) };
        let source = self.source();
        let start = at.node.locate(source, value.text.0.len() - expr.source().len() + sign);
        let problem = Problem::new(codes::WORD, start..start + 1, &at.path, "`=` changes the record and is never true");
        self.add(problem.help("write `==` to compare"));
        None
    }

    /// A secret, named and read late. Nothing is computed here: `.abc` is a secret that is written out.
    pub(crate) fn secret(&mut self, at: &At<'_>) -> Option<ValueText> {
        let text = self.value_text(at, "a secret, named: `$TOKEN`")?;
        match Setting::parse(text) {
            Ok(setting) => {
                if let Form::Expr(_) = classify(text) {
                    self.told_secret(
                        at,
                        Severity::Error,
                        "jq has no meaning here: this is a secret that is written out",
                    );
                } else if setting.is_plain() || setting.has_default() {
                    self.plain_secret(at, Severity::Error);
                }
                Some(ValueText(text.to_owned()))
            }
            Err(error) => {
                self.expr_error(at, error, 0);
                None
            }
        }
    }

    /// What belongs to a secret and may be written out, as the user of a password may.
    pub(crate) fn beside_secret(&mut self, at: &At<'_>) -> Option<ValueText> {
        let text = self.value_text(at, "a text, or a setting: `$USER`")?;
        if let Form::Expr(_) = classify(text) {
            let problem =
                Problem::new(code::SETTING, at.node.span.clone(), &at.path, "jq stands where only a setting can");
            self.add(problem.help("name a setting, such as `$USER`, or write the text itself"));
            return None;
        }
        if let Err(error) = Setting::parse(text) {
            self.expr_error(at, error, 0);
            return None;
        }
        Some(ValueText(text.to_owned()))
    }

    /// Reports a secret that is written out. The line is not shown: it holds the secret.
    pub(crate) fn plain_secret(&mut self, at: &At<'_>, severity: Severity) {
        self.told_secret(at, severity, "a secret is written out");
    }

    /// Reports a query parameter whose secret is written out. A warning: in this version a URL cannot name a secret, and
    /// there are sources that take it in no other way.
    pub(crate) fn secret_in_query(&mut self, at: &At<'_>, span: Range<usize>, name: &str) {
        let message = format!("a secret is written out in the query: `{name}`");
        let help = "send it with `auth: { bearer: $NAME }` or `headers: { x-api-key: $NAME }` if the source takes it so: a URL cannot name a secret in this version, and with the import it is kept in the store";
        let problem = Problem::new(codes::PLAIN_SECRET, span, &at.path, message);
        self.add(problem.severity(Severity::Warning).help(help));
    }

    fn told_secret(&mut self, at: &At<'_>, severity: Severity, message: &str) {
        let problem = Problem::new(codes::PLAIN_SECRET, at.node.span.clone(), &at.path, message);
        let help = "put it into the environment and write its name: `$NAME`; or into a file: `${file:PATH}`";
        self.add(problem.severity(severity).help(help));
    }

    /// A value with structure; numbers and truth values without quotes stay what they are.
    pub(crate) fn field_value(&mut self, at: &At<'_>, vars: &[&str], used: &mut Vec<Used>) -> Option<FieldValue> {
        match &at.node.kind {
            Kind::Broken => None,
            Kind::Scalar(scalar) => {
                if let Some(truth) = scalar.truth() {
                    return Some(FieldValue::Scalar(Literal(truth.into())));
                }
                if let Some(number) = scalar.number() {
                    return Some(FieldValue::Scalar(Literal(number.into())));
                }
                if scalar.text.is_empty() {
                    return Some(FieldValue::Value(ValueText(String::new())));
                }
                let compiled = self.value(at, Place::Field, vars)?;
                used.push(self.used(at, &compiled.value));
                Some(FieldValue::Value(compiled.text))
            }
            Kind::List(_) => {
                let items = at.items().unwrap_or_default();
                let read: Vec<_> = items.iter().map(|item| self.field_value(item, vars, used)).collect();
                read.into_iter().collect::<Option<Vec<_>>>().map(FieldValue::List)
            }
            Kind::Map(entries) => {
                let mut fields = Ordered::new();
                let mut whole = true;
                for entry in entries {
                    match self.field_value(&at.entry(entry), vars, used) {
                        Some(value) => {
                            fields.insert(entry.key.clone(), value);
                        }
                        None => whole = false,
                    }
                }
                whole.then_some(FieldValue::Fields(fields))
            }
        }
    }

    /// A jq program that is `text`, a part of the scalar at `at` that begins at its byte `offset`.
    pub(crate) fn jq(&mut self, at: &At<'_>, text: &str, offset: usize, vars: &[&str]) -> Option<Expr> {
        match Expr::compile(text) {
            Ok(expr) => {
                let names = expr.names().clone();
                self.variables(at, &names, vars).then_some(expr)
            }
            Err(error) => {
                self.expr_error(at, error, offset);
                None
            }
        }
    }

    /// Reports a mistake of an expression at its own place in the file.
    pub(crate) fn expr_error(&mut self, at: &At<'_>, error: ExprError, offset: usize) {
        let source = self.source();
        let start = at.node.locate(source, offset + error.offset);
        let end = at.node.locate(source, offset + error.offset + error.len).max(start);
        let mut problem = Problem::new(error.code, start..end, &at.path, error.message);
        problem.help = error.help;
        self.add(problem);
    }

    /// The bytes of `$name` (or, of a field, `.name`) in the scalar at `at`; the whole value when it cannot be found.
    pub(crate) fn name_span(&self, at: &At<'_>, name: &str, sigils: &[char]) -> Range<usize> {
        let Kind::Scalar(scalar) = &at.node.kind else {
            return at.node.span.clone();
        };
        let follows = |end: usize| scalar.text.get(end..).and_then(|rest| rest.chars().next());
        let find = |sigil: &char| {
            let wanted = format!("{sigil}{name}");
            let ends = |start: &usize| {
                follows(start + wanted.len()).is_none_or(|next| !(next.is_ascii_alphanumeric() || next == '_'))
            };
            scalar.text.match_indices(&wanted).map(|(start, _)| start).find(ends)
        };
        let Some(found) = sigils.iter().find_map(find) else {
            return at.node.span.clone();
        };
        let source = self.source();
        at.node.locate(source, found)..at.node.locate(source, found + name.len() + 1)
    }

    /// Reports variables that have no value in this place.
    fn variables(&mut self, at: &At<'_>, names: &BTreeSet<String>, vars: &[&str]) -> bool {
        let mut all = true;
        for name in names.iter().filter(|name| !vars.contains(&name.as_str())) {
            all = false;
            let span = self.name_span(at, name, &['$']);
            if matches!(name.as_str(), "until" | "paging" | "response" | "prev") {
                self.later(at, span, &format!("${name}"));
                continue;
            }
            let has: Vec<String> = vars.iter().map(|var| format!("`${var}`")).collect();
            let help = if has.is_empty() {
                format!("no variable has one; the field of that name is `.{name}` in jq, `${{.{name}}}` in text")
            } else {
                format!(
                    "{} have one; the field of that name is `.{name}` in jq, `${{.{name}}}` in text",
                    has.join(", ")
                )
            };
            let problem = Problem::new(codes::NO_VALUE_HERE, span, &at.path, format!("`${name}` has no value here"));
            self.add(problem.help(help));
        }
        all
    }
}

/// What a value uses, kept for checks that need to know the stages around it.
#[derive(Debug, Clone)]
pub(crate) struct Used {
    /// The key's path.
    pub(crate) path: String,
    /// The value's bytes.
    pub(crate) span: Range<usize>,
    /// Fields of the record, with the place of each.
    pub(crate) fields: Vec<(String, Range<usize>)>,
    /// Whether it reads the record as a whole.
    pub(crate) whole: bool,
    /// Variables (no `$`), with the place of each.
    pub(crate) variables: Vec<(String, Range<usize>)>,
}

impl Cx<'_> {
    /// What the value at `at` uses.
    pub(crate) fn used(&self, at: &At<'_>, value: &Value) -> Used {
        let fields = value.fields();
        let placed = |name: String, sigils: &[char]| {
            let span = self.name_span(at, &name, sigils);
            (name, span)
        };
        Used {
            path: at.path.clone(),
            span: at.node.span.clone(),
            whole: fields.whole,
            fields: fields.names.into_iter().map(|name| placed(name, &['$', '.'])).collect(),
            variables: value.names().into_iter().map(|name| placed(name, &['$'])).collect(),
        }
    }
}
