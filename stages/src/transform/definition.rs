//! A transform, compiled once for a definition.

use jobpipe_config::spec::{Keep, TransformSpec, ValueText};
use jobpipe_expr::{Expr, ExprError};

use crate::field::{Field, compile_fields};

/// The compiled parts of a [`TransformSpec`].
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) key: Option<Expr>,
    pub(super) wanted: Option<Expr>,
    pub(super) gone: Option<Expr>,
    pub(super) map: Vec<(String, Field)>,
    pub(super) keep: Keep,
    pub(super) require: Vec<String>,
}

impl Definition {
    pub(super) fn compile(spec: &TransformSpec) -> Result<Self, ExprError> {
        Ok(Self {
            key: expr(spec.key.as_ref())?,
            wanted: expr(spec.where_.as_ref())?,
            gone: expr(spec.gone.when.as_ref())?,
            map: compile_fields(&spec.map)?,
            keep: spec.keep.clone(),
            require: spec.require.clone(),
        })
    }

    /// Whether a field that `map` does not name stays.
    pub(super) fn keeps(&self, name: &str) -> bool {
        match &self.keep {
            Keep::All => true,
            Keep::Fields(names) => names.iter().any(|kept| kept == name),
        }
    }
}

/// A field that can only be an expression: a leading `=` is allowed and means nothing.
fn expr(text: Option<&ValueText>) -> Result<Option<Expr>, ExprError> {
    text.map(|text| Expr::compile(text.as_str().strip_prefix('=').unwrap_or(text.as_str()))).transpose()
}
