//! Bytes to text: byte order mark, then the HTTP header, then the page's own word, then a guess.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Bytes in which a page's own word is looked for (HTML standard).
const PRESCAN: usize = 1_024;

/// Text and where its encoding was learnt from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The text; bytes that mean nothing are U+FFFD.
    pub text: String,
    /// The encoding's name, `UTF-8`.
    pub encoding: &'static str,
    /// Whether some bytes meant nothing.
    pub damaged: bool,
}

/// Decodes an HTML page. `content_type` is the header, empty where there is none.
///
/// A declared encoding that does not fit UTF-8 text is not believed: mislabelled UTF-8 is by far the commonest mistake.
#[must_use]
pub fn decode(bytes: &[u8], content_type: &str) -> Decoded {
    let (encoding, skip) = match Encoding::for_bom(bytes) {
        Some((encoding, length)) => (encoding, length),
        None => (declared(bytes, content_type).unwrap_or_else(|| guess(bytes)), 0),
    };
    let content = bytes.get(skip..).unwrap_or_default();
    if encoding != UTF_8 && skip == 0 && is_utf8_beyond_ascii(content) {
        return Decoded { text: String::from_utf8_lossy(content).into_owned(), encoding: UTF_8.name(), damaged: false };
    }
    let (text, damaged) = encoding.decode_without_bom_handling(content);
    if damaged && encoding == UTF_8 {
        return damaged_utf8(content);
    }
    Decoded { text: text.into_owned(), encoding: encoding.name(), damaged }
}

/// What says it is UTF-8 and is not: the guess, if it fits.
fn damaged_utf8(content: &[u8]) -> Decoded {
    let guessed = guess(content);
    let (text, damaged) = guessed.decode_without_bom_handling(content);
    if damaged || guessed == UTF_8 || mostly_utf8(content) {
        let (text, damaged) = UTF_8.decode_without_bom_handling(content);
        return Decoded { text: text.into_owned(), encoding: UTF_8.name(), damaged };
    }
    Decoded { text: text.into_owned(), encoding: guessed.name(), damaged }
}

/// Real UTF-8 with a few broken bytes stays UTF-8: more characters beyond ASCII are whole than broken.
fn mostly_utf8(content: &[u8]) -> bool {
    let text = String::from_utf8_lossy(content);
    let broken = text.chars().filter(|&c| c == char::REPLACEMENT_CHARACTER).count();
    let whole = text.chars().filter(|&c| !c.is_ascii() && c != char::REPLACEMENT_CHARACTER).count();
    whole > broken
}

fn is_utf8_beyond_ascii(content: &[u8]) -> bool {
    !content.is_ascii() && std::str::from_utf8(content).is_ok()
}

fn declared(bytes: &[u8], content_type: &str) -> Option<&'static Encoding> {
    from_content_type(content_type).or_else(|| from_meta(bytes.get(..PRESCAN).unwrap_or(bytes)))
}

fn from_content_type(content_type: &str) -> Option<&'static Encoding> {
    content_type.split(';').skip(1).find_map(|part| {
        let (name, value) = part.split_once('=')?;
        let label = value.trim().trim_matches(['"', '\'']);
        name.trim().eq_ignore_ascii_case("charset").then(|| Encoding::for_label(label.as_bytes())).flatten()
    })
}

/// `<meta charset=x>`, `<meta http-equiv=... content="...; charset=x">`, `<?xml encoding="x"?>`. A page that can be
/// read this far is no UTF-16, whatever it says.
fn from_meta(head: &[u8]) -> Option<&'static Encoding> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let xml = head.trim_start().strip_prefix("<?xml").and_then(|rest| rest.split("?>").next());
    let metas = head.split("<meta").skip(1).filter_map(|rest| rest.split('>').next());
    let found = xml
        .and_then(|declaration| label_after(declaration, "encoding"))
        .into_iter()
        .chain(metas.filter_map(|tag| label_after(tag, "charset")))
        .find_map(|label| Encoding::for_label(label.as_bytes()))?;
    Some(if found == UTF_16LE || found == UTF_16BE { UTF_8 } else { found })
}

fn label_after<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let rest = text.split_once(name)?.1.trim_start().strip_prefix('=')?;
    let rest = rest.trim_start().trim_start_matches(['"', '\'']);
    rest.split(|c: char| matches!(c, '"' | '\'' | ';' | '/') || c.is_whitespace()).next()
}

fn guess(bytes: &[u8]) -> &'static Encoding {
    if std::str::from_utf8(bytes).is_ok() {
        return UTF_8;
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    let guessed = detector.guess(None, Utf8Detection::Allow);
    if bytes.is_ascii() { WINDOWS_1252 } else { guessed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::{SHIFT_JIS, WINDOWS_1251};

    fn text(bytes: &[u8], content_type: &str) -> (String, &'static str) {
        let decoded = decode(bytes, content_type);
        (decoded.text, decoded.encoding)
    }

    #[test]
    fn a_byte_order_mark_beats_everything() {
        assert_eq!(text(b"\xef\xbb\xbfcaf\xc3\xa9", "text/html; charset=iso-8859-1"), ("café".to_owned(), "UTF-8"));
        assert_eq!(text(b"\xff\xfeh\0\xe9\0", ""), ("hé".to_owned(), "UTF-16LE"));
    }

    #[test]
    fn the_header_beats_the_page() {
        let page = b"<meta charset=windows-1251>\xe9t\xe9";
        assert_eq!(text(page, "text/html; Charset=\"ISO-8859-1\"").0, "<meta charset=windows-1251>été");
        assert_eq!(text(page, "text/html").1, "windows-1251");
    }

    #[test]
    fn the_pages_own_word() {
        let (encoded, _, _) =
            WINDOWS_1251.encode("<meta http-equiv='Content-Type' content='text/html; charset=windows-1251'>работа");
        assert!(text(&encoded, "text/html").0.ends_with("работа"));
        let (encoded, _, _) = SHIFT_JIS.encode("<?xml version=\"1.0\" encoding=\"Shift_JIS\"?>求人");
        assert!(text(&encoded, "").0.ends_with("求人"));
    }

    #[test]
    fn wrong_words_are_not_believed() {
        assert_eq!(text("Développeur à Zürich".as_bytes(), "text/html; charset=iso-8859-1").0, "Développeur à Zürich");
        let (latin, _, _) = WINDOWS_1252.encode("Développeur expérimenté à Genève, salaire élevé");
        assert_eq!(text(&latin, "text/html; charset=utf-8").0, "Développeur expérimenté à Genève, salaire élevé");
    }

    #[test]
    fn damage_is_told_and_never_fatal() {
        let decoded =
            decode("été à Zürich — prêt \u{e9}\u{e8}".as_bytes().split_last().unwrap().1, "text/html; charset=utf-8");
        assert!(decoded.damaged && decoded.text.starts_with("été à Zürich"), "{decoded:?}");
    }

    #[test]
    fn nothing_declared_is_guessed() {
        let (encoded, _, _) = WINDOWS_1251.encode("Работа в Москве: требуется опытный инженер-программист");
        assert!(text(&encoded, "").0.starts_with("Работа"));
        assert_eq!(text(b"plain", "").0, "plain");
    }
}
