//! Writes YAML that the tree reads back as the same texts, numbers, lists and maps.

use crate::tree::{plain_is_safe, quoted};
use serde_json::Value as Json;

/// A map as a document.
pub(super) fn write(value: &Json) -> String {
    let mut out = String::new();
    block(value, 0, &mut out);
    out
}

/// A value below its key, each line indented by `indent`.
fn block(value: &Json, indent: usize, out: &mut String) {
    match value {
        Json::Object(map) => {
            for (key, value) in map {
                out.push_str(&" ".repeat(indent));
                out.push_str(&text(key));
                out.push(':');
                after_key(value, indent, out);
            }
        }
        Json::Array(items) => {
            for item in items {
                out.push_str(&" ".repeat(indent));
                out.push('-');
                match item {
                    Json::Object(map) if !map.is_empty() => {
                        // The first key stands behind the dash, the others below it.
                        let mut inner = String::new();
                        block(item, indent + 2, &mut inner);
                        out.push(' ');
                        out.push_str(inner.trim_start_matches(' '));
                    }
                    _ => after_key(item, indent, out),
                }
            }
        }
        _ => {}
    }
}

/// What stands behind a `:` or `-`, with its line break.
fn after_key(value: &Json, indent: usize, out: &mut String) {
    match value {
        Json::Object(map) if !map.is_empty() => {
            out.push('\n');
            block(value, indent + 2, out);
        }
        Json::Array(items) if !items.is_empty() => match flow(items) {
            Some(line) => {
                out.push(' ');
                out.push_str(&line);
                out.push('\n');
            }
            None => {
                out.push('\n');
                block(value, indent + 2, out);
            }
        },
        Json::String(content) if is_block(content) => {
            out.push_str(" |\n");
            for line in content.lines() {
                if !line.is_empty() {
                    out.push_str(&" ".repeat(indent + 2));
                    out.push_str(line);
                }
                out.push('\n');
            }
        }
        other => {
            out.push(' ');
            out.push_str(&single(other));
            out.push('\n');
        }
    }
}

fn single(value: &Json) -> String {
    match value {
        Json::String(content) => text(content),
        Json::Object(_) => "{}".to_owned(),
        Json::Array(_) => "[]".to_owned(),
        Json::Null | Json::Bool(_) | Json::Number(_) => value.to_string(),
    }
}

fn text(content: &str) -> String {
    if plain_is_safe(content) { content.to_owned() } else { quoted(content) }
}

/// `[a, b]`, when all items are short and simple.
fn flow(items: &[Json]) -> Option<String> {
    let simple = |item: &Json| match item {
        Json::String(content) => {
            plain_is_safe(content) && !content.contains([',', '[', ']', '{', '}', '"']) && !content.contains(':')
        }
        Json::Number(_) | Json::Bool(_) => true,
        Json::Null | Json::Array(_) | Json::Object(_) => false,
    };
    let line = format!("[{}]", items.iter().map(single).collect::<Vec<_>>().join(", "));
    (items.iter().all(simple) && line.len() <= 80).then_some(line)
}

/// Whether a text of several lines is read back from a `|` block as it is.
fn is_block(content: &str) -> bool {
    let one_end = content.ends_with('\n') && !content.ends_with("\n\n");
    let first = content.chars().next().is_some_and(|c| !c.is_whitespace());
    let printable =
        content.chars().all(|c| c == '\n' || !(c.is_control() || matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}')));
    one_end && first && printable && content.lines().all(|line| !line.ends_with(' '))
}
