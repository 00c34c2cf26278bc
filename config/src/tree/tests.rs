use super::*;
use crate::diagnostic::{Problems, Style, render_all};

/// Codes and places, and the tree if there is one.
fn read(source: &str) -> (Vec<String>, Option<Node>) {
    let mut problems = Problems::new(source, "x.yml");
    let node = parse(&mut problems);
    (problems.finish().iter().map(crate::diagnostic::Diagnostic::place).collect(), node)
}

fn helps(source: &str) -> String {
    let mut problems = Problems::new(source, "x.yml");
    parse(&mut problems);
    problems.finish().into_iter().filter_map(|found| found.help).collect::<Vec<_>>().join("\n---\n")
}

/// The text of `a` in a map `a: ...`, and where its bytes begin.
fn text_of(source: &str) -> Scalar {
    let (problems, node) = read(source);
    assert_eq!(problems, Vec::<String>::new(), "{source}");
    let node = node.unwrap();
    let value = &node.entries().unwrap().first().unwrap().value;
    let Kind::Scalar(scalar) = &value.kind else { panic!("{source} is no scalar") };
    scalar.clone()
}

#[test]
fn traps_are_reported_where_they_are() {
    let mut wrong = Vec::new();
    for (source, expected) in [
        ("map: { title: h1, h2 }", "JP011:1:19"),
        ("map: { a: .x == \"y, z\" }", "JP011:1:11"),
        ("map: { a: b: c }", "JP011:1:12"),
        ("list: [ .x == \"a, b\" ]", "JP011:1:7"),
        ("d: a: b: c", "JP012:1:5"),
        ("d: Offer: $title", "JP012:1:9"),
        ("x: @foo", "JP013:1:4"),
        ("x: `foo", "JP013:1:4"),
        ("x: %foo", "JP013:1:4"),
        ("x: > h1", "JP013:1:4"),
        ("x: | foo", "JP013:1:4"),
        ("x: [title] @x", "JP013:1:4"),
        ("x: [.a, .b] | add", "JP013:1:4"),
        ("x: {a} b", "JP013:1:4"),
        ("x: \"a\" b", "JP013:1:4"),
        ("x: - a", "JP013:1:4"),
        ("x: *foo", "JP004:1:4"),
        ("x: &a foo", "JP004:1:4"),
        ("x: !t foo", "JP006:1:4"),
        ("<<: {a: 1}", "JP005:1:1"),
        ("x: #main h1", "JP010:1:4"),
        ("x: foo #bar", "JP009:1:8"),
        ("x: .a == \"b # c\"", "JP009:1:13"),
        ("x:", "JP007:1:1"),
        ("x: # nothing\ny: 1", "JP007:1:1"),
        ("x: ~", "JP007:1:4"),
        ("x: null", "JP007:1:4"),
        ("x:\n  -\n  - a", "JP007:2:4"),
        ("a: 1\nb: 2\na: 3", "JP003:3:1"),
        ("\tx: 1", "JP008:1:1"),
        ("x:\n\ty: 1", "JP008:2:1"),
        ("x:\t1", "JP008:1:3"),
        ("a: 1\n b: 2", "JP015:2:2"),
        ("- x: 1\n y: 2", "JP015:2:2"),
        ("x: \"abc", "JP001:1:4"),
        ("x: [a, b", "JP001:1:4"),
        ("a: 1\nhello\nb: 2", "JP001:2:1"),
        ("x: a\n---\ny: 1", "JP014:2:1"),
        ("[a]: 1", "JP014:1:1"),
        ("%YAML 1.2\n---\na: 1", "JP006:1:1"),
        ("a: \"\\d+\"", "JP001:1:4"),
        ("a: { b: \"x }", "JP001:1:9"),
        ("", "JP014:1:1"),
        ("# nothing", "JP014:1:1"),
        ("é: ü: x", "JP012:1:5"),
    ] {
        let found = read(source).0;
        if found != [expected] {
            wrong.push(format!("{source:?}: {found:?}, not {expected}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn rewrites_are_shown() {
    for (source, expected) in [
        ("map: { title: h1, h2 }", "title: h1, h2"),
        ("map: { a: .x == \"y, z\" }", "a: .x == \"y, z\""),
        ("d: a: b: c", "d: \"a: b: c\""),
        ("d: \"a\": b", "d: '\"a\": b'"),
        ("x: #main h1", "x: \"#main h1\""),
        ("x: foo #bar", "\"foo #bar\""),
        ("x: @foo", "x: \"@foo\""),
        ("x: [.a, .b] | add", "x: =[.a, .b] | add"),
        ("x: {a: .b} | c", "x: \"={a: .b} | c\""),
        ("x: \"a\" b", "x: '\"a\" b'"),
    ] {
        assert!(helps(source).contains(expected), "{source}: {}", helps(source));
    }
}

#[test]
fn comments_that_are_meant_are_left_alone() {
    for source in ["x: foo # bar", "x: foo   # $title", "x: 1 ## note", "x: # about y\n  y: 1", "#head\nx: 'a #b' #c"] {
        assert_eq!(read(source).0, Vec::<String>::new(), "{source}");
    }
}

#[test]
fn scalars_keep_their_spelling() {
    for text in
        ["NO", "01234", "+33612345678", "1234567890123456789", "1e3", ".5", "0x1F", "2026-01-01", "yes", "1_000"]
    {
        let scalar = text_of(&format!("a: {text}"));
        assert_eq!(scalar.text, text);
        assert_eq!(scalar.number(), None, "{text}");
        assert_eq!(scalar.truth(), None, "{text}");
    }
    assert_eq!(text_of("a: 12").number(), Some(12.into()));
    assert_eq!(text_of("a: -1.5").number().map(|n| n.to_string()), Some("-1.5".to_owned()));
    assert_eq!(text_of("a: true").truth(), Some(true));
    assert_eq!(text_of("a: \"12\"").number(), None);
    assert_eq!(text_of("a: 'true'").truth(), None);
}

#[test]
fn several_broken_values_are_all_reported_and_the_rest_is_read() {
    let (problems, node) = read("a: b: c\nb: @x\nc:\n  d: [x] y\n  e: fine\nf: #g\n");
    assert_eq!(problems, ["JP012:1:5", "JP013:2:4", "JP013:4:6", "JP010:6:4"]);
    let node = node.unwrap();
    let keys: Vec<&str> = node.entries().unwrap().iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(keys, ["a", "b", "c", "f"]);
}

#[test]
fn a_place_in_the_text_is_found_in_the_file() {
    for (source, find) in [
        ("a: .title | trimm", "trimm"),
        ("a: 'it''s .x | trimm'", "trimm"),
        ("a: \"a\\tb \\u00e9 trimm\"", "trimm"),
        ("a: |\n  line é\n  two trimm\n", "trimm"),
        ("a: |\n    if .x\n      then trimm\n", "trimm"),
        ("a: foo\n   bar\n\n   trimm", "trimm"),
        ("a: >\n  foo\n  bar trimm\n", "trimm"),
    ] {
        let (_, node) = read(source);
        let node = node.unwrap();
        let value = &node.entries().unwrap().first().unwrap().value;
        let Kind::Scalar(scalar) = &value.kind else { panic!("{source}") };
        let offset = scalar.text.find(find).unwrap();
        assert_eq!(value.locate(source, offset), source.find(find).unwrap(), "{source:?}");
        assert!(value.locate(source, 9_999) <= source.len());
    }
}

#[test]
fn budgets_end_the_reading() {
    let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
    let laughs = "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n";
    assert_eq!(read(&"x".repeat(MAX_BYTES + 1)).0, ["JP002:1:1"]);
    assert!(!read(&deep).0.is_empty());
    assert!(read(laughs).0.iter().all(|place| place.starts_with("JP004")));
    assert_eq!(read(&format!("a: [{}]", "x,".repeat(MAX_NODES + 5))).0.len(), 1);
}

#[test]
fn rendering_shows_the_line() {
    let source = "name: acme\ncrawl:\n  html: a: b\n";
    let mut problems = Problems::new(source, "acme.yml");
    parse(&mut problems);
    insta::assert_snapshot!(render_all(&problems.finish(), source, Style::Plain));
}

#[test]
fn text_is_quoted_when_it_must_be() {
    for text in [
        "a", "a: b", "#x", "it's", "", " a", "12", "true", "null", "a\"b\\", "a\nb", "é", "- a", "x #y", "a:", "---",
        "=.a",
    ] {
        let written = if plain_is_safe(text) { text.to_owned() } else { quoted(text) };
        assert_eq!(text_of(&format!("a: {written}")).text, text, "{written}");
    }
}
