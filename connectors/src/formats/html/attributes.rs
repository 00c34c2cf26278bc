//! A look over a page before it is parsed: no tag with absurdly many attributes.
//!
//! The parser compares each attribute of a tag with all before it, so one tag of a few megabytes would take hours.

/// Ends of words and of quotes between the `<` and the `>` of one tag: about two for each attribute. A page that is full
/// of such tags takes as long as one that is full of elements.
const MOST: usize = 2_000;

/// Elements whose content is text: what looks like a tag in there is none.
const RAW: [&[u8]; 4] = [b"script", b"style", b"textarea", b"title"];

/// Whether some tag has more attributes than anybody writes.
pub(crate) fn has_endless_tag(html: &str) -> bool {
    let bytes = html.as_bytes();
    // most pages are shorter than such a tag
    if bytes.len() <= MOST {
        return false;
    }
    let mut at = 0;
    while let Some(open) = find(bytes, at, b"<") {
        at = open + 1;
        let rest = bytes.get(at..).unwrap_or_default();
        if rest.starts_with(b"!--") {
            at = find(bytes, at, b"-->").unwrap_or(bytes.len());
        } else if rest.first().is_some_and(u8::is_ascii_alphabetic) {
            let Some(end) = end_of_tag(bytes, at) else { return true };
            at = skip_raw(bytes, at, end);
        }
    }
    false
}

/// The end of the tag whose name begins at `start`; `None` for one with too many separators.
fn end_of_tag(bytes: &[u8], start: usize) -> Option<usize> {
    let mut quote = None;
    let mut separators = 0;
    let mut before = b' ';
    for (at, &byte) in bytes.iter().enumerate().skip(start) {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => {
                quote = None;
                separators += 1;
            }
            // White space before white space is indentation.
            (None, byte) if separates(byte) && !separates(before) => separators += 1,
            _ => {}
        }
        before = byte;
        if separators > MOST {
            return None;
        }
    }
    Some(bytes.len())
}

fn separates(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' | b'/')
}

/// Where to go on after the tag that ends at `end`: behind the content of a raw element.
fn skip_raw(bytes: &[u8], start: usize, end: usize) -> usize {
    let name_is = |name: &&&[u8]| {
        let found = bytes.get(start..start + name.len()).unwrap_or_default();
        let after = bytes.get(start + name.len()).copied().unwrap_or(b'>');
        found.eq_ignore_ascii_case(name) && !after.is_ascii_alphanumeric()
    };
    let Some(name) = RAW.iter().find(name_is) else { return end };
    let mut at = end;
    while let Some(close) = find(bytes, at, b"</") {
        let found = bytes.get(close + 2..close + 2 + name.len()).unwrap_or_default();
        if found.eq_ignore_ascii_case(name) {
            return close;
        }
        at = close + 2;
    }
    bytes.len()
}

fn find(bytes: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let first = *what.first()?;
    let mut skipped = 0;
    while let Some(found) = rest.get(skipped..)?.iter().position(|&byte| byte == first) {
        let at = skipped + found;
        if rest.get(at..)?.starts_with(what) {
            return Some(from + at);
        }
        skipped = at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endless_tags_are_seen() {
        let names: String = (0..3_000).map(|n| format!("a{n} ")).collect();
        assert!(has_endless_tag(&format!("<p>{}", format!("<p {names}>").repeat(10))));
        assert!(has_endless_tag(&format!("<p {}>", "a ".repeat(30_000))));
        assert!(has_endless_tag(&format!("<p {}>", "a=''".repeat(30_000))));
        assert!(has_endless_tag(&format!("<p {}", "a/".repeat(30_000))));
    }

    #[test]
    fn long_things_that_occur_are_not() {
        let image = format!("<img src='data:image/png;base64,{}'>", "AAAA/".repeat(100_000));
        assert!(!has_endless_tag(&image));
        let indented: String = (0..900).map(|n| format!("\n{}a{n}=\"x y\"", " ".repeat(40))).collect();
        assert!(!has_endless_tag(&format!("<p{indented}>")));
        let state = format!("<SCRIPT>{{\"a\": \"1 <b and {} </p></script><p>", "\"x\" ".repeat(100_000));
        assert!(!has_endless_tag(&state));
        assert!(!has_endless_tag(&format!("<!-- <p {} -->", "a ".repeat(30_000))));
        assert!(!has_endless_tag("<p class=x>x</p>"));
        assert!(!has_endless_tag(&"a < b ".repeat(30_000)));
    }
}
