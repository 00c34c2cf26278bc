//! A compiled jq expression.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::Value as Json;

use crate::jq::Program;
use crate::{EvalError, ExprError, Fields, Scope, Subject, Vars};

/// A jq expression, compiled once. Cheap to clone, and may be shared between threads.
#[derive(Clone)]
pub struct Expr {
    inner: Arc<Inner>,
}

struct Inner {
    source: String,
    program: Program,
}

impl Expr {
    /// Compiles `source` (no leading `=`) with the standard variables.
    pub fn compile(source: &str) -> Result<Self, ExprError> {
        Expr::compile_with(source, &Scope::default())
    }

    /// Compiles `source` (no leading `=`) with the variables of `scope`.
    pub fn compile_with(source: &str, scope: &Scope) -> Result<Self, ExprError> {
        let program = Program::compile(source, scope)?;
        Ok(Expr { inner: Arc::new(Inner { source: source.to_string(), program }) })
    }

    /// The one value of the expression on a record: `None` when it gives none. Two or more are an error.
    pub fn eval(&self, subject: &Subject<'_>, vars: &Vars) -> Result<Option<Json>, EvalError> {
        Ok(self.value(subject, vars)?.map(Cow::into_owned))
    }

    /// The same; what stands in the record as it is, is not copied.
    pub fn value<'v>(&'v self, subject: &Subject<'v>, vars: &'v Vars) -> Result<Option<Cow<'v, Json>>, EvalError> {
        if let Some(found) = self.inner.program.straight(subject, vars) {
            return Ok(found);
        }
        let mut found = self.inner.program.interpret(&self.inner.source, subject, vars, 2)?;
        if found.len() > 1 {
            return Err(EvalError::ManyValues { source_text: self.inner.source.clone() });
        }
        Ok(found.pop().map(Cow::Owned))
    }

    /// Up to `most` values of the expression, in order; what would come after is not computed.
    pub fn outputs(&self, subject: &Subject<'_>, vars: &Vars, most: usize) -> Result<Vec<Json>, EvalError> {
        self.inner.program.run(&self.inner.source, subject, vars, most)
    }

    /// Whether the one value of the expression is `true`: anything else, and no value, is false.
    pub fn test(&self, subject: &Subject<'_>, vars: &Vars) -> Result<bool, EvalError> {
        Ok(matches!(self.value(subject, vars)?.as_deref(), Some(Json::Bool(true))))
    }

    /// The jq, as compiled.
    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// The variables it uses, without `$`.
    pub fn names(&self) -> &BTreeSet<String> {
        self.inner.program.names()
    }

    /// The fields of the record it uses.
    pub fn fields(&self) -> &Fields {
        self.inner.program.fields()
    }

    /// The byte of the `=` by which the expression as a whole changes the record: as a condition it is never true, and
    /// `==` is meant.
    pub fn assigns(&self) -> Option<usize> {
        self.inner.program.assigns()
    }
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expr").field(&self.inner.source).finish()
    }
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.inner.source == other.inner.source
    }
}

impl Serialize for Expr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.inner.source)
    }
}
