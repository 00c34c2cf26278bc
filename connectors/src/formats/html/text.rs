//! The text of an element as a reader sees it: white space folded, blocks and line breaks apart, no scripts.

use scraper::{ElementRef, Node};

/// Elements without a text for readers.
const SILENT: [&str; 5] = ["script", "style", "template", "noscript", "head"];

/// Elements inside a line: no space comes between them and their neighbours.
const INLINE: [&str; 32] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins",
    "kbd", "label", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "u", "var",
    "wbr",
];

/// The folded text; empty where there is none.
pub(crate) fn folded_text(element: ElementRef<'_>) -> String {
    let mut raw = String::new();
    let asked = element.id();
    let mut silent = None;
    for edge in element.traverse() {
        match edge {
            ego_tree::iter::Edge::Open(node) => match node.value() {
                Node::Text(text) if silent.is_none() => raw.push_str(text),
                Node::Element(element) if silent.is_none() => {
                    // Asked for itself, even a script has its text.
                    if SILENT.contains(&element.name()) && node.id() != asked {
                        silent = Some(node.id());
                    }
                    gap(&mut raw, element.name());
                }
                _ => {}
            },
            ego_tree::iter::Edge::Close(node) => {
                if silent == Some(node.id()) {
                    silent = None;
                }
                if let Node::Element(element) = node.value() {
                    gap(&mut raw, element.name());
                }
            }
        }
    }
    fold(&raw)
}

fn gap(raw: &mut String, name: &str) {
    if !INLINE.contains(&name) {
        raw.push(' ');
    }
}

/// One space for every run of white space, none at the ends. No-break spaces count as white space.
pub(crate) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.push_str(word);
    }
    folded
}
