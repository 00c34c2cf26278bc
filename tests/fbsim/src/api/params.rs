//! Parameters, wherever they stand: query, form and JSON bodies are merged, the body last.

use super::error::ApiError;
use serde_json::Value;
use std::collections::BTreeMap;
use url::form_urlencoded;

/// Every value is text, as in a form; objects, lists, numbers and booleans of a JSON body are their JSON.
pub(crate) type Params = BTreeMap<String, String>;

pub(crate) fn read(query: &str, content_type: &str, body: &[u8]) -> Result<Params, ApiError> {
    let mut params = Params::new();
    params.extend(form_urlencoded::parse(query.as_bytes()).into_owned());
    let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media.as_str() {
        "application/json" if !body.is_empty() => params.extend(from_json(body)?),
        "multipart/form-data" => return Err(ApiError::unsupported("a multipart body")),
        _ => params.extend(form_urlencoded::parse(body).into_owned()),
    }
    Ok(params)
}

fn from_json(body: &[u8]) -> Result<Vec<(String, String)>, ApiError> {
    let Ok(Value::Object(object)) = serde_json::from_slice(body) else {
        return Err(ApiError::param("the JSON body is no object"));
    };
    let as_text = |value: Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    Ok(object.into_iter().filter_map(|(name, value)| as_text(value).map(|text| (name, text))).collect())
}

/// A boolean parameter, in the forms that the Graph API takes.
pub(crate) fn boolean(params: &Params, name: &str) -> Result<Option<bool>, ApiError> {
    match params.get(name).map(String::as_str) {
        None => Ok(None),
        Some("true" | "1") => Ok(Some(true)),
        Some("false" | "0") => Ok(Some(false)),
        Some(_) => Err(ApiError::param(&format!("Param {name} must be a boolean"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_form_and_json_are_merged_and_the_body_wins() {
        let form = read("a=1&b=2", "application/x-www-form-urlencoded", b"b=3&c=x+y%26").unwrap();
        assert_eq!(form.get("a").map(String::as_str), Some("1"));
        assert_eq!(form.get("b").map(String::as_str), Some("3"));
        assert_eq!(form.get("c").map(String::as_str), Some("x y&"));
        let json = read("a=1", "application/json; charset=utf-8", br#"{"published":false,"a":"z","n":null}"#).unwrap();
        assert_eq!(json.get("published").map(String::as_str), Some("false"));
        assert_eq!(json.get("a").map(String::as_str), Some("z"));
        assert!(!json.contains_key("n"));
        assert!(read("", "application/json", b"[1]").is_err());
    }
}
