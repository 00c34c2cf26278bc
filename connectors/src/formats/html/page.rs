//! One page: its elements and what its links are relative to.

use scraper::{ElementRef, Html, Selector};
use url::Url;

use super::bounded::parse_bounded;
use crate::formats::{FormatError, decode};

/// Attributes that hold a URL; their values come out absolute.
const URL_ATTRIBUTES: [&str; 6] = ["href", "src", "action", "formaction", "poster", "cite"];

/// A parsed page. Not `Send`: parse, ask and drop it on one thread.
pub struct Page {
    html: Html,
    base: Option<Url>,
}

impl Page {
    /// Decodes and parses the body of an answer. `url` is where it came from in the end; `None` for a file.
    pub fn read(body: &[u8], content_type: &str, url: Option<&Url>) -> Result<Self, FormatError> {
        check_is_html(body, content_type)?;
        Self::parse(&decode(body, content_type).text, url)
    }

    /// Parses text.
    pub fn parse(text: &str, url: Option<&Url>) -> Result<Self, FormatError> {
        let html = parse_bounded(text)?;
        let base = base_of(&html, url);
        Ok(Self { html, base })
    }

    /// The `<html>` element: what selectors look inside of.
    #[must_use]
    pub fn root(&self) -> Option<ElementRef<'_>> {
        self.html.tree.root().children().find_map(ElementRef::wrap)
    }

    /// Every match of `selector`, in the page's order.
    pub fn select<'a>(&'a self, selector: &'a Selector) -> impl Iterator<Item = ElementRef<'a>> + 'a {
        self.html.select(selector)
    }

    /// A link of the page as an absolute URL; `None` where it is none, or not to the web (`mailto:`, `javascript:`).
    #[must_use]
    pub fn link(&self, text: &str) -> Option<Url> {
        let text = text.trim();
        let url = match &self.base {
            Some(base) => base.join(text).ok()?,
            None => Url::parse(text).ok()?,
        };
        matches!(url.scheme(), "http" | "https").then_some(url)
    }

    /// The value of an attribute, trimmed; absolute where it is a URL.
    #[must_use]
    pub(crate) fn attribute(&self, element: ElementRef<'_>, name: &str) -> Option<String> {
        let value = element.attr(name)?.trim();
        if value.is_empty() {
            return None;
        }
        let absolute =
            self.base.as_ref().filter(|_| URL_ATTRIBUTES.contains(&name)).and_then(|base| base.join(value).ok());
        Some(absolute.map_or_else(|| value.to_owned(), Into::into))
    }
}

/// The URL that links are relative to: the page's own, or that of its `<base>`.
fn base_of(html: &Html, url: Option<&Url>) -> Option<Url> {
    let href = html.tree.values().find_map(|node| {
        let element = node.as_element().filter(|element| element.name() == "base")?;
        element.attr("href")
    });
    let Some(href) = href else { return url.cloned() };
    let joined = match url {
        Some(url) => url.join(href.trim()).ok(),
        None => Url::parse(href.trim()).ok(),
    };
    joined.filter(|base| matches!(base.scheme(), "http" | "https")).or_else(|| url.cloned())
}

/// Refuses what is surely something else. A missing or wrong `Content-Type` is forgiven if it looks like markup.
fn check_is_html(body: &[u8], content_type: &str) -> Result<(), FormatError> {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind.is_empty() || kind.contains("html") || kind.ends_with("xml") {
        return binary(body);
    }
    let start = body.iter().find(|byte| !byte.is_ascii_whitespace() && !matches!(byte, 0xef | 0xbb | 0xbf));
    if kind == "text/plain" && start == Some(&b'<') { Ok(()) } else { Err(FormatError::NotHtml { what: kind }) }
}

fn binary(body: &[u8]) -> Result<(), FormatError> {
    let known: [(&[u8], &str); 5] = [
        (b"%PDF", "a PDF"),
        (b"\x89PNG", "an image"),
        (b"\xff\xd8\xff", "an image"),
        (b"GIF8", "an image"),
        (b"PK\x03\x04", "an archive"),
    ];
    match known.iter().find(|(start, _)| body.starts_with(start)) {
        Some((_, what)) => Err(FormatError::NotHtml { what: (*what).to_owned() }),
        None => Ok(()),
    }
}
