//! The JSON Schemas: everything described, everything that good imports use known.

use jobpipe_config::{import_schema, settings_schema};
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// The names of all properties, and the places of those without a description.
fn walk(schema: &Json, path: &str, names: &mut BTreeSet<String>, bare: &mut Vec<String>) {
    match schema {
        Json::Object(map) => {
            if let Some(Json::Object(properties)) = map.get("properties") {
                for (name, property) in properties {
                    names.insert(name.clone());
                    // not at the type alone: editors show what stands at the key
                    if property.get("description").is_none() {
                        bare.push(format!("{path}/{name}"));
                    }
                }
            }
            map.iter().for_each(|(key, inner)| walk(inner, &format!("{path}/{key}"), names, bare));
        }
        Json::Array(items) => items.iter().for_each(|inner| walk(inner, path, names, bare)),
        _ => {}
    }
}

#[test]
fn every_field_is_described_and_every_reference_leads_somewhere() {
    for (what, schema) in [("import", import_schema()), ("settings", settings_schema())] {
        let (mut names, mut bare) = (BTreeSet::new(), Vec::new());
        walk(&schema, "", &mut names, &mut bare);
        assert_eq!(bare, Vec::<String>::new(), "{what}");
        assert!(names.len() > 20, "{what}: {names:?}");
        let text = schema.to_string();
        for part in text.split("\"$ref\":\"#").skip(1) {
            let pointer = part.split('"').next().unwrap();
            assert!(schema.pointer(pointer).is_some(), "{what}: {pointer}");
        }
        insta::assert_snapshot!(what, serde_json::to_string_pretty(&schema).unwrap());
    }
}

#[test]
fn keys_of_the_language_are_in_the_schema() {
    let (mut names, mut bare) = (BTreeSet::new(), Vec::new());
    let schema = import_schema();
    walk(&schema, "", &mut names, &mut bare);
    for key in [
        "name",
        "schedule",
        "stages",
        "from",
        "queue",
        "crawl",
        "html",
        "json",
        "query",
        "headers",
        "body",
        "method",
        "auth",
        "bearer",
        "basic",
        "items",
        "pages",
        "links",
        "extract",
        "since",
        "lookback",
        "rate",
        "concurrency",
        "retry",
        "robots",
        "max",
        "timeout",
        "where",
        "key",
        "map",
        "keep",
        "require",
        "gone",
        "after",
        "limit",
        "jsonl",
        "write",
        "fields",
        "as",
        "facebook",
        "message",
        "link",
        "new",
        "changed",
        "pace",
        "per_day",
    ] {
        assert!(names.contains(key), "{key}");
    }
}

/// A crawl without a source, or with two, is marked while it is typed.
#[test]
fn a_crawl_has_one_source() {
    let schema = import_schema();
    let needed = schema.pointer("/$defs/Crawl/oneOf").unwrap();
    assert_eq!(*needed, serde_json::json!([{ "required": ["html"] }, { "required": ["json"] }]));
}
