//! Signs in a text that a part of it is missing.

/// Whether a double quote or a bracket in `text` lacks its other half.
pub(super) fn unbalanced(text: &str) -> bool {
    let mut open: Vec<char> = Vec::new();
    let mut quoted = false;
    let mut escaped = false;
    for c in text.chars() {
        if quoted {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => quoted = false,
                _ => {}
            }
            continue;
        }
        match c {
            '"' => quoted = true,
            '(' => open.push(')'),
            '[' => open.push(']'),
            '{' => open.push('}'),
            ')' | ']' | '}' if open.pop() != Some(c) => return true,
            _ => {}
        }
    }
    quoted || !open.is_empty()
}

/// `name:acme`, where YAML sees one text, as `name: acme`.
pub(crate) fn with_space(text: &str) -> Option<String> {
    let (key, value) = text.trim().split_once(':')?;
    let is_key = key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_value = !value.is_empty()
        && !value.starts_with([' ', ':', '\n', '\r'])
        && !value.starts_with("//")
        && !value.contains('\n');
    (is_key && is_value).then(|| format!("{key}: {value}"))
}

#[cfg(test)]
mod tests {
    use super::with_space;

    #[test]
    fn a_key_without_its_space_is_told_from_a_url_and_a_time() {
        assert_eq!(with_space("name:acme").as_deref(), Some("name: acme"));
        assert_eq!(with_space("json:/x.json").as_deref(), Some("json: /x.json"));
        assert_eq!(with_space("json:./x.json").as_deref(), Some("json: ./x.json"));
        for text in ["https://acme.test", "12:30", "name: acme", "name:", "a b:c", "text", "std::x", "name:acme\nx"] {
            assert_eq!(with_space(text), None, "{text}");
        }
    }
}
