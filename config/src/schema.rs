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
    ("Task", r##"{ "$ref": "#/$defs/Duration" }"##),
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
            "schedule": { "$ref": "#/$defs/Schedule", "description": "When it runs by itself, once it is deployed: `jobpipe up`, `jobpipe deploy`." },
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
    if let Some(email) = defs.get_mut("Email").and_then(Json::as_object_mut) {
        email.insert("required".to_owned(), json!(["server", "from", "to"]));
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
    describe_auth(&mut defs);
    if let Some(crawl) = defs.get_mut("Crawl").and_then(Json::as_object_mut) {
        crawl.insert("oneOf".to_owned(), json!([{ "required": ["html"] }, { "required": ["json"] }]));
    }
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
    let lists = [("Facebook", "facebook"), ("Transform", "require"), ("Jsonl", "fields"), ("Email", "to")];
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

/// Each way to be authorised is told at its key too, where editors look for it.
fn describe_auth(defs: &mut Map<String, Json>) {
    let ways = defs.get_mut("Auth").and_then(|auth| auth.get_mut("oneOf")).and_then(Json::as_array_mut);
    for way in ways.into_iter().flatten() {
        let description = way.get("description").cloned();
        let keys = way.get_mut("properties").and_then(Json::as_object_mut);
        for key in keys.into_iter().flat_map(Map::values_mut).filter_map(Json::as_object_mut) {
            if let Some(description) = &description {
                key.insert("description".to_owned(), description.clone());
            }
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
            "queue": { "type": "string", "description": "The queue that its tasks wait in; by default that of its kind. An export to pages has no tasks: who works on `export` keeps pages in step." },
            "crawl": with_description(crawl.clone(), "Fetch pages or answers and take records from them."),
            "transform": with_description(transform.clone(), "Turn records into the records that are wanted."),
            "export": { "$ref": "#/$defs/Export", "description": "Bring records to a place outside." }
        }
    })
}

fn schedule() -> Json {
    let line = json!({ "type": "string", "description": "`every 15m`, `hourly`, `daily 06:00 Europe/Paris`, `weekdays 9:00-18:00 every 30m`, a cron line of five fields, or `after other-import`." });
    let texts = |description: &str| {
        let one = json!({ "type": "string" });
        json!({ "description": description, "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
    };
    let length = |description: &str| json!({ "$ref": "#/$defs/Duration", "description": description });
    let number = |least: u32, description: &str| json!({ "type": ["integer", "string"], "minimum": least, "pattern": "^[0-9][0-9_]*$", "description": description });
    let long = json!({
        "type": "object",
        "description": "A schedule with its policies.",
        "additionalProperties": false,
        "properties": {
            "every": texts("So often: `15m`, `6h`, `2d`; counted from 1970-01-01T00:00Z, so that `6h` is 00:00, 06:00, 12:00 and 18:00 UTC."),
            "daily": texts("A time (`06:00`), or a window (`9:00-18:00 every 30m`)."),
            "weekly": texts("Days and a time: `mon 06:00`, `mon,thu 06:00`."),
            "monthly": texts("A day of the month, or `last`, and a time: `1 06:00`. A month without that day has no run."),
            "weekdays": texts("A time, or a window, from Monday to Friday: `9:00-18:00 every 30m`, the last one at 18:00."),
            "weekends": texts("The same on Saturdays and Sundays."),
            "cron": texts("Five fields: minute, hour, day of the month, month, day of the week (0 and 7 are Sunday), with names, `L`, `W` and `#`."),
            "zone": { "type": "string", "description": "The time zone of the rules that name none; UTC by default." },
            "except": texts("Dates without a run, in the rule's zone: `2026-12-25`."),
            "start": { "type": "string", "description": "No run before it: a date, or a time such as `2026-12-01T06:00` in the rule's zone." },
            "end": { "type": "string", "description": "No run after it; a date is all of its day." },
            "after": texts("Imports whose runs it follows: it begins when one of theirs has ended."),
            "overlap": { "enum": ["skip", "queue_one", "cancel_other"], "default": "skip", "description": "What happens when the last run is still open. `skip`: nothing, and that is told. `queue_one`: one run waits for its end. `cancel_other`: it is cancelled." },
            "catch_up": { "enum": ["none", "last", "all"], "default": "last", "description": "Which of the runs that were missed are made up for; `all` of them one after the other, whatever `overlap` says." },
            "window": length("How far back missed runs are looked for."),
            "deadline": length("A run that could not begin so long after its time is skipped, and that is told."),
            "jitter": length("Each run begins up to so much later, always the same for one import and one time."),
            "pause_on_failure": number(1, "Failed runs in a row after which the schedule pauses."),
            "retry": number(0, "How often a failed run is begun again as a whole.")
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
