//! Canonical JSON: one spelling for equal values, so that hashes mean equality on every machine.

use serde_json::Value as Json;

/// Feeds the canonical form (objects by sorted key, no white space) of `value` to `hasher`.
///
/// Numbers keep serde_json's spelling; `1` and `1.0` are different values.
pub fn hash_into(value: &Json, hasher: &mut blake3::Hasher) {
    match value {
        Json::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_unstable();
            hasher.update(b"{");
            for key in keys {
                hash_text(key, hasher);
                if let Some(inner) = map.get(key) {
                    hash_into(inner, hasher);
                }
            }
            hasher.update(b"}");
        }
        Json::Array(items) => {
            hasher.update(b"[");
            for item in items {
                hash_into(item, hasher);
            }
            hasher.update(b"]");
        }
        Json::String(text) => hash_text(text, hasher),
        Json::Number(number) => {
            hasher.update(b"#");
            hash_text(&number.to_string(), hasher);
        }
        Json::Bool(true) => {
            hasher.update(b"t");
        }
        Json::Bool(false) => {
            hasher.update(b"f");
        }
        Json::Null => {
            hasher.update(b"n");
        }
    }
}

/// blake3 of the canonical form, 64 hex digits.
#[must_use]
pub fn hash_hex(value: &Json) -> String {
    let mut hasher = blake3::Hasher::new();
    hash_into(value, &mut hasher);
    hasher.finalize().to_hex().to_string()
}

/// blake3 (hex) over several texts; lengths are part of it, so `["a", "b"]` and `["ab"]` differ.
#[must_use]
pub fn hash_parts(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hash_text(part, &mut hasher);
    }
    hasher.finalize().to_hex().to_string()
}

fn hash_text(text: &str, hasher: &mut blake3::Hasher) {
    hasher.update(&(text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn key_order_does_not_matter_and_types_do() {
        assert_eq!(hash_hex(&json!({"a": 1, "b": [true, null]})), hash_hex(&json!({"b": [true, null], "a": 1})));
        assert_ne!(hash_hex(&json!(1)), hash_hex(&json!("1")));
        assert_ne!(hash_hex(&json!(["a", "b"])), hash_hex(&json!(["ab"])));
        assert_ne!(hash_parts(&["a", "b"]), hash_parts(&["ab", ""]));
    }
}
