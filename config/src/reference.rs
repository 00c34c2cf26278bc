//! The reference of the import language, `docs/language.md`: a hand-written beginning, then tables made from the JSON
//! Schemas, so that keys, defaults and meanings are told once.

use crate::schema::{import_schema, settings_schema};
use crate::settings::OVERRIDES;
use serde_json::{Map, Value as Json};

/// What is told by hand: values, identity, both forms, with examples.
const BEGINNING: &str = include_str!("reference/beginning.md");

/// The maps of an import, by the name of their type: one section each.
const IMPORT: &[(&str, &str)] = &[
    ("", "Import"),
    ("Stage", "Stage"),
    ("Crawl", "crawl"),
    ("Auth", "crawl: auth"),
    ("BasicAuth", "crawl: auth: basic"),
    ("Pages", "crawl: pages"),
    ("Links", "crawl: links"),
    ("Since", "crawl: since"),
    ("Task", "crawl: task"),
    ("Retry", "crawl: retry"),
    ("Max", "crawl: max"),
    ("Transform", "transform"),
    ("Gone", "transform: gone"),
    ("Facebook", "export: facebook"),
    ("InlinePage", "export: facebook: a page written out"),
    ("Pace", "export: facebook: pace"),
    ("Jsonl", "export: jsonl"),
    ("Schedule", "schedule"),
];

/// The maps of settings.
const SETTINGS: &[(&str, &str)] = &[
    ("", "All settings"),
    ("Defaults", "settings: defaults"),
    ("HostRules", "settings: hosts"),
    ("FacebookSettings", "settings: facebook"),
    ("PageSettings", "settings: pages"),
    ("Limits", "settings: limits"),
    ("Notify", "settings: notify"),
    ("Email", "settings: notify: email"),
];

/// Values with a spelling of their own: the type, what tables call it, and where it is explained.
const FORMS: &[(&str, &str, &str)] = &[
    ("Value", "value", "values"),
    ("FieldValue", "nested value", "forms"),
    ("Extract", "extract", "extract"),
    ("Duration", "duration", "forms"),
    ("Rate", "rate", "forms"),
    ("Share", "share", "forms"),
    ("Size", "size", "forms"),
    ("Secret", "secret", "forms"),
    ("PrivateRange", "network", "forms"),
];

/// The text of `docs/language.md`.
#[must_use]
pub fn document() -> String {
    let (import, settings) = (import_schema(), settings_schema());
    let mut out = String::from(BEGINNING);
    out.push_str("\n## Keys of an import\n");
    sections(&import, IMPORT, &mut out);
    out.push_str("\n## Forms\n\n| form | how it is written |\n|---|---|\n");
    for (name, word, _) in FORMS {
        let def = definition(&import, name).or_else(|| definition(&settings, name));
        row(&[word, &description(def.unwrap_or(&Json::Null))], &mut out);
    }
    out.push_str("\n## Keys of settings\n");
    sections(&settings, SETTINGS, &mut out);
    out.push_str("\n### Settings by variable\n\nA variable wins over both files.\n\n| variable | key |\n|---|---|\n");
    for setting in OVERRIDES {
        row(&[&code(setting.variable), &code(setting.key)], &mut out);
    }
    out
}

fn sections(root: &Json, parts: &[(&str, &str)], out: &mut String) {
    for (name, title) in parts {
        let schema = if name.is_empty() { Some(root) } else { definition(root, name) };
        let Some(schema) = schema else { continue };
        out.push_str(&format!("\n### {title}\n\n"));
        let text = description(schema);
        if !text.is_empty() {
            out.push_str(&format!("{text}\n\n"));
        }
        let maps = maps(schema);
        let needed = if maps.len() > 1 { "*one of them*" } else { "*needed*" };
        table(&maps.into_iter().flat_map(|map| keys(root, map, needed)).collect::<Vec<_>>(), out);
    }
}

/// The rows of one map: its keys, and what any other key means. `needed` is what is said of keys that must be there.
fn keys(root: &Json, map: &Map<String, Json>, needed: &str) -> Vec<[String; 4]> {
    let required = map.get("required").and_then(Json::as_array);
    let is_needed = |key: &str| required.is_some_and(|all| all.iter().any(|one| one == key));
    let mut rows = Vec::new();
    for (key, schema) in map.get("properties").and_then(Json::as_object).into_iter().flatten() {
        let default = match schema.get("default") {
            _ if is_needed(key) => needed.to_owned(),
            Some(Json::String(word)) => code(word),
            Some(default @ (Json::Number(_) | Json::Bool(_))) => code(&default.to_string()),
            _ => String::new(),
        };
        let mut text = meaning(root, schema);
        if description(schema).is_empty() && map.contains_key("description") {
            text = map.get("description").and_then(Json::as_str).unwrap_or_default().to_owned();
        }
        rows.push([code(key), kind(root, schema), default, text]);
    }
    if let Some(other) = map.get("additionalProperties").filter(|other| other.is_object()) {
        rows.push(["any other".to_owned(), kind(root, other), String::new(), description(other)]);
    }
    rows
}

/// Rows of key, kind, default and meaning; without defaults that column is left out.
fn table(rows: &[[String; 4]], out: &mut String) {
    let defaults = rows.iter().any(|[_, _, default, _]| !default.is_empty());
    out.push_str(if defaults {
        "| key | what | default | meaning |\n|---|---|---|---|\n"
    } else {
        "| key | what | meaning |\n|---|---|---|\n"
    });
    for [key, what, default, text] in rows {
        if defaults {
            row(&[key, what, default, text], out);
        } else {
            row(&[key, what, text], out);
        }
    }
}

/// The maps with known keys that a schema allows: itself, or those among its forms.
fn maps(schema: &Json) -> Vec<&Map<String, Json>> {
    if schema.get("properties").is_some() {
        return schema.as_object().into_iter().collect();
    }
    forms(schema).into_iter().filter_map(Json::as_object).filter(|map| map.contains_key("properties")).collect()
}

/// The alternatives of a schema, `null` (which means: leave it out) apart.
fn forms(schema: &Json) -> Vec<&Json> {
    let list = ["anyOf", "oneOf"].into_iter().find_map(|key| schema.get(key)).and_then(Json::as_array);
    list.into_iter().flatten().filter(|form| form.get("type") != Some(&Json::from("null"))).collect()
}

/// What stands at a key, in words, with links to what is explained elsewhere.
fn kind(root: &Json, schema: &Json) -> String {
    if let Some(name) = target(schema) {
        if let Some((_, word, place)) = FORMS.iter().find(|(known, ..)| *known == name) {
            return format!("[{word}](#{place})");
        }
        let Some(def) = definition(root, name) else { return String::new() };
        let section = IMPORT.iter().chain(SETTINGS).find(|(known, _)| *known == name);
        let Some((_, title)) = section else { return kind(root, def) };
        let map = format!("[map](#{})", anchor(title));
        if def.get("properties").is_some() {
            return map;
        }
        let short = forms(def).into_iter().filter(|form| form.get("properties").is_none());
        let short = short.map(|form| if items(form) == Some(name) { THESE.to_owned() } else { kind(root, form) });
        let (lists, others): (Vec<String>, Vec<String>) = short.partition(|form| form == THESE);
        let maps = if maps(def).is_empty() || others.contains(&map) { None } else { Some(map) };
        return joined(others.into_iter().chain(maps).chain(lists));
    }
    if let Some(word) = schema.get("const").and_then(Json::as_str) {
        return code(word);
    }
    if let Some(words) = schema.get("enum").and_then(Json::as_array) {
        return joined(words.iter().filter_map(Json::as_str).map(code));
    }
    if let Some((list, [one])) = forms(schema).split_last().filter(|(list, _)| list.get("items").is_some()) {
        let one = kind(root, one);
        let same = list.get("items").is_some_and(|item| kind(root, item) == one);
        return joined([one, if same { THESE.to_owned() } else { kind(root, list) }].into_iter());
    }
    if !forms(schema).is_empty() {
        return joined(forms(schema).into_iter().map(|form| kind(root, form)));
    }
    match (first_type(schema), schema.get("items"), schema.get("additionalProperties")) {
        (Some("array"), Some(items), _) => format!("list of {}", kind(root, items)),
        (Some("array"), None, _) => "list".to_owned(),
        (Some("integer"), ..) => "number".to_owned(),
        (Some("object"), _, Some(each)) if each.is_object() => format!("by name: {}", kind(root, each)),
        (Some("object"), ..) => "map".to_owned(),
        _ => "text".to_owned(),
    }
}

/// What is said of a list whose items may be what one of them is alone.
const THESE: &str = "a list of these";

/// The type of the items of a list.
fn items(schema: &Json) -> Option<&str> {
    target(schema.get("items")?)
}

fn first_type(schema: &Json) -> Option<&str> {
    let found = schema.get("type")?;
    found.as_str().or_else(|| found.as_array()?.first()?.as_str())
}

/// What a key means, and each of its words, where it has a few.
fn meaning(root: &Json, schema: &Json) -> String {
    let def = target(schema).and_then(|name| definition(root, name));
    let mut text = description(schema);
    if text.is_empty() {
        text = def.map(description).unwrap_or_default();
    }
    let words = forms(def.unwrap_or(schema));
    let words = words.iter().filter(|_| words.len() > 1).filter_map(|form| {
        let meaning = description(form);
        let word = form.get("const").and_then(Json::as_str).filter(|_| !meaning.is_empty())?;
        Some(format!(" {}: {}", code(word), lowercase(&meaning)))
    });
    text.extend(words);
    text
}

/// The name of the type that a schema refers to, alone or beside `null`.
fn target(schema: &Json) -> Option<&str> {
    let one = match forms(schema).as_slice() {
        [one] => *one,
        _ => schema,
    };
    one.get("$ref")?.as_str()?.strip_prefix("#/$defs/")
}

fn definition<'j>(root: &'j Json, name: &str) -> Option<&'j Json> {
    root.get("$defs")?.get(name)
}

fn description(schema: &Json) -> String {
    schema.get("description").and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    let mut known: Vec<String> = Vec::new();
    for part in parts {
        if !known.contains(&part) {
            known.push(part);
        }
    }
    match known.split_last() {
        Some((last, first)) if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => known.concat(),
    }
}

fn lowercase(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

/// The link that a renderer of Markdown gives to a heading.
fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

fn row(cells: &[&str], out: &mut String) {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    out.push_str(&format!("| {} |\n", cells.join(" | ")));
}
