//! From a record to a post, and which pages there are.

use crate::harness::{OTHER, TARGET, bench_of, export, offer, row, simulator};
use jobpipe_core::{EffectAnswer, EffectCall, Op, Rendered, Sink};
use serde_json::{Value as Json, json};

const NOWHERE: &str = "http://127.0.0.1:9";

fn rendered(sink: &dyn Sink, target: &str, body: &Json) -> (jobpipe_core::Content, Json) {
    match sink.render(&row(target, "1"), body).unwrap() {
        Rendered::Content { content, payload } => (content, payload),
        Rendered::Nothing => panic!("it is for this page"),
    }
}

#[test]
fn the_marker_is_in_the_link_and_the_comparison_ignores_it() {
    let sink = bench_of(NOWHERE, export(&["acme-paris"], None, "$title for $page.name", Some(".url"))).sink;
    let marker = sink.marker(&row(TARGET, "1"));
    let (content, payload) =
        rendered(&sink, TARGET, &json!({"title": "Nurse", "url": "https://a.test/1?x=%20y#apply"}));
    assert_eq!(
        payload,
        json!({"message": "Nurse for acme-paris", "link": format!("https://a.test/1?x=%20y&jp={marker}#apply")})
    );
    assert_eq!(content.identity, "https://a.test/1?x=%20y#apply");
    let (other, _) = rendered(&sink, TARGET, &json!({"title": "Doctor", "url": "https://a.test/1?x=%20y#apply"}));
    assert!(other.identity == content.identity && other.hash != content.hash);
    let (moved, _) = rendered(&sink, TARGET, &json!({"title": "Nurse", "url": "https://a.test/2"}));
    assert!(moved.identity != content.identity && moved.hash != content.hash);
    assert_eq!(rendered(&sink, TARGET, &json!({"title": "Nurse", "url": "https://a.test/2"})).0, moved);
}

#[test]
fn a_post_without_link_carries_its_marker_in_the_last_line() {
    let sink = bench_of(NOWHERE, export(&["acme-paris"], None, "$title", Some(".url"))).sink;
    let marker = sink.marker(&row(TARGET, "1"));
    let (content, payload) = rendered(&sink, TARGET, &json!({"title": "Nurse", "url": null}));
    assert_eq!(payload, json!({"message": format!("Nurse\n#ref {marker}")}));
    assert_eq!(content.identity, "");
}

#[test]
fn where_lets_only_true_through_and_knows_the_page() {
    let sink = bench_of(NOWHERE, export(&["acme-paris"], Some(".state == $page.state"), "$title", None)).sink;
    let body = json!({"title": "Nurse", "state": "IDF"});
    assert!(matches!(sink.render(&row(TARGET, "1"), &body), Ok(Rendered::Content { .. })));
    assert_eq!(sink.render(&row(OTHER, "1"), &body), Ok(Rendered::Nothing));
    let truthy = bench_of(NOWHERE, export(&["acme-paris"], Some(".state"), "$title", None)).sink;
    assert_eq!(truthy.render(&row(TARGET, "1"), &body), Ok(Rendered::Nothing), "a text is not true");
    let current = bench_of(NOWHERE, export(&["acme-paris"], Some(".until > $now"), "$title", None)).sink;
    let until = |until: &str| current.render(&row(TARGET, "1"), &json!({"title": "Nurse", "until": until}));
    assert_eq!(until("2020-01-01T00:00:00Z"), Ok(Rendered::Nothing));
    assert!(matches!(until("2999-01-01T00:00:00Z"), Ok(Rendered::Content { .. })));
}

#[test]
fn what_makes_no_post_is_an_error_that_names_the_record() {
    let sink = bench_of(NOWHERE, export(&["acme-paris"], None, "=.title", Some(".url"))).sink;
    let long = "x".repeat(70_000);
    for (body, part) in [
        (json!({}), "both `message` and `link` are empty"),
        (json!({"title": "  ", "url": ""}), "both `message` and `link` are empty"),
        (json!({"title": "a", "url": "/jobs/1"}), "`link` is no address"),
        (json!({"title": "a", "url": "javascript:alert(1)"}), "no http or https"),
        (json!({"title": ["a"]}), "`message` is a list"),
        (json!({"title": long}), "70000 characters"),
    ] {
        let error = sink.render(&row(TARGET, "key-1"), &body).unwrap_err();
        assert!(error.message.contains(part) && error.message.contains("key-1"), "{}", error.message);
        assert_eq!(error.code, "JP310");
    }
    let missing = bench_of(NOWHERE, export(&["acme-paris"], None, "$title in $city", None)).sink;
    let error = missing.render(&row(TARGET, "key-1"), &json!({"title": "a"})).unwrap_err();
    assert!(error.code == "JP052" && error.message.contains("$city"), "{error:?}");
}

#[tokio::test]
async fn a_page_that_the_export_names_no_more_can_still_be_settled() {
    let sim = simulator().await;
    let bench = bench_of(&sim.base_url, export(&["acme-paris"], None, "$title", Some(".url")));
    let row = row(OTHER, "1");
    let payload = bench.payload(&row, &offer("1"));
    let answer = bench.sink.apply(OTHER, &EffectCall { row, op: Op::Create, post: None, payload }).await;
    assert!(matches!(answer, EffectAnswer::Done { .. }), "{answer:?}");
}

#[test]
fn targets_are_the_pages_that_the_settings_know() {
    let targets = |names: &[&str]| bench_of(NOWHERE, export(names, None, "$title", None)).sink.targets();
    let two = targets(&["acme-lyon", "acme-paris", "acme-lyon"]).unwrap();
    let ids: Vec<&str> = two.iter().map(|target| target.id.as_str()).collect();
    assert_eq!(ids, [OTHER, TARGET]);
    for (names, part, code) in [
        (&[][..], "names no page", "JP064"),
        (&["acme-pari"], "no page `acme-pari`", "JP309"),
        (&["acme-nice"], "$FB_NICE is not set", "JP302"),
    ] {
        let error = targets(names).unwrap_err();
        assert!(error.message.contains(part) && error.code == code, "{error:?}");
    }
}
