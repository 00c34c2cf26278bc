//! Answers made to hurt: each ends as a record, a dead letter or a failed request, and what is given can be kept.

use std::path::Path as Folder;

use axum::Router;
use axum::routing::get;
use jobpipe_core::Outcome;
use serde_json::{Value as Json, json};

use crate::drive::{Crawl, Site};

/// Crawls one answer.
async fn crawl(content_type: &'static str, body: impl Into<Vec<u8>>, below: &str) -> Outcome {
    let body = axum::body::Bytes::from(body.into());
    let answer = move || async move { ([("content-type", content_type)], body) };
    let site = Site::serve(Router::new().route("/", get(answer))).await;
    let import = format!("crawl:\n  {}\n", below.replace("URL", &site.url("/")).replace('\n', "\n  "));
    Crawl::new(&import, &[&site], Folder::new("/nowhere")).run().await
}

async fn json(body: impl Into<Vec<u8>>, below: &str) -> Outcome {
    crawl("application/json", body, &format!("json: URL\n{below}")).await
}

/// A record of so many levels, its own map among them.
fn nested(id: usize, levels: usize) -> String {
    format!("{{\"id\":{id},\"x\":{}1{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1))
}

fn code_of_failure(outcome: &Outcome) -> &str {
    let [(_, error)] = outcome.failed.as_slice() else { panic!("{:?}", outcome.failed) };
    &error.code
}

/// `drive` proves of each outcome that it can be written and read back, as a batch, a dead letter or a child's answer is.
#[tokio::test]
async fn a_record_is_never_deeper_than_what_can_be_read_back() {
    let records: Vec<String> = [2, 99, 100, 101, 120, 125].into_iter().map(|levels| nested(levels, levels)).collect();
    let body = format!("{{\"data\":[{}]}}", records.join(","));
    let outcome = json(body.clone(), "items: .data").await;
    let ids: Vec<&Json> = outcome.records.iter().map(|record| &record.body["id"]).collect();
    assert_eq!(ids, [&json!(2), &json!(99), &json!(100)]);
    assert_eq!(outcome.dead.len(), 3);
    for dead in &outcome.dead {
        assert_eq!(dead.error.code, "JP148");
        // One level more than a record may have is the room for what is around a record: kept whole.
        let whole = dead.input["id"] == 101;
        assert!(whole || dead.input.as_str().is_some_and(|text| text.starts_with("{\"id\":1") && text.len() <= 4_096));
        assert!(dead.error.message.contains("100 levels") && dead.error.message.contains("tojson"), "{:?}", dead.error);
    }
    // What is not taken does no harm.
    let outcome = json(body.clone(), "items: .data\nextract: { id: .id }").await;
    assert_eq!((outcome.records.len(), outcome.dead.len()), (6, 0));
    // An expression makes what is deeper still.
    let outcome = json(body, "items: .data\nextract: { id: .id, x: \"=reduce range(150) as $i (1; [.])\" }").await;
    assert_eq!((outcome.records.len(), outcome.dead.len()), (0, 6));
    // What fails for another reason is no deeper in its dead letter.
    let failing = json(format!("[{}]", nested(1, 126)), "extract: { id: .id | error }").await;
    assert!(failing.dead[0].input.is_string());
    // Nor is what is no record at all.
    let outcome = json(format!("[{}1{}]", "[".repeat(120), "]".repeat(120)), "items: .").await;
    assert_eq!((outcome.dead[0].error.code.as_str(), outcome.dead[0].input.is_string()), ("JP143", true));
}

#[tokio::test]
async fn an_answer_deeper_than_the_parser_takes_fails_at_its_place() {
    for levels in [128, 100_000] {
        for body in [format!("{}{}", "[".repeat(levels), "]".repeat(levels)), "{\"a\":".repeat(levels)] {
            let outcome = json(body, "items: .data").await;
            assert_eq!(code_of_failure(&outcome), "JP124");
            let message = &outcome.failed[0].1.message;
            assert!(message.contains("line 1 column"), "{message}");
        }
    }
}

#[tokio::test]
async fn a_number_that_is_too_large_keeps_its_spelling() {
    let body = r#"{"data": [
        {"id": 123456789012345678901234567890, "n": 1.5e400}, {"id": 18446744073709551615, "n": 0.1},
        {"id": -9223372036854775809, "n": 9007199254740993}, {"id": 123456789012345678901234567891, "n": -1e-400}]}"#;
    let outcome = json(body, "items: .data").await;
    let bodies: Vec<&Json> = outcome.records.iter().map(|record| &record.body).collect();
    assert_eq!(
        bodies,
        [
            &json!({"id": "123456789012345678901234567890", "n": "1.5e400"}),
            &json!({"id": 18_446_744_073_709_551_615_u64, "n": 0.1}),
            &json!({"id": "-9223372036854775809", "n": 9_007_199_254_740_993_u64}),
            &json!({"id": "123456789012345678901234567891", "n": -0.0}),
        ]
    );
}

#[tokio::test]
async fn strange_characters_come_through_as_they_are() {
    let title = "a\u{0}b\u{1b}[2J\u{202e}c\u{2066}d\u{feff}e\r\nf\u{ffff}";
    let body = json!([{ "id": 1, "title": title, "\u{0}key\u{202e}": 1 }]).to_string();
    let outcome = json(body, "items: .").await;
    assert_eq!(outcome.records[0].body["title"], title);
    // HTML has no NUL: the standard drops it in text and puts U+FFFD in its place in attributes.
    let page = format!("<h1 title=\"x\0y\">{title}</h1>");
    let outcome = crawl("text/html", page, "html: URL\nextract: { title: h1, at: h1 @title }").await;
    let body = &outcome.records[0].body;
    assert_eq!(body["at"], "x\u{fffd}y");
    assert!(body["title"].as_str().is_some_and(|title| title.contains('\u{202e}') && !title.contains('\0')), "{body}");
}

#[tokio::test]
async fn a_wrong_label_makes_no_other_text() {
    let french = "Développeur à Zürich, salaire élevé, équipe expérimentée";
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(french.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let (latin, _, _) = encoding_rs::WINDOWS_1252.encode(french);
    let quoted = |bytes: &[u8]| [b"{\"t\":\"", bytes, b"\"}"].concat();
    for (content_type, body) in [
        ("application/json; charset=iso-8859-1", quoted(french.as_bytes())),
        ("application/json; charset=utf-16", quoted(french.as_bytes())),
        ("application/json; charset=utf-8", quoted(&latin)),
        ("application/json; charset=nonsense", quoted(&latin)),
        ("application/json; charset=\"", quoted(french.as_bytes())),
        ("text/plain", quoted(french.as_bytes())),
    ] {
        let outcome = crawl(content_type, body, "json: URL").await;
        assert_eq!(outcome.records[0].body["t"], french, "{content_type}");
    }
    for (content_type, body) in [
        ("text/html; charset=utf-7", [b"<h1>", french.as_bytes()].concat()),
        ("text/html; charset=shift_jis", [b"<h1>", french.as_bytes()].concat()),
        ("text/html; charset=utf-8", [b"<h1>".as_slice(), &latin].concat()),
    ] {
        let outcome = crawl(content_type, body, "html: URL\nextract: { t: h1 }").await;
        assert_eq!(outcome.records[0].body["t"], french, "{content_type}");
    }
    // A byte order mark alone is no page.
    let outcome = crawl("text/html", utf16, "html: URL\nextract: { t: body }").await;
    assert_eq!(outcome.records[0].body["t"], french);
}

#[tokio::test]
async fn pages_that_grow_without_end_are_refused() {
    let large = |piece: &str| piece.repeat((7 << 18) / piece.len());
    let page = |text: &str| format!("<html><body>{text}");
    for (name, body, code) in [
        ("nested elements", page(&"<div>".repeat(100_000)), "JP121"),
        (
            "many long tags",
            format!("<p {}>", (0..3_000).map(|n| format!("a{n} ")).collect::<String>()).repeat(30),
            "JP121",
        ),
        ("nested tables", page(&large("<table><tr><td>")), "JP121"),
        ("nested formatting", page(&large("<b><i>")), "JP121"),
        ("attributes", format!("<p {}>", large("a1 ")), "JP121"),
        ("siblings", page(&large("<p>a")), "JP121"),
        ("text", page(&"a".repeat(11 << 20)), "JP111"),
    ] {
        let outcome = crawl("text/html", body, "html: URL\nextract: { t: h1 }").await;
        assert_eq!(code_of_failure(&outcome), code, "{name}");
    }
    // Large, and yet a page.
    for piece in ["word ", "&amp;", "<!-- -->", "</p></x>"] {
        let outcome =
            crawl("text/html", page(&piece.repeat(10_000)), "html: URL\nextract: { t: title, b: body }").await;
        assert_eq!((outcome.failed.len(), outcome.records.len()), (0, 1), "{piece}");
    }
}
