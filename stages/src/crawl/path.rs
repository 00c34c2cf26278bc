//! Where something lies in a JSON answer: `.data.items` is walked directly, anything else is jq over the whole answer.

use jobpipe_expr::{EvalError, Expr, ExprError, Subject, Vars};
use serde_json::Value as Json;

/// Values of one expression that are taken.
const MOST: usize = 100_000;

/// A compiled `items` or `pages` of JSON.
#[derive(Debug)]
pub(super) enum Path {
    /// `.a.b`; empty for `.`.
    Plain(Vec<String>),
    /// Other jq.
    Jq(Expr),
}

impl Path {
    pub(super) fn compile(text: &str) -> Result<Self, ExprError> {
        let jq = text.strip_prefix('=').unwrap_or(text).trim();
        match plain(jq) {
            Some(names) => Ok(Self::Plain(names)),
            None => Expr::compile(jq).map(Self::Jq),
        }
    }

    /// The one value, null where there is none.
    pub(super) fn one(&self, answer: &Json, vars: &Vars) -> Result<Json, EvalError> {
        match self {
            Self::Plain(names) => {
                Ok(names.iter().try_fold(answer, |at, name| at.get(name)).cloned().unwrap_or_default())
            }
            Self::Jq(expr) => Ok(expr.eval(&Subject::new(answer), vars)?.unwrap_or_default()),
        }
    }

    /// The items: the elements of a list, or several values. `None` where there is nothing at all.
    pub(super) fn items(&self, answer: Json, vars: &Vars) -> Result<Option<Vec<Json>>, EvalError> {
        let mut found = match self {
            Self::Plain(names) => vec![names.iter().try_fold(answer, take).unwrap_or_default()],
            Self::Jq(expr) => expr.outputs(&Subject::new(&answer), vars, MOST)?,
        };
        Ok(match (found.pop(), found.is_empty()) {
            (None | Some(Json::Null), true) => None,
            (Some(Json::Array(items)), true) => Some(items),
            (last, _) => {
                found.extend(last);
                Some(found)
            }
        })
    }
}

fn take(at: Json, name: &String) -> Option<Json> {
    match at {
        Json::Object(mut fields) => fields.remove(name),
        _ => None,
    }
}

/// The names of `.a.b`; `None` for anything that needs jq (also `.a` of something that is no object, which jq refuses
/// and which here is just not there).
fn plain(jq: &str) -> Option<Vec<String>> {
    let rest = jq.strip_prefix('.')?;
    if rest.is_empty() {
        return Some(Vec::new());
    }
    let name = |part: &str| {
        let good = part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        good.then(|| part.to_owned())
    };
    rest.split('.').map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn items(path: &str, answer: Json) -> Option<Vec<Json>> {
        Path::compile(path).unwrap().items(answer, &Vars::new()).unwrap()
    }

    #[test]
    fn both_ways_find_the_same() {
        let answer = json!({"data": {"jobs": [{"id": 1}, {"id": 2}]}, "next": null});
        for path in [".data.jobs", ".data.jobs[]", ".data | .jobs", "=.data.jobs | map(.)"] {
            assert_eq!(items(path, answer.clone()), Some(vec![json!({"id": 1}), json!({"id": 2})]), "{path}");
        }
        assert_eq!(items(".", json!([1, 2])), Some(vec![json!(1), json!(2)]));
        assert_eq!(items(".", json!({"a": 1})), Some(vec![json!({"a": 1})]));
        assert_eq!(items(".data.jobs", json!({"data": {"jobs": []}})), Some(Vec::new()));
        for nothing in [json!({}), json!({"data": null}), json!({"data": {}})] {
            assert_eq!(items(".data.jobs", nothing.clone()), None, "{nothing}");
            assert_eq!(items(".data?.jobs?", nothing), None);
        }
    }

    #[test]
    fn one_value() {
        let one =
            |path: &str| Path::compile(path).unwrap().one(&json!({"links": {"next": "u"}}), &Vars::new()).unwrap();
        assert_eq!(one(".links.next"), json!("u"));
        assert_eq!(one(".links.next // empty"), json!("u"));
        assert_eq!(one(".next"), json!(null));
    }
}
