//! How a text is written in YAML.

/// Whether `text` can stand without quotes as a value of a block map and is read back as the same text.
#[must_use]
pub fn plain_is_safe(text: &str) -> bool {
    let Some(first) = text.chars().next() else {
        return false;
    };
    let special = "-?:,[]{}#&*!|>'\"%@`";
    let word = matches!(text, "~" | "null" | "Null" | "NULL" | "true" | "false");
    let starts_well = !special.contains(first) && !first.is_whitespace();
    let ends_well = !text.ends_with(|c: char| c.is_whitespace() || c == ':');
    let printable =
        text.chars().all(|c| !c.is_control() && !matches!(c, '\u{feff}' | '\u{85}' | '\u{2028}' | '\u{2029}'));
    let scalar = super::Scalar { text: text.to_owned(), notation: super::Notation::Plain };
    let dashes = text.starts_with("---") || text.starts_with("...");
    starts_well
        && ends_well
        && printable
        && !word
        && !dashes
        && !text.contains(": ")
        && !text.contains(" #")
        && scalar.number().is_none()
}

/// `text` in quotes: double ones where nothing needs an escape, else single ones, else double ones with escapes.
#[must_use]
pub fn quoted(text: &str) -> String {
    let printable = !text.chars().any(needs_escape);
    if printable && !text.contains(['"', '\\']) {
        return format!("\"{text}\"");
    }
    if printable {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if needs_escape(c) => out.push_str(&format!("\\U{:08X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn needs_escape(c: char) -> bool {
    c.is_control() || matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}')
}
