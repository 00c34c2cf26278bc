//! Parsing that stops where a page grows or nests beyond reason: each element costs time in the depth of its parents.

use std::borrow::Cow;
use std::cell::{Cell, Ref, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use html5ever::interface::tree_builder::{ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::{Attribute, ParseOpts, QualName, parse_document};
use scraper::{Html, HtmlTreeSink};

use super::attributes::has_endless_tag;
use crate::formats::FormatError;

type NodeId = <HtmlTreeSink as TreeSink>::Handle;

/// Nodes of one page: 60 MB of memory and half a second. A page of 10 MiB that a person would read has fewer.
const MOST_NODES: usize = 400_000;
/// Elements around an element, as browsers have it.
const DEEPEST: u32 = 512;
/// Bytes between two looks at the bounds.
const PIECE: usize = 8 << 10;

/// Parses a page, or says which bound it breaks.
pub(crate) fn parse_bounded(html: &str) -> Result<Html, FormatError> {
    if has_endless_tag(html) {
        return Err(FormatError::HtmlTooBig { what: "one of its tags has more than 1,000 attributes" });
    }
    let sink = BoundedSink::new();
    let mut parser = parse_document(sink, ParseOpts::default());
    let mut rest = html;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(piece_end(rest));
        parser.process(StrTendril::from_slice(piece));
        if let Some(what) = parser.tokenizer.sink.sink.broken.get() {
            return Err(FormatError::HtmlTooBig { what });
        }
        rest = after;
    }
    let (html, broken) = parser.finish();
    broken.map_or(Ok(html), |what| Err(FormatError::HtmlTooBig { what }))
}

fn piece_end(text: &str) -> usize {
    (PIECE.min(text.len())..=text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len())
}

/// scraper's sink, with a count of nodes and the depth of each.
struct BoundedSink {
    inner: HtmlTreeSink,
    nodes: Cell<usize>,
    depths: RefCell<HashMap<NodeId, u32, BuildHasherDefault<NodeHasher>>>,
    broken: Cell<Option<&'static str>>,
}

/// Spreads the numbers of nodes, which come in a row: a page cannot choose them, so no more is needed.
#[derive(Default)]
struct NodeHasher(u64);

impl Hasher for NodeHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_usize(usize::from(*byte));
        }
    }

    fn write_usize(&mut self, number: usize) {
        self.0 = (self.0.rotate_left(5) ^ number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl BoundedSink {
    fn new() -> Self {
        Self {
            inner: HtmlTreeSink::new(Html::new_document()),
            nodes: Cell::new(0),
            depths: RefCell::default(),
            broken: Cell::new(None),
        }
    }

    fn count(&self) {
        self.nodes.set(self.nodes.get() + 1);
        if self.nodes.get() > MOST_NODES {
            self.broken.set(Some("it has more than 400,000 elements and texts"));
        }
    }

    /// Notes how deep `child` now is.
    fn place(&self, parent: &NodeId, child: &NodeOrText<NodeId>) {
        let NodeOrText::AppendNode(child) = child else { return self.count() };
        let mut depths = self.depths.borrow_mut();
        let depth = depths.get(parent).copied().unwrap_or(0) + 1;
        depths.insert(*child, depth);
        if depth > DEEPEST {
            self.broken.set(Some("its elements are nested deeper than 512 levels"));
        }
    }

    /// `node` has children of its own that go with it, one level more or less at most: good enough for a bound.
    fn place_beside(&self, sibling: &NodeId, child: &NodeOrText<NodeId>) {
        let above = self.depths.borrow().get(sibling).copied().unwrap_or(1).saturating_sub(1);
        if let NodeOrText::AppendNode(child) = child {
            self.depths.borrow_mut().insert(*child, above + 1);
        } else {
            self.count();
        }
    }
}

impl TreeSink for BoundedSink {
    type Handle = NodeId;
    type Output = (Html, Option<&'static str>);
    type ElemName<'a> = Ref<'a, QualName>;

    fn finish(self) -> Self::Output {
        (self.inner.finish(), self.broken.get())
    }
    /// Nobody reads them, and a bad page has millions.
    fn parse_error(&self, _: Cow<'static, str>) {}
    fn get_document(&self) -> NodeId {
        self.inner.get_document()
    }
    fn elem_name<'a>(&'a self, target: &'a NodeId) -> Ref<'a, QualName> {
        self.inner.elem_name(target)
    }
    fn create_element(&self, name: QualName, attrs: Vec<Attribute>, flags: ElementFlags) -> NodeId {
        self.count();
        self.inner.create_element(name, attrs, flags)
    }
    fn create_comment(&self, text: StrTendril) -> NodeId {
        self.count();
        self.inner.create_comment(text)
    }
    fn create_pi(&self, target: StrTendril, data: StrTendril) -> NodeId {
        self.count();
        self.inner.create_pi(target, data)
    }
    fn append(&self, parent: &NodeId, child: NodeOrText<NodeId>) {
        self.place(parent, &child);
        self.inner.append(parent, child);
    }
    fn append_based_on_parent_node(&self, element: &NodeId, previous: &NodeId, child: NodeOrText<NodeId>) {
        self.place(element, &child);
        self.inner.append_based_on_parent_node(element, previous, child);
    }
    fn append_doctype_to_document(&self, name: StrTendril, public: StrTendril, system: StrTendril) {
        self.inner.append_doctype_to_document(name, public, system);
    }
    fn mark_script_already_started(&self, node: &NodeId) {
        self.inner.mark_script_already_started(node);
    }
    fn pop(&self, node: &NodeId) {
        self.inner.pop(node);
    }
    fn get_template_contents(&self, target: &NodeId) -> NodeId {
        let contents = self.inner.get_template_contents(target);
        let depth = self.depths.borrow().get(target).copied().unwrap_or(0);
        self.depths.borrow_mut().insert(contents, depth + 1);
        contents
    }
    fn same_node(&self, x: &NodeId, y: &NodeId) -> bool {
        self.inner.same_node(x, y)
    }
    fn set_quirks_mode(&self, mode: QuirksMode) {
        self.inner.set_quirks_mode(mode);
    }
    fn append_before_sibling(&self, sibling: &NodeId, node: NodeOrText<NodeId>) {
        self.place_beside(sibling, &node);
        self.inner.append_before_sibling(sibling, node);
    }
    fn add_attrs_if_missing(&self, target: &NodeId, attrs: Vec<Attribute>) {
        self.inner.add_attrs_if_missing(target, attrs);
    }
    fn remove_from_parent(&self, target: &NodeId) {
        self.inner.remove_from_parent(target);
    }
    fn reparent_children(&self, node: &NodeId, new_parent: &NodeId) {
        self.inner.reparent_children(node, new_parent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(html: &str) -> bool {
        matches!(parse_bounded(html), Err(FormatError::HtmlTooBig { .. }))
    }

    #[test]
    fn a_million_nested_elements_end_early() {
        assert!(refused(&"<div>".repeat(1_000_000)));
        assert!(refused(&"<table><tr><td>".repeat(200_000)));
        assert!(refused(&"<template>".repeat(200_000)));
        assert!(refused(&format!("<svg>{}", "<g>".repeat(200_000))));
    }

    #[test]
    fn many_siblings_end_too() {
        assert!(refused(&"<p>a".repeat(300_000)));
    }

    #[test]
    fn what_was_parsed_is_what_scraper_parses() {
        let page = "<!doctype html><title>t</title><p class=a>one<p>two &amp; <b>three</b><table><tr><td>x</table>"
            .repeat(300);
        assert_eq!(parse_bounded(&page).unwrap().html(), Html::parse_document(&page).html());
    }

    #[test]
    fn pieces_end_between_characters() {
        let page = format!("<p>{}</p>", "é€😀".repeat(10_000));
        assert_eq!(parse_bounded(&page).unwrap().html(), Html::parse_document(&page).html());
    }
}
