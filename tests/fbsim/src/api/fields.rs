//! The `fields` parameter: `id,message,attachments{unshimmed_url,title}`.

use super::error::ApiError;
use serde_json::{Map, Value};

/// One wanted field; `inner` is what is wanted of its objects, everything if none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: String,
    inner: Option<Vec<Self>>,
}

/// Deeper nesting than any real query has.
const MAX_DEPTH: u32 = 8;

/// Reads a list of fields.
pub(crate) fn parse(text: &str) -> Result<Vec<Field>, ApiError> {
    let mut rest = text;
    let fields = list(&mut rest, 0)?;
    if rest.is_empty() { Ok(fields) } else { Err(syntax(text)) }
}

fn list(rest: &mut &str, depth: u32) -> Result<Vec<Field>, ApiError> {
    let mut fields = Vec::new();
    loop {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let (name, tail) = rest.split_at(end);
        if name.is_empty() || depth > MAX_DEPTH {
            return Err(syntax(rest));
        }
        *rest = tail;
        let inner = match rest.strip_prefix('{') {
            Some(tail) => {
                *rest = tail;
                let inner = list(rest, depth + 1)?;
                *rest = rest.strip_prefix('}').ok_or_else(|| syntax(rest))?;
                Some(inner)
            }
            None => None,
        };
        fields.push(Field { name: name.to_owned(), inner });
        match rest.strip_prefix(',') {
            Some(tail) => *rest = tail,
            None => return Ok(fields),
        }
    }
}

fn syntax(near: &str) -> ApiError {
    ApiError::param(&format!("Syntax error in the fields parameter near \"{near}\""))
}

/// The wanted part of an object; in it, the wanted part of objects, lists and `data` lists. Fields that the object
/// lacks are left out, as the Graph API leaves out what is empty.
pub(crate) fn select(object: &Value, fields: &[Field]) -> Value {
    let mut chosen = Map::new();
    for field in fields {
        if let Some(value) = object.get(&field.name) {
            let value = match &field.inner {
                Some(inner) => select_inside(value, inner),
                None => value.clone(),
            };
            chosen.insert(field.name.clone(), value);
        }
    }
    if let (Some(id), false) = (object.get("id"), chosen.contains_key("id")) {
        chosen.insert("id".to_owned(), id.clone());
    }
    Value::Object(chosen)
}

fn select_inside(value: &Value, fields: &[Field]) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| select_inside(item, fields)).collect(),
        Value::Object(object) => match object.get("data") {
            Some(data @ Value::Array(_)) => serde_json::json!({ "data": select_inside(data, fields) }),
            _ => select(value, fields),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nested_fields_are_selected_inside_of_data_lists() {
        let post = json!({
            "id": "1_2", "message": "m", "extra": 1,
            "attachments": { "data": [{ "title": "t", "unshimmed_url": "u", "target": { "url": "x", "other": "y" } }] },
        });
        let fields = parse("message,attachments{unshimmed_url,target{url}},missing").unwrap();
        let chosen = select(&post, &fields);
        let wanted = json!({
            "message": "m", "id": "1_2",
            "attachments": { "data": [{ "unshimmed_url": "u", "target": { "url": "x" } }] },
        });
        assert_eq!(chosen, wanted);
    }

    #[test]
    fn broken_lists_are_refused() {
        for text in ["", "id,", "attachments{url", "id}", "a{}", "id message"] {
            assert!(parse(text).is_err(), "{text}");
        }
        let deep = "a{".repeat(1000);
        assert!(parse(&deep).is_err());
    }
}
