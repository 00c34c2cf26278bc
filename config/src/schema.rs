//! JSON Schemas for editors: of import files, short and long form, and of settings. Made from the types that the
//! compiler fills, so that descriptions and defaults are told once.

use crate::settings::Settings;
use crate::spec::{CrawlSpec, FacebookSpec, JsonlSpec, TransformSpec};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value as Json, json};

/// The short forms that options have beside their map, by the name of the type.
const SHORT_FORMS: &[(&str, &str)] = &[
    ("Retry", r#"{ "anyOf": [{ "type": "integer", "minimum": 0 }, { "const": "none" }] }"#),
    ("Max", r#"{ "type": ["integer", "string"], "pattern": "^[0-9][0-9_]*$" }"#),
    ("Pages", r#"{ "type": "string" }"#),
    ("Links", r#"{ "type": "string" }"#),
    ("Since", r#"{ "type": "string" }"#),
    ("Gone", r#"{ "type": "string" }"#),
    ("Pace", r##"{ "$ref": "#/$defs/Rate" }"##),
    ("BasicAuth", r#"{ "type": "array", "items": { "type": "string" }, "minItems": 2, "maxItems": 2 }"#),
];

/// The JSON Schema of an import file.
#[must_use]
pub fn import_schema() -> Json {
    let mut generator = generator();
    let crawl = generator.subschema_for::<CrawlSpec>().to_value();
    let transform = generator.subschema_for::<TransformSpec>().to_value();
    let jsonl = generator.subschema_for::<JsonlSpec>().to_value();
    let facebook = generator.subschema_for::<FacebookSpec>().to_value();
    let mut defs = definitions(&mut generator);
    let title = json!({ "type": "string", "description": "The export's name, its kind by default. Posts and files belong to it." });
    for name in ["Jsonl", "Facebook"] {
        if let Some(properties) =
            defs.get_mut(name).and_then(|def| def.get_mut("properties")).and_then(Json::as_object_mut)
        {
            properties.insert("as".to_owned(), title.clone());
        }
    }
    let export = json!({ "description": "Where records go: one place.", "anyOf": [facebook, jsonl] });
    defs.insert("Export".to_owned(), export);
    defs.insert("Stage".to_owned(), stage(&crawl, &transform));
    defs.insert("Schedule".to_owned(), schedule());
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "jobpipe import",
        "description": "An import: records crawled from a source, transformed, and brought to their targets.",
        "type": "object",
        "required": ["name"],
        "oneOf": [{ "required": ["crawl"] }, { "required": ["stages"] }],
        "additionalProperties": false,
        "properties": {
            "name": { "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$", "maxLength": 100, "description": "The identity of the import: what is remembered of records and posts belongs to it, whatever the file is called." },
            "schedule": { "$ref": "#/$defs/Schedule", "description": "When it runs by itself. This version checks and keeps it; it has no scheduler." },
            "crawl": with_description(crawl, "Short form: where the records come from."),
            "transform": with_description(transform, "Short form: what becomes of them."),
            "export": {
                "description": "Short form: where they go; one export or a list.",
                "anyOf": [{ "$ref": "#/$defs/Export" }, { "type": "array", "items": { "$ref": "#/$defs/Export" } }]
            },
            "stages": { "type": "object", "description": "Long form: stages by name; each says whose records it takes.", "additionalProperties": { "$ref": "#/$defs/Stage" } },
            "tests": { "type": "array", "description": "Examples with what is expected of them. Not run by this version." }
        },
        "$defs": defs
    })
}

/// The JSON Schema of `jobpipe.yml` and of `config/environments/NAME.yml`.
#[must_use]
pub fn settings_schema() -> Json {
    let mut generator = generator();
    let _root = generator.subschema_for::<Settings>();
    let mut defs = definitions(&mut generator);
    let mut root = defs.remove("Settings").unwrap_or_default();
    for def in defs.values_mut().chain(std::iter::once(&mut root)) {
        // Everything has a value already: a file says only what it changes.
        if let Some(def) = def.as_object_mut() {
            def.remove("required");
        }
    }
    if let Some(page) = defs.get_mut("PageSettings").and_then(Json::as_object_mut) {
        page.insert("required".to_owned(), json!(["id", "token"]));
        page.insert("additionalProperties".to_owned(), own_value());
    }
    if let Some(root) = root.as_object_mut() {
        root.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        root.insert("title".to_owned(), json!("jobpipe settings"));
        root.insert("$defs".to_owned(), Json::Object(defs));
    }
    root
}

fn own_value() -> Json {
    json!({ "type": ["string", "number", "boolean"], "description": "A value of your own, seen as `$page.NAME`." })
}

fn generator() -> SchemaGenerator {
    // What is read from a file is described: what has a default need not be there.
    SchemaSettings::draft2020_12().for_deserialize().into_generator()
}

/// The definitions, those with a short form widened.
fn definitions(generator: &mut SchemaGenerator) -> Map<String, Json> {
    let mut defs = generator.take_definitions(true);
    for (name, short) in SHORT_FORMS {
        let Some(long) = defs.remove(*name) else { continue };
        let short: Json = serde_json::from_str(short).unwrap_or_default();
        let description = long.get("description").cloned().unwrap_or_default();
        defs.insert((*name).to_owned(), json!({ "description": description, "anyOf": [short, long] }));
    }
    widen_targets(&mut defs);
    // Their defaults are decided with the other keys in view; the descriptions say how.
    for key in ["keep", "gone"] {
        let slot = defs.get_mut("Transform").and_then(|def| def.pointer_mut(&format!("/properties/{key}")));
        if let Some(slot) = slot.and_then(Json::as_object_mut) {
            slot.remove("default");
        }
    }
    for def in defs.values_mut() {
        widen_counts(def);
    }
    let after = defs.get_mut("Gone").and_then(|gone| gone.pointer_mut("/anyOf/1/properties/after"));
    if let Some(after) = after.and_then(Json::as_object_mut) {
        after.insert("pattern".to_owned(), json!("^[0-9]+( runs?)?$"));
    }
    defs
}

/// `facebook: NAME` for a list of one, `require: NAME` likewise; values of their own in a page written out.
fn widen_targets(defs: &mut Map<String, Json>) {
    let lists = [("Facebook", "facebook"), ("Transform", "require"), ("Jsonl", "fields")];
    for (def, key) in lists {
        let slot =
            defs.get_mut(def).and_then(|def| def.get_mut("properties")).and_then(|properties| properties.get_mut(key));
        let Some(slot) = slot else { continue };
        let list = slot.take();
        let description = list.get("description").cloned().unwrap_or_default();
        let one = list.get("items").cloned().unwrap_or_default();
        *slot = json!({ "description": description, "anyOf": [one, list] });
    }
    if let Some(page) = defs.get_mut("InlinePage").and_then(Json::as_object_mut) {
        page.insert("additionalProperties".to_owned(), own_value());
        if let Some(properties) = page.get_mut("properties").and_then(Json::as_object_mut) {
            properties.remove("vars");
        }
    }
}

/// Whole numbers may be written with `_`, which YAML takes for text.
fn widen_counts(schema: &mut Json) {
    let Some(map) = schema.as_object_mut() else {
        if let Some(items) = schema.as_array_mut() {
            items.iter_mut().for_each(widen_counts);
        }
        return;
    };
    let counts = map.get("type").is_some_and(|kind| *kind == json!("integer") || *kind == json!(["integer", "null"]));
    if counts {
        map.insert("type".to_owned(), json!(["integer", "string"]));
        map.insert("pattern".to_owned(), json!("^[0-9][0-9_]*$"));
        map.remove("format");
    }
    map.values_mut().for_each(widen_counts);
}

fn stage(crawl: &Json, transform: &Json) -> Json {
    json!({
        "type": "object",
        "description": "A stage: a crawl, a transform or an export.",
        "additionalProperties": false,
        "oneOf": [{ "required": ["crawl"] }, { "required": ["transform"] }, { "required": ["export"] }],
        "properties": {
            "from": {
                "description": "The stage whose records it takes, or a list of such. A crawl may be without.",
                "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 }]
            },
            "queue": { "type": "string", "description": "The queue that its tasks wait in; by default that of its kind." },
            "crawl": with_description(crawl.clone(), "Fetch pages or answers and take records from them."),
            "transform": with_description(transform.clone(), "Turn records into the records that are wanted."),
            "export": { "$ref": "#/$defs/Export", "description": "Bring records to a place outside." }
        }
    })
}

fn schedule() -> Json {
    let line = json!({ "type": "string", "description": "`every 15m`, `hourly`, `daily 06:00 Europe/Paris`, `weekdays 9:00-18:00 every 30m`, or a cron line of five fields." });
    let long = json!({
        "type": "object",
        "description": "A schedule with its policies.",
        "properties": {
            "every": { "$ref": "#/$defs/Duration", "description": "So often." },
            "daily": { "type": "string", "description": "A time, and a time zone." },
            "weekly": { "type": "string", "description": "A day, a time, and a time zone: `mon 06:00 Europe/Paris`." },
            "monthly": { "type": "string", "description": "A day of the month, a time, and a time zone." },
            "weekdays": { "type": "string", "description": "A time, or a window: `9:00-18:00 every 30m`." },
            "weekends": { "type": "string", "description": "The same on Saturdays and Sundays." },
            "cron": { "type": "string", "description": "Five fields." },
            "zone": { "type": "string", "description": "A time zone; UTC by default." },
            "overlap": { "enum": ["skip", "queue_one", "cancel_other"], "description": "What happens when the last run is still going." },
            "catch_up": { "enum": ["none", "last", "all"], "description": "Which missed runs are made up for." },
            "jitter": { "$ref": "#/$defs/Duration", "description": "Spread over so long." },
            "pause_on_failure": { "type": ["integer", "string"], "pattern": "^[0-9][0-9_]*$", "description": "Failed runs in a row after which it pauses." }
        }
    });
    json!({ "description": "When the import runs by itself.", "anyOf": [line, long, { "type": "array", "items": { "$ref": "#/$defs/Schedule" } }] })
}

fn with_description(mut schema: Json, text: &str) -> Json {
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), json!(text));
    }
    schema
}
