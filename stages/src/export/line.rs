//! One record as one line of JSON.

use jobpipe_core::FileRecord;
use serde_json::{Map, Value as Json};

/// The field that tells new, changed and gone records apart.
const CHANGE: &str = "change";
/// The field of the record's key.
const KEY: &str = "key";

/// Appends the line of a record, with its line break. With `fields` just these, in this order, null where the record has
/// none; else the record as it is, with `change` and `key` before it where changes are written.
pub(super) fn line(out: &mut Vec<u8>, record: &FileRecord, fields: &[String]) -> Result<(), serde_json::Error> {
    match (fields, record.change) {
        ([], None) => out.extend_from_slice(&record.json),
        ([], Some(_)) => serde_json::to_writer(&mut *out, &with_change(record, record.body()?))?,
        (fields, _) => {
            let body = record.body()?;
            let pick = |name: &String| (name.clone(), field(record, &body, name));
            serde_json::to_writer(&mut *out, &fields.iter().map(pick).collect::<Map<String, Json>>())?;
        }
    }
    out.push(b'\n');
    Ok(())
}

fn with_change(record: &FileRecord, body: Json) -> Map<String, Json> {
    let mut all: Map<String, Json> =
        [CHANGE, KEY].map(|name| (name.to_owned(), field(record, &body, name))).into_iter().collect();
    if let Json::Object(fields) = body {
        for (name, value) in fields {
            all.entry(name).or_insert(value);
        }
    }
    all
}

fn field(record: &FileRecord, body: &Json, name: &str) -> Json {
    let own = || body.get(name).cloned().unwrap_or(Json::Null);
    match (name, record.change) {
        (CHANGE, Some(change)) => change.into(),
        (KEY, _) if !record.key.is_empty() => record.key.clone().into(),
        _ => own(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(change: Option<&'static str>, body: &Json, fields: &[&str]) -> String {
        let record = FileRecord::new(change, "k1".into(), body);
        let fields: Vec<String> = fields.iter().map(|name| (*name).to_owned()).collect();
        let mut out = Vec::new();
        line(&mut out, &record, &fields).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_record_is_written_as_it_is() {
        assert_eq!(text(None, &json!({"b": "line\nbreak", "a": 1}), &[]), "{\"b\":\"line\\nbreak\",\"a\":1}\n");
    }

    #[test]
    fn fields_choose_and_order() {
        let body = json!({"url": "u", "title": "t", "text": "long"});
        assert_eq!(
            text(Some("new"), &body, &["change", "key", "title", "url", "city"]),
            "{\"change\":\"new\",\"key\":\"k1\",\"title\":\"t\",\"url\":\"u\",\"city\":null}\n"
        );
        assert_eq!(text(None, &json!({"change": "own"}), &["change"]), "{\"change\":\"own\"}\n");
    }

    #[test]
    fn a_change_says_what_it_is_without_being_asked() {
        assert_eq!(text(Some("gone"), &Json::Null, &[]), "{\"change\":\"gone\",\"key\":\"k1\"}\n");
        assert_eq!(
            text(Some("new"), &json!({"a": 1, "key": "own"}), &[]),
            "{\"change\":\"new\",\"key\":\"k1\",\"a\":1}\n"
        );
    }
}
