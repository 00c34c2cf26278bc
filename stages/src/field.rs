//! Values with structure: a field of `map`, a query parameter, a body; compiled once, evaluated on each record.

use jobpipe_config::spec::FieldValue;
use jobpipe_expr::{EvalError, ExprError, Fields, Place, Subject, Value, Vars};
use serde_json::{Map, Value as Json};

/// A compiled [`FieldValue`].
#[derive(Debug)]
pub(crate) enum Field {
    Value(Value),
    Scalar(Json),
    List(Vec<Field>),
    Map(Vec<(String, Field)>),
}

impl Field {
    pub(crate) fn compile(spec: &FieldValue) -> Result<Self, ExprError> {
        Ok(match spec {
            FieldValue::Value(text) => Self::Value(Value::compile(text.as_str(), Place::Field)?),
            FieldValue::Scalar(scalar) => Self::Scalar(scalar.0.clone()),
            FieldValue::List(items) => Self::List(items.iter().map(Self::compile).collect::<Result<_, _>>()?),
            FieldValue::Fields(fields) => Self::Map(compile_fields(fields)?),
        })
    }

    /// The value on a record; `None` where an expression gives none. Absent members of lists and maps are left out.
    pub(crate) fn eval(&self, subject: &Subject<'_>, vars: &Vars) -> Result<Option<Json>, EvalError> {
        Ok(Some(match self {
            Self::Value(value) => return value.eval(subject, vars),
            Self::Scalar(scalar) => scalar.clone(),
            Self::List(items) => {
                let values = items.iter().map(|item| item.eval(subject, vars));
                Json::Array(values.filter_map(Result::transpose).collect::<Result<_, _>>()?)
            }
            Self::Map(fields) => Json::Object(eval_fields(fields, subject, vars)?),
        }))
    }

    /// The fields of the record that it reads, when it is one value.
    pub(crate) fn reads(&self) -> Option<Fields> {
        match self {
            Self::Value(value) => Some(value.fields()),
            Self::Scalar(_) | Self::List(_) | Self::Map(_) => None,
        }
    }
}

/// Named fields, in the order in which they were written.
pub(crate) fn compile_fields<'a>(
    specs: impl IntoIterator<Item = (&'a String, &'a FieldValue)>,
) -> Result<Vec<(String, Field)>, ExprError> {
    specs.into_iter().map(|(name, spec)| Ok((name.clone(), Field::compile(spec)?))).collect()
}

fn eval_fields(fields: &[(String, Field)], subject: &Subject<'_>, vars: &Vars) -> Result<Map<String, Json>, EvalError> {
    let mut map = Map::new();
    for (name, field) in fields {
        if let Some(value) = field.eval(subject, vars)? {
            map.insert(name.clone(), value);
        }
    }
    Ok(map)
}
