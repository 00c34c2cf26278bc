//! One record as one line of JSON.

use jobpipe_core::FileRecord;
use serde_json::{Map, Value as Json};

/// The field that tells new, changed and gone records apart.
const CHANGE: &str = "change";
/// The field of the record's key.
const KEY: &str = "key";

/// The line of a record, with its line break. With `fields` just these, in this order, null where the record has none;
/// else the record as it is, with `change` and `key` before it where changes are written.
pub(super) fn line(record: &FileRecord, fields: &[String]) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = match (fields, record.change) {
        ([], None) => serde_json::to_vec(&record.body)?,
        ([], Some(_)) => serde_json::to_vec(&with_change(record))?,
        (fields, _) => {
            let pick = |name: &String| (name.clone(), field(record, name));
            serde_json::to_vec(&fields.iter().map(pick).collect::<Map<String, Json>>())?
        }
    };
    bytes.push(b'\n');
    Ok(bytes)
}

fn with_change(record: &FileRecord) -> Map<String, Json> {
    let mut all: Map<String, Json> =
        [CHANGE, KEY].map(|name| (name.to_owned(), field(record, name))).into_iter().collect();
    for (name, value) in record.body.as_object().into_iter().flatten() {
        all.entry(name.as_str()).or_insert_with(|| value.clone());
    }
    all
}

fn field(record: &FileRecord, name: &str) -> Json {
    let own = || record.body.get(name).cloned().unwrap_or(Json::Null);
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

    fn text(change: Option<&'static str>, body: Json, fields: &[&str]) -> String {
        let record = FileRecord { change, key: "k1".into(), body };
        let fields: Vec<String> = fields.iter().map(|name| (*name).to_owned()).collect();
        String::from_utf8(line(&record, &fields).unwrap()).unwrap()
    }

    #[test]
    fn a_record_is_written_as_it_is() {
        assert_eq!(text(None, json!({"b": "line\nbreak", "a": 1}), &[]), "{\"b\":\"line\\nbreak\",\"a\":1}\n");
    }

    #[test]
    fn fields_choose_and_order() {
        let body = json!({"url": "u", "title": "t", "text": "long"});
        assert_eq!(
            text(Some("new"), body.clone(), &["change", "key", "title", "url", "city"]),
            "{\"change\":\"new\",\"key\":\"k1\",\"title\":\"t\",\"url\":\"u\",\"city\":null}\n"
        );
        assert_eq!(text(None, json!({"change": "own"}), &["change"]), "{\"change\":\"own\"}\n");
    }

    #[test]
    fn a_change_says_what_it_is_without_being_asked() {
        assert_eq!(text(Some("gone"), Json::Null, &[]), "{\"change\":\"gone\",\"key\":\"k1\"}\n");
        assert_eq!(
            text(Some("new"), json!({"a": 1, "key": "own"}), &[]),
            "{\"change\":\"new\",\"key\":\"k1\",\"a\":1}\n"
        );
    }
}
