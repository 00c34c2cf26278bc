//! Text out of HTML. Only the tokens are read, no tree is built: the work is linear and nothing nests.

use std::cell::RefCell;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, CharacterTokens, EndTag, StartTag, Tag, TagToken, Token, TokenSink, TokenSinkResult, Tokenizer,
    TokenizerOpts,
};

use super::arithmetic::{Error, ValR};
use super::limits;
use super::natives::str_of;
use super::val::Val;

/// Longest HTML that is read, in bytes.
const MAX_HTML: usize = 4 << 20;
/// Attributes of one tag: the tokenizer compares each with all before it.
const MAX_ATTRIBUTES: usize = 2_000;
/// Bytes of HTML for one step.
const BYTES_PER_STEP: usize = 16;

/// Runs `function` on text; null stays null.
pub(crate) fn convert(value: &Val, function: fn(&str) -> String) -> ValR {
    if matches!(value, Val::Null) {
        return Ok(Val::Null);
    }
    let html = str_of(value)?;
    if html.len() > MAX_HTML || widest_tag(html) > MAX_ATTRIBUTES {
        return Err(Error::str("this HTML is too large, or one of its tags has too many attributes"));
    }
    limits::work(html.len() / BYTES_PER_STEP);
    limits::built(html.len());
    Ok(Val::text(function(html)))
}

/// The text without tags, scripts and styles, on one line: `<p>A&amp;B<br>C</p>` becomes `A&B C`.
pub(crate) fn strip(html: &str) -> String {
    let mut out = String::new();
    for word in tokens(html, |tag| if is_inline(tag) { "" } else { " " }).split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// The text with its paragraphs, line breaks and lists (`- item`), ready for a post.
pub(crate) fn to_text(html: &str) -> String {
    let mut out = String::new();
    let mut gap = Gap::None;
    for part in tokens(html, layout).split(MARK) {
        // The first part has no mark before it, and so no kind.
        let (kind, text) = match part.split_at_checked(1) {
            Some((kind @ (LINE | BREAK | PARAGRAPH), text)) => (kind, text),
            _ => ("", part),
        };
        gap = gap.then(kind);
        for (at, word) in text.split_whitespace().enumerate() {
            if !out.is_empty() {
                out.push_str(if at > 0 { " " } else { gap.text() });
            }
            out.push_str(word);
            gap = Gap::None;
        }
        if gap == Gap::None && text.ends_with(char::is_whitespace) {
            gap = Gap::Space;
        }
    }
    out
}

/// What stands between two words.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    None,
    Space,
    Line,
    Break,
    Blank,
}

impl Gap {
    /// The gap once a mark of `kind` follows: a second `<br>` makes a blank line.
    fn then(self, kind: &str) -> Self {
        match kind {
            LINE => self.max(Gap::Line),
            BREAK if self == Gap::Break => Gap::Blank,
            BREAK => self.max(Gap::Break),
            PARAGRAPH => Gap::Blank,
            _ => self,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Gap::None => "",
            Gap::Space => " ",
            Gap::Line | Gap::Break => "\n",
            Gap::Blank => "\n\n",
        }
    }
}

/// Begins what [`layout`] inserts, with its kind after it: a character that the text of HTML cannot hold.
const MARK: char = '\0';
const LINE: &str = "l";
const BREAK: &str = "b";
const PARAGRAPH: &str = "p";

/// What stands where a tag stood.
fn layout(tag: &Tag) -> &'static str {
    match (&*tag.name, tag.kind) {
        ("br", StartTag) => "\0b",
        ("li" | "dt", StartTag) => "\0l- ",
        ("td" | "th", EndTag) => " ",
        ("td" | "th", StartTag) => "",
        (
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "ul" | "ol" | "dl" | "table" | "blockquote" | "pre" | "hr",
            _,
        ) => "\0p",
        _ if is_inline(tag) => "",
        _ => "\0l",
    }
}

fn is_inline(tag: &Tag) -> bool {
    matches!(
        &*tag.name,
        "a" | "abbr"
            | "acronym"
            | "b"
            | "bdi"
            | "bdo"
            | "big"
            | "cite"
            | "code"
            | "data"
            | "del"
            | "dfn"
            | "em"
            | "font"
            | "i"
            | "ins"
            | "kbd"
            | "mark"
            | "q"
            | "s"
            | "samp"
            | "small"
            | "span"
            | "strike"
            | "strong"
            | "sub"
            | "sup"
            | "time"
            | "tt"
            | "u"
            | "var"
            | "wbr"
    )
}

/// `& < > " '` as entities.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Collects text, and what `mark` says for each tag.
struct Collector {
    out: RefCell<String>,
    /// The element whose text is left out until it ends.
    hidden: RefCell<Option<String>>,
    mark: fn(&Tag) -> &'static str,
}

impl TokenSink for Collector {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        match token {
            CharacterTokens(text) if self.hidden.borrow().is_none() => self.out.borrow_mut().push_str(&text),
            TagToken(tag) => return self.tag(&tag),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

impl Collector {
    fn tag(&self, tag: &Tag) -> TokenSinkResult<()> {
        let mut hidden = self.hidden.borrow_mut();
        if tag.kind == EndTag && hidden.as_deref() == Some(&*tag.name) {
            *hidden = None;
            return TokenSinkResult::Continue;
        }
        if hidden.is_some() {
            return TokenSinkResult::Continue;
        }
        self.out.borrow_mut().push_str((self.mark)(tag));
        let raw = match &*tag.name {
            "script" => RawKind::ScriptData,
            "style" | "noscript" | "iframe" | "noframes" => RawKind::Rawtext,
            "title" | "textarea" => RawKind::Rcdata,
            _ => return TokenSinkResult::Continue,
        };
        if tag.kind == EndTag {
            return TokenSinkResult::Continue;
        }
        *hidden = Some(tag.name.to_string());
        TokenSinkResult::RawData(raw)
    }
}

fn tokens(html: &str, mark: fn(&Tag) -> &'static str) -> String {
    let collector = Collector { out: RefCell::default(), hidden: RefCell::default(), mark };
    let tokenizer = Tokenizer::new(collector, TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(html));
    // Only a script that the sink asks for would pause it.
    while let html5ever::TokenizerResult::Script(()) = tokenizer.feed(&input) {}
    tokenizer.end();
    tokenizer.sink.out.take()
}

/// How many attributes the tag with the most has, at most: separators outside of quoted values.
fn widest_tag(html: &str) -> usize {
    let (mut widest, mut here) = (0, 0);
    let (mut in_tag, mut quote, mut before) = (false, None, b' ');
    for &byte in html.as_bytes() {
        match (in_tag, quote, byte) {
            (true, Some(open), _) => {
                if byte == open {
                    quote = None;
                    here += 1;
                }
            }
            (true, None, b'"' | b'\'') if before == b'=' => quote = Some(byte),
            (true, None, b'>') => in_tag = false,
            (true, None, _) => here += usize::from(byte.is_ascii_whitespace() || byte == b'/'),
            (false, ..) => {
                if before == b'<' && (byte.is_ascii_alphabetic() || byte == b'/') {
                    (in_tag, quote, here) = (true, None, 0);
                }
            }
        }
        widest = widest.max(here);
        if !byte.is_ascii_whitespace() {
            before = byte;
        }
    }
    widest
}
