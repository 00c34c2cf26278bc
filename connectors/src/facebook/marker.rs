//! The marker: which row a post belongs to, written where Facebook gives it back.
//!
//! Twenty letters and digits (base32), as `?jp=MARKER` at the end of the link's query or, for a post without a link, as
//! the last line `#ref MARKER` of the message. Seven name the import, the export and the target, so that the posts of an
//! export are told from those of others; thirteen name the row. Nothing of the content is in it, and it cannot be turned
//! back into the key.

use jobpipe_core::RowId;
use url::Url;

/// The parameter of a link that holds the marker.
const PARAMETER: &str = "jp";
/// What the last line of a message without link begins with.
const REFERENCE: &str = "#ref ";
/// 64 bits in base32.
const HASH: usize = 13;
/// Of these, as many tell one export on one target from another: 35 bits.
const PREFIX: usize = 7;
const LENGTH: usize = PREFIX + HASH;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Characters that a message grows by when it is marked.
pub(super) const IN_MESSAGE: usize = 1 + REFERENCE.len() + LENGTH;

/// The marker of a row: of (import, export, target, key).
pub(super) fn of(row: &RowId) -> String {
    let RowId { import, export, target, key } = row;
    prefix(import, export, target) + &hash(&[import, export, target, key])
}

/// What the markers of all rows of an export on a target begin with.
pub(super) fn prefix(import: &str, export: &str, target: &str) -> String {
    hash(&[import, export, target]).chars().take(PREFIX).collect()
}

fn hash(parts: &[&str]) -> String {
    let hash = jobpipe_core::json::hash_parts(parts);
    base32(hash.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0))
}

/// The link with the marker as the last parameter of its query; a fragment stays behind it.
pub(super) fn mark_link(link: &Url, marker: &str) -> Url {
    let mut marked = link.clone();
    let query = match link.query().filter(|query| !query.is_empty()) {
        Some(query) => format!("{query}&{PARAMETER}={marker}"),
        None => format!("{PARAMETER}={marker}"),
    };
    marked.set_query(Some(&query));
    marked
}

/// The marker in a link and the link without it, if there is one.
pub(super) fn in_link(link: &str) -> Option<(String, String)> {
    let mut url = Url::parse(link).ok()?;
    let query = url.query()?.to_owned();
    let parts: Vec<&str> = query.split('&').collect();
    let at = parts.iter().rposition(|part| parameter(part).is_some())?;
    let marker = parts.get(at).and_then(|part| parameter(part))?.to_owned();
    let rest: Vec<&str> = parts.iter().enumerate().filter(|(index, _)| *index != at).map(|(_, part)| *part).collect();
    url.set_query(if rest.is_empty() { None } else { Some(rest.join("&")) }.as_deref());
    Some((marker, url.into()))
}

/// The message with the marker as its last line.
pub(super) fn mark_message(message: &str, marker: &str) -> String {
    format!("{}\n{REFERENCE}{marker}", message.trim_end())
}

/// The marker in the last line of a message that has one, and the message without that line.
pub(super) fn in_message(message: &str) -> Option<(String, String)> {
    let mut lines: Vec<&str> = message.split('\n').collect();
    let at = lines.iter().rposition(|line| reference(line).is_some())?;
    let marker = reference(lines.remove(at))?.to_owned();
    Some((marker, lines.join("\n")))
}

fn reference(line: &str) -> Option<&str> {
    line.trim().strip_prefix(REFERENCE).filter(|word| is_marker(word))
}

fn parameter(part: &str) -> Option<&str> {
    part.strip_prefix(PARAMETER)?.strip_prefix('=').filter(|word| is_marker(word))
}

fn is_marker(word: &str) -> bool {
    word.len() == LENGTH && word.bytes().all(|byte| ALPHABET.contains(&byte))
}

fn base32(word: u64) -> String {
    let digit = |index: usize| {
        // The last digit has only four bits of the word; one zero bit fills it.
        let bits = (u128::from(word) << 1) >> (5 * (HASH - 1 - index));
        char::from(ALPHABET[(bits & 31) as usize])
    };
    (0..HASH).map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str) -> RowId {
        RowId { target: "facebook:1".into(), import: "acme".into(), export: "facebook".into(), key: key.into() }
    }

    #[test]
    fn every_part_of_a_row_is_in_its_marker() {
        let base = of(&row("1"));
        assert!(is_marker(&base), "{base}");
        assert_eq!(base, of(&row("1")));
        let others = [
            row("2"),
            RowId { target: "facebook:2".into(), ..row("1") },
            RowId { import: "b".into(), ..row("1") },
            RowId { export: "b".into(), ..row("1") },
        ];
        assert!(others.iter().all(|other| of(other) != base));
        let prefix = |row: &RowId| prefix(&row.import, &row.export, &row.target);
        assert!(base.starts_with(&prefix(&row("1"))));
        assert_eq!(others.map(|other| prefix(&other) == prefix(&row("1"))), [true, false, false, false]);
    }

    #[test]
    fn base32_is_that_of_rfc_4648() {
        assert_eq!(base32(u64::from_be_bytes(*b"foobarba")), "mzxw6ytbojrgc");
        assert_eq!(base32(0), "a".repeat(HASH));
        assert_eq!(base32(u64::MAX), "7777777777776");
    }

    #[test]
    fn a_link_keeps_its_query_and_fragment_and_gives_both_back() {
        let marker = of(&row("1"));
        for link in [
            "https://acme.test/",
            "https://acme.test/jobs/1?x=1&y=%20#apply",
            "https://acme.test/jobs/1?jp=mine",
            "https://acme.test/jobs/1?jp=aaaaaaaaaaaaaaaaaaaa",
            "https://acme.test/jobs/1#frag?jp=x",
        ] {
            let marked = mark_link(&Url::parse(link).unwrap(), &marker);
            assert_eq!(in_link(marked.as_str()), Some((marker.clone(), link.to_owned())));
        }
        assert_eq!(in_link("https://acme.test/?jp=short"), None);
        assert_eq!(in_link("https://acme.test/?xjp=aaaaaaaaaaaaaaaaaaaa"), None);
        assert_eq!(in_link("not a link"), None);
    }

    #[test]
    fn a_message_ends_with_its_reference() {
        let marker = of(&row("1"));
        let marked = mark_message("Nurse in Lyon\n\n", &marker);
        assert_eq!(marked, format!("Nurse in Lyon\n#ref {marker}"));
        assert_eq!(in_message(&marked), Some((marker.clone(), "Nurse in Lyon".to_owned())));
        let lines = mark_message("Nurse\r\n\nin Lyon", &marker);
        assert_eq!(in_message(&format!("{lines}\nedited")), Some((marker, "Nurse\r\n\nin Lyon\nedited".to_owned())));
        assert_eq!(in_message("see #ref aaaaaaaaaaaaaaaaaaaa inside a line"), None);
        assert_eq!(in_message("#ref no-marker"), None);
    }
}
