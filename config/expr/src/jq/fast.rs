//! The commonest expressions, read straight from the record: `.a.b`, `.a | trim`, `.a // "x"`, `.a == "x"`.
//! Whatever is not as simple as it looks (an error, a type that does not fit) is left to jq.

use jaq_core::load::parse::{BinaryOp, Term};
use jaq_core::ops::Cmp;
use jaq_core::path::{Opt, Part};
use serde_json::Value as Json;

use super::reads::text;

/// An expression that needs no interpreter.
#[derive(Clone, Debug)]
pub(crate) struct Fast {
    path: Vec<String>,
    then: Then,
}

#[derive(Clone, Debug)]
enum Then {
    Take,
    Trim,
    Or(Json),
    Equals { value: Json, same: bool },
}

impl Fast {
    /// The fast form of a term, when it has one.
    pub(crate) fn of(term: &Term<&str>) -> Option<Self> {
        let (path, then) = match term {
            Term::BinOp(left, BinaryOp::Pipe(None), right) => match right.as_ref() {
                Term::Call("trim", arguments) if arguments.is_empty() => (left.as_ref(), Then::Trim),
                _ => return None,
            },
            Term::BinOp(left, BinaryOp::Alt, right) => (left.as_ref(), Then::Or(literal(right)?)),
            Term::BinOp(left, BinaryOp::Cmp(cmp @ (Cmp::Eq | Cmp::Ne)), right) => {
                (left.as_ref(), Then::Equals { value: literal(right)?, same: *cmp == Cmp::Eq })
            }
            other => (other, Then::Take),
        };
        Some(Fast { path: keys(path)?, then })
    }

    /// The one value; `None` when jq has to say.
    pub(crate) fn eval(&self, record: &Json) -> Option<Json> {
        let mut found = record;
        for key in &self.path {
            found = match found {
                Json::Object(map) => map.get(key).unwrap_or(&Json::Null),
                Json::Null => &Json::Null,
                _ => return None,
            };
        }
        match &self.then {
            Then::Take => Some(found.clone()),
            Then::Trim => Some(Json::String(found.as_str()?.trim().to_string())),
            Then::Or(default) => Some(match found {
                Json::Null | Json::Bool(false) => default.clone(),
                other => other.clone(),
            }),
            Then::Equals { value, same } => Some(Json::Bool((found == value) == *same)),
        }
    }
}

/// The keys of `.a.b."c d"`.
fn keys(term: &Term<&str>) -> Option<Vec<String>> {
    let Term::Path(head, path) = term else { return None };
    let key = |(part, opt): &(Part<Term<&str>>, Opt)| match (part, opt) {
        (Part::Index(index), Opt::Essential) => text(index).map(ToString::to_string),
        _ => None,
    };
    matches!(head.as_ref(), Term::Id).then(|| path.0.iter().map(key).collect())?
}

/// A literal that compares as plain JSON does: numbers do not (`1 == 1.0`).
fn literal(term: &Term<&str>) -> Option<Json> {
    match term {
        Term::Call("null", arguments) if arguments.is_empty() => Some(Json::Null),
        Term::Call("true", arguments) if arguments.is_empty() => Some(Json::Bool(true)),
        Term::Call("false", arguments) if arguments.is_empty() => Some(Json::Bool(false)),
        // `""` has no parts.
        Term::Str(None, parts) if parts.is_empty() => Some(Json::String(String::new())),
        other => text(other).map(|text| Json::String(text.to_string())),
    }
}
