//! `docs/language.md` is made from the JSON Schemas, and leaves nothing of them out.

use jobpipe_config::{import_schema, reference, settings_schema};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::path::Path;

/// With `UPDATE_DOCS=1` in the environment the file is written; without it it is compared.
#[test]
fn the_reference_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/language.md");
    let wanted = reference::document();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/language.md is old: run `UPDATE_DOCS=1 cargo test -p jobpipe-config --test language_doc`"
    );
}

/// The names of all keys of a schema.
fn keys(schema: &Json, found: &mut BTreeSet<String>) {
    match schema {
        Json::Object(map) => {
            let properties = map.get("properties").and_then(Json::as_object);
            found.extend(properties.into_iter().flat_map(|properties| properties.keys().cloned()));
            map.values().for_each(|inner| keys(inner, found));
        }
        Json::Array(items) => items.iter().for_each(|inner| keys(inner, found)),
        _ => {}
    }
}

#[test]
fn every_key_has_a_row_and_every_link_a_heading() {
    let text = reference::document();
    let mut found = BTreeSet::new();
    keys(&import_schema(), &mut found);
    keys(&settings_schema(), &mut found);
    let bare: Vec<&String> = found.iter().filter(|key| !text.contains(&format!("\n| `{key}` | "))).collect();
    assert!(found.len() > 60 && bare.is_empty(), "no row for {bare:?}");
    let plain = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-');
    let anchors: BTreeSet<String> = text
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches(['#', ' ']).to_lowercase().chars().filter(plain).collect::<String>())
        .map(|title| title.replace(' ', "-"))
        .collect();
    let links = text.split("](#").skip(1).filter_map(|rest| rest.split(')').next());
    let dead: Vec<&str> = links.filter(|link| !anchors.contains(*link)).collect();
    assert!(dead.is_empty(), "no heading for {dead:?}");
    assert!(!text.contains("|  | *needed*"), "a key says what stands there");
}
